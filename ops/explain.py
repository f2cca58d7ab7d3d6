"""Explain one company's sync settings: its record, what Codat shows now, and its events in the DLQs. Reads only."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from codat_sync.api_key import ApiKeyUnusable
from codat_sync.codat.client import CodatClient
from codat_sync.codat.differences import Difference, differences
from codat_sync.codat.errors import CodatError
from codat_sync.codat.models import SyncSchedule, SyncSettings
from codat_sync.companies.converge import Convergence
from codat_sync.companies.pause import Pause, PauseRecord
from codat_sync.companies.records import CompanyPlan, CompanyPlans
from codat_sync.deadline import Deadline
from codat_sync.presets.file import Presets
from codat_sync.presets.preset import UnknownPlan
from codat_sync.reconciliation.findings import Finding, expectation, finding_of, is_not_taken
from ops.diagnosis import Evidence, diagnose
from ops.dlq import DeadLetter, Dlqs, Filter
from ops.pause import in_force

_AFTER_MONTHLY: Final = 1000
"""The sort key, in hours, of data types that are never synced."""


@dataclass(frozen=True)
class AtCodat:
    """What Codat shows of a company. ``data_types`` are grouped by frequency, most frequent first."""

    name: str | None
    overrides_defaults: bool
    data_types: Mapping[str, tuple[str, ...]]
    locked: tuple[str, ...]


@dataclass(frozen=True)
class Explanation:
    """Everything that bears on one company's settings.

    ``because`` is the answer in one sentence. ``finding`` is what a reconciliation run would find; without a record it
    only says why Codat does not show the company, and is None where Codat does. ``at_codat`` is None where Codat does
    not show the settings, and ``not_shown_because`` says why. ``differences`` lead from the settings at Codat to the
    plan's preset. ``letters`` are the company's events in the DLQs, newest last; ``all_letters`` is false where the
    time limit was reached before every message was read. ``pause`` is None unless one is in force.
    """

    company_id: UUID
    because: str
    finding: Finding | None
    record: CompanyPlan | None
    authority: str | None
    occurred_at: datetime | None
    at_codat: AtCodat | None
    not_shown_because: str | None
    differences: tuple[Difference, ...]
    letters: tuple[DeadLetter, ...]
    all_letters: bool
    pause: Pause | None


@dataclass(frozen=True)
class _Shown:
    """Codat's answer: either ``settings`` or ``refusal`` is set."""

    name: str | None = None
    settings: SyncSettings | None = None
    refusal: Exception | None = None


class Explainer:
    """The use case, for the companies of one stack."""

    def __init__(
        self,
        codat: CodatClient,
        plans: CompanyPlans,
        presets: Presets,
        dlqs: Dlqs,
        pause: PauseRecord,
        now: Callable[[], datetime],
    ) -> None:
        """Take the stack's parts. ``codat`` is called during a pause too: its present answer is what counts here."""
        self._codat = codat
        self._convergence = Convergence(codat, plans, presets, now)
        self._plans = plans
        self._presets = presets
        self._dlqs = dlqs
        self._pause = pause
        self._now = now

    def explain(self, company_id: UUID) -> Explanation:
        """Explain one company, with three calls to Codat at most. An error of Codat is part of the explanation."""
        record = self._plans.get(company_id)
        found = self._dlqs.find(Filter(company_id=company_id))
        pause = in_force(self._pause, self._now())
        shown = self._ask_codat(company_id)
        finding, different = self._compare(record, shown)
        return Explanation(
            company_id=company_id,
            because=diagnose(Evidence(record, finding, different, found.letters, shown.refusal)),
            finding=finding,
            record=record,
            authority=record.desired.authority.name.lower() if record else None,
            occurred_at=record.desired.occurred_at if record else None,
            at_codat=_at_codat(shown.name, shown.settings) if shown.settings else None,
            not_shown_because=str(shown.refusal) if shown.refusal else None,
            differences=different,
            letters=tuple(found.letters),
            all_letters=found.complete,
            pause=pause,
        )

    def _ask_codat(self, company_id: UUID) -> _Shown:
        try:
            name = self._codat.get_company(company_id).name
            return _Shown(name, self._convergence.current(company_id, Deadline.never()))
        except (CodatError, ApiKeyUnusable) as error:
            return _Shown(refusal=error)

    def _compare(self, record: CompanyPlan | None, shown: _Shown) -> tuple[Finding | None, tuple[Difference, ...]]:
        not_shown = (finding_of(shown.refusal) or Finding.UNANSWERED) if shown.refusal else None
        if record is None:
            return not_shown, ()
        try:
            preset = self._presets.for_company(record.desired.plan, record.company_id)
        except UnknownPlan:
            return Finding.UNKNOWN_PLAN, ()
        current = shown.settings
        if current is None:
            return not_shown, ()
        finding, expected = expectation(record, preset, self._now())
        drift = differences(current, expected.over(current))
        if finding in {Finding.IN_STEP, Finding.DEGRADED} and drift:
            finding = Finding.NOT_TAKEN if is_not_taken(record, drift) else Finding.CHANGED_AT_CODAT
        return finding, differences(current, preset.over(current))


def _at_codat(name: str | None, current: SyncSettings) -> AtCodat:
    listed: dict[tuple[int, str], list[str]] = {}
    for setting in current.settings:
        listed.setdefault(_frequency(setting.sync_schedule), []).append(setting.data_type)
    return AtCodat(
        name,
        current.overrides_defaults,
        {words: tuple(listed[hours, words]) for hours, words in sorted(listed)},
        tuple(setting.data_type for setting in current.settings if setting.is_locked),
    )


def _frequency(schedule: object) -> tuple[int, str]:
    """Return the hours to sort by, and the frequency in words without the hour of day."""
    if isinstance(schedule, SyncSchedule):
        return schedule.interval_hours or _AFTER_MONTHLY, str(schedule.interval_hours)
    # Scripts read these words as keys of `explain --json`.
    return _AFTER_MONTHLY, "unset" if schedule is None else f"{schedule}, which we cannot read"
