"""Record, converge, confirm: how a company gets the settings that its newest plan stands for.

Events come at least once and in any order, so an event is never applied. It only updates the desired plan, and
``converge`` brings Codat there. The loser of a race applies the winner's plan again, and redelivery repairs any crash.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final, Protocol, TypeVar
from uuid import UUID

from codat_sync.codat.differences import Difference, differences, more_frequent
from codat_sync.codat.errors import BadRequest, Conflict, NotFound, PaymentRequired, PaymentRequiredKind, RateLimited
from codat_sync.codat.models import SyncSettings
from codat_sync.codat.rate_limits import SHORT_WAIT
from codat_sync.companies.desired import DesiredPlan
from codat_sync.companies.records import AppliedPreset, CompanyPlan
from codat_sync.deadline import Deadline
from codat_sync.errors import TransientError
from codat_sync.events.company_events import Authority, CompanyEvent
from codat_sync.presets.file import Presets
from codat_sync.presets.preset import CompanyPreset

MAX_ROUNDS: Final = 5
"""How many newer plans may come in one after the other before the event is deferred."""
TRIES: Final = 3
"""How often a call is made that Codat refuses for its rate, before its event is deferred."""

_Answer = TypeVar("_Answer")


class PlanKeepsChanging(TransientError):
    """Newer plans came in as fast as this one was applied. A retry is safe: nothing was confirmed."""

    reason = "plan_keeps_changing"


class Codat(Protocol):
    """The part of Codat's API that convergence needs."""

    def get_sync_settings(self, company_id: UUID) -> SyncSettings:
        """Return a company's settings."""

    def get_account_sync_settings(self) -> SyncSettings:
        """Return the account's defaults."""

    def update_sync_settings(self, company_id: UUID, settings: SyncSettings) -> None:
        """Set all of a company's settings."""

    def queue_refresh(self, company_id: UUID, data_type: str) -> bool:
        """Queue a pull of one data type; return False where one is in progress already."""


class PlanRecords(Protocol):
    """The table of companies, as far as convergence needs it."""

    def record(self, company_id: UUID, desired: DesiredPlan, *, at: datetime) -> CompanyPlan:
        """Store the desired plan if it is newer; return the record as it is afterwards."""

    def get(self, company_id: UUID) -> CompanyPlan | None:
        """Return the record, None where there is none."""

    def confirm(self, company_id: UUID, desired: DesiredPlan, applied: AppliedPreset, *, at: datetime) -> CompanyPlan:
        """Note the applied preset if ``desired`` is still desired; return the record as it is afterwards."""

    def note_failure(self, company_id: UUID, event_id: str, failure: str, *, at: datetime) -> None:
        """Keep the newest failure with the company."""


@dataclass(frozen=True)
class Converged:
    """Codat is at the company's preset. ``degraded_by`` is the 402 that prevents hourly, if there was one.

    ``to_refresh`` names the data types that the new plan pulls more often than before, where the plan's preset wants
    them to be pulled at once.
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

    def desired_by(self, event: CompanyEvent, arrived_at: datetime | None = None) -> DesiredPlan:
        """Return the plan that the event asks for. ``arrived_at``: when SQS first got it.

        Raise ``UnknownPlan`` where billing or onboarding states a plan without a preset. A tag may name one: whether
        it counts at all is for ``record`` to see.
        """
        if event.plan is None and not event.cancelled:
            return DesiredPlan.assumed(self._presets.default_plan, event.event_id)
        plan = self._presets.on_cancelled if event.cancelled else str(event.plan)
        if event.authority is Authority.STATED or self.knows(plan):
            plan = self._presets.for_company(plan, event.company_id).plan
        return DesiredPlan.named(
            plan,
            event.authority,
            event.occurred_at,
            event.event_id,
            sequence=event.sequence,
            arrived_at=arrived_at,
        )

    def knows(self, plan: str) -> bool:
        """Return whether the plan has a preset."""
        return self._presets.knows(plan)

    def record(self, company_id: UUID, desired: DesiredPlan) -> CompanyPlan:
        """Store the desired plan if it is newer than the stored one; return the record as it is afterwards.

        A plan without a preset is never stored. Where a greater authority stands in the record, it does not count
        anyway; else raise ``UnknownPlan``.
        """
        if not self.knows(desired.plan):
            stored = self._plans.get(company_id)
            if stored is not None and stored.desired.authority > desired.authority:
                return stored
            self._presets.for_company(desired.plan, company_id)
        return self._plans.record(company_id, desired, at=self._now())

    def note_failure(self, company_id: UUID, event_id: str, failure: str) -> None:
        """Keep the newest failure with the company: what SQS itself moves to a DLQ carries no reason."""
        self._plans.note_failure(company_id, event_id, failure, at=self._now())

    def in_force(self, company: CompanyPlan) -> bool:
        """Return whether the record says that Codat is at the company's preset. Costs no call.

        Only a confirmation for this very desired plan counts: after an earlier one, an attempt at another plan may
        have written to Codat without getting the answer.
        """
        preset = self._presets.for_company(company.desired.plan, company.company_id)
        applied = company.applied
        return (
            applied is not None and applied.order == company.desired.order and applied.fingerprint == preset.fingerprint
        )

    def drift(self, company_id: UUID, preset: CompanyPreset, deadline: Deadline) -> tuple[Difference, ...]:
        """Return what differs at Codat from a preset that should be in force there. Reads only.

        Raise ``CodatError``, and ``OutOfTime`` where the deadline does not allow a call.
        """
        current = self.current(company_id, deadline)
        return differences(current, preset.over(current))

    def converge(self, company: CompanyPlan, event_id: str, deadline: Deadline) -> Converged:
        """Bring Codat to the preset of the company's desired plan, and confirm it if that plan is still desired.

        The deadline is checked before each call to Codat. Raise ``CodatError``, ``OutOfTime``, ``UnknownPlan`` where a
        deploy removed the plan, and ``PlanKeepsChanging``. After each of them the same event, delivered again,
        completes the work.
        """
        for _ in range(MAX_ROUNDS):
            preset = self._presets.for_company(company.desired.plan, company.company_id)
            current = self.current(company.company_id, deadline)
            in_force, changed, refusal = self._apply(company.company_id, preset, current, deadline)
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

    def refresh(self, company_id: UUID, data_types: Iterable[str], deadline: Deadline) -> Iterator[str]:
        """Make Codat pull these data types now, one call each; yield each once its pull is queued or in progress.

        A data type that no linked source of the company offers is skipped: Codat answers 400 or 404, or 409 where
        another operation on it is in progress. Raise any other ``CodatError``, and ``OutOfTime``; the rest is left.
        """
        for data_type in data_types:
            try:
                _call(deadline, partial(self._codat.queue_refresh, company_id, data_type))
            except (BadRequest, NotFound, Conflict):
                continue
            yield data_type

    def current(self, company_id: UUID, deadline: Deadline) -> SyncSettings:
        """Return what applies to the company at Codat now. Reads only. Raise ``CodatError`` and ``OutOfTime``.

        Codat may show a company without settings of its own as an empty list: then the account's settings apply.
        """
        current = _call(deadline, lambda: self._codat.get_sync_settings(company_id))
        if current.settings:
            return current
        defaults = _call(deadline, self._codat.get_account_sync_settings)
        return defaults.model_copy(update={"overrides_defaults": current.overrides_defaults})

    def _apply(
        self, company_id: UUID, preset: CompanyPreset, current: SyncSettings, deadline: Deadline
    ) -> tuple[CompanyPreset, tuple[Difference, ...], PaymentRequired | None]:
        """Put the preset in force, or the degraded one where the Codat account has no hourly schedule."""
        try:
            return preset, self._write(company_id, preset, current, deadline), None
        except PaymentRequired as refusal:
            degraded = preset.degraded()
            if refusal.kind is not PaymentRequiredKind.HOURLY_NOT_ALLOWED or degraded is None:
                raise
            return degraded, self._write(company_id, degraded, current, deadline), refusal

    def _write(
        self, company_id: UUID, preset: CompanyPreset, current: SyncSettings, deadline: Deadline
    ) -> tuple[Difference, ...]:
        """Write only where something differs; return the differences."""
        target = preset.over(current)
        changed = differences(current, target)
        if changed:
            _call(deadline, lambda: self._codat.update_sync_settings(company_id, target))
        return changed


def _call(deadline: Deadline, call: Callable[[], _Answer]) -> _Answer:
    """Make a call once the deadline allows it, and again where Codat refuses it for a short while.

    A call that was refused for its rate had no effect. Deferring its event would spend its back-off on what is no
    trouble of the event's.
    """
    for _ in range(TRIES - 1):
        deadline.check()
        try:
            return call()
        except RateLimited as refusal:
            is_long = refusal.retry_after is not None and refusal.retry_after > SHORT_WAIT
            if is_long or not deadline.waits_for_turns:
                raise
    deadline.check()
    return call()
