"""Every event ends in exactly one outcome; triage says which one an error leads to.

::

    SyncError
    ├── PermanentError
    │   ├── CodatRefused: BadRequest, Forbidden, …          parked_failed
    │   │   └── PaymentRequired                             parked_payment_required, or degraded where a fallback helps
    │   └── MalformedEvent, UnknownPlan                     parked_failed
    └── TransientError
        ├── CodatUnavailable: RateLimited, NotFound, …      deferred
        ├── AwsThrottled, AwsUnavailable, AwsDenied, …      deferred; aws/errors.py has the table
        └── ApiKeyUnusable, OutOfTime, PlanKeepsChanging,
            PresetsUnusable, RecordGone, NotHandedOver, …   deferred
    any other exception                                     deferred, as unexpected_error
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

from codat_sync.aws.errors import trouble_of_aws
from codat_sync.codat.errors import CodatError, PaymentRequired, RateLimited
from codat_sync.errors import PermanentError, SyncError


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


@dataclass(frozen=True)
class Failure:
    """Why an event was not applied: a stable slug, and the refusing service's own words.

    ``retry_after`` is the wait that Codat asked for. ``unexpected``: the error is none that was planned for.
    """

    outcome: Outcome
    reason: str
    words: str
    status: int | None = None
    correlation_id: str | None = None
    retry_after: timedelta | None = None
    unexpected: bool = False


def triage(error: Exception) -> Failure:
    """Return the outcome that an error leads to. An unknown error is deferred, until the queue's limit of receives."""
    error = trouble_of_aws(error) or error
    match error:
        case PaymentRequired():
            outcome = Outcome.PARKED_PAYMENT_REQUIRED
        case PermanentError():
            outcome = Outcome.PARKED_FAILED
        case SyncError():
            outcome = Outcome.DEFERRED
        case _:
            return Failure(Outcome.DEFERRED, "unexpected_error", f"{type(error).__name__}: {error}", unexpected=True)
    return Failure(
        outcome,
        error.reason,
        str(error),
        error.status if isinstance(error, CodatError) else None,
        error.correlation_id if isinstance(error, CodatError) else None,
        error.retry_after if isinstance(error, RateLimited) else None,
    )


def in_words(error: Exception) -> dict[str, Any]:
    """Return what a log line says of an error: reason and words, and the trace of one that was not planned for."""
    failure = triage(error)
    return {"reason": failure.reason, "words": failure.words, "exc_info": error if failure.unexpected else None}
