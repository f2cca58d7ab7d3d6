"""The finding of each company: in step, drifted, waiting, gone; and how often it has drifted."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from codat_sync.codat.errors import (
    Forbidden,
    NotFound,
)
from codat_sync.companies.records import CompanyPage
from codat_sync.events.requests import ReconciliationRequest
from codat_sync.reconciliation.check import KEEPS_DRIFTING
from codat_sync.reconciliation.findings import AT_WORK, DLQ_KEEPS, Drift, Finding
from tests.fakes.companies import FakePlans
from tests.fakes.lambda_ import deadline
from tests.unit.reconciliation.bench import DAY, PRESETS, UNANSWERED, WEEKLY_GROWTH, Bench, company


def test_companies_in_step_cost_one_read_each(bench: Bench) -> None:
    bench.at_plan(*range(10))
    bench.codat.calls.clear()
    writes = bench.records.writes
    assert bench.night() is None
    assert bench.codat.calls == ["get"] * 10
    assert bench.records.writes == writes
    assert bench.handed_over == []
    assert bench.counted("checked", "in_step", "drifted", "handed_over") == (10, 10, 0, 0)


def test_a_change_made_at_codat_is_handed_over_and_announced_with_its_last_confirmation(bench: Bench) -> None:
    bench.at_plan(1, 2, 3)
    believed_since = bench.now
    bench.tamper(2)
    assert bench.night() is None
    assert bench.handed_over == [2]
    assert bench.counted("checked", "in_step", "changed_at_codat", "drifted", "handed_over") == (3, 2, 1, 1, 1)
    assert dict(bench.run.by_data_type) == {"invoices": 1}
    (drift,) = bench.announcer.drifts
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


def test_a_run_never_writes_to_codat(bench: Bench) -> None:
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
    assert [each.cause for each in bench.announcer.drifts] == [Finding.PRESET_CHANGED]
    assert bench.announcer.drifts[0].times_in_a_row == 0
    assert set(bench.run.by_data_type) == {"invoices", "company"}


def test_a_changed_preset_that_codat_is_at_already_is_handed_over_to_be_confirmed(bench: Bench) -> None:
    bench.at_plan(1)
    bench.deploy(WEEKLY_GROWTH)
    preset = bench.presets.for_company("growth", company(1))
    bench.codat.companies[company(1)] = preset.over(bench.codat.companies[company(1)])
    bench.night()
    assert bench.handed_over == [1]
    assert bench.announcer.drifts == []
    assert dict(bench.run.by_data_type) == {}


def test_a_plan_that_was_never_applied_is_handed_over(bench: Bench) -> None:
    bench.named(1)
    bench.night()
    assert bench.handed_over == [1]
    assert bench.counted("not_applied") == (1,)
    assert bench.announcer.drifts[0].believed_since is None


def test_a_plan_that_was_just_named_is_left_to_its_event(bench: Bench) -> None:
    bench.named(1)
    bench.now += AT_WORK - timedelta(seconds=1)
    bench.go_on()
    assert (bench.handed_over, bench.asked, bench.counted("waiting", "checked")) == ([], [], (1, 1))


def test_a_company_parked_for_codats_bill_waits_until_its_event_expires_in_the_dlq(bench: Bench) -> None:
    bench.named(1)
    bench.now += DAY
    bench.records.note_failure(company(1), "event-1", "company_limit: too many companies", at=bench.now)
    bench.night()
    assert (bench.handed_over, bench.asked, bench.counted("waiting")) == ([], [], (1,))
    bench.now += DLQ_KEEPS
    bench.night("night-2")
    assert bench.handed_over == [1]


def test_a_degraded_company_waits_for_codats_bill_and_is_repaired_where_it_drifts(bench: Bench) -> None:
    bench.codat.has_hourly = False
    bench.at_plan(1, 2, plan="scale")
    bench.tamper(2)
    bench.night()
    assert bench.counted("degraded", "changed_at_codat") == (1, 1)
    assert bench.handed_over == [2]
    assert [str(each).split(" at ")[0] for each in bench.announcer.drifts[0].differences] == ["invoices: unset → daily"]


def test_a_company_whose_plan_a_deploy_removed_is_handed_over_once_to_be_parked(bench: Bench) -> None:
    bench.at_plan(1, plan="scale")
    bench.deploy(PRESETS.replace("scale", "enterprise"))
    bench.night()
    assert (bench.handed_over, bench.asked, bench.counted("unknown_plan", "drifted")) == ([1], [], (1, 0))
    bench.queue.requests.clear()
    bench.records.note_failure(company(1), "night-1", "unknown_plan: unknown plan 'scale'", at=bench.now)
    bench.night("night-2")
    assert (bench.handed_over, bench.counted("unknown_plan", "handed_over")) == ([], (1, 0))


def test_a_company_that_codat_does_not_know_is_logged_and_not_handed_over(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.at_plan(1, 2)
    bench.codat.refusals[company(1)] = NotFound("no such company", status=404)
    bench.night()
    assert (bench.handed_over, bench.counted("gone", "in_step")) == ([], (1, 1))
    (line,) = [vars(each) for each in caplog.records if each.msg == "company_not_shown"]
    assert (line["company_id"], line["finding"]) == (str(company(1)), "gone")


def test_a_company_that_codat_refuses_to_show_is_handed_over_once_to_be_parked(bench: Bench) -> None:
    bench.at_plan(1, 2)
    bench.codat.refusals[company(1)] = Forbidden("not yours", status=403)
    bench.night()
    assert (bench.handed_over, bench.counted("refused", "in_step")) == ([1], (1, 1))
    bench.queue.requests.clear()
    bench.records.note_failure(company(1), "night-1", "forbidden: not yours", at=bench.now)
    bench.night("night-2")
    assert (bench.handed_over, bench.counted("refused")) == ([], (1,))


@pytest.mark.parametrize("error", [UNANSWERED, ZeroDivisionError("a bug")], ids=["5xx", "a surprise"])
def test_a_company_without_an_answer_is_handed_over_and_the_others_are_checked(bench: Bench, error: Exception) -> None:
    bench.at_plan(*range(9))
    bench.codat.refusals[company(3)] = error
    assert bench.night() is None
    assert (bench.handed_over, bench.asked) == ([3], list(range(9)))
    assert bench.counted("unanswered", "in_step") == (1, 8)


def test_a_change_by_an_event_between_the_two_reads_is_no_drift(bench: Bench) -> None:
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
    assert (bench.handed_over, bench.announcer.drifts) == ([], [])


class Only:
    """The table, as if it held a single company."""

    def __init__(self, records: FakePlans, number: int) -> None:
        self._records = records
        self._number = number

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._records, name)

    def page(self, after: str | None, limit: int) -> CompanyPage:
        assert (after, limit) == (None, 4)
        return CompanyPage((self._records.items[company(self._number)],))


def test_a_run_that_only_reports_finds_the_same_and_changes_nothing(bench: Bench) -> None:
    bench.at_plan(1, 2)
    bench.named(3)
    bench.tamper(2)
    before = dict(bench.records.items)
    assert bench.night(report_only=True) is None
    assert bench.handed_over == []
    assert bench.records.items == before
    assert bench.counted("checked", "in_step", "changed_at_codat", "not_applied", "handed_over") == (3, 1, 1, 1, 0)
    assert [each.will_be_repaired for each in bench.announcer.drifts] == [False, False]
    assert bench.announcer.drifts[0].times_in_a_row == 1


def nights(bench: Bench, count: int, *, tamper: bool = True) -> None:
    for number in range(count):
        if tamper:
            bench.tamper(1)
        bench.night(f"night-{bench.now}-{number}")
        bench.repair()


def test_a_company_that_keeps_drifting_is_named(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.at_plan(1, 2)
    nights(bench, KEEPS_DRIFTING - 1)
    assert not bench.run.keeps_drifting
    nights(bench, 1)
    assert bench.run.keeps_drifting == ((str(company(1)), KEEPS_DRIFTING),)
    assert [each.times_in_a_row for each in bench.announcer.drifts] == [1, 2, 3]
    (line,) = [vars(each) for each in caplog.records if each.msg == "company_keeps_drifting"]
    assert line["company_id"] == str(company(1))


def test_a_company_that_keeps_drifting_is_repaired_each_time(bench: Bench) -> None:
    bench.at_plan(1)
    nights(bench, 5)
    bench.night("last")
    assert bench.counted("in_step") == (1,)


def test_one_run_in_step_resets_the_count_of_drifts(bench: Bench) -> None:
    bench.at_plan(1)
    nights(bench, 2)
    nights(bench, 1, tamper=False)
    assert bench.records.items[company(1)].times_drifted == 0
    nights(bench, 2)
    assert bench.records.items[company(1)].times_drifted == 2


def test_a_drift_that_was_not_repaired_yet_is_not_counted_again(bench: Bench) -> None:
    bench.at_plan(1)
    bench.tamper(1)
    for number in range(4):
        bench.night(f"night-{number}")
    assert bench.records.items[company(1)].times_drifted == 1
    assert [each.times_in_a_row for each in bench.announcer.drifts] == [1] * 4


def test_a_run_that_only_reports_counts_no_drift(bench: Bench) -> None:
    bench.at_plan(1)
    nights(bench, 2)
    noted = bench.records.items[company(1)].times_drifted
    bench.night("look", report_only=True)
    assert bench.records.items[company(1)].times_drifted == noted == 2


def test_a_page_that_is_checked_again_keeps_the_drift_that_it_has_found(bench: Bench) -> None:
    bench.at_plan(1)
    bench.tamper(1)
    bench.night()
    bench.repair()
    bench.runs.run = replace(bench.run, finished_at=None, cursor=None)
    assert bench.go_on() is None
    assert bench.handed_over == []
    assert bench.records.items[company(1)].times_drifted == 1


def test_of_a_plan_that_was_not_applied_nothing_was_believed(bench: Bench) -> None:
    """What was confirmed is the plan before."""
    bench.at_plan(1, 2)
    bench.tamper(2)
    bench.now += timedelta(minutes=1)
    bench.named(1, "free")
    bench.night()
    not_applied, changed = bench.announcer.drifts
    assert (not_applied.cause, not_applied.believed_since) == (Finding.NOT_APPLIED, None)
    assert not_applied.applied is not None
    assert (changed.cause, changed.believed_since) == (
        Finding.CHANGED_AT_CODAT,
        bench.records.items[company(2)].applied_at,
    )


def test_the_log_line_of_drift_says_all_that_is_announced(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.at_plan(1)
    bench.tamper(1)
    bench.night()
    (drift,) = bench.announcer.drifts
    (line,) = [vars(each) for each in caplog.records if each.msg == "company_drifted"]
    assert drift.believed_since is not None
    said = {
        "company_id": str(company(1)),
        "plan": "growth",
        "cause": "changed_at_codat",
        "differences": [str(each) for each in drift.differences],
        "believed_since": drift.believed_since.isoformat(),
        "times_in_a_row": 1,
        "will_be_repaired": True,
    }
    assert {name: line[name] for name in said} == said
