"""The wait of a deferred event, and how SQS gets it."""

from collections.abc import Iterator
from datetime import timedelta
from math import ceil
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mypy_boto3_sqs import SQSClient

from codat_sync.outcomes.deferral import (
    LONGEST_SECONDS,
    SHORTEST,
    SPREAD,
    SQS_LONGEST_SECONDS,
    SourceQueue,
    deferral_seconds,
)


class Extreme(Random):
    """A source of numbers that always gives the same share of a range."""

    def __init__(self, share: float) -> None:
        super().__init__(0)
        self._share = share

    def uniform(self, a: float, b: float) -> float:
        return a + (b - a) * self._share


LOWEST, MIDDLE, HIGHEST = Extreme(0), Extreme(0.5), Extreme(1)


def wait_of(
    receive_count: int = 1,
    retry_after: timedelta | None = None,
    *,
    first_ceiling: int = 60,
    since_receipt: float = 0,
    random: Random = LOWEST,
) -> int:
    return deferral_seconds(
        receive_count, retry_after, first_ceiling=first_ceiling, since_receipt=since_receipt, random=random
    )


def test_the_longest_wait_doubles_with_each_receive_up_to_a_limit() -> None:
    waits = [wait_of(count, random=HIGHEST) for count in range(1, 12)]
    assert waits == [60, 120, 240, 480, 960, 1920, 3840, 7680, 14400, 14400, 14400]


def test_the_ceiling_of_the_first_wait_is_configured() -> None:
    assert [wait_of(count, first_ceiling=4, random=HIGHEST) for count in range(1, 5)] == [4, 8, 16, 32]


def test_the_jitter_goes_down_to_a_twelfth_of_the_first_ceiling() -> None:
    assert [wait_of(count) for count in range(1, 12)] == [5] * 11


def test_ten_receives_take_about_four_hours() -> None:
    assert sum(wait_of(count, random=MIDDLE) for count in range(1, 10)) / 3600 == pytest.approx(4, abs=0.5)


@pytest.mark.parametrize("asked", [timedelta(0), timedelta(seconds=90.9), timedelta(hours=5)])
def test_an_event_waits_for_what_codat_asked_and_its_jitter(asked: timedelta) -> None:
    seconds = asked.total_seconds()
    assert wait_of(1, asked, random=LOWEST) == ceil(seconds + 5)
    assert wait_of(1, asked, random=HIGHEST) == ceil(seconds + 60 + SPREAD * seconds)


def test_no_event_waits_for_less_than_codat_asked() -> None:
    assert wait_of(1, timedelta(seconds=90.9), first_ceiling=1) >= 90.9


def test_a_wait_that_codat_asked_for_does_not_grow_with_each_receive() -> None:
    assert wait_of(10, timedelta(seconds=20), random=HIGHEST) == 20 + 60 + 1


def test_events_that_wait_for_one_moment_come_back_spread_out() -> None:
    random = Random(1)  # noqa: S311  # As the jitter of the functions.
    assert len({wait_of(1, timedelta(hours=1), random=random) for _ in range(20)}) > 10


@pytest.mark.parametrize("since_receipt", [0, 0.5, 30, 900])
def test_a_wait_of_a_day_is_cut_to_the_limit_of_sqs(since_receipt: float) -> None:
    wait = wait_of(1, timedelta(days=1), since_receipt=since_receipt)
    assert SQS_LONGEST_SECONDS - 2 <= wait + since_receipt <= SQS_LONGEST_SECONDS


@settings(deadline=None, max_examples=100)
@given(
    receive_count=st.integers(0, 1_000_000),
    retry_after=st.none() | st.timedeltas(min_value=timedelta(0)),
    first_ceiling=st.integers(1, 900),
    since_receipt=st.floats(0, 900),
    seed=st.integers(),
)
def test_every_wait_is_within_its_bounds(
    receive_count: int, retry_after: timedelta | None, first_ceiling: int, since_receipt: float, seed: int
) -> None:
    wait = deferral_seconds(
        receive_count,
        retry_after,
        first_ceiling=first_ceiling,
        since_receipt=since_receipt,
        random=Random(seed),  # noqa: S311  # As above.
    )
    assert 1 <= wait <= SQS_LONGEST_SECONDS - since_receipt
    if retry_after is None:
        assert int(SHORTEST * first_ceiling) <= wait <= LONGEST_SECONDS
    else:
        assert wait >= min(retry_after.total_seconds(), SQS_LONGEST_SECONDS - since_receipt - 2)


class Queue:
    """A queue in SQS, and the requests to hide messages."""

    def __init__(self, sqs: SQSClient) -> None:
        self.url = sqs.create_queue(QueueName="source")["QueueUrl"]
        self.requests: list[dict[str, Any]] = []
        self.sqs = sqs

    def note(self, params: dict[str, Any], **_: object) -> None:
        self.requests.append(params)

    def receive(self, number: int) -> list[str]:
        """Return the receipt handles of so many new messages."""
        handles: list[str] = []
        for _ in range(number):
            self.sqs.send_message(QueueUrl=self.url, MessageBody="x")
            (message,) = self.sqs.receive_message(QueueUrl=self.url, VisibilityTimeout=0)["Messages"][:1]
            handles.append(message["ReceiptHandle"])
            self.sqs.change_message_visibility(
                QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=60
            )
        return handles

    @property
    def waits(self) -> dict[str, int]:
        return {each["ReceiptHandle"]: each["VisibilityTimeout"] for call in self.requests for each in call["Entries"]}


@pytest.fixture
def queue(sqs: SQSClient) -> Iterator[Queue]:
    queue = Queue(sqs)
    call = "before-parameter-build.sqs.ChangeMessageVisibilityBatch"
    sqs.meta.events.register(call, queue.note, unique_id="note")
    yield queue
    sqs.meta.events.unregister(call, unique_id="note")
    sqs.delete_queue(QueueUrl=queue.url)


@pytest.fixture
def source(sqs: SQSClient, queue: Queue) -> SourceQueue:
    return SourceQueue(sqs, queue.url)


def test_each_message_is_hidden_for_its_own_time(
    queue: Queue, source: SourceQueue, caplog: pytest.LogCaptureFixture
) -> None:
    waits = {handle: 10 + number for number, handle in enumerate(queue.receive(3))}
    source.defer(waits)
    assert queue.waits == waits
    assert [call["QueueUrl"] for call in queue.requests] == [queue.url]
    assert caplog.records == []


@pytest.mark.parametrize(("number", "sizes"), [(1, [1]), (10, [10]), (11, [10, 1]), (25, [10, 10, 5])])
def test_messages_are_hidden_in_batches_of_ten(
    queue: Queue, source: SourceQueue, number: int, sizes: list[int]
) -> None:
    source.defer({f"handle-{each}": each for each in range(number)})
    assert [len(call["Entries"]) for call in queue.requests] == sizes
    assert all(len({each["Id"] for each in call["Entries"]}) == len(call["Entries"]) for call in queue.requests)
    assert queue.waits == {f"handle-{each}": each for each in range(number)}


def test_an_empty_deferral_makes_no_request(queue: Queue, source: SourceQueue) -> None:
    source.defer({})
    assert queue.requests == []


def test_a_message_that_sqs_refuses_to_hide_is_logged_and_the_others_are_hidden(
    queue: Queue, source: SourceQueue, caplog: pytest.LogCaptureFixture
) -> None:
    (handle,) = queue.receive(1)
    source.defer({"gone": 30, handle: 30})
    assert set(queue.waits) == {"gone", handle}
    (logged,) = (vars(record) for record in caplog.records)
    assert (logged["levelname"], logged["msg"]) == ("WARNING", "deferral_refused")
    assert logged["code"] == "ReceiptHandleIsInvalid"
    assert logged["message_of_sqs"] == "The input receipt handle is invalid."
