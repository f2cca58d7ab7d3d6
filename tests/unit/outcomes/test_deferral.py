"""The wait of a deferred event, and how SQS gets it."""

from collections.abc import Iterator
from datetime import timedelta
from inspect import signature
from math import ceil
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mypy_boto3_sqs import SQSClient

from codat_sync.outcomes.deferral import (
    JITTER_SECONDS,
    RECEIPT_MARGIN_SECONDS,
    SPREAD,
    SQS_LONGEST_SECONDS,
    Patience,
    SourceQueue,
)


class Extreme(Random):
    """A source of numbers that always gives the same share of a range."""

    def __init__(self, share: float) -> None:
        super().__init__(0)
        self._share = share

    def uniform(self, a: float, b: float) -> float:
        return a + (b - a) * self._share


LOWEST, MIDDLE, HIGHEST = Extreme(0), Extreme(0.5), Extreme(1)


DAY = timedelta(days=1)


def wait_of(  # What a wait depends on.
    waited: float = 0,
    asked: timedelta | None = None,
    *,
    first_ceiling: int = 60,
    limit: timedelta = 4 * DAY,
    since_start: float = 0,
    random: Random = LOWEST,
) -> int:
    return Patience(limit, first_ceiling).wait(waited, asked, since_start=since_start, random=random)


def test_a_first_wait_is_up_to_the_configured_ceiling() -> None:
    assert [wait_of(random=each) for each in (LOWEST, HIGHEST)] == [5, 60]
    assert [wait_of(first_ceiling=4, random=each) for each in (LOWEST, HIGHEST)] == [1, 4]


def test_a_wait_grows_with_what_the_event_has_waited_up_to_four_hours() -> None:
    longest = [wait_of(waited, random=HIGHEST) for waited in (60, 120, 3600, 4 * 3600, 48 * 3600)]
    assert longest == [60, 120, 3600, 4 * 3600, 4 * 3600]
    shortest = [wait_of(waited, random=LOWEST) for waited in (60, 120, 3600, 4 * 3600, 48 * 3600)]
    assert shortest == [30, 60, 1800, 2 * 3600, 2 * 3600]


def test_how_often_an_event_was_received_does_not_matter() -> None:
    """A 429 with Retry-After 1, a throttled function and a killed one spend receives, and no patience."""
    assert not {"receive_count", "receives"} & set(signature(Patience.wait).parameters)


@pytest.mark.parametrize("asked", [timedelta(0), timedelta(seconds=90.9), timedelta(minutes=59)])
@pytest.mark.parametrize("waited", [0, 600, 20_000])
def test_the_own_back_off_comes_on_top_of_what_codat_asked(asked: timedelta, waited: float) -> None:
    seconds = asked.total_seconds()
    assert wait_of(waited, asked, random=LOWEST) == ceil(seconds + wait_of(waited, random=LOWEST))
    most = seconds + min(SPREAD * seconds, JITTER_SECONDS) + wait_of(waited, random=HIGHEST)
    assert wait_of(waited, asked, random=HIGHEST) == ceil(most)


@pytest.mark.parametrize("waited", [0, 600, 20_000, 200_000])
def test_a_long_wait_that_codat_asked_for_replaces_the_own_back_off(waited: float) -> None:
    """A quota may be open for minutes only after its reset, and hours on top would miss them."""
    asked = timedelta(hours=5)
    assert wait_of(waited, asked, random=LOWEST) == asked.total_seconds()
    assert wait_of(waited, asked, random=HIGHEST) == asked.total_seconds() + JITTER_SECONDS


def test_an_own_back_off_that_is_longer_than_what_codat_asked_is_not_replaced() -> None:
    hour, waited = timedelta(hours=1), 4 * 3600
    assert wait_of(waited, hour, random=LOWEST) == 3600 + wait_of(waited, random=LOWEST)


def test_no_event_waits_for_less_than_codat_asked() -> None:
    assert wait_of(0, timedelta(seconds=90.9), first_ceiling=1) >= 90.9


def test_events_that_wait_for_one_moment_come_back_spread_out() -> None:
    random = Random(1)  # noqa: S311  # As the jitter of the functions.
    assert len({wait_of(0, timedelta(hours=1), random=random) for _ in range(20)}) > 10


@pytest.mark.parametrize("since_start", [0, 0.5, 30, 900])
def test_a_wait_of_a_day_leaves_minutes_to_the_limit_of_sqs(since_start: float) -> None:
    """The twelve hours count from the receipt, which lies before the function's start."""
    wait = wait_of(0, DAY, since_start=since_start)
    margin = SQS_LONGEST_SECONDS - (wait + since_start)
    assert RECEIPT_MARGIN_SECONDS <= margin <= RECEIPT_MARGIN_SECONDS + 1


@pytest.mark.parametrize("asked", [None, DAY])
def test_the_last_attempt_comes_when_the_patience_ends(asked: timedelta | None) -> None:
    patience = Patience(timedelta(hours=10), 60)
    waited = 9.99 * 3600
    wait = patience.wait(waited, asked, since_start=0, random=HIGHEST)
    assert 10 * 3600 <= waited + wait <= 10 * 3600 + 2
    assert patience.is_over(waited + wait)


@settings(deadline=None, max_examples=200)
@given(
    waited=st.floats(0, 10**7),
    asked=st.none() | st.timedeltas(min_value=timedelta(0)),
    first_ceiling=st.integers(1, 900),
    hours=st.integers(1, 168),
    since_start=st.floats(0, 900),
    seed=st.integers(),
)
def test_every_wait_is_within_its_bounds(  # What a wait depends on.
    waited: float, asked: timedelta | None, first_ceiling: int, hours: int, since_start: float, seed: int
) -> None:
    patience = Patience(timedelta(hours=hours), first_ceiling)
    wait = patience.wait(waited, asked, since_start=since_start, random=Random(seed))  # noqa: S311  # As above.
    assert 1 <= wait <= SQS_LONGEST_SECONDS - RECEIPT_MARGIN_SECONDS - since_start + 1
    assert wait <= max(0, hours * 3600 - waited) + 2


@settings(deadline=None, max_examples=200)
@given(
    first_ceiling=st.integers(12, 900),
    random=st.builds(Random, st.integers()) | st.just(LOWEST),
    asked=st.lists(st.none() | st.timedeltas(timedelta(0), DAY), min_size=1, max_size=5),
)
def test_deferrals_never_make_an_event_a_suspect(
    first_ceiling: int, random: Random, asked: list[timedelta | None]
) -> None:
    """A message that is deferred again and again, whatever Codat asks, is received as often as its age explains."""
    patience, waited, receives = Patience(7 * DAY, first_ceiling), 0.0, 1
    while not patience.is_over(waited):
        assert receives <= patience.explained_receives(waited)
        waited += patience.wait(waited, asked[receives % len(asked)], since_start=0, random=random)
        receives += 1
    assert receives < 1000, "SQS moves a message after so many receives"


@pytest.mark.parametrize("hours", [0, 0.1, 1, 4, 10, 24, 72])
def test_a_message_is_explained_by_few_receives_more_than_its_deferrals_take_at_most(hours: float) -> None:
    """A message that kills its function has to become a suspect however long it has waited."""
    patience, waited, receives = Patience(7 * DAY, 60), 0.0, 1
    while waited < hours * 3600:
        waited += patience.wait(waited, None, since_start=0, random=LOWEST)
        receives += 1
    assert receives <= patience.explained_receives(waited) <= receives + 3


def test_patience_is_over_once_its_limit_is_reached() -> None:
    patience = Patience(DAY, 60)
    assert patience.is_over(DAY.total_seconds())
    assert not patience.is_over(DAY.total_seconds() - 1)
    assert patience.wait(2 * DAY.total_seconds(), None, since_start=0, random=LOWEST) == 1


def test_a_message_that_kills_its_function_becomes_a_suspect_within_hours() -> None:
    patience, visibility = Patience(4 * DAY, 60), 360
    receives = next(n for n in range(1, 1000) if n > patience.explained_receives((n - 1) * visibility))
    assert receives * visibility < 3 * 3600


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
