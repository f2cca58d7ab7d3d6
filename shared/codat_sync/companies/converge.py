"""Record, converge, confirm: how a company gets the settings that its newest plan stands for.

Events come at least once and in any order, so none is ever applied. It only updates what is desired, and ``converge``
brings Codat there. The loser of a race re-applies the winner's plan, and a crash anywhere is healed by redelivery.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol
from uuid import UUID

from codat_sync.codat.differences import Difference, differences, more_frequent
from codat_sync.codat.errors import BadRequest, Conflict, NotFound, PaymentRequired, PaymentRequiredKind
from codat_sync.codat.models import SyncSettings
from codat_sync.companies.records import AppliedPreset, CompanyPlan, DesiredPlan
from codat_sync.events.company_events import CompanyEvent
from codat_sync.presets.file import Presets
from codat_sync.presets.preset import CompanyPreset

MAX_ROUNDS: Final = 5
"""How often a newer plan may come in between before the event is deferred."""


class PlanKeepsChanging(Exception):
    """Newer plans came in as fast as this one was applied. Trying again later is safe: nothing was confirmed."""

    reason = "plan_keeps_changing"


class Codat(Protocol):
    """The part of Codat's API that convergence takes."""

    def get_sync_settings(self, company_id: UUID) -> SyncSettings:
        """A company's settings."""

    def get_account_sync_settings(self) -> SyncSettings:
        """The account's defaults."""

    def update_sync_settings(self, company_id: UUID, settings: SyncSettings) -> None:
        """Set all of a company's settings."""

    def queue_refresh(self, company_id: UUID, data_type: str) -> bool:
        """Pull one data type now; False where that is under way already."""


class PlanRecords(Protocol):
    """Where desired and applied are kept."""

    def record(self, company_id: UUID, desired: DesiredPlan, *, at: datetime) -> CompanyPlan:
        """Store what is desired if it is newer; the record as it is afterwards."""

    def confirm(self, company_id: UUID, desired: DesiredPlan, applied: AppliedPreset, *, at: datetime) -> CompanyPlan:
        """Note what is applied if ``desired`` still is; the record as it is afterwards."""

    def note_failure(self, company_id: UUID, event_id: str, failure: str, *, at: datetime) -> None:
        """Keep the newest failure with the company."""


@dataclass(frozen=True)
class Converged:
    """Codat is at the company's preset. ``degraded_by`` is the 402 that keeps hourly away, if one does.

    ``to_refresh`` names the data types that the company's new plan pulls more often than they were pulled before, where
    the plan's preset wants such to be pulled at once.
    """

    company: CompanyPlan
    differences: tuple[Difference, ...] = ()
    degraded_by: PaymentRequired | None = None
    refused_narrowing: tuple[str, ...] = ()
    to_refresh: tuple[str, ...] = ()


class Convergence:
    """The use cases on one company. Holds no state between calls."""

    def __init__(self, codat: Codat, plans: PlanRecords, presets: Presets, now: Callable[[], datetime]) -> None:
        self._codat = codat
        self._plans = plans
        self._presets = presets
        self._now = now

    def desired_by(self, event: CompanyEvent) -> DesiredPlan:
        """What the event asks for. Raises ``UnknownPlan``, so that no plan without a preset is ever recorded."""
        if event.plan is None and not event.cancelled:
            return DesiredPlan.assumed(self._presets.default_plan, event.event_id)
        plan = self._presets.on_cancelled if event.cancelled else str(event.plan)
        name = self._presets.for_company(plan, event.company_id).plan
        return DesiredPlan.named(name, event.authority, event.occurred_at, event.event_id)

    def record(self, company_id: UUID, desired: DesiredPlan) -> CompanyPlan:
        """Store what is desired, if it is newer than what is stored; the record as it is afterwards."""
        return self._plans.record(company_id, desired, at=self._now())

    def note_failure(self, company_id: UUID, event_id: str, failure: str) -> None:
        """Keep the newest failure with the company: what SQS itself moves to a DLQ carries no reason."""
        self._plans.note_failure(company_id, event_id, failure, at=self._now())

    def in_force(self, company: CompanyPlan) -> bool:
        """Whether we believe that Codat is at the company's preset. Costs no call.

        Only what was confirmed for this very desired plan is believed: since an earlier one was confirmed, an attempt
        at another may have written to Codat and never have come to know it.
        """
        preset = self._presets.for_company(company.desired.plan, company.company_id)
        applied = company.applied
        return (
            applied is not None and applied.order == company.desired.order and applied.fingerprint == preset.fingerprint
        )

    def drift(self, company_id: UUID, preset: CompanyPreset, may_call: Callable[[], None]) -> tuple[Difference, ...]:
        """What differs at Codat from a preset that should be in force there. Reads only.

        ``may_call`` is asked before each call to Codat, as with ``converge``. Raises ``CodatError``.
        """
        current = self.current(company_id, may_call)
        return differences(current, preset.over(current))

    def converge(self, company: CompanyPlan, event_id: str, may_call: Callable[[], None]) -> Converged:
        """Bring Codat to the company's desired preset, and confirm it while that is still what is desired.

        ``may_call`` is asked before each call to Codat, and raises where there is no time left for one. Raises
        ``CodatError``, ``UnknownPlan`` where a deploy removed the plan, and ``PlanKeepsChanging``. All of them leave
        the record such that the same event, seen again, completes the work.
        """
        for _ in range(MAX_ROUNDS):
            preset = self._presets.for_company(company.desired.plan, company.company_id)
            current = self.current(company.company_id, may_call)
            in_force, changed, refusal = self._apply(company.company_id, preset, current, may_call)
            applied = AppliedPreset(
                plan=preset.plan,
                fingerprint=in_force.fingerprint,
                event_id=event_id,
                order=company.desired.order,
                degraded_to=None if refusal is None else str(preset.fallback),
            )
            confirmed = self._plans.confirm(company.company_id, company.desired, applied, at=self._now())
            if confirmed.desired == company.desired:
                had_another_plan = company.applied is None or company.applied.plan != preset.plan
                refreshes = preset.refresh_on_upgrade and had_another_plan
                to_refresh = more_frequent(current, in_force.over(current)) if refreshes else ()
                return Converged(confirmed, changed, refusal, preset.refused_narrowing(current), to_refresh)
            company = confirmed
        raise PlanKeepsChanging(f"{MAX_ROUNDS} newer plans came in one after the other")

    def refresh(self, company_id: UUID, data_types: Iterable[str], may_call: Callable[[], None]) -> Iterator[str]:
        """Have Codat pull these data types now, one call each; each is yielded once its pull is queued or under way.

        What no linked source of the company offers is passed over: Codat answers 400 or 404, or 409 where something
        else is at work on it. Raises any other ``CodatError``, and what ``may_call`` raises: then the rest is left.
        """
        for data_type in data_types:
            may_call()
            try:
                self._codat.queue_refresh(company_id, data_type)
            except (BadRequest, NotFound, Conflict):
                continue
            yield data_type

    def current(self, company_id: UUID, may_call: Callable[[], None]) -> SyncSettings:
        """What applies to the company at Codat now. Reads only. Raises ``CodatError``, and what ``may_call`` raises.

        Codat may show a company without settings of its own as an empty list: then the account's apply.
        """
        may_call()
        current = self._codat.get_sync_settings(company_id)
        if current.settings:
            return current
        may_call()
        defaults = self._codat.get_account_sync_settings()
        return defaults.model_copy(update={"overrides_defaults": current.overrides_defaults})

    def _apply(
        self, company_id: UUID, preset: CompanyPreset, current: SyncSettings, may_call: Callable[[], None]
    ) -> tuple[CompanyPreset, tuple[Difference, ...], PaymentRequired | None]:
        """Put the preset in force, or what is left of it where the Codat account has no hourly schedule."""
        try:
            return preset, self._write(company_id, preset, current, may_call), None
        except PaymentRequired as refusal:
            degraded = preset.degraded()
            if refusal.kind is not PaymentRequiredKind.HOURLY_NOT_ALLOWED or degraded is None:
                raise
            return degraded, self._write(company_id, degraded, current, may_call), refusal

    def _write(
        self, company_id: UUID, preset: CompanyPreset, current: SyncSettings, may_call: Callable[[], None]
    ) -> tuple[Difference, ...]:
        """Write only where something differs; the differences."""
        target = preset.over(current)
        changed = differences(current, target)
        if changed:
            may_call()
            self._codat.update_sync_settings(company_id, target)
        return changed
