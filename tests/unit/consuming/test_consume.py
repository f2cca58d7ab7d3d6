"""Each message of a batch gets one outcome, and no message is lost."""

import json
import threading
from datetime import datetime, timedelta
from functools import cache

import pytest
from aws_lambda_powertools import Logger

from codat_sync.codat.errors import (
    BadRequest,
    NotFound,
    RateLimited,
    ServerError,
)
from codat_sync.codat.models import Frequency
from codat_sync.companies.records import NotedFailure
from codat_sync.consuming import consume as consumer
from codat_sync.consuming.consume import START_SECONDS
from codat_sync.deadline import OutOfTime
from codat_sync.outcomes.triage import Outcome
from tests.fakes.clock import NOW
from tests.fakes.companies import COMPANY, OTHER_COMPANY
from tests.fakes.events import connection_event, plan_event
from tests.fakes.lambda_ import FakeContext
from tests.unit.consuming.bench import PRESETS, Bench, access_denied


def test_a_plan_event_is_applied_and_leaves_the_queue(bench: Bench) -> None:
    assert bench.consume(plan_event("growth")) == ["applied"]
    assert bench.stays == set()
    assert bench.codat.frequency(COMPANY, "invoices") is Frequency.DAILY


def test_events_of_one_company_in_one_batch_are_converged_once(bench: Bench) -> None:
    outcomes = bench.consume(plan_event("free"), plan_event("growth", minutes=2), plan_event("starter", minutes=1))
    assert outcomes == ["stale", "applied", "stale"]
    assert bench.codat.calls == ["get", "update"]
    assert bench.codat.frequency(COMPANY, "invoices") is Frequency.DAILY


def test_the_same_event_twice_in_one_batch_is_applied_once(bench: Bench) -> None:
    assert bench.consume(plan_event("growth"), plan_event("growth")) == ["applied", "unchanged"]


def test_only_calls_to_codat_take_a_turn(bench: Bench) -> None:
    bench.consume(plan_event("growth"), plan_event("growth", company=OTHER_COMPANY))
    assert len(bench.withins) == len(bench.codat.calls) == 4
    bench.consume(plan_event("growth"))
    assert len(bench.withins) == 4


def test_a_call_may_wait_for_its_turn_as_long_as_the_functions_time_allows(bench: Bench) -> None:
    bench.consume(plan_event("growth"), context=FakeContext(120))
    assert bench.withins == [pytest.approx(120 - START_SECONDS)] * 2


def test_an_event_whose_turn_comes_too_late_is_deferred(bench: Bench) -> None:
    bench.turns = 1
    assert bench.consume(plan_event("growth")) == ["deferred"]
    assert bench.codat.calls == ["get"]
    assert bench.lines("event_settled")[0]["reason"] == OutOfTime.reason


def test_the_failure_of_one_company_does_not_affect_another_in_the_batch(bench: Bench) -> None:
    bench.plans.failures = [access_denied()]
    outcomes = bench.consume(plan_event("growth"), plan_event("growth", company=OTHER_COMPANY))
    assert sorted(outcomes) == ["applied", "deferred"]


def test_an_event_of_a_company_that_codat_does_not_know_is_deferred(bench: Bench) -> None:
    bench.codat.failures = [NotFound("No company was found", status=404)]
    assert bench.consume(plan_event("growth")) == ["deferred"]
    assert bench.stays == {"m0"}
    assert bench.dead_letters.parked == []


def test_the_last_failure_is_noted_with_the_company(bench: Bench) -> None:
    bench.codat.failures = [NotFound("No company was found", status=404)]
    bench.consume(plan_event("growth"))
    assert bench.plans.items[COMPANY].last_failure == NotedFailure(
        "company_not_found", "No company was found", "growth-0", NOW
    )


def test_a_failure_that_cannot_be_noted_changes_no_outcome(bench: Bench) -> None:
    bench.codat.failures = [NotFound("No company was found", status=404)]
    bench.plans.failures = [None, access_denied()]
    assert bench.consume(plan_event("growth")) == ["deferred"]
    assert "note_failed" in {line["msg"] for line in bench.logged}


def test_the_logger_is_made_before_the_threads_start(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    makers: list[threading.Thread] = []

    def make() -> Logger:
        makers.append(threading.current_thread())
        return Logger()

    monkeypatch.setattr(consumer, "logger", cache(make))
    bench.consume(plan_event("growth"), plan_event("growth", company=OTHER_COMPANY))
    assert makers == [threading.main_thread()]


def test_a_malformed_event_does_not_affect_another_in_the_batch(bench: Bench) -> None:
    assert sorted(bench.consume("{", plan_event("growth"))) == ["applied", "parked_failed"]


def test_an_event_is_deferred_for_as_long_as_codat_asks(bench: Bench) -> None:
    bench.codat.failures = [RateLimited("slow down", retry_after=timedelta(hours=2))]
    bench.consume(plan_event("growth"))
    assert 7200 < bench.queue.waits["handle-0"] <= 7200 + 60 + 0.05 * 7200


def test_an_event_that_cannot_be_deferred_stays_on_its_queue(bench: Bench) -> None:
    bench.queue.failure = access_denied()
    bench.codat.failures = [ServerError("no", status=500)]
    assert bench.consume(plan_event("growth")) == ["deferred"]
    assert bench.stays == {"m0"}


def test_a_bug_in_reading_loses_no_event(caplog: pytest.LogCaptureFixture) -> None:
    def read(body: str, *, now: datetime) -> None:
        raise ZeroDivisionError(body, now)

    bench = Bench(caplog, read)  # type: ignore[arg-type]  # It never returns.
    assert bench.consume("x", "y") == ["deferred", "deferred"]


def test_a_company_is_not_converged_without_time_for_it(bench: Bench) -> None:
    assert bench.consume(plan_event("growth"), context=FakeContext(START_SECONDS - 1)) == ["deferred"]
    assert bench.codat.calls == []
    assert bench.plans.items == {}


def test_an_event_is_deferred_where_time_does_not_allow_its_next_call(bench: Bench) -> None:
    context = FakeContext(60, 60, 60, 60, START_SECONDS - 1)
    assert bench.consume(plan_event("growth"), context=context) == ["deferred"]
    assert bench.codat.calls == ["get"]


def test_a_failure_at_codat_does_not_affect_a_stale_event_of_the_company(bench: Bench) -> None:
    bench.codat.failures = [ServerError("no", status=500)]
    assert bench.consume(plan_event("free"), plan_event("growth", minutes=1)) == ["stale", "deferred"]
    assert bench.stays == {"m1"}


def test_a_new_company_gets_the_default_plan(connections: Bench) -> None:
    assert connections.consume(connection_event()) == ["applied"]
    assert connections.plans.items[COMPANY].desired.plan == "free"


def test_metrics_count_the_outcomes_by_plan(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    bench.consume(plan_event("growth"), plan_event("free"), "{", plan_event("gold"))
    metrics = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line]
    by_plan = {(line["outcome"], line["plan"]): line["Events"] for line in metrics if "Events" in line}
    assert by_plan == {("applied", "growth"): [1.0], ("stale", "free"): [1.0], ("parked_failed", "none"): [2.0]}
    by_reason = {line["reason"]: line["Failures"] for line in metrics if "Failures" in line}
    assert by_reason == {"malformed_event": [1.0], "unknown_plan": [1.0]}


def test_every_announcer_gets_the_outcome_of_each_event(bench: Bench) -> None:
    bench.codat.failures = [None, None, ServerError("no", status=500)]
    bench.consume(plan_event("growth"), plan_event("free", company=OTHER_COMPANY), "{")
    for announcing in (bench.announcer, bench.other_announcer):
        assert {(each.event_id, each.company_id, each.outcome) for each in announcing.settled} == {
            ("growth-0", str(COMPANY), Outcome.APPLIED),
            ("free-0", str(OTHER_COMPANY), Outcome.DEFERRED),
            (None, None, Outcome.PARKED_FAILED),
        }


def test_an_applied_event_is_announced_with_the_record_and_the_differences(bench: Bench) -> None:
    bench.consume(plan_event("growth"))
    (announced,) = bench.announcer.settled
    assert announced.company == bench.plans.items[COMPANY]
    assert {each.data_type for each in announced.differences} >= {"invoices", "company"}


def test_of_the_events_of_one_company_a_single_one_carries_the_differences(bench: Bench) -> None:
    bench.consume(plan_event("free"), plan_event("scale", minutes=2), plan_event("scale", minutes=2))
    assert [(bool(each.differences), bool(each.to_refresh)) for each in bench.announcer.settled] == [
        (False, False),
        (True, True),
        (False, False),
    ]


def test_a_stale_event_that_repaired_codat_is_announced_with_the_differences(bench: Bench) -> None:
    bench.consume(plan_event("growth", minutes=5))
    bench.codat.companies[COMPANY] = PRESETS.for_company("free", COMPANY).over(bench.codat.companies[COMPANY])
    assert bench.consume(plan_event("free"), receive_count=2) == ["stale"]
    assert bench.announcer.settled[-1].differences
    assert bench.lines("event_settled")[0]["differences"]


def test_a_failure_is_announced_with_the_desired_plan_of_the_company(bench: Bench) -> None:
    bench.codat.failures = [BadRequest("not valid", status=400)]
    bench.consume(plan_event("free"), plan_event("growth", minutes=1))
    stale, parked = bench.announcer.settled
    assert (stale.failure, parked.failure and parked.failure.reason) == (None, "bad_request")
    assert parked.company is not None
    assert parked.company.desired.plan == "growth"


def test_outcomes_are_announced_only_once_all_are_safe(bench: Bench) -> None:
    safe: list[int] = []
    bench.announcer.meanwhile = lambda: safe.extend([len(bench.dead_letters.parked), len(bench.queue.waits)])
    bench.codat.failures = [ServerError("no", status=500)]
    bench.consume("{", plan_event("growth"))
    assert safe == [1, 1]


def test_an_announcer_that_fails_changes_no_outcome(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise ZeroDivisionError("a bug")

    bench.announcer.meanwhile = fail
    assert bench.consume(plan_event("growth"), "{") == ["parked_failed", "applied"]
    assert bench.stays == set()
    assert len(bench.lines("announcement_lost")) == 1
    assert len(bench.other_announcer.settled) == 2
    metrics = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line]
    assert [line["AnnouncementsLost"] for line in metrics if "AnnouncementsLost" in line] == [[1.0]]
