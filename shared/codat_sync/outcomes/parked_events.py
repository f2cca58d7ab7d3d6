"""Reading a DLQ, and moving its events back to the queues that they came from."""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import ceil
from typing import TYPE_CHECKING, Any, Final, Self

from botocore.exceptions import ClientError

from codat_sync.aws.clients import ENDING_SECONDS, TIMEOUTS
from codat_sync.deadline import Deadline
from codat_sync.observability import logger
from codat_sync.outcomes.deferral import SQS_BATCH, SQS_LONGEST_SECONDS, SourceQueue

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageAttributeValueOutputTypeDef, MessageTypeDef

LONG_POLL_SECONDS: Final = 1
"""A long poll makes SQS ask all of its servers; a short one asks a few, and may find nothing."""
EMPTY_RECEIVES: Final = 2
"""So many empty receives in a row mean that the queue is empty."""
CLOSING_SECONDS: Final = 2 * TIMEOUTS.slowest_seconds + ENDING_SECONDS
"""The time kept for a receive that has begun, and to release the last messages."""
SQS_BATCH_BYTES: Final = 262_144
"""The size of a batch in bytes by the older of SQS's two limits; the newer is four times that. A larger message is
sent alone.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html"""
SQS_ATTRIBUTES: Final = 10
"""The attributes that a message may have."""

_Attributes = Mapping[str, "MessageAttributeValueOutputTypeDef"]


@dataclass(frozen=True)
class ParkedEvent:
    """A message in a DLQ, and why it is there. None: the message does not say.

    A function parked it (dead_letters.py), or SQS moved it after too many receives, or EventBridge could not deliver
    it and names the reason in attributes of its own. ``source_queue`` is an ARN.
    Where no function noted ``parked_at``, it is when SQS got the message. ``arrived_at`` is when SQS first got the
    event, or the earliest time that the message tells.
    """

    message_id: str
    receipt_handle: str = field(repr=False)
    body: str
    attributes: _Attributes = field(repr=False)
    parked_at: datetime
    moved_by_sqs: bool = False
    source_queue: str | None = None
    reason: str | None = None
    words: str | None = None
    status: str | None = None
    correlation_id: str | None = None
    event_id: str | None = None
    company_id: str | None = None
    plan: str | None = None
    arrived_at: datetime | None = None

    @classmethod
    def of(cls, message: "MessageTypeDef") -> Self:
        """Read a message as SQS returns it, with all its attributes of both kinds."""
        attributes, system = message.get("MessageAttributes", {}), message["Attributes"]
        said = {name: value["StringValue"] for name, value in attributes.items() if "StringValue" in value}
        moved_from = system.get("DeadLetterQueueSourceArn")
        # A message that SQS moved may still carry the attributes of an earlier parking.
        why = {} if moved_from else said
        sent_at = datetime.fromtimestamp(int(system["SentTimestamp"]) / 1000, UTC)
        return cls(
            message_id=message["MessageId"],
            receipt_handle=message["ReceiptHandle"],
            body=message["Body"],
            attributes=attributes,
            parked_at=_moment(why.get("parkedAt")) or sent_at,
            moved_by_sqs=moved_from is not None,
            source_queue=moved_from or said.get("sourceQueue") or said.get("TARGET_ARN"),
            reason=why.get("reason") or why.get("ERROR_CODE"),
            words=why.get("words") or why.get("ERROR_MESSAGE"),
            status=why.get("status"),
            correlation_id=why.get("correlationId"),
            event_id=said.get("eventId"),
            company_id=said.get("companyId"),
            plan=said.get("plan"),
            arrived_at=_moment(said.get("arrivedAt")) or _moment(said.get("parkedAt")) or sent_at,
        )


@dataclass
class PutBack:
    """The result of moving events back. Those that were not moved are still in the DLQ, each with SQS's error."""

    moved: list[ParkedEvent] = field(default_factory=list)
    homeless: list[tuple[ParkedEvent, str]] = field(default_factory=list)
    """They name no source queue, or one that does not exist or may not be used."""
    failed: list[tuple[ParkedEvent, str]] = field(default_factory=list)
    """A retry may help. Some may be on their source queue as well, which is harmless."""


class DeadLetterQueue:
    """One DLQ, for one reader at a time."""

    def __init__(self, sqs: "SQSClient", url: str, now: Callable[[], datetime]) -> None:
        self._sqs = sqs
        self._url = url
        self._now = now
        self._queue = SourceQueue(sqs, url)
        self._source_urls: dict[str, str] = {}
        self._held: dict[str, str] = {}  # Receipt handle by message id.

    def in_flight(self) -> int:
        """Return about how many messages other readers hold at the moment, so that they cannot be received."""
        name: Final = "ApproximateNumberOfMessagesNotVisible"
        answer = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=[name])
        return int(answer["Attributes"][name])

    def read(self, deadline: Deadline, *, first: int = 0) -> Generator[list[ParkedEvent]]:
        """Yield every message, up to ten at a time and each once; ``first`` of them at once, or all if there are fewer.

        Messages that are neither put back nor discarded meanwhile are released when the iteration ends or is closed;
        if the reader dies, SQS releases each once the time that was left at its receipt has passed. Ends early where
        the time is up, or where more messages would be in flight than SQS allows, about 120,000. Takes about 1 kB of
        memory for each message that is held.
        """
        empty = 0
        gathered: list[ParkedEvent] = []
        try:
            while empty < EMPTY_RECEIVES and deadline.seconds_left > CLOSING_SECONDS:
                events = self._receive(deadline.seconds_left)
                empty = 0 if events else empty + 1
                gathered += events
                if gathered and (len(gathered) >= first or not events):
                    yield gathered
                    gathered, first = [], 0
        finally:
            held, self._held = list(self._held.values()), {}
            while held and deadline.seconds_left > TIMEOUTS.slowest_seconds + ENDING_SECONDS:
                self._queue.defer(dict.fromkeys(held[:SQS_BATCH], 0))
                del held[:SQS_BATCH]

    def put_back(self, events: Iterable[ParkedEvent]) -> PutBack:
        """Send each event to the queue that it came from, then delete it here.

        Body and attributes are unchanged. An event that no function parked gets a ``parkedAt``, so that its
        redelivery reads Codat's settings, and an ``arrivedAt``, so that it is no newer than it was. A crash between
        the two steps leaves an event in both places, never in none.
        """
        result = PutBack()
        by_source: dict[str | None, list[ParkedEvent]] = {}
        for event in events:
            by_source.setdefault(event.source_queue, []).append(event)
        for source, ours in by_source.items():
            try:
                url = self._url_of(source)
            except ClientError as error:
                result.homeless += [(each, _words(error)) for each in ours]
                continue
            if url is None:
                result.homeless += [(each, "it names no source queue") for each in ours]
                continue
            for batch in _batches([(each, self._attributes(each)) for each in ours]):
                unsent = self._send(url, batch)
                sent = [each for number, (each, _) in enumerate(batch) if number not in unsent]
                undeleted = self._delete(sent)
                result.failed += [(batch[number][0], why) for number, why in unsent.items()]
                result.failed += [(sent[number], why) for number, why in undeleted.items()]
                result.moved += [each for number, each in enumerate(sent) if number not in undeleted]
        return result

    def discard(self, events: Sequence[ParkedEvent]) -> list[tuple[ParkedEvent, str]]:
        """Delete the events for good; return those that SQS did not delete, with its error."""
        failed = []
        for start in range(0, len(events), SQS_BATCH):
            batch = events[start : start + SQS_BATCH]
            failed += [(batch[number], why) for number, why in self._delete(batch).items()]
        return failed

    def _receive(self, seconds: float) -> list[ParkedEvent]:
        """Receive up to ten messages that this reader does not hold yet."""
        try:
            answer = self._sqs.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=SQS_BATCH,
                MessageAttributeNames=["All"],
                MessageSystemAttributeNames=["All"],
                VisibilityTimeout=min(ceil(seconds), SQS_LONGEST_SECONDS),
                WaitTimeSeconds=LONG_POLL_SECONDS,
            )
        except self._sqs.exceptions.OverLimit:
            logger().warning("too_many_in_flight", held=len(self._held))
            return []
        events = [ParkedEvent.of(message) for message in answer.get("Messages", [])]
        fresh = [event for event in events if event.message_id not in self._held]
        self._held |= {event.message_id: event.receipt_handle for event in events}
        return fresh

    def _url_of(self, source: str | None) -> str | None:
        if source is None:
            return None
        if source not in self._source_urls:
            answer = self._sqs.get_queue_url(QueueName=source.rpartition(":")[2])
            self._source_urls[source] = answer["QueueUrl"]
        return self._source_urls[source]

    def _attributes(self, event: ParkedEvent) -> _Attributes:
        """Return the event's attributes, with a ``parkedAt`` and an ``arrivedAt`` where no function parked it.

        A producer may have used all ten.
        """
        if "parkedAt" in event.attributes:
            return event.attributes
        ours = {"parkedAt": _text(self._now()), "arrivedAt": _text(event.arrived_at or event.parked_at)}
        return dict([*(ours | dict(event.attributes)).items()][:SQS_ATTRIBUTES])

    def _send(self, url: str, batch: Sequence[tuple[ParkedEvent, _Attributes]]) -> dict[int, str]:
        """Send a batch; return SQS's error for each event that it refused, by its number in the batch."""
        return _refusals(
            len(batch),
            lambda: self._sqs.send_message_batch(
                QueueUrl=url,
                Entries=[
                    {"Id": str(number), "MessageBody": event.body, "MessageAttributes": attributes}
                    for number, (event, attributes) in enumerate(batch)
                ],
            ),
        )

    def _delete(self, batch: Sequence[ParkedEvent]) -> dict[int, str]:
        """Delete up to ten; return SQS's error for each event that it did not delete, by its number in the batch."""
        if not batch:
            return {}
        refusals = _refusals(
            len(batch),
            lambda: self._sqs.delete_message_batch(
                QueueUrl=self._url,
                Entries=[
                    {"Id": str(number), "ReceiptHandle": self._held.get(event.message_id, event.receipt_handle)}
                    for number, event in enumerate(batch)
                ],
            ),
        )
        for number, event in enumerate(batch):
            if number not in refusals:
                self._held.pop(event.message_id, None)
        return refusals


def _refusals(count: int, call: Callable[[], Mapping[str, Any]]) -> dict[int, str]:
    """Return what SQS refused of a batch, or the whole of it."""
    try:
        failed = call().get("Failed", [])
    except ClientError as error:
        return dict.fromkeys(range(count), _words(error))
    return {int(each["Id"]): f"{each['Code']}: {each.get('Message', '')}".strip(": ") for each in failed}


def _words(error: ClientError) -> str:
    said = error.response["Error"]
    return f"{said['Code']}: {said['Message']}"


def _batches(
    events: Iterable[tuple[ParkedEvent, _Attributes]],
) -> Iterator[list[tuple[ParkedEvent, _Attributes]]]:
    """Yield as few batches as SQS accepts, in order, of one event or more."""
    batch: list[tuple[ParkedEvent, _Attributes]] = []
    weight = 0
    for event, attributes in events:
        bytes_of_it = _weight(event.body, attributes)
        if batch and (len(batch) == SQS_BATCH or weight + bytes_of_it > SQS_BATCH_BYTES):
            yield batch
            batch, weight = [], 0
        batch.append((event, attributes))
        weight += bytes_of_it
    yield batch


def _weight(body: str, attributes: _Attributes) -> int:
    """Return the size in bytes as SQS counts it: the body, and of each attribute its name, type and value."""
    values = (
        len(name.encode())
        + len(value["DataType"].encode())
        + len(value.get("StringValue", "").encode())
        + len(value.get("BinaryValue", b""))
        for name, value in attributes.items()
    )
    return len(body.encode()) + sum(values)


def _text(moment: datetime) -> "MessageAttributeValueOutputTypeDef":
    return {"DataType": "String", "StringValue": moment.isoformat()}


def _moment(text: str | None) -> datetime | None:
    """Return None for text that is not a moment: a message in a DLQ may hold anything."""
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return moment if moment.tzinfo else None
