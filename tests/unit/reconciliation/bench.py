"""A reconciliation on fakes, with a clock that a test moves."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from codat_sync.codat.errors import (
    CodatError,
    PaymentRequired,
    PaymentRequiredKind,
    ServerError,
)
from codat_sync.codat.models import SyncSettings
from codat_sync.codat.rate_limits import RateLimit
from codat_sync.companies.converge import Convergence
from codat_sync.companies.desired import DesiredPlan
from codat_sync.deadline import Deadline
from codat_sync.events.company_events import Authority
from codat_sync.events.requests import ReconciliationRequest
from codat_sync.presets.file import Presets
from codat_sync.reconciliation.check import CompanyCheck
from codat_sync.reconciliation.pace import Pace, Quota
from codat_sync.reconciliation.queue import fingerprint
from codat_sync.reconciliation.reconcile import Reconciliation, ReconciliationLimits
from codat_sync.reconciliation.runs import Run
from tests.fakes.announcements import FakeAnnouncer
from tests.fakes.clock import NOW
from tests.fakes.codat import FakeCodat
from tests.fakes.codat import settings as settings_at_codat
from tests.fakes.companies import FakePlans
from tests.fakes.lambda_ import deadline
from tests.fakes.reconciliation import FakeCompanyQueue, FakeRuns

PRESETS = """
default_plan = "free"
on_cancelled = "free"
[plans.free]
frequency = "monthly"
[plans.growth]
frequency = "daily"
hour_of_day = 3
[plans.scale]
frequency = "daily"
on_payment_required = "daily"
[plans.scale.data_types]
invoices = "hourly"
"""
WEEKLY_GROWTH = PRESETS.replace("daily", "weekly", 1)
DAY = timedelta(days=1)
UNANSWERED = ServerError("oh no", status=503)


def of_the_account(error: CodatError) -> CodatError:
    """Mark an error as confirmed for the whole account."""
    error.concerns_account = True
    return error


EXPIRED = of_the_account(PaymentRequired("Account expired", kind=PaymentRequiredKind.ACCOUNT_EXPIRED))


def company(number: int) -> UUID:
    return UUID(int=number)


class CodatByCompany(FakeCodat):
    """Codat with an answer of its own for some companies. ``meanwhile`` runs after each read."""

    def __init__(self) -> None:
        super().__init__()
        self.refusals: dict[UUID, Exception] = {}
        self.asked: list[UUID] = []
        self.meanwhile: Callable[[UUID], None] = lambda _: None

    def get_sync_settings(self, company_id: UUID) -> SyncSettings:
        self.asked.append(company_id)
        if company_id in self.refusals:
            raise self.refusals[company_id]
        shown = super().get_sync_settings(company_id)
        self.meanwhile(company_id)
        return shown


class Bench:
    """A reconciliation on fakes, with a clock that a test moves. Companies are numbered."""

    def __init__(self) -> None:
        self.now = NOW - 30 * DAY
        self.codat, self.records, self.runs = CodatByCompany(), FakePlans(), FakeRuns()
        self.queue, self.announcer = FakeCompanyQueue(), FakeAnnouncer()
        self.rate_limit = RateLimit()
        self.seconds_left: Callable[[], float] = lambda: 900.0
        self.calls_per_minute = 300
        self.slept: list[float] = []
        self.deploy(PRESETS)

    def deploy(self, presets: str) -> None:
        self.presets = Presets.parse(presets.encode())
        self.convergence = Convergence(self.codat, self.records, self.presets, lambda: self.now)

    def reconciliation(self, *, threads: int = 1, page_size: int = 4, **parts: Any) -> Reconciliation:  # noqa: ANN401
        records, convergence = parts.get("records", self.records), parts.get("convergence", self.convergence)
        return Reconciliation(
            CompanyCheck(convergence, self.presets, records, lambda: self.now),
            records,
            parts.get("runs", self.runs),
            parts.get("queue", self.queue),
            parts.get("announcer", self.announcer),
            ReconciliationLimits(
                [Pace(self.calls_per_minute, monotonic=lambda: 0.0, sleep=self.slept.append)],
                Quota(lambda: self.rate_limit, share=50, now=lambda: self.now),
                max_concurrent_companies=threads,
                page_size=page_size,
            ),
            lambda: self.now,
            presets=fingerprint(self.presets),
            ask_account=self.codat.get_account_sync_settings,
        )

    def at_plan(self, *numbers: int, plan: str = "growth") -> None:
        """Add companies whose newest plan is in force."""
        for number in numbers:
            self.named(number, plan)
            self.converge(number)

    def named(self, number: int, plan: str = "growth") -> None:
        """Add a company whose plan was named, and is not in force."""
        self.records.record(
            company(number), DesiredPlan.named(plan, Authority.STATED, self.now, f"event-{number}"), at=self.now
        )

    def converge(self, number: int) -> None:
        self.convergence.converge(self.records.items[company(number)], "converged", Deadline.never())

    def tamper(self, *numbers: int, with_type: str = "invoices") -> None:
        """Switch a data type off, as a change made in Codat's Portal does."""
        for number in numbers:
            shown = self.codat.companies[company(number)]
            changed = [
                each.model_copy(update={"sync_schedule": None}) if each.data_type == with_type else each
                for each in shown.settings
            ]
            self.codat.companies[company(number)] = settings_at_codat(*changed)

    def night(self, name: str = "night-1", *, report_only: bool = False, **how: Any) -> timedelta | None:  # noqa: ANN401
        """Move the clock a day, and carry out the request once."""
        self.now += DAY
        return self.go_on(name, report_only=report_only, **how)

    def go_on(self, name: str = "night-1", *, report_only: bool = False, **how: Any) -> timedelta | None:  # noqa: ANN401
        self.codat.asked.clear()
        return self.reconciliation(**how).carry_out(
            ReconciliationRequest(name, self.now, report_only=report_only), deadline(self.seconds_left)
        )

    def repair(self) -> list[int]:
        """Converge the companies that were handed over, as their consumer does; return their numbers."""
        numbers = sorted(each.company_id.int for each in self.queue.requests)
        self.queue.requests.clear()
        self.now += timedelta(minutes=1)
        for number in numbers:
            self.converge(number)
        return numbers

    @property
    def handed_over(self) -> list[int]:
        return sorted(each.company_id.int for each in self.queue.requests)

    @property
    def asked(self) -> list[int]:
        return sorted(each.int for each in self.codat.asked)

    @property
    def run(self) -> Run:
        assert self.runs.run is not None
        return self.runs.run

    def counted(self, *names: str) -> tuple[int, ...]:
        return tuple(self.run.counts.get(name, 0) for name in names)
