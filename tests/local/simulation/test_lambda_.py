"""How Lambda polls, starts, throttles and cuts off a function."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from codat_sync.deadline import Invocation
from local.simulation.lambda_ import Function, Lambda
from local.simulation.sqs import Queue
from local.simulation.template import Polling
from local.simulation.virtual_time import Clock

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse

POLLING = Polling(
    timeout=60, batch_size=10, concurrency=2, visibility_timeout=360, retention=864_000, max_receives=1000
)


class Handler:
    """A function that notes its batches, and does with each of them what the test says."""

    def __init__(self, clock: Clock, work: Callable[[Invocation], object] = lambda _: None, keep: str = "") -> None:
        self._clock = clock
        self._work = work
        self._keep = keep
        self.wired = 0
        self.batches: list[list[str]] = []
        self.at_work = 0
        self.most_at_work = 0

    def wire(self) -> "Handler":
        self.wired += 1
        return self

    def consume(self, event: dict[str, Any], context: Invocation) -> "PartialItemFailureResponse":
        self.batches.append([each["body"] for each in event["Records"]])
        self.at_work += 1
        self.most_at_work = max(self.most_at_work, self.at_work)
        self._work(context)
        self.at_work -= 1
        kept = [each["messageId"] for each in event["Records"] if each["body"] == self._keep]
        return {"batchItemFailures": [{"itemIdentifier": each} for each in kept]}


@pytest.fixture
def clock() -> Iterator[Clock]:
    clock = Clock(datetime(2026, 3, 2, 9, 0, tzinfo=UTC))
    yield clock
    clock.close()


@pytest.fixture
def queue(clock: Clock) -> Queue:
    queue = Queue("source", clock)
    for number in range(25):
        queue.send(str(number), {})
    return queue


def run(clock: Clock, function: Function, seconds: float) -> Lambda:
    lambda_ = Lambda(clock, Random(1))  # noqa: S311  # One that can be repeated.
    lambda_.run(function)
    clock.run(clock.now + seconds)
    return lambda_


def test_batches_of_ten_are_handled_by_two_environments_and_deleted(clock: Clock, queue: Queue) -> None:
    handler = Handler(clock, lambda _: clock.sleep(5))
    run(clock, Function(handler.wire, queue, POLLING), 60)
    assert [len(batch) for batch in handler.batches] == [10, 10, 5]
    assert (handler.wired, handler.most_at_work) == (2, 2)
    assert queue.messages() == []


def test_a_reported_failure_stays_on_the_queue_until_its_visibility_timeout(clock: Clock, queue: Queue) -> None:
    handler = Handler(clock, keep="7")
    run(clock, Function(handler.wire, queue, POLLING), 359)
    assert [each.body for each in queue.messages()] == ["7"]
    clock.run(clock.now + 10)
    assert handler.batches[3:] == [["7"]]


def test_a_function_is_cut_off_at_its_timeout_and_starts_anew(clock: Clock, queue: Queue) -> None:
    left: list[int] = []

    def hang(context: Invocation) -> None:
        left.append(context.get_remaining_time_in_millis())
        clock.sleep(3600)

    handler = Handler(clock, hang)
    lambda_ = run(clock, Function(handler.wire, queue, POLLING), 180)
    assert left[0] == 60_000
    assert lambda_.killed == 3
    assert handler.wired == 3
    assert len(queue.messages()) == 25


def test_a_throttled_function_does_not_see_the_batch_before_its_visibility_timeout(clock: Clock, queue: Queue) -> None:
    handler = Handler(clock)
    began = clock.now
    function = Function(handler.wire, queue, POLLING, throttled=lambda at: 1.0 if at < began + 300 else 0.0)
    lambda_ = run(clock, function, 359)
    assert (handler.batches, lambda_.throttled) == ([], 3)
    clock.run(clock.now + 60)
    assert sum(len(batch) for batch in handler.batches) == 25
    assert queue.most_receives == 2


def test_an_environment_that_was_idle_for_long_is_started_anew(clock: Clock, queue: Queue) -> None:
    handler = Handler(clock)
    run(clock, Function(handler.wire, queue, replace(POLLING, concurrency=1)), 60)
    queue.send("soon", {})
    clock.run(clock.now + 60)
    assert handler.wired == 1
    clock.run(clock.now + 3600)
    queue.send("late", {})
    clock.run(clock.now + 60)
    assert handler.wired == 2
