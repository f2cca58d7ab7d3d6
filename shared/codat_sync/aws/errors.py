"""AWS's own trouble, in one table: which error of botocore means what.

::

    ClientError, BotoCoreError, ResponseParserError
    ├── throttling codes, 429                        AwsThrottled
    ├── other 5xx codes, time-outs, no connection    AwsUnavailable
    ├── access denied, no or expired credentials     AwsDenied
    ├── no such table, queue, secret, bus            AwsResourceMissing
    ├── no time left for the call                    OutOfTime
    └── the rest: a request that is wrong            None, a bug of ours

https://docs.aws.amazon.com/awssupport/latest/user/aws-common-errors.html, and each service's API reference.
"""

from typing import Any, Final

from botocore import exceptions as botocore
from botocore.parsers import ResponseParserError

from codat_sync.deadline import OutOfTime
from codat_sync.errors import TransientError

_LONGEST_WORDS: Final = 300


class AwsThrottled(TransientError):
    """AWS refused a call because there were too many. The event's own back-off spreads the calls."""

    reason = "aws_throttled"


class AwsUnavailable(TransientError):
    """AWS gave no answer in time, or one that names a failure of its own. The call may have had its effect."""

    reason = "aws_unavailable"


class AwsDenied(TransientError):
    """AWS did not allow a call: a permission, a key's policy, or the credentials. Correcting that is enough."""

    reason = "aws_denied"


class AwsResourceMissing(TransientError):
    """A table, queue, secret or bus does not exist. Restoring it, or deploying again, is enough."""

    reason = "aws_resource_missing"


class CallNotStarted(botocore.BotoCoreError):
    """The function's time does not allow another call to AWS: nothing was sent."""

    fmt = "the function's time does not allow {service} {operation}"


_BY_CLASS: Final[tuple[tuple[tuple[type[Exception], ...], type[TransientError]], ...]] = (
    ((CallNotStarted,), OutOfTime),
    (
        (
            botocore.HTTPClientError,
            botocore.ConnectionError,
            botocore.IncompleteReadError,
            botocore.ChecksumError,
            botocore.FlexibleChecksumError,
            botocore.MetadataRetrievalError,
            ResponseParserError,  # Not AWS's answer, such as a proxy's page.
        ),
        AwsUnavailable,
    ),
    (
        (
            botocore.NoCredentialsError,
            botocore.PartialCredentialsError,
            botocore.CredentialRetrievalError,
            botocore.TokenRetrievalError,
            botocore.NoAuthTokenError,
            botocore.SSOError,
            botocore.LoginError,
            botocore.RefreshWithMFAUnsupportedError,
        ),
        AwsDenied,
    ),
)
"""What a call meets before AWS answers it. The other classes of botocore name a wrong request or configuration."""

_BY_CODE: Final[dict[str, type[TransientError]]] = {
    code: kind
    for kind, codes in {
        AwsThrottled: """
            BandwidthLimitExceeded EC2ThrottledException KmsThrottled LimitExceededException OverLimit
            PriorRequestNotComplete ProvisionedThroughputExceededException RequestLimitExceeded RequestThrottled
            RequestThrottledException SlowDown ThrottledException Throttling ThrottlingException
            TooManyRequestsException TransactionInProgressException
        """,
        AwsUnavailable: """
            InternalError InternalException InternalFailure InternalServerError InternalServerException
            InternalServiceError InternalServiceErrorException ReplicatedWriteConflictException RequestTimeout
            RequestTimeoutException ServiceUnavailable ServiceUnavailableException
        """,
        AwsDenied: """
            AccessDenied AccessDeniedException AuthFailure DecryptionFailure DisabledException ExpiredToken
            ExpiredTokenException IncompleteSignature IncompleteSignatureException InvalidAccessKeyId
            InvalidClientTokenId InvalidKeyUsageException InvalidSecurity InvalidSignatureException
            InvalidStateException KmsAccessDenied KMSAccessDeniedException KmsDisabled KmsInvalidKeyUsage
            KmsInvalidState KMSInvalidStateException KmsOptInRequired MissingAuthenticationToken
            MissingAuthenticationTokenException NotAuthorized OptInRequired OptInRequiredException RequestExpired
            RequestTimeTooSkewed SignatureDoesNotMatch UnauthorizedOperation UnrecognizedClientException
        """,
        AwsResourceMissing: """
            KMSNotFoundException KmsNotFound NoSuchEntity NonExistentQueue NotFoundException QueueDeletedRecently
            QueueDoesNotExist ResourceNotFoundException TableNotFoundException
        """,
    }.items()
    for code in codes.split()
}
"""What AWS answers, by the last part of its code: SQS writes "AWS.SimpleQueueService.NonExistentQueue"."""
_BY_STATUS: Final[dict[int, type[TransientError]]] = {401: AwsDenied, 403: AwsDenied, 429: AwsThrottled}
"""For codes that are not in the table: AWS adds codes without notice."""
_FIRST_SERVER_ERROR: Final = 500


def trouble_of_aws(error: Exception) -> TransientError | None:
    """Return what an error of botocore means, in the words of AWS. None: it is another error, or a wrong request."""
    if isinstance(error, botocore.ClientError):
        kind = _kind_of_answer(error)
    else:
        kind = next((kind for classes, kind in _BY_CLASS if isinstance(error, classes)), None)
    return None if kind is None else kind(_words(error))


def passes_by_itself(error: Exception) -> bool:
    """Return whether waiting is enough: throttling, an outage, or no time left. A denied call needs a person."""
    return isinstance(trouble_of_aws(error), AwsThrottled | AwsUnavailable | OutOfTime)


def _kind_of_answer(error: botocore.ClientError) -> type[TransientError] | None:
    code = _code(error)
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", code if code.isdigit() else 0))
    known = _BY_CODE.get(code.rpartition(".")[2]) or _BY_STATUS.get(status)
    return known or (AwsUnavailable if status >= _FIRST_SERVER_ERROR else None)


def _code(error: botocore.ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _words(error: Exception) -> str:
    """Return service, operation, code and message, without what may be a secret.

    AWS quotes a request whose signature it refuses from the second line of its message on, and the URL of AppConfig
    has a token in its query.
    """
    if isinstance(error, botocore.ClientError):
        metadata: Any = error.response.get("ResponseMetadata", {})
        operation = " ".join(filter(None, (metadata.get("Service"), error.operation_name)))
        message = error.response.get("Error", {}).get("Message") or "no message"
        words = f"{operation}: {_code(error)}: {message}"
    else:
        words = f"{type(error).__name__}: {error}".partition("?")[0]
    return words.partition("\n")[0][:_LONGEST_WORDS]
