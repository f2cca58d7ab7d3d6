"""The progress of a run: its counts, its metrics, its last log line."""

import json
from dataclasses import replace

import pytest

from codat_sync.companies.records import CompanyPage
from codat_sync.reconciliation._progress import NAMED
from codat_sync.reconciliation.check import KEEPS_DRIFTING
from tests.fakes.companies import FakePlans
from tests.unit.reconciliation.bench import Bench


def test_an_unreadable_item_is_logged_and_counted(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    class WithNonsense(FakePlans):
        def page(self, after: str | None, limit: int) -> CompanyPage:
            return replace(super().page(after, limit), unreadable=("nonsense",))

    bench.at_plan(1)
    bench.night(records=WithNonsense(bench.records.items))
    assert bench.counted("unreadable", "in_step") == (1, 1)
    assert [vars(each)["key"] for each in caplog.records if each.msg == "record_unreadable"] == ["nonsense"]


def test_a_finished_run_logs_one_line_with_all_its_counts(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
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


def test_each_page_has_its_own_metrics(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    bench.at_plan(*range(6))
    bench.tamper(2, 5)
    bench.tamper(5, with_type="company")
    bench.night()
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "CompaniesChecked" in line]
    assert [(each["CompaniesChecked"], each["CompaniesDrifted"]) for each in said] == [([4.0], [1.0]), ([2.0], [1.0])]


def test_a_finished_run_writes_the_number_of_companies_of_each_plan(
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


def test_no_more_companies_are_named_than_an_item_can_hold(bench: Bench) -> None:
    numbers = range(NAMED + 10)
    bench.at_plan(*numbers)
    for number in range(KEEPS_DRIFTING):
        bench.tamper(*numbers)
        bench.night(f"night-{number}")
        bench.repair()
    assert len(bench.run.keeps_drifting) == NAMED
