"""A reader of a DLQ makes as few and as full requests as SQS allows, and tells of every event what became of it."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest
from botocore.exceptions import ClientError

from codat_sync.aws.clients import ENDING_SECONDS, TIMEOUTS
from codat_sync.deadline import Deadline
from codat_sync.outcomes import parked_events
from codat_sync.outcomes.parked_events import SQS_BATCH_BYTES, DeadLetterQueue, ParkedEvent
from tests.fakes.aws import FakeSqs
from tests.fakes.clock import NOW

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

ARRIVED, PARKED = NOW - timedelta(hours=5), NOW - timedelta(hours=2)
ARN = "arn:aws:sqs:eu-west-2:123456789012:source"


class NotedSqs(FakeSqs):
    """Notes the requests, and gives ``answers`` to the next ones of a kind instead of acting."""

    def __init__(self) -> None:
        super().__init__({"dlq": [], "source": []})
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.answers: dict[str, list[dict[str, Any] | ClientError]] = {}

    def __getattribute__(self, name: str) -> Any:  # noqa: ANN401
        real = super().__getattribute__(name)
        if not name.endswith(("_batch", "receive_message")):
            return real

        def call(**arguments: Any) -> Any:  # noqa: ANN401
            self.requests.append((name, arguments))
            if not self.answers.get(name):
                return real(**arguments)
            answer = self.answers[name].pop(0)
            if isinstance(answer, ClientError):
                raise answer
            return answer

        return call

    def entries(self, name: str) -> list[list[dict[str, Any]]]:
        """Return the entries of each request of a kind."""
        return [arguments["Entries"] for called, arguments in self.requests if called == name]

    def sizes(self, name: str) -> list[int]:
        return [len(each) for each in self.entries(name)]

    def park(self, number: int) -> None:
        for each in range(number):
            self.send_message(QueueUrl="dlq", MessageBody=f"event {each:02}", MessageAttributes=typed(sourceQueue=ARN))


def typed(**attributes: str) -> dict[str, Any]:
    return {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()}


def parked(attributes: Mapping[str, str], body: str = "{}", number: int = 0) -> ParkedEvent:
    """Return an event as it is read from the DLQ."""
    said: Any = {
        "MessageId": f"m{number}",
        "ReceiptHandle": f"h{number}",
        "Body": body,
        "Attributes": {"SentTimestamp": str(int(NOW.timestamp() * 1000))},
        "MessageAttributes": typed(**attributes),
    }
    return ParkedEvent.of(cast("MessageTypeDef", said))


def some(number: int, source: str = ARN) -> list[ParkedEvent]:
    return [parked({"sourceQueue": source}, f"event {each:02}", each) for each in range(number)]


def refusal(number: int, code: str = "InternalError") -> dict[str, Any]:
    return {"Failed": [{"Id": str(number), "Code": code, "Message": "later", "SenderFault": False}]}


def reader(sqs: FakeSqs) -> DeadLetterQueue:
    return DeadLetterQueue(cast("SQSClient", sqs), "dlq", lambda: NOW)


def minutes(seconds: Callable[[], float] = lambda: 300.0) -> Deadline:
    return Deadline(seconds)


@pytest.mark.parametrize(
    ("attributes", "arrived_at"),
    [
        ({"arrivedAt": ARRIVED.isoformat(), "parkedAt": PARKED.isoformat()}, ARRIVED),
        ({"arrivedAt": ARRIVED.isoformat()}, ARRIVED),
        ({"parkedAt": PARKED.isoformat()}, PARKED),
        ({}, NOW),
    ],
)
def test_an_event_arrived_at_the_earliest_moment_that_its_message_tells(
    attributes: dict[str, str], arrived_at: datetime
) -> None:
    assert parked(attributes).arrived_at == arrived_at


def test_a_receive_asks_all_servers_of_sqs() -> None:
    """A short poll asks a few of them, and may find nothing in a queue that is not empty."""
    sqs = NotedSqs()
    assert list(reader(sqs).read(minutes())) == []
    waits = [arguments["WaitTimeSeconds"] for _, arguments in sqs.requests]
    assert waits == [parked_events.LONG_POLL_SECONDS] * parked_events.EMPTY_RECEIVES
    assert parked_events.LONG_POLL_SECONDS > 0


def test_a_queue_is_not_taken_for_empty_because_of_one_empty_answer_after_a_message() -> None:
    sqs = NotedSqs()
    sqs.park(11)
    batches = reader(sqs).read(minutes())
    assert len(next(batches)) == 10
    sqs.answers["receive_message"] = [{}]
    assert [len(each) for each in batches] == [1]


@pytest.mark.parametrize(("first", "batches"), [(20, [20, 5]), (21, [25]), (30, [25]), (0, [10, 10, 5])])
def test_so_many_are_yielded_at_once_as_are_asked_for_first(first: int, batches: list[int]) -> None:
    sqs = NotedSqs()
    sqs.park(25)
    assert [len(each) for each in reader(sqs).read(minutes(), first=first)] == batches


def test_a_message_is_released_only_where_the_request_ends_in_time_at_its_slowest() -> None:
    slowest = TIMEOUTS.slowest_seconds + ENDING_SECONDS
    for left, released in ((slowest, []), (slowest + 0.1, [1])):
        sqs = NotedSqs()
        sqs.park(1)
        seconds = iter([300.0, 300.0])
        batches = reader(sqs).read(minutes(lambda: next(seconds, left)))  # noqa: B023  # Read before the next round.
        next(batches)
        batches.close()
        assert sqs.sizes("change_message_visibility_batch") == released


def test_a_message_that_sqs_delivered_again_is_deleted_by_its_newest_receipt() -> None:
    """SQS does not promise to delete by an older one."""
    sqs = NotedSqs()
    sqs.park(1)
    (once,) = FakeSqs.receive_message(sqs, QueueUrl="dlq")["Messages"]
    other = {**once, "MessageId": "other", "ReceiptHandle": "another"}
    again = {**once, "ReceiptHandle": "newest"}
    sqs.answers["receive_message"] = [{"Messages": [once]}, {"Messages": [again, other]}]
    dead_letters = reader(sqs)
    batches = dead_letters.read(minutes())
    first, second = next(batches), next(batches)
    assert [len(first), len(second)] == [1, 1]
    dead_letters.put_back(first)
    (deleted,) = sqs.entries("delete_message_batch")
    assert [each["ReceiptHandle"] for each in deleted] == ["newest"]
    batches.close()


def test_batches_are_as_full_as_the_bytes_allow() -> None:
    about = {"parkedAt": PARKED.isoformat(), "sourceQueue": ARN}
    overhead = sum(len(name) + len("String") + len(value) for name, value in about.items())
    half = "x" * (SQS_BATCH_BYTES // 2 - overhead)
    for last, sizes in ((half, [2, 2]), (f"{half}x", [2, 1, 1])):
        sqs = NotedSqs()
        events = [parked(about, body, number) for number, body in enumerate([half, half, half, last])]
        assert len(reader(sqs).put_back(events).moved) == 4
        assert sqs.sizes("send_message_batch") == sizes


def test_each_event_that_was_not_moved_is_told_of_whatever_came_before_it() -> None:
    sqs = NotedSqs()
    renamed, renamed_too = (f"{ARN}-{name}" for name in ("old", "older"))
    nameless = parked({}, "nameless", 30)
    strays = [*some(1, renamed), nameless, *some(1, renamed_too)]
    sqs.answers["send_message_batch"] = [refusal(0), refusal(1)]
    events = some(12)
    result = reader(sqs).put_back([*strays, *events])
    assert [event for event, _ in result.homeless] == strays
    assert result.failed == [(events[0], "InternalError: later"), (events[11], "InternalError: later")]
    assert result.moved == events[1:11]


def test_events_stay_where_sqs_deletes_none_of_their_batch() -> None:
    sqs = NotedSqs()
    denied = ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "DeleteMessageBatch")
    sqs.answers["delete_message_batch"] = [denied]
    events = some(2)
    result = reader(sqs).put_back(events)
    assert result.failed == [(event, "AccessDenied: no") for event in events]
    assert result.moved == []


def test_events_are_discarded_ten_at_a_time_and_every_failure_is_told() -> None:
    sqs = NotedSqs()
    sqs.answers["delete_message_batch"] = [refusal(9), refusal(1)]
    events = some(12)
    failed = reader(sqs).discard(events)
    assert failed == [(events[9], "InternalError: later"), (events[11], "InternalError: later")]
    assert sqs.sizes("delete_message_batch") == [10, 2]
