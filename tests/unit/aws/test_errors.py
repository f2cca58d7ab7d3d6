"""Each error of botocore has one meaning: trouble of AWS's, with a reason of its own, or a wrong request of ours."""

import inspect
from typing import Any, Final

import pytest
from botocore import exceptions
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError
from botocore.retries import standard

from codat_sync.aws.errors import (
    AwsDenied,
    AwsResourceMissing,
    AwsThrottled,
    AwsUnavailable,
    CallNotStarted,
    trouble_of_aws,
)
from codat_sync.deadline import OutOfTime
from codat_sync.errors import TransientError

NOT_FROM_CALLS: Final = {
    *("AwsChunkedWrapperError", "CapacityNotAvailableError", "UnseekableStreamError", "MD5UnavailableError"),
    *("StubAssertionError", "StubResponseError", "UnStubbedResponseError", "WaiterConfigError", "WaiterError"),
}
WRONG_REQUEST_OR_CONFIGURATION: Final = (
    *(
        "AliasConflict",
        "ApiVersion",
        "Config",
        "DataNotFound",
        "EndpointP",
        "EndpointR",
        "EndpointV",
        "InfiniteLoop",
        "Invalid",
        "Missing",
    ),
    *("NoRegion", "OperationNotPageable", "Pagination", "ParamValidation", "Profile", "Range", "ServiceNotInRegion"),
    *("Unknown", "Unsupported", "Validation", "BaseEndpoint"),
)
"""How the names of the other classes of botocore begin. No wait mends one of these."""
CLASSES: Final = [
    each
    for _, each in inspect.getmembers(exceptions, inspect.isclass)
    if issubclass(each, BotoCoreError) and each is not BotoCoreError and each.__module__ == exceptions.__name__
]


def answered(code: str, status: int = 400, message: str = "no", **metadata: str) -> ClientError:
    response: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status, **metadata},
    }
    return ClientError(response, "UpdateItem")


def codes_of(checker: type, name: str) -> list[str]:
    """Return a list of codes by which botocore itself decides what to retry."""
    codes: list[str] = vars(checker)[name]
    return codes


def kind_of(error: Exception) -> type[TransientError] | None:
    trouble = trouble_of_aws(error)
    return None if trouble is None else type(trouble)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("ThrottlingException", AwsThrottled),
        ("ProvisionedThroughputExceededException", AwsThrottled),
        ("RequestLimitExceeded", AwsThrottled),
        ("Throttling", AwsThrottled),
        ("SlowDown", AwsThrottled),
        ("KMS.ThrottlingException", AwsThrottled),
        ("OverLimit", AwsThrottled),
        ("AWS.SimpleQueueService.OverLimit", AwsThrottled),
        ("InternalServerError", AwsUnavailable),
        ("ServiceUnavailable", AwsUnavailable),
        ("InternalFailure", AwsUnavailable),
        ("RequestTimeout", AwsUnavailable),
        ("AccessDenied", AwsDenied),
        ("AccessDeniedException", AwsDenied),
        ("UnrecognizedClientException", AwsDenied),
        ("ExpiredToken", AwsDenied),
        ("ExpiredTokenException", AwsDenied),
        ("InvalidClientTokenId", AwsDenied),
        ("KMS.AccessDeniedException", AwsDenied),
        ("KMS.DisabledException", AwsDenied),
        ("KmsAccessDenied", AwsDenied),
        ("DecryptionFailure", AwsDenied),
        ("ResourceNotFoundException", AwsResourceMissing),
        ("QueueDoesNotExist", AwsResourceMissing),
        ("AWS.SimpleQueueService.NonExistentQueue", AwsResourceMissing),
        ("KMS.NotFoundException", AwsResourceMissing),
        ("ValidationException", None),
        ("ConditionalCheckFailedException", None),
        ("InvalidParameterValue", None),
    ],
)
def test_a_code_of_aws_has_one_meaning(code: str, kind: type[TransientError] | None) -> None:
    assert kind_of(answered(code)) is kind


@pytest.mark.parametrize("code", codes_of(standard.ThrottledRetryableChecker, "_THROTTLED_ERROR_CODES"))
def test_what_botocore_takes_for_throttling_is_throttling(code: str) -> None:
    assert kind_of(answered(code)) is AwsThrottled


@pytest.mark.parametrize("code", codes_of(standard.TransientRetryableChecker, "_TRANSIENT_ERROR_CODES"))
def test_what_botocore_takes_for_transient_is_deferred(code: str) -> None:
    assert kind_of(answered(code)) in {AwsThrottled, AwsUnavailable}


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, None),
        (401, AwsDenied),
        (403, AwsDenied),
        (429, AwsThrottled),
        (500, AwsUnavailable),
        (503, AwsUnavailable),
    ],
)
def test_a_code_that_is_not_in_the_table_counts_by_its_status(status: int, kind: type[TransientError] | None) -> None:
    assert kind_of(answered("NewInTheYear2030", status)) is kind


def test_where_an_answer_has_no_code_botocore_puts_the_status_there() -> None:
    assert kind_of(ClientError({"Error": {"Code": "503", "Message": "<html>"}}, "GetItem")) is AwsUnavailable


def test_an_answer_without_anything_in_it_is_no_error_of_this_code() -> None:
    assert kind_of(ClientError({}, "GetItem")) is None


@pytest.mark.parametrize("kind", CLASSES, ids=lambda each: each.__name__)
def test_every_class_of_botocore_is_trouble_of_aws_or_named_as_a_wrong_request(kind: type[Exception]) -> None:
    error = kind.__new__(kind)
    Exception.__init__(error, "no")
    wrong = kind.__name__.startswith(WRONG_REQUEST_OR_CONFIGURATION) or kind.__name__ in NOT_FROM_CALLS
    assert (kind_of(error) is None) is wrong


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (exceptions.ConnectTimeoutError(endpoint_url="https://sqs"), AwsUnavailable),
        (exceptions.ReadTimeoutError(endpoint_url="https://sqs"), AwsUnavailable),
        (exceptions.EndpointConnectionError(endpoint_url="https://sqs"), AwsUnavailable),
        (exceptions.ConnectionClosedError(endpoint_url="https://sqs"), AwsUnavailable),
        (exceptions.SSLError(endpoint_url="https://sqs", error=OSError("self-signed")), AwsUnavailable),
        (exceptions.ProxyConnectionError(proxy_url="http://p"), AwsUnavailable),
        (ResponseParserError("no XML"), AwsUnavailable),
        (exceptions.NoCredentialsError(), AwsDenied),
        (exceptions.CredentialRetrievalError(provider="container-role", error_msg="404"), AwsDenied),
        (exceptions.ParamValidationError(report="no"), None),
        (CallNotStarted(service="DynamoDB", operation="UpdateItem"), OutOfTime),
        (ZeroDivisionError(), None),
    ],
    ids=lambda each: type(each).__name__,
)
def test_what_a_call_meets_before_an_answer_has_one_meaning(
    error: Exception, kind: type[TransientError] | None
) -> None:
    assert kind_of(error) is kind


def test_the_words_name_service_operation_code_and_what_aws_says() -> None:
    trouble = trouble_of_aws(answered("ThrottlingException", message="Rate exceeded", Service="DynamoDB"))
    assert str(trouble) == "DynamoDB UpdateItem: ThrottlingException: Rate exceeded"


def test_the_words_of_a_connection_name_the_host() -> None:
    trouble = trouble_of_aws(exceptions.ReadTimeoutError(endpoint_url="https://sqs.eu-west-2.amazonaws.com/"))
    assert str(trouble).startswith("ReadTimeoutError: Read timeout on endpoint URL")
    assert "https://sqs.eu-west-2.amazonaws.com/" in str(trouble)


def test_no_token_is_in_the_words() -> None:
    quoted = "The signature does not match.\n\nThe Canonical String should have been\nx-amz-security-token:hush"
    url = "https://appconfigdata/configuration?configuration_token=hush"
    for error in (answered("SignatureDoesNotMatch", 403, quoted), exceptions.ReadTimeoutError(endpoint_url=url)):
        assert "hush" not in str(trouble_of_aws(error))


def test_the_words_have_a_largest_length() -> None:
    assert len(str(trouble_of_aws(answered("AccessDenied", message="x" * 5_000)))) < 400
