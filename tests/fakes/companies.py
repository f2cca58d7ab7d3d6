"""Fakes of the room ``companies``: the records of all companies, and the pause, with their conditions.

tests/unit/companies holds them to the same claims as the tables that they stand for.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from codat_sync.companies.desired import DesiredPlan, newest_first
from codat_sync.companies.pause import Pause
from codat_sync.companies.rate import Rate
from codat_sync.companies.records import AppliedPreset, CompanyPage, CompanyPlan, NotedFailure, RecordGone

COMPANY = UUID("8a210b68-6988-4001-a1eb-0242ac120001")
OTHER_COMPANY = UUID("8a210b68-6988-4002-a1eb-0242ac120002")


@dataclass
class FakePlans:
    """``CompanyPlans`` in memory. ``failures`` are raised by the next calls, one each; None lets a call pass."""

    items: dict[UUID, CompanyPlan] = field(default_factory=dict)
    failures: list[Exception | None] = field(default_factory=list)
    writes: int = 0
    _tied: dict[UUID, tuple[DesiredPlan, ...]] = field(default_factory=dict)

    def record(self, company_id: UUID, desired: DesiredPlan, *, at: datetime) -> CompanyPlan:
        self._write(at)
        stored = self.items.get(company_id)
        if stored is None:
            self._tied[company_id] = (desired.recorded(at),)
            self.items[company_id] = CompanyPlan(company_id, desired, at)
        elif stored.desired.order < desired.moment:
            self._tied[company_id] = (desired.recorded(at),)
            self.items[company_id] = replace(stored, desired=desired, desired_at=at)
        elif stored.desired.moment == desired.moment and desired.occurred_at:
            return self._settle_tie(stored, desired, at)
        return self.items[company_id]

    def _settle_tie(self, stored: CompanyPlan, desired: DesiredPlan, at: datetime) -> CompanyPlan:
        company_id = stored.company_id
        known = self._tied.get(company_id, (stored.desired.recorded(stored.desired_at),))
        self._tied[company_id] = newest_first(known, desired.recorded(at))
        leader = self._tied[company_id][0]
        if leader.order == stored.desired.order:
            return stored
        applied = replace(stored.applied, order="") if stored.applied else None
        self.items[company_id] = replace(stored, desired=leader, desired_at=at, applied=applied)
        return replace(self.items[company_id], promoted=leader.order != desired.order)

    def confirm(self, company_id: UUID, desired: DesiredPlan, applied: AppliedPreset, *, at: datetime) -> CompanyPlan:
        self._write(at)
        stored = self.items.get(company_id)
        if stored is None:
            raise RecordGone("the company's record was deleted")
        if stored.desired.order == desired.order:
            self.items[company_id] = replace(stored, applied=applied, applied_at=at)
        return self.items[company_id]

    def note_failure(self, company_id: UUID, event_id: str, failure: str, *, at: datetime) -> None:
        self._write(at)
        reason, _, words = failure.partition(": ")
        self._note(company_id, last_failure=NotedFailure(reason, words, event_id, at))

    def note_drift(self, company_id: UUID, times: int, *, at: datetime) -> None:
        self._write(at)
        self._note(company_id, times_drifted=times, drifted_at=at)

    def note_in_step(self, company_id: UUID) -> None:
        self._write()
        self._note(company_id, times_drifted=0, not_taken=None)

    def note_not_taken(self, company_id: UUID, fingerprint: str) -> None:
        self._write()
        self._note(company_id, not_taken=fingerprint)

    def get(self, company_id: UUID) -> CompanyPlan | None:
        return self.items.get(company_id)

    def page(self, after: str | None, limit: int) -> CompanyPage:
        """Return the companies in the order of their ids."""
        rest = sorted(str(each) for each in self.items if str(each) > (after or ""))
        companies = tuple(self.items[UUID(each)] for each in rest[:limit])
        return CompanyPage(companies, rest[limit - 1] if len(rest) > limit else None)

    def known(self, company_ids: Collection[UUID]) -> set[UUID]:
        return self.items.keys() & set(company_ids)

    def _note(self, company_id: UUID, **changes: object) -> None:
        if company_id in self.items:
            self.items[company_id] = replace(self.items[company_id], **changes)  # type: ignore[arg-type]  # The callers' fields.

    def _write(self, at: datetime | None = None) -> None:
        assert at is None or at.tzinfo
        self.writes += 1
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None:
            raise failure


@dataclass
class FakePause:
    """``StoredPause`` in memory, shared by all processes of a test. ``interfere`` runs before each swap."""

    pause: Pause | None = None
    reads: int = 0
    interfere: Callable[[], None] = lambda: None

    def read(self) -> Pause | None:
        self.reads += 1
        return self.pause

    def write(self, pause: Pause) -> None:
        if self.pause is None or self.pause.until < pause.until:
            self.pause = pause

    def swap(self, old: Pause, new: Pause | None) -> bool:
        self.interfere()
        if self.pause is None or self.pause.until != old.until:
            return False
        self.pause = new
        return True


@dataclass
class FakeCallRate:
    """``StoredCallRate`` in memory, shared by all processes of a test. ``failure`` is raised by every call."""

    rate: Rate | None = None
    reads: int = 0
    writes: int = 0
    failure: Exception | None = None

    def read(self) -> Rate | None:
        self.reads += 1
        self._fail()
        return self.rate

    def take(self, known: Rate, *, length: int, now: int) -> Rate | None:
        self.writes += 1
        self._fail()
        rate = self.rate
        if rate is None or (rate.limit, rate.opened_at) != (known.limit, known.opened_at) or rate.next_turn < now:
            return None
        self.rate = replace(rate, next_turn=rate.next_turn + length, granted=rate.granted + known.turns_at_once)
        return self.rate

    def swap(self, old: Rate | None, new: Rate) -> bool:
        self.writes += 1
        self._fail()
        if _place(old) != _place(self.rate):
            return False
        self.rate = new
        return True

    def _fail(self) -> None:
        if self.failure is not None:
            raise self.failure


def _place(rate: Rate | None) -> tuple[int, int, int] | None:
    return None if rate is None else (rate.limit, rate.next_turn, rate.opened_at)
