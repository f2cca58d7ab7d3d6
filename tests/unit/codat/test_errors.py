"""Each answer outside 2xx becomes an error by its HTTP status, and each 402 is told by its wording."""

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from codat_sync.codat.errors import (
    MESSAGE_LENGTH,
    BadRequest,
    CodatError,
    CodatRefused,
    CodatUnavailable,
    Conflict,
    Forbidden,
    NotFound,
    PaymentRequired,
    PaymentRequiredKind,
    RateLimited,
    ServerError,
    Unauthorized,
    UnexpectedAnswer,
    error_for,
)
from tests.fakes.clock import NOW
from tests.unit.json_strategies import JSON

CORRELATION_ID = "bc997528a9d7abb9161ef45f05d38599"
HTML = b"<html>\n<head><title>502 Bad Gateway</title></head>\n<body>  nginx </body>\n</html>"

STATUSES = [
    (301, UnexpectedAnswer, "unexpected_answer"),
    (302, UnexpectedAnswer, "unexpected_answer"),
    (400, BadRequest, "bad_request"),
    (401, Unauthorized, "unauthorized"),
    (402, PaymentRequired, "payment_required"),
    (403, Forbidden, "forbidden"),
    (404, NotFound, "company_not_found"),
    (405, CodatRefused, "refused"),
    (408, ServerError, "server_error"),
    (409, Conflict, "conflict"),
    (422, CodatRefused, "refused"),
    (429, RateLimited, "rate_limited"),
    (451, CodatRefused, "refused"),
    (500, ServerError, "server_error"),
    (502, ServerError, "server_error"),
    (503, ServerError, "server_error"),
    (504, ServerError, "server_error"),
    (599, ServerError, "server_error"),
]


def body(error: str | None = "Something.", **fields: Any) -> bytes:  # noqa: ANN401
    """Return Codat's error message, with an inner status that differs from the HTTP status, as in its examples."""
    return json.dumps(
        {
            "statusCode": 200,
            "service": "PublicApi",
            "error": error,
            "correlationId": CORRELATION_ID,
            "canBeRetried": "Unknown",
            "detailedErrorCode": 0,
            **fields,
        }
    ).encode()


def refused(message: str, **item: str) -> dict[str, Any]:
    """Return the ``validation`` of an error message."""
    return {"validation": {"errors": [{"message": message, **item}], "warnings": []}}


def payment_required(content: bytes) -> PaymentRequired:
    error = error_for(402, content, {}, NOW)
    assert isinstance(error, PaymentRequired)
    return error


@pytest.mark.parametrize(("status", "kind", "reason"), STATUSES)
@pytest.mark.parametrize("content", [body(), b"", HTML, b"null"], ids=repr)
def test_the_http_status_alone_decides_the_class(
    status: int, kind: type[CodatError], reason: str, content: bytes
) -> None:
    error = error_for(status, content, {}, NOW)
    assert type(error) is kind
    assert error.reason == reason
    assert error.status == status
    assert str(error)


@pytest.mark.parametrize("status", [408, 409, 404, 401, 429, 500, 502, 503, 504, 301])
def test_a_status_that_a_retry_may_change_is_unavailable(status: int) -> None:
    assert isinstance(error_for(status, b"", {}, NOW), CodatUnavailable)


@pytest.mark.parametrize("status", [400, 402, 403, 405, 422, 451])
def test_a_status_that_a_retry_would_meet_again_is_refused(status: int) -> None:
    assert isinstance(error_for(status, b"", {}, NOW), CodatRefused)


def test_the_text_is_codats_own_with_the_validation_errors() -> None:
    said = {"validation": {"errors": [{"message": "One."}, {"message": None}, {"itemId": "x"}, {"message": "Two."}]}}
    assert str(error_for(400, body("Not valid.", **said), {}, NOW)) == "Not valid. (One.; Two.)"


@pytest.mark.parametrize("validation", [None, {}, {"errors": None}, {"errors": []}, {"errors": [{}]}], ids=repr)
def test_validation_may_be_null_or_empty(validation: object) -> None:
    error = error_for(400, body("Not valid.", validation=validation), {}, NOW)
    assert str(error) == "Not valid."
    assert error.correlation_id == CORRELATION_ID


@pytest.mark.parametrize("correlation_id", [CORRELATION_ID, "b9be2a04-7a6a-4b0c-96a9-5b6bb8ae9bd1"])
def test_the_correlation_id_is_kept_in_both_of_its_forms(correlation_id: str) -> None:
    assert error_for(500, body(correlationId=correlation_id), {}, NOW).correlation_id == correlation_id


def test_every_field_of_the_error_message_is_optional() -> None:
    error = error_for(500, b"{}", {}, NOW)
    assert error.correlation_id is None
    assert str(error) == "{}"


def test_an_html_page_is_quoted_on_one_line() -> None:
    error = error_for(502, HTML, {}, NOW)
    assert str(error) == "<html> <head><title>502 Bad Gateway</title></head> <body> nginx </body> </html>"


@pytest.mark.parametrize("content", [b"", b"  \n "])
def test_an_empty_body_is_named_in_the_text(content: bytes) -> None:
    assert str(error_for(500, content, {}, NOW)) == "Codat answered 500 with an empty body"


@pytest.mark.parametrize("content", [body("long " * 1000), b"<p>" + b"long " * 100_000])
def test_a_long_body_is_cut(content: bytes) -> None:
    assert len(str(error_for(400, content, {}, NOW))) == MESSAGE_LENGTH


COMPANY_LIMIT = [
    body(
        "CompanyValidationException: Company limit exceeded",
        **refused(
            "Company limit exceeded. Learn more at https://docs.codat.io",
            itemId="Company",
            validatorName="CreateCompany",
        ),
    ),
    body("Company limit exceeded"),
    body(
        "You have exceeded the 50-company limit that applies to a Free plan. "
        "We recommend that you delete any companies you no longer need and retry the request.",
        statusCode=429,
    ),
]
HOURLY = [
    body(
        "SyncSettingsValidationException: Sync schedule not allowed",
        service="ClientsApi",
        **refused("Sync schedule is not allowed for this client.", itemId="SyncSettings", validatorName="SyncSettings"),
    ),
    body("SyncSettingsValidationException: Sync schedule not allowed"),
    body("Sync schedule not allowed", validation=None),
    body("SYNC SCHEDULE NOT ALLOWED"),
    body("SyncSettingsValidationException", **refused("Sync schedule is not allowed for this client.")),
]
EXPIRED = [
    body("Payment Required", **refused("Account expired. Learn more at https://docs.codat.io")),
    body("Payment Required"),
    body(" payment required "),
    body("ClientValidationException", **refused("Account expired.")),
]
UNKNOWN = [body("Your plan does not cover this."), body(""), b"{}", b"", HTML, b"[1]", b"Payment Required"]


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        *((content, PaymentRequiredKind.COMPANY_LIMIT) for content in COMPANY_LIMIT),
        *((content, PaymentRequiredKind.HOURLY_NOT_ALLOWED) for content in HOURLY),
        *((content, PaymentRequiredKind.ACCOUNT_EXPIRED) for content in EXPIRED),
        *((content, PaymentRequiredKind.UNKNOWN) for content in UNKNOWN),
    ],
)
def test_each_402_is_told_by_its_wording(content: bytes, kind: PaymentRequiredKind) -> None:
    error = payment_required(content)
    assert error.kind is kind
    assert error.reason == kind.value


def test_the_kind_of_one_402_does_not_affect_another() -> None:
    first, second = payment_required(EXPIRED[0]), payment_required(HOURLY[0])
    assert (first.reason, second.reason) == ("account_expired", "hourly_not_allowed")


@pytest.mark.parametrize("status", [400, 403, 429, 500])
def test_the_wording_of_a_402_under_another_status_is_no_402(status: int) -> None:
    assert not isinstance(error_for(status, HOURLY[0], {}, NOW), PaymentRequired)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (body(None, **refused("Account expired.")), PaymentRequiredKind.ACCOUNT_EXPIRED),
        (body("Payment Required", validation={"errors": ["Account expired."]}), PaymentRequiredKind.ACCOUNT_EXPIRED),
        (body("Payment Required", validation=[]), PaymentRequiredKind.ACCOUNT_EXPIRED),
        (body("Payment Required", correlationId=17), PaymentRequiredKind.ACCOUNT_EXPIRED),
        (
            body("Sync schedule not allowed", validation={"errors": {"Settings": ["No."]}}),
            PaymentRequiredKind.HOURLY_NOT_ALLOWED,
        ),
    ],
    ids=["error null", "errors are texts", "validation is a list", "correlation id is a number", "errors by field"],
)
def test_a_402_is_told_by_its_wording_where_one_field_has_another_shape(
    content: bytes, kind: PaymentRequiredKind
) -> None:
    error = payment_required(content)
    assert error.kind is kind
    assert error.correlation_id in (CORRELATION_ID, "17")


def test_a_warning_does_not_decide_the_kind_of_a_402() -> None:
    validation = {"errors": [], "warnings": [{"message": "Sync schedule is not allowed."}]}
    error = payment_required(body("Your plan does not cover this.", validation=validation))
    assert error.kind is PaymentRequiredKind.UNKNOWN
    assert str(error) == "Your plan does not cover this."


def test_the_ids_of_a_validation_error_are_not_in_the_text() -> None:
    assert str(error_for(400, body("No.", **refused("Why.", itemId="x", validatorName="y")), {}, NOW)) == "No. (Why.)"


def test_a_429_is_an_error_with_the_wait() -> None:
    headers = CaseInsensitiveDict({"retry-after": "90"})
    error = error_for(429, body(), headers, NOW)
    assert isinstance(error, RateLimited)
    assert error.retry_after == timedelta(seconds=90)


def test_a_429_without_headers_has_no_wait() -> None:
    error = error_for(429, body(), {}, NOW)
    assert isinstance(error, RateLimited)
    assert error.retry_after is None


@settings(deadline=None, max_examples=60)
@given(status=st.integers(300, 599), content=JSON.map(lambda value: json.dumps(value).encode()) | st.binary())
def test_any_body_becomes_an_error(status: int, content: bytes) -> None:
    error = error_for(status, content, {}, NOW)
    assert isinstance(error, CodatError)
    assert error.status == status
    assert 0 < len(str(error)) <= MESSAGE_LENGTH


@settings(deadline=None, max_examples=40)
@given(
    fields=st.dictionaries(
        st.sampled_from(["error", "correlationId", "validation", "statusCode", "service", "canBeRetried"]), JSON
    ),
    errors=JSON,
)
def test_any_field_of_a_402_is_read(fields: dict[str, Any], errors: object) -> None:
    for content in (fields, {**fields, "validation": {"errors": errors}}):
        assert payment_required(json.dumps(content).encode()).kind in PaymentRequiredKind
