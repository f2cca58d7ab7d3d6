"""Each answer outside 2xx becomes an error by its HTTP status, and each 402 is told by its wording."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from codat_sync.codat._reply import Reply
from codat_sync.codat.errors import (
    MESSAGE_LENGTH,
    BadRequest,
    CodatError,
    CodatRefused,
    CodatUnavailable,
    Conflict,
    Forbidden,
    NotCodat,
    NotFound,
    PaymentRequired,
    PaymentRequiredKind,
    RateLimited,
    ServerError,
    Unauthorized,
    error_for,
)
from tests.fakes.clock import NOW
from tests.unit.json_strategies import JSON

CORRELATION_ID = "bc997528a9d7abb9161ef45f05d38599"
HTML = b"<html>\n<head><title>502 Bad Gateway</title></head>\n<body>  nginx </body>\n</html>"

STATUSES = [
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


def error_of(status: int, content: bytes = b"", headers: Mapping[str, str] | None = None) -> CodatError:
    """Return the error for an answer to a read."""
    return error_for(Reply("GET /companies", status, content, CaseInsensitiveDict(headers or {})), NOW)


def refused(message: str, **item: str) -> dict[str, Any]:
    """Return the ``validation`` of an error message."""
    return {"validation": {"errors": [{"message": message, **item}], "warnings": []}}


def payment_required(content: bytes) -> PaymentRequired:
    error = error_of(402, content)
    assert isinstance(error, PaymentRequired)
    return error


@pytest.mark.parametrize(("status", "kind", "reason"), STATUSES)
@pytest.mark.parametrize("content", [body(), b'{"service": null}', b'{"validation": {}, "new": 1}'], ids=repr)
def test_the_http_status_alone_tells_the_class(
    status: int, kind: type[CodatError], reason: str, content: bytes
) -> None:
    error = error_of(status, content)
    assert type(error) is kind
    assert error.reason == reason
    assert error.status == status
    assert str(error)


@pytest.mark.parametrize("status", [408, 409, 404, 401, 429, 500, 502, 503, 504])
def test_what_may_heal_is_unavailable(status: int) -> None:
    assert isinstance(error_of(status, body()), CodatUnavailable)


@pytest.mark.parametrize("status", [400, 402, 403, 405, 422, 451])
def test_what_would_be_refused_again_is_refused(status: int) -> None:
    assert isinstance(error_of(status, body()), CodatRefused)


# A firewall's and a proxy's page, an API gateway's JSON, other JSON, and bytes.
NOT_CODATS = [
    HTML,
    b'{"message": "Forbidden"}',
    b'{"title": "Bad Request", "status": 400}',
    b"null",
    b"[1]",
    b"\xff\xfe",
]


@pytest.mark.parametrize("status", [status for status, _, _ in STATUSES])
@pytest.mark.parametrize("content", NOT_CODATS, ids=repr)
def test_a_status_of_something_else_is_not_codats(status: int, content: bytes) -> None:
    error = error_of(status, content, {"Retry-After": "60", "WWW-Authenticate": "Basic"})
    assert type(error) is NotCodat
    assert (error.reason, error.status) == ("not_codat", status)


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 405, 407, 409, 422])
@pytest.mark.parametrize("content", [b"", b" \n", b"{}"], ids=repr)
def test_a_refusal_without_a_word_is_not_codats(status: int, content: bytes) -> None:
    assert type(error_of(status, content)) is NotCodat


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504, 599])
@pytest.mark.parametrize("content", [b"", b" \n", b"{}"], ids=repr)
def test_a_server_error_needs_no_words(status: int, content: bytes) -> None:
    assert type(error_of(status, content)) is ServerError


@pytest.mark.parametrize("status", [101, 300, 301, 302, 303, 304, 307, 308, 600, 999])
def test_what_is_neither_a_success_nor_an_error_is_not_codats(status: int) -> None:
    assert type(error_of(status, body())) is NotCodat


def test_what_is_not_codats_is_quoted_with_its_status_and_without_its_markup() -> None:
    page = b"<!DOCTYPE html><style>p { color: red }</style>\n<h1>The request is blocked.</h1>&lt;b&gt;<script>x"
    assert str(error_of(403, page)) == "GET /companies: not Codat's own 403: The request is blocked. <b>"


def test_a_page_of_markup_alone_is_quoted_as_it_is() -> None:
    assert str(error_of(403, b"<html><br></html>")) == "GET /companies: not Codat's own 403: <html><br></html>"


def test_an_empty_refusal_says_that_it_is_empty() -> None:
    assert str(error_of(403)) == "GET /companies: not Codat's own 403: an empty body"


@pytest.mark.parametrize("content", [b"", HTML], ids=["empty", "html"])
@pytest.mark.parametrize("header", ["X-Rate-Limit-Limit", "x-rate-limit-remaining", "X-Rate-Limit-Reset"])
def test_a_429_with_a_header_of_codats_quota_is_codats(content: bytes, header: str) -> None:
    error = error_of(429, content, {header: "7", "Retry-After": "90"})
    assert isinstance(error, RateLimited)
    assert error.retry_after == timedelta(seconds=90)


def test_an_empty_429_that_names_a_wait_is_taken_for_codats() -> None:
    error = error_of(429, b"", {"retry-after": "90"})
    assert isinstance(error, RateLimited)
    assert error.retry_after == timedelta(seconds=90)


def test_an_empty_429_that_says_nothing_is_not_codats() -> None:
    assert type(error_of(429)) is NotCodat


@pytest.mark.parametrize("header", ["X-Rate-Limit-Remaining", "Retry-After"])
def test_a_header_makes_no_other_status_codats(header: str) -> None:
    assert type(error_of(403, b"", {header: "7"})) is NotCodat


def test_the_text_is_codats_own_with_the_validation_errors() -> None:
    said = {"validation": {"errors": [{"message": "One."}, {"message": None}, {"itemId": "x"}, {"message": "Two."}]}}
    assert str(error_of(400, body("Not valid.", **said))) == "Not valid. (One.; Two.)"


@pytest.mark.parametrize("validation", [None, {}, {"errors": None}, {"errors": []}, {"errors": [{}]}], ids=repr)
def test_validation_may_be_null_or_empty(validation: object) -> None:
    error = error_of(400, body("Not valid.", validation=validation))
    assert str(error) == "Not valid."
    assert error.correlation_id == CORRELATION_ID


@pytest.mark.parametrize("correlation_id", [CORRELATION_ID, "b9be2a04-7a6a-4b0c-96a9-5b6bb8ae9bd1"])
def test_the_correlation_id_is_kept_in_both_of_its_forms(correlation_id: str) -> None:
    assert error_of(500, body(correlationId=correlation_id)).correlation_id == correlation_id


def test_one_field_of_the_error_message_is_enough() -> None:
    error = error_of(500, b'{"service": "PullApi"}')
    assert error.correlation_id is None
    assert str(error) == '{"service": "PullApi"}'


@pytest.mark.parametrize("content", [b"", b"  \n "])
def test_an_empty_body_is_put_into_words(content: bytes) -> None:
    assert str(error_of(500, content)) == "Codat answered 500 with an empty body"


@pytest.mark.parametrize("content", [body("long " * 1000), b"<p>" + b"long " * 100_000])
def test_a_long_body_is_cut(content: bytes) -> None:
    assert len(str(error_of(400, content))) == MESSAGE_LENGTH


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
UNKNOWN = [
    body("Your plan does not cover this."),
    body("Sync schedule could not be saved"),
    body("This is not allowed"),
    body(""),
    b'{"statusCode": 402}',
    b'{"error": 1}',
]


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
    assert not isinstance(error_of(status, HOURLY[0]), PaymentRequired)


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


def test_the_ids_beside_the_words_of_a_refusal_are_none_of_its_words() -> None:
    assert str(error_of(400, body("No.", **refused("Why.", itemId="x", validatorName="y")))) == "No. (Why.)"


def test_a_429_says_how_long_to_wait() -> None:
    error = error_of(429, body(), {"retry-after": "90"})
    assert isinstance(error, RateLimited)
    assert error.retry_after == timedelta(seconds=90)


def test_a_429_without_headers_leaves_the_wait_to_the_caller() -> None:
    error = error_of(429, body())
    assert isinstance(error, RateLimited)
    assert error.retry_after is None


@settings(deadline=None, max_examples=60)
@given(status=st.integers(300, 999), content=JSON.map(lambda value: json.dumps(value).encode()) | st.binary())
def test_no_body_is_too_odd_for_an_error(status: int, content: bytes) -> None:
    error = error_of(status, content)
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
def test_no_field_is_too_odd_for_a_402(fields: dict[str, Any], errors: object) -> None:
    for content in ({"service": "", **fields}, {**fields, "validation": {"errors": errors}}):
        assert payment_required(json.dumps(content).encode()).kind in PaymentRequiredKind
