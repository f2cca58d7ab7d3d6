"""All that bears on one company's settings: what we know, what Codat says now, what lies in the DLQs. Reads only."""

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
from codat_sync.presets.file import Presets
from codat_sync.presets.preset import UnknownPlan
from codat_sync.reconciliation.findings import Finding, finding_of
from ops.diagnosis import Evidence, because
from ops.dlq import Dlqs, Letter, Wanted

_AFTER_MONTHLY: Final = 1000
"""Where what is never pulled comes in a list that is sorted by hours."""


@dataclass(frozen=True)
class AtCodat:
    """What Codat shows of a company. ``data_types`` are listed by how often they are pulled, most often first."""

    name: str | None
    overrides_defaults: bool
    data_types: Mapping[str, tuple[str, ...]]
    locked: tuple[str, ...]


@dataclass(frozen=True)
class Explanation:
    """All that bears on a company's settings.

    ``finding`` is what a reconciliation would find; without a record, no more than why Codat does not show the company.
    ``differences`` are from what is at Codat to the plan's whole preset. ``at_codat`` is None where Codat does not show
    it: ``not_shown_because`` says why. ``letters`` are its events in the DLQs, the newest last; ``all_letters`` is
    false where there was no time to look at all of them.
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
    letters: tuple[Letter, ...]
    all_letters: bool
    pause: Pause | None


class Explaining:
    """The use case on one company."""

    def __init__(
        self,
        codat: CodatClient,
        plans: CompanyPlans,
        presets: Presets,
        dlqs: Dlqs,
        pause: PauseRecord,
        now: Callable[[], datetime],
    ) -> None:
        """``codat`` is asked even while a pause is in force: what it says now is the question."""
        self._codat = codat
        self._convergence = Convergence(codat, plans, presets, now)
        self._plans = plans
        self._presets = presets
        self._dlqs = dlqs
        self._pause = pause
        self._now = now

    def explain(self, company_id: UUID) -> Explanation:
        """Three calls to Codat at most. Where it does not show the settings, what is known without it."""
        record = self._plans.get(company_id)
        look = self._dlqs.look(Wanted(company_id=company_id))
        pause = self._pause.read()
        name: str | None = None
        current: SyncSettings | None = None
        refusal: Exception | None = None
        try:
            name = self._codat.get_company(company_id).name
            current = self._convergence.current(company_id, may_call=lambda: None)
        except (CodatError, ApiKeyUnusable) as error:
            refusal = error
        finding, found = self._compare(record, current, refusal)
        return Explanation(
            company_id=company_id,
            because=because(Evidence(record, finding, found, look.letters, refusal)),
            finding=finding,
            record=record,
            authority=record.desired.authority.name.lower() if record else None,
            occurred_at=record.desired.occurred_at if record else None,
            at_codat=_shown(name, current) if current else None,
            not_shown_because=str(refusal) if refusal else None,
            differences=found,
            letters=tuple(look.letters),
            all_letters=look.complete,
            pause=pause if pause is not None and pause.until > self._now() else None,
        )

    def _compare(
        self, record: CompanyPlan | None, current: SyncSettings | None, refusal: Exception | None
    ) -> tuple[Finding | None, tuple[Difference, ...]]:
        not_shown = (finding_of(refusal) or Finding.UNANSWERED) if refusal else None
        if record is None:
            return not_shown, ()
        try:
            preset = self._presets.for_company(record.desired.plan, record.company_id)
        except UnknownPlan:
            return Finding.UNKNOWN_PLAN, ()
        if current is None:
            return not_shown, ()
        finding, expected = belief(record, preset, self._now())
        changed = finding in {Finding.IN_STEP, Finding.DEGRADED} and differences(current, expected.over(current))
        return Finding.CHANGED_AT_CODAT if changed else finding, differences(current, preset.over(current))


def _shown(name: str | None, current: SyncSettings) -> AtCodat:
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
    """Hours to sort by, and words without the hour of day."""
    if isinstance(schedule, SyncSchedule):
        return schedule.interval_hours or _AFTER_MONTHLY, str(schedule.interval_hours)
    return _AFTER_MONTHLY, "unset" if schedule is None else f"{schedule}, which we cannot read"
