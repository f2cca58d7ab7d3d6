"""The errors of a call to Codat, sorted by what the caller can do.

``CodatRefused``: the same request would be refused again. ``CodatUnavailable``: the same request may succeed later.
A status counts only where the answer is Codat's own: anything on the way may answer in Codat's place.
Codat documents its errors here: https://docs.codat.io/using-the-api/errors
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from http import HTTPStatus
from typing import Any, Final, Self

from pydantic import JsonValue

from codat_sync.codat._reply import Reply
from codat_sync.codat.rate_limits import RateLimit
from codat_sync.errors import PermanentError, SyncError, TransientError

MESSAGE_LENGTH: Final = 500
_SCHEMA: Final = frozenset(
    {"statusCode", "service", "error", "correlationId", "canBeRetried", "detailedErrorCode", "validation"}
)
"""The fields of Codat's error message, none of which it promises: the schema ErrorMessage of its OpenAPI."""
_QUOTA_HEADERS: Final = ("X-Rate-Limit-Limit", "X-Rate-Limit-Remaining", "X-Rate-Limit-Reset")
"""https://docs.codat.io/using-the-api/rate-limits"""
_LAST_STATUS: Final = 599
_NOT_TEXTS: Final = {"itemId", "ruleId", "validatorName", "warnings"}


class CodatError(SyncError):
    """Codat did not do what was asked.

    ``status`` is None where no answer came. ``correlation_id`` is Codat's own, for its support desk.
    The text is Codat's own; it never holds the API key.
    """

    reason = "codat_error"
    concerns_account: bool = False
    """Whether Codat refuses the whole account. Known only once a call that concerns no company was refused, too."""

    def __init__(self, message: str, *, status: int | None = None, correlation_id: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.correlation_id = correlation_id


class CodatRefused(CodatError, PermanentError):
    """The same request would be refused again."""

    reason = "refused"


class BadRequest(CodatRefused):
    """400: Codat does not accept what was sent."""

    reason = "bad_request"


class Forbidden(CodatRefused):
    """403: the key may not do this."""

    reason = "forbidden"


class PaymentRequiredKind(StrEnum):
    """The 402s that Codat documents, and all others; the value is the reason under which an event is parked."""

    HOURLY_NOT_ALLOWED = "hourly_not_allowed"
    COMPANY_LIMIT = "company_limit"
    ACCOUNT_EXPIRED = "account_expired"
    UNKNOWN = "payment_required"


class PaymentRequired(CodatRefused):
    """402: the Codat account's own plan does not include what was asked."""

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


class CodatUnavailable(CodatError, TransientError):
    """The same request may succeed later."""

    reason = "unavailable"


class Unauthorized(CodatUnavailable):
    """401, also with a key that was fetched anew: it passes once the secret is corrected."""

    reason = "unauthorized"


class NotFound(CodatUnavailable):
    """404: Codat does not know the company (yet)."""

    reason = "company_not_found"


class Conflict(CodatUnavailable):
    """409: another operation on the same resource is in progress."""

    reason = "conflict"


class RateLimited(CodatUnavailable):
    """429. ``retry_after`` is the wait that Codat asks for, None where it names none."""

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
    """Codat itself has not answered, so nothing is known of the account."""

    reason = "no_answer"


class ServerError(NoAnswer):
    """5xx, or 408: a problem of Codat's own."""

    reason = "server_error"


class Unreachable(NoAnswer):
    """No whole answer: no connection, one that was cut, an answer too late or too large.

    The request may have taken effect.
    """

    reason = "unreachable"


class UnexpectedAnswer(NoAnswer):
    """An answer of Codat's that cannot be read, or that is about another company."""

    reason = "unexpected_answer"


class NotCodat(NoAnswer):
    """An answer of something else: a firewall, a proxy, a sign-in page, a redirect. Its status is not Codat's."""

    reason = "not_codat"


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
    """The content of Codat's error body, as far as it has the documented shape; its ``statusCode`` is often wrong."""

    error: str
    text: str
    correlation_id: str | None

    @classmethod
    def read(cls, reply: Reply) -> Self:
        """Read a body of any shape: a field that cannot be read is absent."""
        said = reply.fields
        error = said.get("error")
        error = reply.conceal(error) if isinstance(error, str) else ""
        details = reply.conceal("; ".join(dict.fromkeys(_messages(said.get("validation")))))
        correlation_id = said.get("correlationId")
        return cls(
            error=error,
            text=f"{error} ({details})" if error and details else error or details,
            correlation_id=reply.conceal(str(correlation_id)) if isinstance(correlation_id, str | int) else None,
        )


def _messages(value: JsonValue) -> Iterator[str]:
    """Yield every text of an error in there; not those of warnings, nor ids."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for each in value:
            yield from _messages(each)
    elif isinstance(value, dict):
        for key, each in value.items():
            if key not in _NOT_TEXTS:
                yield from _messages(each)


def error_for(reply: Reply, now: datetime) -> CodatError:
    """Return the error that an answer outside 2xx stands for: by its HTTP status alone, if it is Codat's.

    The body tells the 402s apart, and is otherwise only text.
    """
    if not _is_codats(reply):
        return not_codat(reply)
    said = _Said.read(reply)
    fields: dict[str, Any] = {"status": reply.status, "correlation_id": said.correlation_id}
    words = said.text or reply.words(MESSAGE_LENGTH) or f"Codat answered {reply.status} with an empty body"
    message = words[:MESSAGE_LENGTH]
    match reply.status:
        case HTTPStatus.PAYMENT_REQUIRED:
            return PaymentRequired(message, kind=_payment_required_kind(said), **fields)
        case HTTPStatus.TOO_MANY_REQUESTS:
            return RateLimited(message, retry_after=RateLimit.read(reply.headers, now).wait(now), **fields)
        case _:
            return _class_of(reply.status)(message, **fields)


def not_codat(reply: Reply) -> NotCodat:
    """Return the error of an answer that is not Codat's, with its status and its first words."""
    words = reply.words(MESSAGE_LENGTH) or "an empty body"
    message = f"{reply.request}: not Codat's own {reply.status}: {words}"
    return NotCodat(message[:MESSAGE_LENGTH], status=reply.status)


def _is_codats(reply: Reply) -> bool:
    """Return whether an answer outside 2xx is Codat's: one field of its error message is enough.

    Without a body, a 5xx, a 408 or a 429 counts as well, where it does no more than defer: docs/decisions.md says why.
    """
    if not HTTPStatus.BAD_REQUEST <= reply.status <= _LAST_STATUS:
        return False
    if _SCHEMA & reply.fields.keys():
        return True
    if reply.status == HTTPStatus.TOO_MANY_REQUESTS:
        return any(name in reply.headers for name in _QUOTA_HEADERS) or (
            reply.is_empty and "Retry-After" in reply.headers
        )
    return reply.is_empty and _class_of(reply.status) is ServerError


def _class_of(status: int) -> type[CodatError]:
    if status in _CLASS_BY_STATUS:
        return _CLASS_BY_STATUS[status]
    return ServerError if status >= HTTPStatus.INTERNAL_SERVER_ERROR else CodatRefused


def _payment_required_kind(said: _Said) -> PaymentRequiredKind:
    """Tell the 402s apart leniently: Codat's table, examples and contract word them differently."""
    text = said.text.casefold()
    if "sync schedule" in text and "not allowed" in text:
        return PaymentRequiredKind.HOURLY_NOT_ALLOWED
    if "company limit" in text:
        return PaymentRequiredKind.COMPANY_LIMIT
    if "account expired" in text or said.error.strip().casefold() == "payment required":
        return PaymentRequiredKind.ACCOUNT_EXPIRED
    return PaymentRequiredKind.UNKNOWN
