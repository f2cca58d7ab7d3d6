"""The walk over all companies: what it finds, what it hands over, and where it stops."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from codat_sync.codat.errors import (
    CodatError,
    Forbidden,
    NotFound,
    PaymentRequired,
    PaymentRequiredKind,
    RateLimited,
    ServerError,
    Unauthorized,
)
from codat_sync.codat.models import SyncSettings
from codat_sync.codat.rate_limits import RateLimit
from codat_sync.companies.converge import Convergence
from codat_sync.companies.records import CompanyPage, DesiredPlan
from codat_sync.consuming.consume import START_SECONDS
from codat_sync.deadline import Deadline
from codat_sync.events.company_events import Authority
from codat_sync.events.requests import ReconciliationRequest
from codat_sync.presets.file import Presets
from codat_sync.reconciliation._progress import NAMED
from codat_sync.reconciliation.check import KEEPS_DRIFTING, CompanyCheck
from codat_sync.reconciliation.findings import AT_WORK, DLQ_KEEPS, Drift, Finding
from codat_sync.reconciliation.pace import Pace, Quota
from codat_sync.reconciliation.queue import CompanyRequest, fingerprint
from codat_sync.reconciliation.reconcile import ANOTHER_AT_WORK, FEW, LOST, Reconciliation, ReconciliationLimits
from codat_sync.reconciliation.runs import Run, run_id
from tests.fakes import NOW, FakeCodat, FakePlans, deadline
from tests.fakes import settings as settings_at_codat

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


def company(number: int) -> UUID:
    return UUID(int=number)


class CodatByCompany(FakeCodat):
    """Codat, which has an answer of its own for some companies, and knows whom it was asked for."""

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


@dataclass
class FakeRuns:
    """The newest run, with the conditions under which it is written."""

    run: Run | None = None

    def newest(self) -> Run | None:
        return self.run

    def begin(
        self, request: ReconciliationRequest, *, in_place_of: Run | None, at: datetime, presets: str | None = None
    ) -> Run | None:
        if in_place_of != self.run:
            return None
        self.run = Run(run_id(request), request.report_only, started_at=at, progress_at=at, presets=presets)
        return self.run

    def advance(self, run: Run, to: Run) -> Run | None:
        now = self.run
        if now is None or now.finished_at:
            return None
        if (now.run_id, now.started_at, now.cursor) != (run.run_id, run.started_at, run.cursor):
            return None
        self.run = to
        return to


@dataclass
class FakeHandover:
    """The queue of those that something is to be done about."""

    requests: list[CompanyRequest] = field(default_factory=list)

    def send(self, requests: Sequence[CompanyRequest]) -> None:
        self.requests += requests


@dataclass
class FakeBus:
    """What was said of drift."""

    drifts: list[Drift] = field(default_factory=list)

    def announce_drift(self, drifts: Sequence[Drift]) -> None:
        self.drifts += drifts


class Bench:
    """A reconciliation on fakes, with a clock that a test moves."""

    def __init__(self) -> None:
        self.now = NOW - 30 * DAY
        self.codat, self.records, self.runs = CodatByCompany(), FakePlans(), FakeRuns()
        self.queue, self.bus = FakeHandover(), FakeBus()
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
            parts.get("announcer", self.bus),
            ReconciliationLimits(
                Pace(self.calls_per_minute, monotonic=lambda: 0.0, sleep=self.slept.append),
                Quota(lambda: self.rate_limit, share=50, now=lambda: self.now),
                max_concurrent_companies=threads,
                page_size=page_size,
            ),
            lambda: self.now,
            presets=fingerprint(self.presets),
            ask_account=self.codat.get_account_sync_settings,
        )

    # What happened before.

    def at_plan(self, *numbers: int, plan: str = "growth") -> None:
        """Companies whose newest plan was put in force."""
        for number in numbers:
            self.named(number, plan)
            self.converge(number)

    def named(self, number: int, plan: str = "growth") -> None:
        """A company whose plan was named, and never put in force."""
        self.records.record(
            company(number), DesiredPlan.named(plan, Authority.STATED, self.now, f"event-{number}"), at=self.now
        )

    def converge(self, number: int) -> None:
        self.convergence.converge(self.records.items[company(number)], "converged", Deadline.never())

    def tamper(self, *numbers: int, with_type: str = "invoices") -> None:
        """Somebody switches a data type off in Codat's portal."""
        for number in numbers:
            shown = self.codat.companies[company(number)]
            changed = [
                each.model_copy(update={"sync_schedule": None}) if each.data_type == with_type else each
                for each in shown.settings
            ]
            self.codat.companies[company(number)] = settings_at_codat(*changed)

    # What is done.

    def night(self, name: str = "night-1", *, report_only: bool = False, **how: Any) -> timedelta | None:  # noqa: ANN401
        """One invocation, a day after what happened before."""
        self.now += DAY
        return self.go_on(name, report_only=report_only, **how)

    def go_on(self, name: str = "night-1", *, report_only: bool = False, **how: Any) -> timedelta | None:  # noqa: ANN401
        self.codat.asked.clear()
        return self.reconciliation(**how).carry_out(
            ReconciliationRequest(name, self.now, report_only=report_only), deadline(self.seconds_left)
        )

    def repair(self) -> list[int]:
        """What the consumer does with those that were handed over."""
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


@pytest.fixture
def bench() -> Bench:
    return Bench()


# --- What it finds --------------------------------------------------------------------------------------------------


def test_companies_at_their_presets_are_only_read(bench: Bench) -> None:
    bench.at_plan(*range(10))
    bench.codat.calls.clear()
    writes = bench.records.writes
    assert bench.night() is None
    assert bench.codat.calls == ["get"] * 10
    assert bench.records.writes == writes
    assert bench.handed_over == []
    assert bench.counted("checked", "in_step", "drifted", "handed_over") == (10, 10, 0, 0)


def test_what_was_changed_at_codat_is_handed_over_and_told_since_when_we_believed_otherwise(bench: Bench) -> None:
    bench.at_plan(1, 2, 3)
    believed_since = bench.now
    bench.tamper(2)
    assert bench.night() is None
    assert bench.handed_over == [2]
    assert bench.counted("checked", "in_step", "changed_at_codat", "drifted", "handed_over") == (3, 2, 1, 1, 1)
    assert dict(bench.run.by_data_type) == {"invoices": 1}
    (drift,) = bench.bus.drifts
    assert [str(each) for each in drift.differences] == ["invoices: unset → daily at 03:00"]
    assert replace(drift, differences=()) == Drift(
        run_id="night-1",
        company_id=company(2),
        plan="growth",
        applied=bench.records.items[company(2)].applied,
        cause=Finding.CHANGED_AT_CODAT,
        differences=(),
        believed_since=believed_since,
        times_in_a_row=1,
        will_be_repaired=True,
    )


def test_it_never_writes_to_codat(bench: Bench) -> None:
    bench.at_plan(1, 2)
    bench.tamper(1)
    bench.codat.calls.clear()
    bench.night()
    assert set(bench.codat.calls) == {"get"}


def test_a_preset_that_a_deploy_changed_is_handed_over(bench: Bench) -> None:
    bench.at_plan(1)
    bench.at_plan(2, plan="free")
    bench.deploy(WEEKLY_GROWTH)
    bench.night()
    assert bench.handed_over == [1]
    assert bench.counted("preset_changed", "in_step") == (1, 1)
    assert [each.cause for each in bench.bus.drifts] == [Finding.PRESET_CHANGED]
    assert bench.bus.drifts[0].times_in_a_row == 0
    assert set(bench.run.by_data_type) == {"invoices", "company"}


def test_a_changed_preset_that_codat_happens_to_be_at_is_handed_over_to_be_confirmed(bench: Bench) -> None:
    bench.at_plan(1)
    bench.deploy(WEEKLY_GROWTH)
    preset = bench.presets.for_company("growth", company(1))
    bench.codat.companies[company(1)] = preset.over(bench.codat.companies[company(1)])
    bench.night()
    assert bench.handed_over == [1]
    assert bench.bus.drifts == []
    assert dict(bench.run.by_data_type) == {}


def test_a_plan_that_never_got_there_is_handed_over(bench: Bench) -> None:
    bench.named(1)
    bench.night()
    assert bench.handed_over == [1]
    assert bench.counted("not_applied") == (1,)
    assert bench.bus.drifts[0].believed_since is None


def test_a_plan_that_was_just_named_is_left_to_its_event(bench: Bench) -> None:
    bench.named(1)
    bench.now += AT_WORK - timedelta(seconds=1)
    bench.go_on()
    assert (bench.handed_over, bench.asked, bench.counted("waiting", "checked")) == ([], [], (1, 1))


def test_what_waits_for_codats_bill_is_not_looked_at_until_the_dlq_may_have_lost_it(bench: Bench) -> None:
    bench.named(1)
    bench.now += DAY
    bench.records.note_failure(company(1), "event-1", "company_limit: too many companies", at=bench.now)
    bench.night()
    assert (bench.handed_over, bench.asked, bench.counted("waiting")) == ([], [], (1,))
    bench.now += DLQ_KEEPS
    bench.night("night-2")
    assert bench.handed_over == [1]


def test_a_degraded_company_waits_for_codats_bill_and_is_repaired_where_it_drifts_from_that(bench: Bench) -> None:
    bench.codat.has_hourly = False
    bench.at_plan(1, 2, plan="scale")
    bench.tamper(2)
    bench.night()
    assert bench.counted("degraded", "changed_at_codat") == (1, 1)
    assert bench.handed_over == [2]
    assert [str(each).split(" at ")[0] for each in bench.bus.drifts[0].differences] == ["invoices: unset → daily"]


def test_a_plan_that_a_deploy_removed_is_handed_over_to_be_parked_and_not_every_night(bench: Bench) -> None:
    bench.at_plan(1, plan="scale")
    bench.deploy(PRESETS.replace("scale", "enterprise"))
    bench.night()
    assert (bench.handed_over, bench.asked, bench.counted("unknown_plan", "drifted")) == ([1], [], (1, 0))
    bench.queue.requests.clear()
    bench.records.note_failure(company(1), "night-1", "unknown_plan: unknown plan 'scale'", at=bench.now)
    bench.night("night-2")
    assert (bench.handed_over, bench.counted("unknown_plan", "handed_over")) == ([], (1, 0))


def test_a_company_that_codat_does_not_know_is_named_and_left_alone(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.at_plan(1, 2)
    bench.codat.refusals[company(1)] = NotFound("no such company", status=404)
    bench.night()
    assert (bench.handed_over, bench.counted("gone", "in_step")) == ([], (1, 1))
    (line,) = [vars(each) for each in caplog.records if each.msg == "company_not_shown"]
    assert (line["company_id"], line["finding"]) == (str(company(1)), "gone")


def test_a_company_that_codat_refuses_to_show_is_handed_over_to_be_parked_and_not_every_night(bench: Bench) -> None:
    bench.at_plan(1, 2)
    bench.codat.refusals[company(1)] = Forbidden("not yours", status=403)
    bench.night()
    assert (bench.handed_over, bench.counted("refused", "in_step")) == ([1], (1, 1))
    bench.queue.requests.clear()
    bench.records.note_failure(company(1), "night-1", "forbidden: not yours", at=bench.now)
    bench.night("night-2")
    assert (bench.handed_over, bench.counted("refused")) == ([], (1,))


@pytest.mark.parametrize("error", [UNANSWERED, ZeroDivisionError("a bug")], ids=["5xx", "a surprise"])
def test_a_company_without_an_answer_is_handed_over_and_keeps_nobody_from_the_others(
    bench: Bench, error: Exception
) -> None:
    bench.at_plan(*range(9))
    bench.codat.refusals[company(3)] = error
    assert bench.night() is None
    assert (bench.handed_over, bench.asked) == ([3], list(range(9)))
    assert bench.counted("unanswered", "in_step") == (1, 8)


def test_an_event_that_was_at_work_between_our_two_looks_is_no_drift(bench: Bench) -> None:
    bench.at_plan(1, 2, 3)
    bench.tamper(1, 2, 3)

    def an_event(company_id: UUID) -> None:
        bench.codat.meanwhile = lambda _: None
        if company_id == company(1):
            bench.named(1, "free")
        if company_id == company(2):
            bench.converge(2)
        if company_id == company(3):
            del bench.records.items[company(3)]

    for number in (1, 2, 3):
        bench.now += timedelta(minutes=1)
        bench.codat.meanwhile = an_event
        bench.reconciliation(records=Only(bench.records, number)).carry_out(
            ReconciliationRequest(f"night-{number}", bench.now, report_only=False), deadline(bench.seconds_left)
        )
        assert bench.counted("waiting", "drifted") == (1, 0)
    assert (bench.handed_over, bench.bus.drifts) == ([], [])


class Only:
    """The table, as if one company alone were in it."""

    def __init__(self, records: FakePlans, number: int) -> None:
        self._records = records
        self._number = number

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._records, name)

    def page(self, after: str | None, limit: int) -> CompanyPage:
        assert (after, limit) == (None, 4)
        return CompanyPage((self._records.items[company(self._number)],))


def test_an_item_that_is_no_record_is_named_and_counted(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    class WithNonsense(FakePlans):
        def page(self, after: str | None, limit: int) -> CompanyPage:
            return replace(super().page(after, limit), unreadable=("nonsense",))

    bench.at_plan(1)
    bench.night(records=WithNonsense(bench.records.items))
    assert bench.counted("unreadable", "in_step") == (1, 1)
    assert [vars(each)["key"] for each in caplog.records if each.msg == "record_unreadable"] == ["nonsense"]


def test_what_is_handed_over_is_an_event_of_its_run(bench: Bench) -> None:
    bench.at_plan(1)
    bench.tamper(1)
    bench.night()
    assert bench.queue.requests == [
        CompanyRequest(f"night-1/{company(1)}", company(1), bench.now, presets=fingerprint(bench.presets))
    ]


def test_an_empty_table_is_done_at_once(bench: Bench) -> None:
    assert bench.night() is None
    assert bench.run.finished_at == bench.now


def test_companies_are_looked_at_side_by_side(bench: Bench) -> None:
    bench.at_plan(*range(50))
    bench.tamper(7, 30)
    assert bench.night(threads=4, page_size=20) is None
    assert bench.handed_over == [7, 30]
    assert bench.counted("checked") == (50,)


# --- Reporting ------------------------------------------------------------------------------------------------------


def test_a_run_that_only_reports_says_the_same_and_changes_nothing(bench: Bench) -> None:
    bench.at_plan(1, 2)
    bench.named(3)
    bench.tamper(2)
    before = dict(bench.records.items)
    assert bench.night(report_only=True) is None
    assert bench.handed_over == []
    assert bench.records.items == before
    assert bench.counted("checked", "in_step", "changed_at_codat", "not_applied", "handed_over") == (3, 1, 1, 1, 0)
    assert [each.will_be_repaired for each in bench.bus.drifts] == [False, False]
    assert bench.bus.drifts[0].times_in_a_row == 1


def test_at_the_end_one_line_says_all(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    bench.at_plan(*range(6))
    bench.tamper(2, 5)
    bench.night()
    (line,) = [vars(each) for each in caplog.records if each.msg == "reconciliation_done"]
    assert (line["checked"], line["drifted"], line["changed_at_codat"], line["handed_over"]) == (6, 2, 2, 2)
    assert line["by_data_type"] == {"invoices": 2}
    assert line["by_plan"] == {"growth": 6}
    drifted = [vars(each) for each in caplog.records if each.msg == "company_drifted"]
    assert [each["differences"] for each in drifted] == [["invoices: unset → daily at 03:00"]] * 2


def test_the_metrics_are_those_of_each_page(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    bench.at_plan(*range(6))
    bench.tamper(2, 5)
    bench.tamper(5, with_type="company")
    bench.night()
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "CompaniesChecked" in line]
    assert [(each["CompaniesChecked"], each["CompaniesDrifted"]) for each in said] == [([4.0], [1.0]), ([2.0], [1.0])]


def test_at_the_end_a_metric_says_how_many_companies_have_which_plan(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.at_plan(*range(6))
    bench.at_plan(6, plan="free")
    bench.night()
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"CompaniesByPlan"' in line]
    assert {each["plan"]: each["CompaniesByPlan"] for each in said} == {"growth": [6.0], "free": [1.0]}


def test_drift_is_a_metric_by_data_type(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    bench.at_plan(1, 2)
    bench.tamper(1, 2)
    bench.tamper(2, with_type="company")
    bench.night()
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"Drift"' in line]
    assert {each["dataType"]: each["Drift"] for each in said} == {"invoices": [2.0], "company": [1.0]}


# --- Somebody is fighting us ----------------------------------------------------------------------------------------


def nights(bench: Bench, count: int, *, fight: bool = True) -> None:
    for number in range(count):
        if fight:
            bench.tamper(1)
        bench.night(f"night-{bench.now}-{number}")
        bench.repair()


def test_a_company_that_drifts_back_every_night_is_named(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.at_plan(1, 2)
    nights(bench, KEEPS_DRIFTING - 1)
    assert not bench.run.keeps_drifting
    nights(bench, 1)
    assert bench.run.keeps_drifting == ((str(company(1)), KEEPS_DRIFTING),)
    assert [each.times_in_a_row for each in bench.bus.drifts] == [1, 2, 3]
    (line,) = [vars(each) for each in caplog.records if each.msg == "company_keeps_drifting"]
    assert line["company_id"] == str(company(1))


def test_it_is_repaired_all_the_same(bench: Bench) -> None:
    bench.at_plan(1)
    nights(bench, 5)
    bench.night("last")
    assert bench.counted("in_step") == (1,)


def test_one_night_in_step_begins_the_count_anew(bench: Bench) -> None:
    bench.at_plan(1)
    nights(bench, 2)
    nights(bench, 1, fight=False)
    assert bench.records.items[company(1)].times_drifted == 0
    nights(bench, 2)
    assert bench.records.items[company(1)].times_drifted == 2


def test_a_drift_that_was_not_repaired_yet_is_no_new_one(bench: Bench) -> None:
    bench.at_plan(1)
    bench.tamper(1)
    for number in range(4):
        bench.night(f"night-{number}")
    assert bench.records.items[company(1)].times_drifted == 1
    assert [each.times_in_a_row for each in bench.bus.drifts] == [1] * 4


def test_a_run_that_only_reports_counts_nothing(bench: Bench) -> None:
    bench.at_plan(1)
    nights(bench, 2)
    noted = bench.records.items[company(1)].times_drifted
    bench.night("look", report_only=True)
    assert bench.records.items[company(1)].times_drifted == noted == 2


def test_no_more_are_named_than_a_record_can_hold(bench: Bench) -> None:
    numbers = range(NAMED + 10)
    bench.at_plan(*numbers)
    for number in range(KEEPS_DRIFTING):
        bench.tamper(*numbers)
        bench.night(f"night-{number}")
        bench.repair()
    assert len(bench.run.keeps_drifting) == NAMED


def test_a_page_that_is_looked_at_again_forgets_no_drift_that_it_has_found(bench: Bench) -> None:
    bench.at_plan(1)
    bench.tamper(1)
    bench.night()
    bench.repair()
    bench.runs.run = replace(bench.run, finished_at=None, cursor=None)
    assert bench.go_on() is None
    assert bench.handed_over == []
    assert bench.records.items[company(1)].times_drifted == 1


# --- Where it stops -------------------------------------------------------------------------------------------------


def test_it_goes_on_where_its_time_was_over(bench: Bench) -> None:
    bench.at_plan(*range(10))
    left = iter([900.0] * 7 + [START_SECONDS - 1] * 9)
    bench.seconds_left = lambda: next(left)
    assert bench.night() == timedelta(0)
    first = bench.asked
    assert 0 < len(first) < 10
    bench.seconds_left = lambda: 900.0
    assert bench.go_on() is None
    assert first + bench.asked == list(range(10))
    assert bench.counted("checked") == (10,)


def test_without_time_it_begins_nothing(bench: Bench) -> None:
    bench.at_plan(1)
    bench.seconds_left = lambda: START_SECONDS - 1
    assert bench.night() == timedelta(0)
    assert bench.asked == []


def test_a_pace_that_allows_no_call_any_more_ends_the_invocation(bench: Bench) -> None:
    bench.at_plan(*range(3))
    bench.calls_per_minute = 1
    bench.seconds_left = lambda: START_SECONDS + 59
    assert bench.night() == timedelta(0)
    assert bench.asked == [0]
    assert bench.go_on() == timedelta(0)
    assert bench.asked == [1]


def test_it_keeps_its_pace(bench: Bench) -> None:
    bench.at_plan(*range(5))
    bench.night()
    assert bench.slept == pytest.approx([0, 0.2, 0.4, 0.6, 0.8])


@pytest.mark.parametrize(
    "error",
    [
        of_the_account(RateLimited("quota", retry_after=timedelta(hours=3))),
        of_the_account(Unauthorized("who are you", status=401)),
        of_the_account(PaymentRequired("Account expired", kind=PaymentRequiredKind.ACCOUNT_EXPIRED)),
        ClientError({"Error": {"Code": "Throttled", "Message": ""}}, "GetItem"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_news_of_the_whole_account_stops_it_and_what_was_done_before_is_kept(bench: Bench, error: Exception) -> None:
    bench.at_plan(*range(10))
    bench.tamper(4)
    bench.codat.refusals[company(6)] = error
    with pytest.raises(type(error)):
        bench.night()
    assert bench.asked == list(range(7))
    assert bench.handed_over == [4]
    assert bench.counted("checked", "drifted") == (6, 1)
    bench.codat.refusals.clear()
    assert bench.go_on() is None
    assert bench.asked == [6, 7, 8, 9]
    assert bench.counted("checked", "drifted", "handed_over") == (10, 1, 1)


def test_news_of_the_whole_account_at_the_first_company_notes_no_progress(bench: Bench) -> None:
    bench.at_plan(1, 2)
    expired = PaymentRequired("Account expired", kind=PaymentRequiredKind.ACCOUNT_EXPIRED)
    bench.codat.refusals[company(1)] = of_the_account(expired)
    with pytest.raises(PaymentRequired):
        bench.night()
    assert (bench.run.cursor, dict(bench.run.counts), bench.asked) == (None, {}, [1])


def test_where_codat_answers_nobody_nobody_is_handed_over(bench: Bench) -> None:
    numbers = range(FEW + 2)
    bench.at_plan(*numbers)
    bench.now += DAY
    bench.named(99)  # Left to its event without a question to Codat.
    bench.codat.refusals = {company(number): UNANSWERED for number in numbers}
    bench.codat.failures = [UNANSWERED]  # Nor does the call that concerns no company get an answer.
    with pytest.raises(CodatError, match="oh no"):
        bench.go_on(page_size=100)
    assert (bench.handed_over, dict(bench.run.counts)) == ([], {})
    bench.codat.refusals.clear()
    bench.records.items.pop(company(99))
    assert bench.go_on(page_size=100) is None
    assert bench.counted("in_step") == (FEW + 2,)


def test_a_few_companies_that_codat_never_answers_for_do_not_hold_up_the_walk_for_ever(bench: Bench) -> None:
    bench.at_plan(*range(FEW))
    bench.codat.refusals = {company(number): UNANSWERED for number in range(FEW)}
    assert bench.night(page_size=100) is None
    assert bench.handed_over == list(range(FEW))


def test_beyond_its_share_of_the_quota_it_waits_for_a_new_one(bench: Bench) -> None:
    bench.at_plan(*range(10))
    bench.rate_limit = RateLimit(1000, 400, NOW + 2 * DAY)
    assert bench.night() == timedelta(hours=12)
    assert bench.asked == [0, 1, 2, 3]
    bench.rate_limit = RateLimit(1000, 990)
    assert bench.go_on() is None
    assert bench.asked == [4, 5, 6, 7, 8, 9]


def test_the_last_page_waits_for_no_quota(bench: Bench) -> None:
    bench.at_plan(1)
    bench.rate_limit = RateLimit(1000, 400)
    assert bench.night() is None


# --- Requests that meet ---------------------------------------------------------------------------------------------


def begun(bench: Bench, name: str = "night-1", *, report_only: bool = False) -> None:
    """A run that was cut off after its first page."""
    bench.rate_limit = RateLimit(1000, 400)
    assert bench.night(name, report_only=report_only) is not None
    bench.rate_limit = RateLimit()


def test_a_request_that_comes_twice_is_done_once(bench: Bench) -> None:
    bench.at_plan(*range(5))
    assert bench.night() is None
    assert bench.go_on() is None
    assert bench.asked == []


def test_a_request_goes_on_with_a_run_that_another_began_and_then_has_its_own(bench: Bench) -> None:
    bench.at_plan(*range(8))
    begun(bench)
    assert bench.night("night-2") == timedelta(0)
    assert bench.asked == [4, 5, 6, 7]
    assert bench.go_on("night-2") is None
    assert (bench.asked, bench.run.run_id) == (list(range(8)), "night-2")


def test_one_run_is_enough_for_all_requests_that_waited_for_it(bench: Bench) -> None:
    bench.at_plan(*range(8))
    begun(bench)
    bench.now += timedelta(minutes=1)
    waiting = [ReconciliationRequest(name, bench.now, report_only=False) for name in ("a", "b", "c")]
    bench.now += timedelta(minutes=1)
    walk = bench.reconciliation()
    assert walk.carry_out(waiting[0], deadline(bench.seconds_left)) == timedelta(0)
    assert walk.carry_out(waiting[1], deadline(bench.seconds_left)) is None
    bench.codat.asked.clear()
    assert [walk.carry_out(each, deadline(bench.seconds_left)) for each in waiting] == [None] * 3
    assert bench.asked == []


def test_a_run_of_the_other_mode_is_waited_for(bench: Bench) -> None:
    bench.at_plan(*range(8))
    begun(bench)
    assert bench.go_on("look", report_only=True) == ANOTHER_AT_WORK
    assert bench.asked == []
    assert bench.go_on() is None
    assert bench.go_on("look", report_only=True) is None
    assert (bench.asked, bench.run.report_only) == (list(range(8)), True)


def test_a_run_of_the_other_mode_that_lost_its_message_is_replaced(bench: Bench) -> None:
    bench.at_plan(*range(8))
    begun(bench)
    bench.now += LOST - timedelta(seconds=1)
    assert bench.go_on("look", report_only=True) == ANOTHER_AT_WORK
    bench.now += timedelta(seconds=1)
    assert bench.go_on("look", report_only=True) is None
    assert bench.asked == list(range(8))


def test_who_begins_second_stands_back(bench: Bench) -> None:
    class Beaten(FakeRuns):
        def newest(self) -> Run | None:
            seen = self.run
            self.begin(ReconciliationRequest("other", NOW, report_only=True), in_place_of=None, at=NOW)
            return seen

    bench.runs = Beaten()
    assert bench.night() == ANOTHER_AT_WORK
    assert bench.run.run_id == "other"


def test_of_two_walkers_the_slower_stands_back_and_a_page_at_most_is_looked_at_twice(bench: Bench) -> None:
    bench.at_plan(*range(12))
    bench.tamper(5)
    other = bench.reconciliation()
    bench.now += DAY
    request = ReconciliationRequest("night-1", bench.now, report_only=False)

    def the_other_overtakes(company_id: UUID) -> None:
        if company_id == company(6):
            bench.codat.meanwhile = lambda _: None
            assert other.carry_out(request, deadline(bench.seconds_left)) is None

    bench.codat.meanwhile = the_other_overtakes
    bench.codat.asked.clear()
    assert bench.reconciliation().carry_out(request, deadline(bench.seconds_left)) == ANOTHER_AT_WORK
    assert Counter(bench.asked) == Counter([*range(12), 4, 5, 6, 7])
    assert bench.counted("checked", "drifted") == (12, 1)
    assert bench.records.items[company(5)].times_drifted == 1


# --- Kills ----------------------------------------------------------------------------------------------------------


class Killed(BaseException):
    """The function is gone."""


class Hazard:
    """Every call to the outside may be the last one: it is made and its answer lost, or not made at all."""

    def __init__(self) -> None:
        self.calls = 0
        self.kills: set[tuple[int, bool]] = set()
        self._dead = False

    def restart(self) -> None:
        self._dead = False

    def around(self, part: object) -> Any:  # noqa: ANN401  # Whatever it wraps.
        return _Endangered(part, self)

    def call(self, method: Callable[..., Any], *args: Any, **named: Any) -> Any:  # noqa: ANN401
        if self._dead:
            raise Killed
        number = self.calls
        self.calls += 1
        self._dead = (number, True) in self.kills or (number, False) in self.kills
        if (number, False) in self.kills:
            raise Killed
        answer = method(*args, **named)
        if self._dead:
            raise Killed
        return answer


class _Endangered:
    def __init__(self, part: object, hazard: Hazard) -> None:
        self._part = part
        self._hazard = hazard

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        method = getattr(self._part, name)
        return lambda *args, **named: self._hazard.call(method, *args, **named)


COMPANIES = 6
DRIFTED_ONES = [1, 4]


def walk_with_kills(kills: set[tuple[int, bool]]) -> tuple[Bench, Hazard, int]:
    """All companies, from the first to the last, killed at these calls and started again each time."""
    bench, hazard = Bench(), Hazard()
    bench.at_plan(*range(COMPANIES))
    bench.tamper(*DRIFTED_ONES)
    bench.now += DAY
    hazard.kills = kills
    request = ReconciliationRequest("night-1", bench.now, report_only=False)
    convergence = Convergence(hazard.around(bench.codat), bench.records, bench.presets, lambda: bench.now)
    walk = bench.reconciliation(
        page_size=2,
        convergence=convergence,
        records=hazard.around(bench.records),
        runs=hazard.around(bench.runs),
        queue=hazard.around(bench.queue),
        announcer=hazard.around(bench.bus),
    )
    deaths = 0
    bench.codat.asked.clear()
    while True:
        try:
            assert walk.carry_out(request, deadline(bench.seconds_left)) is None
        except Killed:
            deaths += 1
            hazard.restart()
            bench.now += timedelta(minutes=90)
        else:
            return bench, hazard, deaths


def assert_nobody_is_missed(bench: Bench, deaths: int) -> None:
    asked = Counter(bench.asked)
    assert set(asked) == set(range(COMPANIES))
    assert all(times <= 1 + deaths for times in asked.values())
    assert sum(asked.values()) <= COMPANIES + 2 * deaths, "a kill costs a page at most"
    assert set(bench.handed_over) == set(DRIFTED_ONES)
    assert bench.counted("checked", "drifted") == (COMPANIES, len(DRIFTED_ONES))
    assert {number: bench.records.items[company(number)].times_drifted for number in range(COMPANIES)} == {
        number: int(number in DRIFTED_ONES) for number in range(COMPANIES)
    }


def test_killed_at_any_one_call_it_looks_at_each_company_once_more_at_most_and_misses_none() -> None:
    _, undisturbed, _ = walk_with_kills(set())
    assert undisturbed.calls > 3 * COMPANIES // 2
    for number in range(undisturbed.calls):
        for after_its_effect in (False, True):
            bench, _, deaths = walk_with_kills({(number, after_its_effect)})
            assert deaths == 1
            assert_nobody_is_missed(bench, deaths)


@settings(deadline=None, max_examples=150)
@given(st.sets(st.tuples(st.integers(0, 60), st.booleans()), max_size=12))
def test_killed_again_and_again_it_looks_at_each_company_once_more_for_each_kill_at_most_and_misses_none(
    kills: set[tuple[int, bool]],
) -> None:
    bench, _, deaths = walk_with_kills(kills)
    assert_nobody_is_missed(bench, deaths)
