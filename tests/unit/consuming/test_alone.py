"""A message that may kill its function is handled alone, and one that outlived its patience is not attempted again."""

from datetime import timedelta
from typing import Any

import pytest

from codat_sync.outcomes.deferral import GRACE
from codat_sync.outcomes.triage import Outcome
from tests.fakes.events import plan_event
from tests.fakes.lambda_ import PATIENCE, FakeContext, sqs_event
from tests.unit.consuming.bench import Bench


def mixed(*receives: int) -> dict[str, Any]:
    """Return a batch of events of the same company, each received so often, and sent a minute ago."""
    event = sqs_event(
        *(plan_event("growth", minutes=each) for each in range(len(receives))), waited=timedelta(minutes=1)
    )
    for record, count in zip(event["Records"], receives, strict=True):
        record["attributes"]["ApproximateReceiveCount"] = str(count)
    return event


MANY = PATIENCE.explained_receives(60) + 1


def test_a_suspect_is_set_aside_so_that_its_neighbours_are_handled_without_it(bench: Bench) -> None:
    answer = bench.consume_event(mixed(1, MANY, 1))
    assert [each["itemIdentifier"] for each in answer["batchItemFailures"]] == ["m1"]
    first, *_ = bench.lines("event_settled")
    assert (first["outcome"], first["reason"]) == ("deferred", "handled_alone")
    assert 1 <= bench.queue.waits["handle-1"] <= PATIENCE.first_ceiling


def test_one_of_several_suspects_is_handled_alone(bench: Bench) -> None:
    answer = bench.consume_event(mixed(MANY, MANY, MANY))
    assert [each["itemIdentifier"] for each in answer["batchItemFailures"]] == ["m1", "m2"]
    assert [line["outcome"] for line in bench.lines("event_settled")][-1] == "applied"


def test_the_others_are_hidden_before_the_one_that_may_kill_the_function(bench: Bench) -> None:
    hidden_before: list[set[str]] = []
    bench.codat.before_write = lambda: hidden_before.append(set(bench.queue.waits))
    bench.consume_event(mixed(MANY, MANY, MANY))
    assert hidden_before == [{"handle-1", "handle-2"}]


def test_a_suspect_that_comes_alone_is_handled(bench: Bench) -> None:
    assert bench.consume(plan_event("growth"), receive_count=MANY + 100) == ["applied"]


def test_a_message_is_no_suspect_while_its_deferrals_explain_its_receives(bench: Bench) -> None:
    answer = bench.consume_event(mixed(MANY - 1, MANY - 1))
    assert answer == {"batchItemFailures": []}


def test_an_event_whose_attempts_never_ended_is_parked_without_another_one(bench: Bench) -> None:
    waited = PATIENCE.limit + GRACE
    assert bench.consume(plan_event("growth"), receive_count=700, waited=waited) == ["parked_failed"]
    ((received, outcome, failure),) = bench.dead_letters.parked
    assert (outcome, failure.reason) == (Outcome.PARKED_FAILED, "never_settled")
    assert received.event_id
    assert bench.codat.calls == []


@pytest.mark.parametrize(("receives", "beyond"), [(1, timedelta(days=3)), (40, timedelta(minutes=30))])
def test_a_late_first_delivery_and_a_last_attempt_are_made(bench: Bench, receives: int, beyond: timedelta) -> None:
    outcomes = bench.consume(
        plan_event("growth"), receive_count=receives, waited=PATIENCE.limit + beyond, context=FakeContext()
    )
    assert outcomes == ["applied"]
