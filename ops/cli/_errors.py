"""Every expected error, as the lines and the exit code with which a command ends.

``OpsError`` and the errors of ``codat_sync`` say in their own words what is wrong. The words of boto3 are replaced.
"""

from dataclasses import dataclass
from typing import Final

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOTokenLoadError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)
from botocore.exceptions import (
    ConnectionError as NoConnection,
)

from codat_sync.api_key import ApiKeyUnusable
from codat_sync.codat.errors import CodatError
from codat_sync.errors import SyncError
from codat_sync.presets.file import InvalidPresets
from codat_sync.presets.preset import UnknownPlan
from ops.cli.exit_codes import BAD_INPUT, NOT_REACHED
from ops.errors import InvalidEvents, OpsError

_EXPIRED: Final = frozenset(
    {"AuthFailure", "ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException"}
)
_FORBIDDEN: Final = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})
_RENEW: Final = "sign in again (`aws sso login`), or choose another profile with AWS_PROFILE"


@dataclass(frozen=True)
class Problem:
    """An error for people: one line for each fact, a hint where there is one, and the exit code."""

    facts: str
    exit_code: int
    hint: str | None = None


def problem_of(error: Exception) -> Problem | None:
    """Describe an expected error. Return None for any other, which is a fault of this tool."""
    problem: Problem | None = None
    match error:
        case OpsError():
            exit_code = BAD_INPUT if isinstance(error, InvalidEvents) else NOT_REACHED
            problem = Problem(str(error), exit_code, error.hint)
        case InvalidPresets() | UnknownPlan():
            problem = Problem(str(error), BAD_INPUT)
        case UnicodeDecodeError():
            problem = Problem(f"not UTF-8, at byte {error.start}", BAD_INPUT)
        case CodatError() | ApiKeyUnusable():
            problem = Problem(f"Codat: {error}", NOT_REACHED, _in_runbook(error.reason))
        case SyncError():
            problem = Problem(str(error), NOT_REACHED, _in_runbook(error.reason))
        case ClientError():
            problem = _refused(error)
        case BotoCoreError():
            problem = _not_reached(error)
    return problem


def _in_runbook(reason: str) -> str:
    return f"docs/runbook.md says what to do about `{reason}`"


def _refused(error: ClientError) -> Problem:
    code, words = (str(error.response["Error"].get(name, "")) for name in ("Code", "Message"))
    hint = None
    if code in _EXPIRED:
        hint = _RENEW
    elif code in _FORBIDDEN:
        hint = "docs/runbook.md lists the permissions that the on-call needs"
    return Problem(_one_line(f"AWS refused {error.operation_name}: {code}: {words}"), NOT_REACHED, hint)


def _not_reached(error: BotoCoreError) -> Problem:
    match error:
        case NoRegionError():
            fact, hint = "no AWS region is set", "set AWS_REGION, or choose a profile with AWS_PROFILE"
        case NoCredentialsError() | PartialCredentialsError():
            fact, hint = "no AWS credentials are set", "choose a profile with AWS_PROFILE, or run `aws configure`"
        case CredentialRetrievalError() | SSOTokenLoadError() | TokenRetrievalError() | UnauthorizedSSOTokenError():
            fact, hint = "the AWS credentials cannot be used", _RENEW
        case ProfileNotFound():
            fact = f"there is no AWS profile {error.kwargs['profile']!r}"
            hint = "`aws configure list-profiles` lists the profiles for AWS_PROFILE"
        case HTTPClientError() | NoConnection():
            address = error.kwargs.get("endpoint_url") or "its endpoint"
            fact, hint = f"AWS did not answer at {address}", "check the network and AWS_REGION"
        case _:
            return Problem(_one_line(f"AWS: {error}"), NOT_REACHED)
    return Problem(fact, NOT_REACHED, hint)


def _one_line(words: str) -> str:
    return " ".join(words.split())
