"""The DLQs of a stack: read them, redrive events to their queues, and discard events."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Self
from uuid import UUID

from codat_sync.deadline import Deadline
from codat_sync.outcomes.parked_events import CLOSING_SECONDS, DeadLetterQueue, ParkedEvent
from ops.contracts import read_envelope

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


class Dlq(StrEnum):
    """The DLQs of a stack, in the order in which they are listed."""

    PAYMENT_REQUIRED = "payment-required"
    FAILED_EVENTS = "failed-events"
    UNDELIVERED = "undelivered"


OUTPUTS: Final[Mapping[Dlq, str]] = {
    Dlq.PAYMENT_REQUIRED: "PaymentRequiredQueueUrl",
    Dlq.FAILED_EVENTS: "FailedEventsQueueUrl",
    Dlq.UNDELIVERED: "UndeliveredEventsQueueUrl",
}
"""The outputs of template.yaml that hold their URLs."""

NO_REASON: Final = "none_given"
"""The reason of an event that SQS itself moved after too many receives."""

OnRead = Callable[[int], None]
"""Called with how many more messages were read."""

Keep = Callable[[Sequence["DeadLetter"]], None]
"""Called with events before they are deleted."""


@dataclass(frozen=True)
class DeadLetter:
    """An event in a DLQ, as people and scripts see it. None: unknown.

    ``company_id`` and ``event_id`` come from the message attributes, else from the event itself. ``source_queue`` is
    the name of the queue that the event came from.
    """

    dlq: Dlq
    reason: str
    words: str | None
    parked_at: datetime
    company_id: UUID | None
    plan: str | None
    event_id: str | None
    status: str | None
    correlation_id: str | None
    source_queue: str | None
    body: str

    @property
    def why(self) -> str:
        """The reason's slug, and the words where there are any."""
        return f"{self.reason}: {self.words}" if self.words else self.reason

    @classmethod
    def of(cls, dlq: Dlq, event: ParkedEvent, now: datetime) -> Self:
        """Return a parked event as a dead letter of this DLQ."""
        event_id, company_id = _named_by(event, now)
        return cls(
            dlq=dlq,
            reason=event.reason or NO_REASON,
            words=event.words or ("SQS moved it after too many receives" if event.moved_by_sqs else None),
            parked_at=event.parked_at,
            company_id=company_id,
            plan=event.plan,
            event_id=event_id,
            status=event.status,
            correlation_id=event.correlation_id,
            source_queue=event.source_queue and event.source_queue.rpartition(":")[2],
            body=event.body,
        )


@dataclass(frozen=True)
class Filter:
    """Which dead letters a command is about. None: any."""

    reason: str | None = None
    company_id: UUID | None = None
    event_id: str | None = None

    def __contains__(self, letter: DeadLetter) -> bool:
        return (
            self.reason in {None, letter.reason}
            and self.company_id in {None, letter.company_id}
            and self.event_id in {None, letter.event_id}
        )


@dataclass(frozen=True)
class Group:
    """The dead letters of one DLQ that have one reason. ``words`` are those of the newest."""

    dlq: Dlq
    reason: str
    count: int
    oldest: datetime
    newest: datetime
    words: str | None


@dataclass
class Found:
    """The dead letters that match a filter, oldest first.

    ``complete`` is false where the time limit was reached before every message was read.
    """

    letters: list[DeadLetter] = field(default_factory=list)
    complete: bool = True

    @property
    def groups(self) -> list[Group]:
        """One group for each DLQ and reason, largest first within a DLQ."""
        grouped: dict[tuple[Dlq, str], list[DeadLetter]] = {}
        for letter in sorted(self.letters, key=lambda letter: letter.parked_at):
            grouped.setdefault((letter.dlq, letter.reason), []).append(letter)
        groups = [
            Group(dlq, reason, len(letters), letters[0].parked_at, letters[-1].parked_at, letters[-1].words)
            for (dlq, reason), letters in grouped.items()
        ]
        return sorted(groups, key=lambda group: (list(Dlq).index(group.dlq), -group.count, group.reason))


@dataclass
class Processed(Found):
    """The result of a redrive or a discard. ``letters`` are those that succeeded; all others are still in their DLQ."""

    failed: list[tuple[DeadLetter, str]] = field(default_factory=list)
    """Each that failed, with the words of the service that refused."""


def approximate_count(sqs: "SQSClient", url: str) -> int:
    """Return about how many messages of a queue are visible, which excludes those in flight."""
    name: Final = "ApproximateNumberOfMessages"
    return int(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"][name])


_Act = Callable[[DeadLetterQueue, list[ParkedEvent]], list[tuple[ParkedEvent, str]]]
"""Redrives or discards events of a DLQ; returns those that failed, each with the reason."""


class Dlqs:
    """The DLQs of one stack.

    A message is in flight while it is read, so that other readers do not see it. At the end every message that was not
    redriven or discarded becomes visible again, and stays in its DLQ.
    """

    def __init__(
        self,
        queues: Mapping[Dlq, DeadLetterQueue],
        *,
        seconds: float,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        """Take the queues. ``seconds`` limits how long one DLQ is read, and so how long its messages are in flight."""
        self._queues = queues
        self._seconds = seconds
        self._now = now
        self._monotonic = monotonic

    def find(self, matching: Filter, on_read: OnRead = lambda _: None) -> Found:
        """Return the dead letters that match, from all DLQs in parallel. Changes nothing."""
        result = Found()
        with ThreadPoolExecutor(max_workers=len(self._queues)) as readers:
            for letters, complete in readers.map(lambda dlq: self._find_in(dlq, matching, on_read), self._queues):
                result.letters += letters
                result.complete &= complete
        result.letters.sort(key=lambda letter: letter.parked_at)
        return result

    def redrive(self, matching: Filter, on_read: OnRead = lambda _: None) -> Processed:
        """Send each match to the queue that it came from, and delete it from the DLQ once SQS has taken it there."""
        return self._process(matching, _redrive, on_read)

    def discard(self, matching: Filter, keep: Keep, on_read: OnRead = lambda _: None) -> Processed:
        """Delete each match for good, after ``keep`` was called with it. What ``keep`` raises ends the discarding."""
        return self._process(matching, lambda queue, events: queue.discard(events), on_read, keep)

    def _find_in(self, dlq: Dlq, matching: Filter, on_read: OnRead) -> tuple[list[DeadLetter], bool]:
        letters: list[DeadLetter] = []
        deadline = self._deadline()
        with closing(self._queues[dlq].read(deadline)) as batches:
            for batch in batches:
                letters += [each for event in batch if (each := DeadLetter.of(dlq, event, self._now())) in matching]
                on_read(len(batch))
        return letters, deadline.seconds_left > CLOSING_SECONDS

    def _process(self, matching: Filter, act: _Act, on_read: OnRead, keep: Keep = lambda _: None) -> Processed:
        """Act on the DLQs one by one, and only on what was parked before the start: a redriven event may come back."""
        result, began = Processed(), self._now()
        for dlq, queue in self._queues.items():
            deadline = self._deadline()
            with closing(queue.read(deadline)) as batches:
                for batch in batches:
                    letters = {event.message_id: DeadLetter.of(dlq, event, began) for event in batch}
                    chosen = [each for each in batch if letters[each.message_id] in matching and each.parked_at < began]
                    keep([letters[each.message_id] for each in chosen])
                    failed = {event.message_id: why for event, why in act(queue, chosen)}
                    result.failed += [(letters[message_id], why) for message_id, why in failed.items()]
                    result.letters += [letters[each.message_id] for each in chosen if each.message_id not in failed]
                    on_read(len(batch))
            result.complete &= deadline.seconds_left > CLOSING_SECONDS
        return result

    def _deadline(self) -> Deadline:
        end = self._monotonic() + self._seconds
        return Deadline(lambda: end - self._monotonic())


def _redrive(queue: DeadLetterQueue, events: Iterable[ParkedEvent]) -> list[tuple[ParkedEvent, str]]:
    result = queue.put_back(events)
    return [*result.homeless, *result.failed]


def _named_by(event: ParkedEvent, now: datetime) -> tuple[str | None, UUID | None]:
    """Return the ids of event and company from the message attributes, else from the event itself."""
    try:
        if event.company_id:
            return event.event_id, UUID(event.company_id)
        envelope, company_id = read_envelope(event.body, now=now)
        return event.event_id or envelope["id"], company_id
    except ValueError:  # Malformed events are in a DLQ for that very reason.
        return event.event_id, None
