"""Why a company has these settings, in one sentence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from codat_sync.codat.differences import Difference
from codat_sync.codat.errors import NotFound
from codat_sync.companies.records import CompanyPlan
from codat_sync.events.company_events import Authority
from codat_sync.reconciliation.findings import Finding
from ops.dlq import Letter

WHO_SAID: Final[Mapping[Authority, str]] = {
    Authority.STATED: "billing or onboarding said so",
    Authority.TAGGED: "its tag at Codat says so",
    Authority.ASSUMED: "nobody named a plan for it, so it has the default one",
}
"""Whose word a company's plan is."""


@dataclass(frozen=True)
class Evidence:
    """What the sentence is made of. ``letters`` are the company's events in the DLQs, the newest last.

    ``finding`` is there where ``record`` is. ``refusal`` is there where Codat did not show the settings.
    """

    record: CompanyPlan | None
    finding: Finding | None
    differences: Sequence[Difference]
    letters: Sequence[Letter]
    refusal: Exception | None


def because(evidence: Evidence) -> str:
    """Answers "why does this company have these settings?"."""
    if evidence.record is None:
        return _nobody_told_us(evidence)
    return _as_recorded(evidence, evidence.record)


def _as_recorded(evidence: Evidence, record: CompanyPlan) -> str:
    plan, applied_at = record.desired.plan, _moment(record.applied_at)
    on_plan = f"it is on {plan} ({WHO_SAID[record.desired.authority]})"
    match evidence.finding:
        case Finding.IN_STEP:
            newer = [letter for letter in evidence.letters if letter.parked_at >= record.desired_at]
            but = f", but a newer event {_lies(newer[-1])}" if newer else ""
            words = f"Because {on_plan}, and Codat was brought to that preset at {applied_at}{but}."
        case Finding.DEGRADED:
            stand_in = record.applied.degraded_to if record.applied else None
            words = f"Because {on_plan}, but Codat's own bill has no hourly schedule, and {stand_in} stands in for it."
        case Finding.CHANGED_AT_CODAT:
            words = (
                f"Because somebody changed them at Codat after {applied_at}, when they were at the preset of {plan}: "
                f"{_how_many(evidence.differences)} now."
            )
        case Finding.PRESET_CHANGED:
            words = (
                f"Because {on_plan}, and the preset of {plan} has changed since Codat was brought to it at "
                f"{applied_at}; the next reconciliation sees to that."
            )
        case Finding.UNKNOWN_PLAN:
            words = f"Because {on_plan}, a plan that the presets do not know, so that nothing can be applied."
        case Finding.GONE:
            words = f"It has none: {on_plan}, but Codat knows no such company."
        case Finding.REFUSED | Finding.UNANSWERED:
            words = f"Nobody can say: {on_plan}, but Codat does not show its settings ({evidence.refusal})."
        case _:
            words = (
                f"Because {on_plan} since {_moment(record.desired_at)}, but "
                f"{_what_holds_it_up(record, evidence.letters)}."
            )
    return words


def _nobody_told_us(evidence: Evidence) -> str:
    why = f"its event {_lies(evidence.letters[-1])}" if evidence.letters else "no event of it has ever reached us"
    match evidence.refusal:
        case None:
            return f"Because {why}, so that they are whatever Codat or somebody else made them."
        case NotFound():
            return f"It has none: Codat knows no such company, and {why}."
        case refusal:
            return f"Nobody can say: Codat does not show its settings ({refusal}), and {why}."


def _what_holds_it_up(record: CompanyPlan, letters: Sequence[Letter]) -> str:
    """Why what is desired was not confirmed."""
    letters = [letter for letter in letters if letter.parked_at >= record.desired_at]
    if letters:
        return f"its event {_lies(letters[-1])}"
    failure = record.last_failure
    if failure is not None and failure.at >= record.desired_at:
        return f"the last attempt failed at {_moment(failure.at)} ({failure.reason}: {failure.words})"
    return "its event is still on its way"


def _lies(letter: Letter) -> str:
    return f"lies in the {letter.dlq} DLQ ({letter.why})"


def _how_many(found: Sequence[Difference]) -> str:
    data_types = {difference.data_type for difference in found}
    return "one data type differs" if len(data_types) == 1 else f"{len(data_types)} data types differ"


def _moment(at: datetime | None) -> str:
    return at.strftime("%Y-%m-%d %H:%M UTC") if at else "a time that nobody noted"
