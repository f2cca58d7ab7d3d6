"""Why a company has its sync settings, in one sentence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from codat_sync.codat.differences import Difference
from codat_sync.codat.errors import NotFound
from codat_sync.companies.records import CompanyPlan
from codat_sync.events.company_events import Authority
from codat_sync.reconciliation.findings import Finding
from ops.dlq import DeadLetter

AUTHORITY_IN_WORDS: Final[Mapping[Authority, str]] = {
    Authority.STATED: "stated by billing or onboarding",
    Authority.TAGGED: "taken from its tag at Codat",
    Authority.ASSUMED: "the default plan, because no event named one",
}
"""Where a company's plan comes from."""


@dataclass(frozen=True)
class Evidence:
    """The facts about one company.

    ``finding`` is set where ``record`` is. ``letters`` are the company's events in the DLQs, newest last. ``refusal``
    is the error with which Codat did not show the settings, or None where it showed them.
    """

    record: CompanyPlan | None
    finding: Finding | None
    differences: Sequence[Difference]
    letters: Sequence[DeadLetter]
    refusal: Exception | None


def diagnose(evidence: Evidence) -> str:
    """Return one sentence that says why the company has its settings."""
    if evidence.record is None:
        return _without_record(evidence)
    return _with_record(evidence, evidence.record)


def _with_record(evidence: Evidence, record: CompanyPlan) -> str:
    on_plan = f"the company is on {record.desired.plan} ({AUTHORITY_IN_WORDS[record.desired.authority]})"
    match evidence.finding:
        case Finding.IN_STEP | Finding.DEGRADED | Finding.CHANGED_AT_CODAT | Finding.NOT_TAKEN | Finding.PRESET_CHANGED:
            words = _after_confirmation(evidence, record, on_plan)
        case Finding.UNKNOWN_PLAN:
            words = f"{on_plan}, but the presets do not have this plan, so nothing can be applied"
        case Finding.GONE:
            words = f"there are no settings: {on_plan}, but Codat does not know the company"
        case Finding.REFUSED | Finding.UNANSWERED:
            words = f"the cause is unknown: {on_plan}, but Codat does not show its settings ({evidence.refusal})"
        case _:
            words = f"{on_plan} since {_moment(record.desired_at)}, but {_not_confirmed(record, evidence.letters)}"
    return _sentence(words)


def _after_confirmation(evidence: Evidence, record: CompanyPlan, on_plan: str) -> str:
    """Say what holds of a company whose desired plan was confirmed at Codat."""
    plan, applied_at = record.desired.plan, _moment(record.applied_at)
    if evidence.finding is Finding.DEGRADED:
        fallback = record.applied.degraded_to if record.applied else None
        return f"{on_plan}, but the Codat account does not allow hourly syncs, so {fallback} is the fallback"
    if evidence.finding is Finding.CHANGED_AT_CODAT:
        return (
            f"the settings were changed at Codat after {applied_at}, when the preset of {plan} was confirmed: "
            f"{_how_many(evidence.differences)}"
        )
    if evidence.finding is Finding.NOT_TAKEN:
        return (
            f"Codat accepted the preset of {plan} at {applied_at}, but did not show it right after that: "
            f"{_how_many(evidence.differences)}; reconciliation runs do not write it again"
        )
    if evidence.finding is Finding.PRESET_CHANGED:
        return (
            f"{on_plan}, and the preset of {plan} has changed since it was applied at {applied_at}; "
            "the next reconciliation run applies the new one"
        )
    newer = [letter for letter in evidence.letters if letter.parked_at >= record.desired_at]
    but = f", but a newer event {_is_in_dlq(newer[-1])}" if newer else ""
    return f"{on_plan}, and its preset was confirmed at Codat at {applied_at}{but}"


def _without_record(evidence: Evidence) -> str:
    why = (
        f"its event {_is_in_dlq(evidence.letters[-1])}"
        if evidence.letters
        else "no event about the company has reached the stack"
    )
    match evidence.refusal:
        case None:
            words = f"{why}, so the settings are Codat's own, or those that were set in its Portal"
        case NotFound():
            words = f"there are no settings: Codat does not know the company, and {why}"
        case refusal:
            words = f"the cause is unknown: Codat does not show the settings ({refusal}), and {why}"
    return _sentence(words)


def _not_confirmed(record: CompanyPlan, letters: Sequence[DeadLetter]) -> str:
    """Say why the desired plan is not confirmed at Codat."""
    letters = [letter for letter in letters if letter.parked_at >= record.desired_at and _is_about(letter, record)]
    if letters:
        return f"its event {_is_in_dlq(letters[-1])}"
    failure = record.last_failure
    if failure is not None and failure.at >= record.desired_at:
        return f"the last attempt failed at {_moment(failure.at)} ({failure.reason}: {failure.words})"
    return "its event is still in progress"


def _is_about(letter: DeadLetter, record: CompanyPlan) -> bool:
    """Tell whether an event is the one that named the desired plan, or about that plan, as far as it says so."""
    desired = record.desired
    says_nothing = letter.event_id is None and letter.plan is None
    return says_nothing or letter.event_id == desired.event_id or letter.plan == desired.plan


def _is_in_dlq(letter: DeadLetter) -> str:
    return f"is in the {letter.dlq} DLQ ({letter.why})"


def _how_many(found: Sequence[Difference]) -> str:
    data_types = {difference.data_type for difference in found}
    return "one data type differs now" if len(data_types) == 1 else f"{len(data_types)} data types differ now"


def _moment(at: datetime | None) -> str:
    return at.strftime("%Y-%m-%d %H:%M UTC") if at else "an unknown time"


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."
