"""A DLQ can be read and emptied, and each of its messages is in at least one queue at any moment.

Moto's SQS and the fake that other tests use are held to the same claims.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any, cast

import pytest
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st
from mypy_boto3_sqs import SQSClient

from codat_sync.deadline import Deadline
from codat_sync.outcomes import parked_events
from codat_sync.outcomes.dead_letters import DeadLetters, ReceivedEvent
from codat_sync.outcomes.parked_events import CLOSING_SECONDS, DeadLetterQueue, ParkedEvent
from codat_sync.outcomes.triage import Failure, Outcome
from tests.fakes.aws import FakeSqs
from tests.fakes.clock import NOW
from tests.fakes.events import PLAN_NAMES
from tests.fakes.lambda_ import deadline

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import MessageTypeDef

FAILURE = Failure(
    outcome=Outcome.PARKED_PAYMENT_REQUIRED,
    reason="account_expired",
    words="Payment Required (Account expired.)",
    status=402,
    correlation_id="c0ffee",
)
ARN = "arn:aws:sqs:eu-west-2:123456789012:source"


class Killed(BaseException):
    """The process is killed: no later line of it runs."""


class Sqs:
    """SQS with faults: ``before`` gets the name of each call, and may raise; ``answers`` replace one."""

    def __init__(self, sqs: SQSClient) -> None:
        self._sqs = sqs
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.before: Callable[[str], None] = lambda _: None
        self.answers: dict[str, list[Any]] = {}

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        real = getattr(self._sqs, name)
        if not callable(real) or name == "exceptions":
            return real

        def call(**arguments: Any) -> Any:  # noqa: ANN401
            self.calls.append((name, arguments))
            self.before(name)
            return self.answers[name].pop(0) if self.answers.get(name) else real(**arguments)

        return call

    def called(self, name: str) -> list[dict[str, Any]]:
        return [arguments for called, arguments in self.calls if called == name]


class Queues:
    """Two source queues and a DLQ."""

    def __init__(self, sqs: SQSClient) -> None:
        self.sqs = sqs
        self.faulty = Sqs(sqs)
        self.dlq, self.source, self.other = (
            sqs.create_queue(QueueName=queue)["QueueUrl"] for queue in ("dlq", "source", "other")
        )
        self.dead_letters = self.reader()

    def reader(self) -> DeadLetterQueue:
        return DeadLetterQueue(cast("SQSClient", self.faulty), self.dlq, lambda: NOW)

    def arn(self, url: str) -> str:
        return self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]

    def park(self, body: str, source: str | None = None, **about: Any) -> None:  # noqa: ANN401
        """Park an event as a function does."""
        dead_letters = DeadLetters(self.sqs, {Outcome.PARKED_PAYMENT_REQUIRED: self.dlq}, lambda: NOW)
        event = ReceivedEvent(body, self.arn(self.source) if source is None else source, **about)
        dead_letters.park(event, Outcome.PARKED_PAYMENT_REQUIRED, FAILURE)

    def messages(self, url: str) -> list["MessageTypeDef"]:
        """Return the visible messages of a queue, and leave them visible."""
        found: list[MessageTypeDef] = []
        while messages := self.sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], VisibilityTimeout=600
        ).get("Messages"):
            found += messages
        for each in found:
            self.sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=each["ReceiptHandle"], VisibilityTimeout=0)
        return found

    def bodies(self, url: str) -> list[str]:
        return sorted(each["Body"] for each in self.messages(url))


MINUTES = Deadline(lambda: 300.0)
"""More time than any test takes."""


def all_of(dead_letters: DeadLetterQueue) -> list[ParkedEvent]:
    return [event for batch in dead_letters.read(MINUTES) for event in batch]


@pytest.fixture(autouse=True)
def no_long_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parked_events, "LONG_POLL_SECONDS", 0)


@pytest.fixture(params=["fake", "Moto"])
def queues(request: pytest.FixtureRequest) -> Iterator[Queues]:
    if request.param == "fake":
        yield Queues(cast("SQSClient", FakeSqs({})))
        return
    queues = Queues(request.getfixturevalue("sqs"))
    yield queues
    for url in (queues.dlq, queues.source, queues.other):
        queues.sqs.delete_queue(QueueUrl=url)


def message(
    attributes: dict[str, str] | None = None,
    *,
    moved_from: str | None = None,
    **more: Any,  # noqa: ANN401
) -> "MessageTypeDef":
    """Return a message as SQS returns it."""
    system = {"SentTimestamp": "1769947200000"} | ({"DeadLetterQueueSourceArn": moved_from} if moved_from else {})
    typed = {name: {"DataType": "String", "StringValue": text} for name, text in (attributes or {}).items()}
    given: Any = {
        "MessageId": "m",
        "ReceiptHandle": "h",
        "Body": "{}",
        "Attributes": system,
        **({"MessageAttributes": typed} if typed else {}),
    }
    return cast("MessageTypeDef", given | more)


def refused(code: str, operation: str = "SendMessageBatch") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, operation)


class TestParkedEvent:
    def test_has_all_attributes_that_a_function_parked_it_with(self, queues: Queues) -> None:
        body = '{"id":  "event-1",\n"name": "Grüße \u2028 \U0001f600"}'
        queues.park(body, event_id="event-1", company_id="8a210b68-6988-4001-a1eb-0242ac120001", plan="scale")
        (event,) = all_of(queues.dead_letters)
        assert event.body == body
        assert (event.reason, event.words, event.status) == (FAILURE.reason, FAILURE.words, "402")
        assert (event.event_id, event.plan, event.correlation_id) == ("event-1", "scale", "c0ffee")
        assert event.company_id == "8a210b68-6988-4001-a1eb-0242ac120001"
        assert event.source_queue == queues.arn(queues.source)
        assert event.parked_at == NOW
        assert not event.moved_by_sqs

    @pytest.mark.parametrize("plan", PLAN_NAMES)
    def test_names_the_plan_as_billing_calls_it(self, queues: Queues, plan: str) -> None:
        queues.park("one", plan=plan)
        (event,) = all_of(queues.dead_letters)
        assert event.plan == plan
        assert event.attributes["plan"] == {"DataType": "String", "StringValue": plan}

    def test_moved_by_sqs_has_its_source_queue_and_no_reason(self) -> None:
        event = ParkedEvent.of(message(moved_from=ARN))
        assert (event.source_queue, event.moved_by_sqs) == (ARN, True)
        assert event.parked_at == datetime(2026, 2, 1, 12, tzinfo=UTC)
        assert (event.reason, event.words, event.company_id) == (None, None, None)

    def test_moved_by_sqs_has_no_reason_of_an_earlier_parking(self) -> None:
        old = {
            "reason": "account_expired",
            "words": "Account expired",
            "status": "402",
            "correlationId": "c0ffee",
            "parkedAt": "2026-01-01T00:00:00+00:00",
            "sourceQueue": "arn:aws:sqs:eu-west-2:123456789012:another",
            "companyId": "company",
            "eventId": "event-1",
            "plan": "scale",
        }
        event = ParkedEvent.of(message(old, moved_from=ARN))
        assert (event.reason, event.words, event.status, event.correlation_id) == (None, None, None, None)
        assert event.parked_at == datetime(2026, 2, 1, 12, tzinfo=UTC)
        assert event.source_queue == ARN
        assert (event.company_id, event.event_id, event.plan) == ("company", "event-1", "scale")

    def test_not_delivered_by_eventbridge_has_its_target_and_the_error(self) -> None:
        """https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html."""
        given = {
            "RULE_ARN": "arn:aws:events:eu-west-2:123456789012:rule/bus/rule",
            "TARGET_ARN": ARN,
            "ERROR_CODE": "NO_PERMISSIONS",
            "ERROR_MESSAGE": "not authorized to perform sqs:SendMessage",
        }
        event = ParkedEvent.of(message(given))
        assert event.source_queue == ARN
        assert (event.reason, event.words) == ("NO_PERMISSIONS", "not authorized to perform sqs:SendMessage")

    @pytest.mark.parametrize("parked_at", ["yesterday", "2026-01-01T00:00:00", ""])
    def test_without_a_readable_moment_was_parked_when_sqs_got_it(self, parked_at: str) -> None:
        event = ParkedEvent.of(message({"parkedAt": parked_at}))
        assert event.parked_at == datetime(2026, 2, 1, 12, tzinfo=UTC)

    def test_keeps_a_binary_attribute_as_it_is(self) -> None:
        binary = {"reason": {"DataType": "Binary", "BinaryValue": b"\x00"}}
        event = ParkedEvent.of(message(MessageAttributes=binary))
        assert event.reason is None
        assert event.attributes == binary


class TestReading:
    def test_yields_each_message_once(self, queues: Queues) -> None:
        bodies = [f"event {number:02}" for number in range(25)]
        for body in bodies:
            queues.park(body)
        assert sorted(event.body for event in all_of(queues.dead_letters)) == bodies

    def test_leaves_every_message_in_the_dlq_and_visible(self, queues: Queues) -> None:
        queues.park("one")
        all_of(queues.dead_letters)
        assert queues.bodies(queues.dlq) == ["one"]
        assert queues.dead_letters.in_flight() == 0

    def test_hides_the_messages_until_the_iteration_ends(self, queues: Queues) -> None:
        queues.park("one")
        with closing(queues.dead_letters.read(MINUTES)) as batches:
            next(batches)
            assert queues.bodies(queues.dlq) == []
            assert queues.reader().in_flight() == 1
        assert queues.bodies(queues.dlq) == ["one"]

    def test_hides_a_message_no_longer_than_the_readers_time(self, queues: Queues) -> None:
        queues.park("one")
        for seconds in (100.5, 60 * 60 * 24):
            with closing(queues.dead_letters.read(deadline(seconds))) as batches:
                next(batches)
        first, *_, last = (each["VisibilityTimeout"] for each in queues.faulty.called("receive_message"))
        assert (first, last) == (101, 12 * 60 * 60)

    def test_releases_more_messages_than_one_batch_of_sqs(self, queues: Queues) -> None:
        for number in range(23):
            queues.park(f"event {number}")
        all_of(queues.dead_letters)
        assert len(queues.messages(queues.dlq)) == 23
        assert [len(each["Entries"]) for each in queues.faulty.called("change_message_visibility_batch")] == [10, 10, 3]

    def test_does_not_release_a_message_that_was_put_back(self, queues: Queues) -> None:
        for body in ("stays", "goes"):
            queues.park(body)
        for batch in queues.dead_letters.read(MINUTES):
            queues.dead_letters.put_back([event for event in batch if event.body == "goes"])
        (released,) = queues.faulty.called("change_message_visibility_batch")
        assert len(released["Entries"]) == 1

    def test_does_not_yield_a_message_again_that_it_still_holds(self, queues: Queues) -> None:
        """SQS may deliver a hidden message again; then the newest receipt handle counts."""
        queues.park("one")
        answer = queues.sqs.receive_message(
            QueueUrl=queues.dlq, MessageSystemAttributeNames=["All"], MessageAttributeNames=["All"]
        )
        (once,) = answer["Messages"]
        again = once | {"ReceiptHandle": "newest"}
        queues.faulty.answers["receive_message"] = [{"Messages": [once]}, {"Messages": [again]}, {}, {}]
        assert len(all_of(queues.dead_letters)) == 1
        (released,) = queues.faulty.called("change_message_visibility_batch")
        assert [each["ReceiptHandle"] for each in released["Entries"]] == ["newest"]

    def test_does_not_end_at_one_empty_answer(self, queues: Queues) -> None:
        queues.park("one")
        queues.faulty.answers["receive_message"] = [{}]
        assert len(all_of(queues.dead_letters)) == 1

    def test_ends_where_sqs_allows_no_more_messages_in_flight(self, queues: Queues) -> None:
        queues.park("one")
        batches = queues.dead_letters.read(MINUTES)
        next(batches)

        def over_limit(_: str) -> None:
            raise queues.sqs.exceptions.OverLimit(
                {"Error": {"Code": "OverLimit", "Message": "120,000"}}, "ReceiveMessage"
            )

        queues.faulty.before = lambda name: over_limit(name) if name == "receive_message" else None
        assert list(batches) == []
        assert queues.bodies(queues.dlq) == ["one"]

    def test_ends_before_the_readers_time_is_up(self, queues: Queues) -> None:
        queues.park("one")
        assert list(queues.dead_letters.read(deadline(CLOSING_SECONDS))) == []

    def test_leaves_messages_hidden_that_it_has_no_time_to_release(self, queues: Queues) -> None:
        queues.park("one")
        left = iter([300.0, 300.0])
        batches = queues.dead_letters.read(deadline(lambda: next(left, 0.0)))
        next(batches)
        assert list(batches) == []
        assert queues.faulty.called("change_message_visibility_batch") == []


class TestPuttingBack:
    def test_moves_each_event_unchanged_to_its_source_queue(self, queues: Queues) -> None:
        queues.park("one", company_id="company")
        queues.park("two", queues.arn(queues.other))
        before = {each["Body"]: each["MessageAttributes"] for each in queues.messages(queues.dlq)}
        for batch in queues.dead_letters.read(MINUTES):
            result = queues.dead_letters.put_back(batch)
            assert sorted(event.body for event in result.moved) == ["one", "two"]
            assert (result.homeless, result.failed) == ([], [])
        assert queues.bodies(queues.dlq) == []
        (one,), (two,) = queues.messages(queues.source), queues.messages(queues.other)
        assert {each["Body"]: each["MessageAttributes"] for each in (one, two)} == before

    def test_marks_an_event_that_no_function_parked_so_that_its_redelivery_reads_codat(self, queues: Queues) -> None:
        moved = ParkedEvent.of(message(moved_from=queues.arn(queues.source)))
        queues.dead_letters.put_back([moved])
        (back,) = queues.messages(queues.source)
        attributes = {name: value["StringValue"] for name, value in back["MessageAttributes"].items()}
        assert attributes == {
            "parkedAt": NOW.isoformat(),
            "arrivedAt": moved.arrived_at and moved.arrived_at.isoformat(),
        }

    def test_keeps_when_an_event_first_arrived(self, queues: Queues) -> None:
        """Among events of one moment it decides, so bringing one back must not make it the newest."""
        queues.park("one", arrived_at=NOW - timedelta(hours=3))
        for batch in queues.dead_letters.read(MINUTES):
            queues.dead_letters.put_back(batch)
        (back,) = queues.messages(queues.source)
        assert back["MessageAttributes"]["arrivedAt"]["StringValue"] == (NOW - timedelta(hours=3)).isoformat()
        assert len(back["MessageAttributes"]) <= 10

    def test_drops_two_of_a_producers_ten_attributes_to_mark_an_event(self, queues: Queues) -> None:
        own = {f"own{number}": "x" for number in range(10)}
        queues.dead_letters.put_back([ParkedEvent.of(message(own, moved_from=queues.arn(queues.source)))])
        (back,) = queues.messages(queues.source)
        assert set(back["MessageAttributes"]) == {"parkedAt", "arrivedAt", *(f"own{number}" for number in range(8))}

    def test_asks_for_the_url_of_each_queue_once(self, queues: Queues) -> None:
        for number in range(21):
            queues.park(f"event {number}")
        for batch in queues.dead_letters.read(MINUTES):
            queues.dead_letters.put_back(batch)
        assert len(queues.faulty.called("get_queue_url")) == 1

    def test_splits_events_that_are_too_large_for_one_batch(self, queues: Queues) -> None:
        """The limit is 262,144 bytes, attributes included. Moto refuses more."""
        bodies = ["a" * 100_000, "b" * 160_000, "ü" * 130_900, "d", "e"]
        for body in bodies:
            queues.park(body)
        events = sorted(all_of(queues.dead_letters), key=lambda event: bodies.index(event.body))
        result = queues.dead_letters.put_back(events)
        assert (len(result.moved), result.failed) == (5, [])
        sent = queues.faulty.called("send_message_batch")
        assert [len(each["Entries"]) for each in sent] == [2, 1, 2]

    def test_counts_the_size_of_binary_attributes(self, queues: Queues) -> None:
        heavy = {"own": {"DataType": "Binary", "BinaryValue": b"\x00" * 200_000}}
        moved_from = queues.arn(queues.source)
        events = [ParkedEvent.of(message(moved_from=moved_from, MessageAttributes=heavy)) for _ in range(2)]
        queues.faulty.answers["send_message_batch"] = [{}, {}]
        queues.dead_letters.put_back(events)
        assert [len(each["Entries"]) for each in queues.faulty.called("send_message_batch")] == [1, 1]

    def test_leaves_an_event_without_a_source_queue(self, queues: Queues) -> None:
        event = ParkedEvent.of(message())
        result = queues.dead_letters.put_back([event])
        assert result.homeless == [(event, "it names no source queue")]

    def test_leaves_an_event_whose_source_queue_does_not_exist(self, queues: Queues) -> None:
        queues.park("one", "arn:aws:sqs:eu-west-2:123456789012:renamed")
        queues.park("two")
        for batch in queues.dead_letters.read(MINUTES):
            result = queues.dead_letters.put_back(batch)
            assert [event.body for event in result.moved] == ["two"]
            ((homeless, why),) = result.homeless
            assert homeless.body == "one"
            assert "NonExistentQueue" in why
        assert queues.bodies(queues.dlq) == ["one"]

    def test_leaves_an_event_that_sqs_refuses_and_moves_the_others(self, queues: Queues) -> None:
        for number in range(3):
            queues.park(f"event {number}")
        events = sorted(all_of(queues.dead_letters), key=lambda event: event.body)
        refusal = {"Id": "1", "Code": "InternalError", "Message": "later", "SenderFault": False}
        queues.faulty.answers["send_message_batch"] = [{"Failed": [refusal]}]
        result = queues.dead_letters.put_back(events)
        assert [event.body for event in result.moved] == ["event 0", "event 2"]
        assert result.failed == [(events[1], "InternalError: later")]
        assert queues.bodies(queues.dlq) == ["event 1"]

    def test_leaves_a_batch_that_sqs_refuses_as_a_whole(self, queues: Queues) -> None:
        queues.park("one")
        events = all_of(queues.dead_letters)

        def deny(name: str) -> None:
            if name == "send_message_batch":
                raise refused("AccessDenied")

        queues.faulty.before = deny
        result = queues.dead_letters.put_back(events)
        assert (result.moved, result.failed) == ([], [(events[0], "AccessDenied: no")])
        assert queues.bodies(queues.dlq) == ["one"]

    def test_reports_an_event_that_is_in_both_queues_since_it_could_not_be_deleted(self, queues: Queues) -> None:
        queues.park("one")
        events = all_of(queues.dead_letters)
        queues.faulty.answers["delete_message_batch"] = [{"Failed": [{"Id": "0", "Code": "ReceiptHandleIsInvalid"}]}]
        result = queues.dead_letters.put_back(events)
        assert (result.moved, result.failed) == ([], [(events[0], "ReceiptHandleIsInvalid")])
        assert queues.bodies(queues.source) == queues.bodies(queues.dlq) == ["one"]


class TestDiscarding:
    def test_deletes_for_good(self, queues: Queues) -> None:
        for number in range(12):
            queues.park(f"event {number:02}")
        events = sorted(all_of(queues.dead_letters), key=lambda event: event.body)
        assert queues.dead_letters.discard(events[:11]) == []
        assert queues.bodies(queues.dlq) == ["event 11"]

    def test_reports_an_event_that_could_not_be_deleted(self, queues: Queues) -> None:
        queues.park("one")
        events = all_of(queues.dead_letters)
        queues.faulty.answers["delete_message_batch"] = [
            {"Failed": [{"Id": "0", "Code": "InternalError", "Message": "later"}]}
        ]
        assert queues.dead_letters.discard(events) == [(events[0], "InternalError: later")]


@settings(deadline=None)
@given(
    parked=st.integers(1, 25),
    killed_at=st.integers(0, 12),
    before_effect=st.booleans(),
    denied=st.sets(st.integers(0, 5)),
)
def test_no_event_is_lost_wherever_a_reader_fails_or_is_killed(
    *, parked: int, killed_at: int, before_effect: bool, denied: set[int]
) -> None:
    sqs = FakeSqs({"dlq": [], "source": []})
    dead_letters = DeadLetters(cast("SQSClient", sqs), {Outcome.PARKED_PAYMENT_REQUIRED: "dlq"}, lambda: NOW)
    bodies = {f"event {number:02}" for number in range(parked)}
    for body in bodies:
        dead_letters.park(ReceivedEvent(body, ARN), Outcome.PARKED_PAYMENT_REQUIRED, FAILURE)
    calls, batches_sent = count(), count()

    def kill(_: str) -> None:
        if next(calls) == killed_at:
            raise Killed

    def before(name: str) -> None:
        if name == "send_message_batch" and next(batches_sent) in denied:
            raise refused("ServiceUnavailable")
        if before_effect:
            kill(name)

    sqs.before, sqs.after = before, (lambda _: None) if before_effect else kill
    moved: set[str] = set()
    reader = DeadLetterQueue(cast("SQSClient", sqs), "dlq", lambda: NOW)
    with suppress(Killed):
        for batch in reader.read(MINUTES):
            moved |= {event.body for event in reader.put_back(batch).moved}
    back, left = set(sqs.bodies("source")), set(sqs.bodies("dlq"))
    assert back | left == bodies
    assert moved <= back
    assert not moved & left


def test_a_message_that_is_no_event_can_be_read_too(queues: Queues) -> None:
    queues.sqs.send_message(QueueUrl=queues.dlq, MessageBody="not even JSON")
    (event,) = all_of(queues.dead_letters)
    assert (event.body, event.source_queue) == ("not even JSON", None)
    assert json.dumps(str(event))
