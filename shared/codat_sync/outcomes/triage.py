"""Every event ends in exactly one outcome. This is the table that says which."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from codat_sync.api_key import ApiKeyUnusable
from codat_sync.codat.errors import CodatError, CodatRefused, PaymentRequired, RateLimited
from codat_sync.companies.converge import PlanKeepsChanging
from codat_sync.companies.records import RecordGone
from codat_sync.errors import PermanentError, TransientError
from codat_sync.events.company_events import MalformedEvent


class Outcome(StrEnum):
    """How an event ended, or that it has not ended yet (deferred)."""

    APPLIED = "applied"
    UNCHANGED = "unchanged"
    STALE = "stale"
    DEGRADED = "degraded"
    PARKED_PAYMENT_REQUIRED = "parked_payment_required"
    PARKED_FAILED = "parked_failed"
    DEFERRED = "deferred"


PARKED: Final = frozenset({Outcome.DEGRADED, Outcome.PARKED_PAYMENT_REQUIRED, Outcome.PARKED_FAILED})
"""The outcomes that leave the event in a DLQ."""


class OutOfTime(Exception):
    """The function's own time does not allow another call. Nothing was begun that is not safe to begin again."""

    reason = "out_of_time"


@dataclass(frozen=True)
class Failure:
    """Why an event was not simply applied: a stable slug, and the words of whoever refused.

    ``retry_after`` is the wait that Codat asked for. ``unexpected``: nobody planned for this one.
    """

    outcome: Outcome
    reason: str
    words: str
    status: int | None = None
    correlation_id: str | None = None
    retry_after: timedelta | None = None
    unexpected: bool = False


def triage(error: Exception) -> Failure:
    """The outcome that an error leads to. What is not known here is deferred: the queue's patience decides."""
    status = correlation_id = retry_after = None
    if isinstance(error, CodatError):
        status, correlation_id = error.status, error.correlation_id
    match error:
        case PaymentRequired():
            outcome, reason = Outcome.PARKED_PAYMENT_REQUIRED, error.reason
        case CodatRefused() | MalformedEvent() | PermanentError():
            outcome, reason = Outcome.PARKED_FAILED, error.reason
        case CodatError() | ApiKeyUnusable() | OutOfTime() | PlanKeepsChanging() | RecordGone() | TransientError():
            outcome, reason = Outcome.DEFERRED, error.reason
        case _:
            return Failure(Outcome.DEFERRED, "unexpected_error", f"{type(error).__name__}: {error}", unexpected=True)
    if isinstance(error, RateLimited):
        retry_after = error.retry_after
    return Failure(outcome, reason, str(error), status, correlation_id, retry_after)
