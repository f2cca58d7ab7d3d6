"""The findings of a reconciliation run: pure functions on a company's record, its preset and Codat's answer."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from botocore.exceptions import BotoCoreError, ClientError

from codat_sync.api_key import ApiKeyUnusable
from codat_sync.codat.differences import Difference
from codat_sync.codat.errors import CodatError, CodatRefused, NotFound, PaymentRequiredKind
from codat_sync.companies.records import AppliedPreset, CompanyPlan
from codat_sync.deadline import OutOfTime
from codat_sync.presets.preset import CompanyPreset, UnknownPlan

AT_WORK: Final = timedelta(minutes=15)
"""How long after a plan was named its own event may still be in progress."""
DLQ_KEEPS: Final = timedelta(days=13)
"""How long a DLQ is sure to hold a parked event: a day less than its retention."""
TRIED_EVERY: Final = timedelta(hours=13)
"""An event in flight is tried more often: SQS hides it for 12 hours at most, and each attempt notes its failure."""


class Finding(StrEnum):
    """What a run finds of one company."""

    IN_STEP = "in_step"
    """Codat's settings are the preset's."""
    DEGRADED = "degraded"
    """They are the degraded preset's, without hourly; an event in the payment-required DLQ brings hourly back later."""
    WAITING = "waiting"
    """An event of the company is in progress, or waits in the payment-required DLQ."""
    CHANGED_AT_CODAT = "changed_at_codat"
    """They are not what was put in force."""
    NOT_TAKEN = "not_taken"
    """They are not what was put in force, and were not right after a repair either: Codat accepted it and shows others.
    """
    PRESET_CHANGED = "preset_changed"
    """The plan's preset was changed since it was put in force."""
    NOT_APPLIED = "not_applied"
    """The desired plan is not confirmed, and no event seems to be left that would apply it."""
    UNKNOWN_PLAN = "unknown_plan"
    """The presets no longer have the plan."""
    GONE = "gone"
    """Codat does not know the company."""
    REFUSED = "refused"
    """Codat refuses to show the settings."""
    UNANSWERED = "unanswered"
    """Codat gave no answer, for this company at least."""


DRIFTED: Final = frozenset({Finding.CHANGED_AT_CODAT, Finding.PRESET_CHANGED, Finding.NOT_APPLIED})
"""The settings are not those of the current preset, or were never confirmed to be."""
TO_BE_CONVERGED: Final = DRIFTED | {Finding.UNKNOWN_PLAN, Finding.REFUSED, Finding.UNANSWERED}
"""These need action, be it to park the company with the reason."""


@dataclass(frozen=True)
class Drift:
    """A company whose settings at Codat have drifted from its preset, as the run ``run_id`` found.

    ``cause`` is one of ``DRIFTED``, or ``NOT_TAKEN``. ``believed_since`` is when the preset was confirmed, None where
    it never was. ``times_in_a_row`` counts the runs that found a change made at Codat, each after a repair; 0 for
    another cause.
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


def expectation(company: CompanyPlan, preset: CompanyPreset, now: datetime) -> tuple[Finding, CompanyPreset]:
    """Return what the record alone says of a company, and the preset that Codat should be at.

    In step and degraded have yet to be checked at Codat. Waiting needs no check.
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
    # Later, the DLQ no longer holds the event that would bring hourly back. Another attempt puts a new one there.
    return (Finding.DEGRADED, degraded) if now - applied_at < DLQ_KEEPS else (Finding.NOT_APPLIED, preset)


def drift_fingerprint(differences: Iterable[Difference]) -> str:
    """Return the same text for the same differences, in whatever order, and another one for others."""
    return hashlib.sha256("\n".join(sorted(map(str, differences))).encode()).hexdigest()[:16]


def is_not_taken(company: CompanyPlan, differences: Iterable[Difference]) -> bool:
    """Return whether these are the differences that Codat showed right after it had accepted a repair."""
    return company.not_taken is not None and company.not_taken == drift_fingerprint(differences)


def is_parked(company: CompanyPlan, reasons: Iterable[str], now: datetime) -> bool:
    """Return whether an event of the company is in a DLQ for one of these reasons, as far as its record tells.

    That no longer holds once a plan was recorded or confirmed since.
    """
    failure = company.last_failure
    return (
        failure is not None
        and failure.reason in set(reasons)
        and failure.at > max(company.desired_at, company.applied_at or company.desired_at)
        and now - failure.at < DLQ_KEEPS
    )


def is_in_flight(company: CompanyPlan, now: datetime) -> bool:
    """Return whether an event of the company is still retried on its queue, as far as its record tells.

    One that was parked within ``TRIED_EVERY`` counts, too.
    """
    failure = company.last_failure
    return failure is not None and is_parked(company, [failure.reason], now) and now - failure.at < TRIED_EVERY


def finding_of(error: Exception) -> Finding | None:
    """Return what an error says of the company that was asked about. None where it concerns all companies alike.

    An answer of Codat's concerns all companies only where it is confirmed for the whole account.
    """
    match error:
        case ApiKeyUnusable() | BotoCoreError() | ClientError() | OutOfTime() | CodatError(concerns_account=True):
            return None
        case UnknownPlan():
            return Finding.UNKNOWN_PLAN
        case NotFound():
            return Finding.GONE
        case CodatRefused():
            return Finding.REFUSED
        case _:
            return Finding.UNANSWERED
