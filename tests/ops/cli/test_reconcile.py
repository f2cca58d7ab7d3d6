"""The command ``reconcile``: request a reconciliation, wait for its results, and show the newest run."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from codat_sync.events.company_events import read_company_reconciliation
from codat_sync.events.requests import ReconciliationRequest, read_reconciliation_request
from codat_sync.reconciliation.runs import ReconciliationRuns, Run
from tests.ops.on_call import COMPANY, OTHER, TABLE, OnCall

LATER = datetime.now(UTC) + timedelta(days=1)
FINDINGS = {"checked": 1200, "drifted": 3, "handed_over": 4, "in_step": 1196, "changed_at_codat": 3, "refused": 1}


def runs_of(on_call: OnCall) -> ReconciliationRuns:
    return ReconciliationRuns(on_call.stack.dynamodb, TABLE)


def note_run(
    on_call: OnCall,
    *,
    counts: dict[str, int] = FINDINGS,
    outcomes: dict[str, int] | None = None,
    report_only: bool = False,
    finished: bool = True,
) -> None:
    """Write a run as the function would leave it, started after every request of a test."""
    runs = runs_of(on_call)
    request = ReconciliationRequest("night", LATER, report_only)
    begun = runs.begin(request, in_place_of=runs.newest(), at=LATER)
    assert begun
    advanced = runs.advance(
        begun,
        replace(
            begun,
            progress_at=LATER,
            cursor=str(COMPANY),
            finished_at=LATER if finished else None,
            counts=counts,
            by_data_type={"invoices": 3, "bills": 1} if counts.get("drifted") else {},
            by_plan={"growth": 1000, "free": 200},
            keeps_drifting=((str(COMPANY), 4),) if counts.get("drifted") else (),
        ),
    )
    assert advanced
    if outcomes:
        runs.tally("night", outcomes)


def while_waiting(monkeypatch: pytest.MonkeyPatch, *steps: Callable[[], object]) -> list[float]:
    """Take one step at each sleep; return the seconds of all sleeps."""
    slept: list[float] = []
    left = list(steps)

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        left.pop(0)()

    monkeypatch.setattr(time, "sleep", sleep)
    return slept


# --- Request --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("report_only", [True, False])
def test_all_companies_are_requested_on_the_bus(on_call: OnCall, *, report_only: bool) -> None:
    result = on_call("reconcile", "--report-only" if report_only else "--apply")
    assert result.exit_code == 0
    (event,) = on_call.events()
    request = read_reconciliation_request(json.dumps(event), sent_at=LATER)
    assert request.report_only is report_only
    assert event["source"] == "operations"
    assert result.stdout == f"Requested: {request.request_id}\n"


def test_named_companies_are_requested_on_the_bus(on_call: OnCall) -> None:
    answer = on_call.json("reconcile", "--apply", COMPANY, OTHER)
    asked = [read_company_reconciliation(json.dumps(event), now=LATER) for event in on_call.events()]
    assert {event.company_id for event in asked} == {COMPANY, OTHER}
    assert {event.event_id for event in asked} == set(answer["event_ids"])
    assert on_call("reconcile", "--apply", COMPANY).exit_code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        [COMPANY, "--report-only"],
        [COMPANY, "--status"],
        ["--status", "--wait"],
        ["--status", "--report-only"],
        ["--wait"],
        [COMPANY, "--wait"],
        ["Kew-Cafe"],
    ],
)
def test_options_that_contradict_are_a_usage_error(on_call: OnCall, arguments: list[object]) -> None:
    assert on_call("reconcile", *arguments).exit_code == 2
    assert on_call.events() == []


def test_without_apply_nothing_is_requested(on_call: OnCall) -> None:
    on_call.record(plan="scale")
    result = on_call("reconcile", COMPANY, OTHER)
    assert result.exit_code == 0
    assert f"{COMPANY}  scale" in result.stdout
    assert f"{OTHER}  no record: it would get the default plan" in result.stdout
    assert result.stdout.endswith("2 to reconcile. Nothing was requested. --apply does it.\n")
    assert on_call("reconcile").stdout.startswith("A reconciliation run over all companies would be requested.")
    assert on_call.json("reconcile", COMPANY)["companies"] == [{"company_id": str(COMPANY), "plan": "scale"}]
    assert on_call.events() == []


# --- The newest run -------------------------------------------------------------------------------------------------


def test_there_may_have_been_none(on_call: OnCall) -> None:
    result = on_call("reconcile", "--status")
    assert (result.exit_code, result.stdout) == (1, "There has been no reconciliation run yet.\n")
    assert on_call.json("reconcile", "--status") is None


def test_its_findings_and_outcomes_are_shown(on_call: OnCall) -> None:
    note_run(on_call, outcomes={"repaired": 2, "parkedFailed": 1})
    result = on_call("reconcile", "--status")
    assert result.exit_code == 1
    shown = " ".join(result.stdout.split())
    for words in (
        "Reconciliation run night (with repairs)",
        "checked 1,200 companies drifted 3",
        "data types invoices 3, bills 1 plans growth 1,000, free 200",
        "repaired 2",
        "parked: failed 1",
        "still open 1",
        f"keeps drifting {COMPANY}, in 4 runs in a row",
    ):
        assert words in shown
    run = on_call.json("reconcile", "--status")
    assert (run["counts"]["drifted"], run["outcomes"], run["by_data_type"]["invoices"]) == (
        3,
        {"repaired": 2, "parkedFailed": 1},
        3,
    )
    assert on_call.events() == []


@pytest.mark.parametrize(
    ("run", "code"),
    [
        ({"counts": {"checked": 5, "in_step": 5}}, 0),
        ({"outcomes": {"repaired": 3, "unchanged": 1}}, 0),
        ({"outcomes": {"repaired": 3, "degraded": 1}}, 1),
        ({"outcomes": {"repaired": 3}}, 1),
        ({"outcomes": {"repaired": 3, "parkedPaymentRequired": 1}}, 1),
        ({"counts": {"checked": 5, "in_step": 5}, "finished": False}, 1),
        ({"counts": {"checked": 5, "in_step": 5}, "report_only": True}, 0),
        ({"report_only": True}, 1),
    ],
)
def test_companies_that_are_left_open_are_an_exit_code(on_call: OnCall, run: dict[str, Any], code: int) -> None:
    note_run(on_call, **run)
    assert on_call("reconcile", "--status").exit_code == code


def test_a_run_in_progress(on_call: OnCall) -> None:
    note_run(on_call, finished=False)
    assert "in progress" in on_call("reconcile", "--status").stdout


# --- Waiting --------------------------------------------------------------------------------------------------------


def test_it_waits_for_the_outcome_of_every_company_that_was_handed_over(
    on_call: OnCall, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept = while_waiting(
        monkeypatch,
        lambda: note_run(on_call, finished=False),
        lambda: on_call.stack.dynamodb.delete_item(TableName=TABLE, Key={"companyId": {"S": "#reconciliation"}}),
        lambda: note_run(on_call),
        lambda: runs_of(on_call).tally("night", {"repaired": 4}),
    )
    result = on_call("reconcile", "--apply", "--wait")
    assert result.exit_code == 0
    assert "repaired" in result.stdout
    assert slept == [2.0] * 4


def test_it_waits_for_a_run_that_is_not_older_than_the_request(
    on_call: OnCall, monkeypatch: pytest.MonkeyPatch
) -> None:
    note_run(on_call, counts={"checked": 1}, report_only=True)
    while_waiting(monkeypatch, lambda: note_run(on_call, counts={"checked": 2}))
    assert on_call.json("reconcile", "--apply", "--wait")["counts"]["checked"] == 2


def test_it_waits_for_one_company(on_call: OnCall, monkeypatch: pytest.MonkeyPatch) -> None:
    desired = on_call.record(at=datetime.now(UTC) - timedelta(days=1))
    on_call.confirm(desired, at=datetime.now(UTC) - timedelta(days=1))
    while_waiting(monkeypatch, lambda: on_call.confirm(desired, at=LATER))
    result = on_call("reconcile", "--apply", COMPANY, "--wait")
    assert result.exit_code == 0
    assert f"{COMPANY}  at the preset of growth" in result.stdout


def test_a_company_that_fails_is_an_exit_code(on_call: OnCall, monkeypatch: pytest.MonkeyPatch) -> None:
    on_call.confirm(on_call.record(), at=LATER)
    while_waiting(
        monkeypatch,
        lambda: on_call.record(OTHER),
        lambda: on_call.plans.note_failure(OTHER, "e1", "forbidden: Not with this key", at=LATER),
    )
    result = on_call("reconcile", "--apply", COMPANY, OTHER, OTHER, "--wait")
    assert result.exit_code == 1
    assert "forbidden: Not with this key" in result.stdout
    assert "at the preset of growth" in result.stdout


def test_ctrl_c_ends_the_waiting(on_call: OnCall, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    while_waiting(monkeypatch, interrupt)
    assert on_call("reconcile", "--apply", "--wait").exit_code == 130
    assert len(on_call.events()) == 1


def test_the_samples_are_what_it_sends(on_call: OnCall) -> None:
    sample = json.loads(Path("events/reconciliation_requested.json").read_text("utf-8"))
    on_call("reconcile", "--apply")
    (event,) = on_call.events()
    assert (event["source"], event["detail-type"]) == (sample["source"], sample["detail-type"])
    assert isinstance(runs_of(on_call).newest(), Run | None)
