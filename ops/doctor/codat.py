"""Checks of Codat: the key, and what Codat answers to it."""

from typing import Final

from aws_lambda_powertools.utilities.parameters import SecretsProvider
from botocore.exceptions import ClientError

from codat_sync.api_key import ApiKeyUnusable, SecretApiKey
from codat_sync.codat.errors import CodatError, Unauthorized
from ops.doctor.finding import Finding, green, red, unanswered, yellow
from ops.doctor.subject import Subject
from ops.pause import in_force

LOW_PERCENT: Final = 10
"""Below this share of the day's quota, live events may soon have to wait for the next day."""


def secret(subject: Subject) -> Finding:
    """Check that the secret is there, and holds what can be a key.

    Raise ``ClientError`` where the caller may not read it: that says nothing of the functions.
    """
    name = subject.stack.parameter("CodatApiKeySecretName")
    try:
        SecretApiKey(SecretsProvider(boto3_client=subject.client("secretsmanager")), name)()
    except ApiKeyUnusable as error:
        if (denial := _denial(error)) is not None:
            raise denial from error
        return red(str(error), f"store the bare key as plain text in the secret {name}: docs/deploy.md, The key")
    return green(f"{name} holds what can be a key")


def answer(subject: Subject) -> Finding:
    """Check that Codat accepts the key, and say in which dialect it answers. Makes one call, which changes nothing."""
    address = subject.stack.parameter("CodatBaseUrl")
    try:
        settings = subject.stack.codat.get_account_sync_settings()
    except ApiKeyUnusable:
        return unanswered("not asked: the key cannot be read")
    except Unauthorized as refusal:
        return red(f"{address} refuses the key: {refusal}", "store the key of this Codat account: runbook, API key")
    except CodatError as error:
        return red(f"{address}: {error}", f"docs/runbook.md says what to do about `{error.reason}`")
    shown = settings.dialect
    chosen = subject.stack.parameters.get("CodatSyncScheduleFormat", "auto")
    if shown is None:
        return green(f"{address} accepts the key; the account shows no schedule, so its dialect is not known yet")
    if chosen not in {"auto", shown.value}:
        return yellow(
            f"{address} accepts the key, and answers in the dialect {shown.value}",
            f"set CodatSyncScheduleFormat to auto or {shown.value}: it is {chosen}",
        )
    return green(f"{address} accepts the key; dialect {shown.value}")


def quota(subject: Subject) -> Finding:
    """Check what is left of the day's quota, according to the answer to the check before."""
    limits = subject.stack.codat.rate_limit
    if limits.limit is None or limits.remaining is None:
        return unanswered("Codat has not told its quota")
    words = f"{limits.remaining:,} of {limits.limit:,} calls are left today"
    if limits.remaining * 100 >= limits.limit * LOW_PERCENT:
        return green(words)
    return yellow(words, "find out which application uses the quota up; events wait until 00:00 UTC once it is gone")


def pause(subject: Subject) -> Finding:
    """Check that no pause keeps the functions from Codat."""
    standing = in_force(subject.stack.pause, subject.now())
    if standing is None:
        return green("none in force")
    words = f"until {standing.until:%Y-%m-%d %H:%M} UTC: {standing.reason}: {standing.words}"
    return red(words, "remove its cause, then `codat-sync pause lift --apply`: runbook, Pause")


def _denial(error: ApiKeyUnusable) -> ClientError | None:
    """Return AWS's refusal to show the secret, if that is what it was: the context of Powertools' own error."""
    cause = error.__cause__.__context__ if error.__cause__ is not None else None
    if isinstance(cause, ClientError) and cause.response["Error"]["Code"] == "AccessDeniedException":
        return cause
    return None
