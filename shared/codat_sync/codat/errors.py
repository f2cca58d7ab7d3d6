"""What can go wrong at Codat, sorted by what it means for the one who asked.

``CodatRefused``: the same request would be refused again. ``CodatUnavailable``: the same request may succeed later.
Codat's documentation of its errors: https://docs.codat.io/using-the-api/errors
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from http import HTTPStatus
from typing import Any, ClassVar, Final, Self

from pydantic import JsonValue
from pydantic_core import from_json

from codat_sync.codat.rate_limits import RateLimit

MESSAGE_LENGTH: Final = 500
_BESIDE_THE_WORDS: Final = {"itemId", "ruleId", "validatorName", "warnings"}


class CodatError(Exception):
    """Codat did not do what was asked.

    ``status`` is None when no answer came. ``correlation_id`` is Codat's own, for its support desk.
    The text is what Codat said; it never holds the API key.
    """

    reason: ClassVar[str] = "codat_error"

    def __init__(self, message: str, *, status: int | None = None, correlation_id: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.correlation_id = correlation_id


class CodatRefused(CodatError):
    """The same request would be refused again."""

    reason = "refused"


class BadRequest(CodatRefused):
    """400: Codat does not accept what was sent."""

    reason = "bad_request"


class Forbidden(CodatRefused):
    """403: the key may not do this."""

    reason = "forbidden"


class PaymentRequiredKind(StrEnum):
    """The 402s that Codat documents, and everything else; the value is the reason under which it is parked."""

    HOURLY_NOT_ALLOWED = "hourly_not_allowed"
    COMPANY_LIMIT = "company_limit"
    ACCOUNT_EXPIRED = "account_expired"
    UNKNOWN = "payment_required"


class PaymentRequired(CodatRefused):
    """402: what was asked is not in the Codat account's own plan."""

    def __init__(
        self,
        message: str,
        *,
        kind: PaymentRequiredKind,
        status: int | None = HTTPStatus.PAYMENT_REQUIRED,
        correlation_id: str | None = None,
    ) -> None:
        super().__init__(message, status=status, correlation_id=correlation_id)
        self.kind = kind
        self.reason = kind.value  # type: ignore[misc]  # As stable as the class's own slug, one for each kind.


class CodatUnavailable(CodatError):
    """The same request may succeed later."""

    reason = "unavailable"


class Unauthorized(CodatUnavailable):
    """401, also with a key that was fetched anew: it heals when the secret is put right."""

    reason = "unauthorized"


class NotFound(CodatUnavailable):
    """404: Codat does not know the company (yet)."""

    reason = "company_not_found"


class Conflict(CodatUnavailable):
    """409: something else is at work on the same thing."""

    reason = "conflict"


class RateLimited(CodatUnavailable):
    """429. ``retry_after`` is how long Codat asks to wait, None where it does not say."""

    reason = "rate_limited"

    def __init__(
        self,
        message: str,
        *,
        retry_after: timedelta | None,
        status: int | None = HTTPStatus.TOO_MANY_REQUESTS,
        correlation_id: str | None = None,
    ) -> None:
        super().__init__(message, status=status, correlation_id=correlation_id)
        self.retry_after = retry_after


class NoAnswer(CodatUnavailable):
    """Codat itself has not spoken, so nothing is known of the account."""

    reason = "no_answer"


class ServerError(NoAnswer):
    """5xx, or 408: Codat's own trouble."""

    reason = "server_error"


class Unreachable(NoAnswer):
    """No answer: no connection, a connection cut, or none in time. The request may have taken effect all the same."""

    reason = "unreachable"


class UnexpectedAnswer(NoAnswer):
    """An answer that is not Codat's: a redirect, or a body that cannot be read."""

    reason = "unexpected_answer"


_CLASS_BY_STATUS: Final[Mapping[int, type[CodatError]]] = {
    HTTPStatus.BAD_REQUEST: BadRequest,
    HTTPStatus.UNAUTHORIZED: Unauthorized,
    HTTPStatus.FORBIDDEN: Forbidden,
    HTTPStatus.NOT_FOUND: NotFound,
    HTTPStatus.REQUEST_TIMEOUT: ServerError,
    HTTPStatus.CONFLICT: Conflict,
}


@dataclass(frozen=True)
class _Said:
    """What Codat's error body says, as far as it has the documented shape; ``statusCode`` in it is often wrong."""

    error: str
    text: str
    correlation_id: str | None

    @classmethod
    def read(cls, body: bytes) -> Self:
        """Lenient to the last: whatever shape a field has, the others count."""
        try:
            parsed = from_json(body)
        except ValueError:
            parsed = None
        said = parsed if isinstance(parsed, dict) else {}
        error = said["error"] if isinstance(said.get("error"), str) else ""
        details = "; ".join(dict.fromkeys(_messages(said.get("validation"))))
        correlation_id = said.get("correlationId")
        return cls(
            error=error,
            text=f"{error} ({details})" if error and details else error or details,
            correlation_id=str(correlation_id) if isinstance(correlation_id, str | int) else None,
        )


def _messages(value: JsonValue) -> Iterator[str]:
    """Every text of an error in there; not those of warnings, nor the ids beside them."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for each in value:
            yield from _messages(each)
    elif isinstance(value, dict):
        for key, each in value.items():
            if key not in _BESIDE_THE_WORDS:
                yield from _messages(each)


def error_for(status: int, body: bytes, headers: Mapping[str, str], now: datetime) -> CodatError:
    """The error that an answer outside 2xx stands for, told by the HTTP status alone.

    The body tells the 402s apart and is otherwise only words. It may be Codat's error message, HTML or empty.
    """
    said = _Said.read(body)
    fields: dict[str, Any] = {"status": status, "correlation_id": said.correlation_id}
    message = (said.text or _without_schema(body) or f"Codat answered {status} without a word")[:MESSAGE_LENGTH]
    match status:
        case HTTPStatus.PAYMENT_REQUIRED:
            return PaymentRequired(message, kind=_payment_required_kind(said), **fields)
        case HTTPStatus.TOO_MANY_REQUESTS:
            return RateLimited(message, retry_after=RateLimit.read(headers, now).wait(now), **fields)
        case _:
            return _class_of(status)(message, **fields)


def _class_of(status: int) -> type[CodatError]:
    if status in _CLASS_BY_STATUS:
        return _CLASS_BY_STATUS[status]
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return ServerError
    return CodatRefused if status >= HTTPStatus.BAD_REQUEST else UnexpectedAnswer


def _payment_required_kind(said: _Said) -> PaymentRequiredKind:
    """Lenient, since the table, the examples and the contract that Codat publishes word the 402s differently."""
    text = said.text.casefold()
    if "sync schedule" in text and "not allowed" in text:
        return PaymentRequiredKind.HOURLY_NOT_ALLOWED
    if "company limit" in text:
        return PaymentRequiredKind.COMPANY_LIMIT
    if "account expired" in text or said.error.strip().casefold() == "payment required":
        return PaymentRequiredKind.ACCOUNT_EXPIRED
    return PaymentRequiredKind.UNKNOWN


def _without_schema(body: bytes) -> str:
    """Whatever else came, on one line: a proxy's HTML page, plain text, or JSON of another shape."""
    return " ".join(body[: MESSAGE_LENGTH * 4].decode("utf-8", errors="replace").split())
