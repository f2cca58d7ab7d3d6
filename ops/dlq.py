"""The DLQs: what lies in them and why, bringing it back, and throwing it away."""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Self
from uuid import UUID

from codat_sync.outcomes.parked_events import CLOSING_SECONDS, DeadLetterQueue, ParkedEvent
from ops.contracts import read_envelope

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


class Dlq(StrEnum):
    """The DLQs of a stack."""

    PAYMENT_REQUIRED = "payment-required"
    FAILED_EVENTS = "failed-events"
    UNDELIVERED = "undelivered"


OUTPUTS: Final[Mapping[Dlq, str]] = {
    Dlq.PAYMENT_REQUIRED: "PaymentRequiredQueueUrl",
    Dlq.FAILED_EVENTS: "FailedEventsQueueUrl",
    Dlq.UNDELIVERED: "UndeliveredEventsQueueUrl",
}
"""The outputs of template.yaml that name them."""

UNSAID: Final = "none_given"
"""The reason of what SQS itself moved, after too many receives: it has none."""


@dataclass(frozen=True)
class Letter:
    """An event in a DLQ, for people and for scripts. None: nobody said.

    ``company_id`` and ``event_id`` are the event's own where nothing stands beside it. ``source_queue`` is a name.
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
        """Slug and words."""
        return f"{self.reason}: {self.words}" if self.words else self.reason

    @classmethod
    def of(cls, dlq: Dlq, event: ParkedEvent, now: datetime) -> Self:
        """What there is to say of a parked event."""
        event_id, company_id = _named_by(event, now)
        return cls(
            dlq=dlq,
            reason=event.reason or UNSAID,
            words=event.words or ("SQS moved it: it was received too often" if event.moved_by_sqs else None),
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
class Wanted:
    """Which events are meant. None: whichever."""

    reason: str | None = None
    company_id: UUID | None = None

    def __contains__(self, letter: Letter) -> bool:
        return self.reason in {None, letter.reason} and self.company_id in {None, letter.company_id}


@dataclass(frozen=True)
class Group:
    """What lies in one DLQ for one reason. ``words`` are the newest event's."""

    dlq: Dlq
    reason: str
    count: int
    oldest: datetime
    newest: datetime
    words: str | None


@dataclass
class Look:
    """What was found. ``complete`` is false where the time was up before all had been seen."""

    letters: list[Letter] = field(default_factory=list)
    complete: bool = True

    @property
    def groups(self) -> list[Group]:
        """By DLQ and reason, the most events first."""
        grouped: dict[tuple[Dlq, str], list[Letter]] = {}
        for letter in sorted(self.letters, key=lambda letter: letter.parked_at):
            grouped.setdefault((letter.dlq, letter.reason), []).append(letter)
        groups = [
            Group(dlq, reason, len(ours), ours[0].parked_at, ours[-1].parked_at, ours[-1].words)
            for (dlq, reason), ours in grouped.items()
        ]
        return sorted(groups, key=lambda group: (list(Dlq).index(group.dlq), -group.count, group.reason))


@dataclass
class Handled(Look):
    """What was to be brought back or thrown away; ``letters`` are those that were. The rest is where it was."""

    failed: list[tuple[Letter, str]] = field(default_factory=list)
    """With the words of whoever refused."""


def how_many(sqs: "SQSClient", url: str) -> int:
    """About how many messages lie in a queue that nobody holds at the moment."""
    name: Final = "ApproximateNumberOfMessages"
    return int(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"][name])


Act = Callable[[DeadLetterQueue, list[ParkedEvent]], list[tuple[ParkedEvent, str]]]
"""Does something about events of a DLQ; those that it could not do it with, and why."""


class Dlqs:
    """The DLQs of one stack. Everything that is read and not handled is let go at the end, and stays where it is."""

    def __init__(
        self,
        queues: Mapping[Dlq, DeadLetterQueue],
        *,
        seconds: float,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        """``seconds``: how long one look may take, which is as long as nobody else can see what it has seen."""
        self._queues = queues
        self._seconds = seconds
        self._now = now
        self._monotonic = monotonic

    def look(self, wanted: Wanted, on_seen: Callable[[int], None] = lambda _: None) -> Look:
        """All that is wanted, from all DLQs side by side. ``on_seen`` is told how many more were seen."""
        result = Look()
        with ThreadPoolExecutor(max_workers=len(self._queues)) as readers:
            for letters, complete in readers.map(lambda dlq: self._look_into(dlq, wanted, on_seen), self._queues):
                result.letters += letters
                result.complete &= complete
        result.letters.sort(key=lambda letter: letter.parked_at)
        return result

    def bring_back(self, wanted: Wanted, on_seen: Callable[[int], None] = lambda _: None) -> Handled:
        """Send what is wanted to the queue that it came from, and delete it here once it is there."""
        return self._handle(wanted, _bring_back, on_seen)

    def throw_away(self, wanted: Wanted, on_seen: Callable[[int], None] = lambda _: None) -> Handled:
        """Delete what is wanted for good."""
        return self._handle(wanted, lambda queue, events: queue.discard(events), on_seen)

    def _look_into(self, dlq: Dlq, wanted: Wanted, on_seen: Callable[[int], None]) -> tuple[list[Letter], bool]:
        letters: list[Letter] = []
        seconds_left = self._countdown()
        with closing(self._queues[dlq].read(seconds_left)) as batches:
            for batch in batches:
                letters += [letter for event in batch if (letter := Letter.of(dlq, event, self._now())) in wanted]
                on_seen(len(batch))
        return letters, seconds_left() > CLOSING_SECONDS

    def _handle(self, wanted: Wanted, act: Act, on_seen: Callable[[int], None]) -> Handled:
        """One DLQ after the other. What is parked meanwhile is left alone, or it might go in circles."""
        result, began = Handled(), self._now()
        for dlq, queue in self._queues.items():
            seconds_left = self._countdown()
            with closing(queue.read(seconds_left)) as batches:
                for batch in batches:
                    letters = {event.message_id: Letter.of(dlq, event, began) for event in batch}
                    ours = [each for each in batch if letters[each.message_id] in wanted and each.parked_at < began]
                    failed = {event.message_id: why for event, why in act(queue, ours)}
                    result.failed += [(letters[message_id], why) for message_id, why in failed.items()]
                    result.letters += [letters[each.message_id] for each in ours if each.message_id not in failed]
                    on_seen(len(batch))
            result.complete &= seconds_left() > CLOSING_SECONDS
        return result

    def _countdown(self) -> Callable[[], float]:
        deadline = self._monotonic() + self._seconds
        return lambda: deadline - self._monotonic()


def _bring_back(queue: DeadLetterQueue, events: Iterable[ParkedEvent]) -> list[tuple[ParkedEvent, str]]:
    result = queue.put_back(events)
    return [*result.homeless, *result.failed]


def _named_by(event: ParkedEvent, now: datetime) -> tuple[str | None, UUID | None]:
    """Event and company, as somebody wrote them beside the event, else as the event itself says."""
    try:
        if event.company_id:
            return event.event_id, UUID(event.company_id)
        envelope, company_id = read_envelope(event.body, now=now)
        return event.event_id or envelope["id"], company_id
    except ValueError:  # It is malformed: that is why it lies here.
        return event.event_id, None
