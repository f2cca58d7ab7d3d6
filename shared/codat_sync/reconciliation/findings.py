"""What a reconciliation can find of a company: pure functions on its record, its preset and Codat's answer."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from botocore.exceptions import BotoCoreError, ClientError

from codat_sync.api_key import ApiKeyUnusable
from codat_sync.codat.differences import Difference
from codat_sync.codat.errors import (
    CodatRefused,
    NotFound,
    PaymentRequired,
    PaymentRequiredKind,
    RateLimited,
    Unauthorized,
)
from codat_sync.companies.records import AppliedPreset, CompanyPlan
from codat_sync.outcomes.triage import OutOfTime
from codat_sync.presets.preset import CompanyPreset, UnknownPlan

AT_WORK: Final = timedelta(minutes=15)
"""How long after a plan was named its own event may still be at work on it."""
DLQ_KEEPS: Final = timedelta(days=13)
"""For how long a DLQ is sure to have what was parked there: a day less than it keeps it."""


class Finding(StrEnum):
    """What is found of a company."""

    IN_STEP = "in_step"
    """Codat's settings are the preset's."""
    DEGRADED = "degraded"
    """They are what is left of the preset without hourly; an event in the payment-required DLQ waits for the rest."""
    WAITING = "waiting"
    """An event of the company is at work, or waits in the payment-required DLQ."""
    CHANGED_AT_CODAT = "changed_at_codat"
    """They are not what we put in force."""
    PRESET_CHANGED = "preset_changed"
    """A deploy has changed what the plan stands for since it was put in force."""
    NOT_APPLIED = "not_applied"
    """What is desired is not confirmed, and no event seems to be left that would see to it."""
    UNKNOWN_PLAN = "unknown_plan"
    """A deploy has removed the plan."""
    GONE = "gone"
    """Codat does not know the company."""
    REFUSED = "refused"
    """Codat refuses to show the settings."""
    UNANSWERED = "unanswered"
    """Codat had no answer, for this company at least."""


DRIFTED: Final = frozenset({Finding.CHANGED_AT_CODAT, Finding.PRESET_CHANGED, Finding.NOT_APPLIED})
"""The settings are not today's preset, or nobody has confirmed that they are."""
TO_BE_CONVERGED: Final = DRIFTED | {Finding.UNKNOWN_PLAN, Finding.REFUSED, Finding.UNANSWERED}
"""Something is to be done about these, be it to park the company with the reason."""


@dataclass(frozen=True)
class Drift:
    """A company whose settings at Codat are not what they should be, as the run ``run_id`` has found.

    ``cause`` is one of ``DRIFTED``. ``believed_since`` is when we confirmed what should be there, None where we never
    did. ``times_in_a_row`` counts the runs that found them changed at Codat, each after a repair; 0 for another cause.
    """

    run_id: str
    company_id: UUID
    plan: str
    applied: AppliedPreset | None
    cause: Finding
    differences: tuple[Difference, ...]
    believed_since: datetime | None
    times_in_a_row: int
    will_be_repaired: bool


def belief(company: CompanyPlan, preset: CompanyPreset, now: datetime) -> tuple[Finding, CompanyPreset]:
    """What the record alone says of a company, and the preset that Codat should be at.

    Where it says in step or degraded, Codat has yet to show that. Where it says waiting, there is no use in looking.
    """
    applied, applied_at = company.applied, company.applied_at
    if is_parked(company, PaymentRequiredKind, now):
        return Finding.WAITING, preset
    if applied is None or applied_at is None or applied.order != company.desired.order:
        return (Finding.WAITING if now - company.desired_at < AT_WORK else Finding.NOT_APPLIED), preset
    if applied.fingerprint == preset.fingerprint:
        return Finding.IN_STEP, preset
    degraded = preset.degraded()
    if applied.degraded_to is None or degraded is None or applied.fingerprint != degraded.fingerprint:
        return Finding.PRESET_CHANGED, preset
    # Later, the event that would bring hourly back is no longer in the DLQ. Another attempt puts a new one there.
    return (Finding.DEGRADED, degraded) if now - applied_at < DLQ_KEEPS else (Finding.NOT_APPLIED, preset)


def is_parked(company: CompanyPlan, reasons: Iterable[str], now: datetime) -> bool:
    """Whether an event of the company lies in a DLQ for one of these reasons, as far as its record can tell.

    Not where a plan was desired, or one confirmed, since.
    """
    failure = company.last_failure
    return (
        failure is not None
        and failure.reason in set(reasons)
        and failure.at > max(company.desired_at, company.applied_at or company.desired_at)
        and now - failure.at < DLQ_KEEPS
    )


def finding_of(error: Exception) -> Finding | None:
    """What an error says of the company that it was met with. None where it concerns all companies alike."""
    match error:
        case ApiKeyUnusable() | BotoCoreError() | ClientError() | OutOfTime() | RateLimited() | Unauthorized():
            return None
        case PaymentRequired(kind=PaymentRequiredKind.ACCOUNT_EXPIRED):
            return None
        case UnknownPlan():
            return Finding.UNKNOWN_PLAN
        case NotFound():
            return Finding.GONE
        case CodatRefused():
            return Finding.REFUSED
        case _:
            return Finding.UNANSWERED
