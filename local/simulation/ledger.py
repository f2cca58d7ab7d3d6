"""The ledger of a run: what became of each event, and whether each company is at the preset of its newest plan."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from codat_sync.codat.differences import differences
from codat_sync.consuming.deliveries import Settled
from codat_sync.outcomes.triage import PARKED, Outcome
from local.presets import local_presets
from local.simulation.codat import Codat
from local.simulation.sqs import Message, Queue
from local.simulation.virtual_time import Clock

MOVED_BY_SQS = "moved_by_sqs"
"""The reason of a message that SQS itself moved to the DLQ: it was received too often."""


@dataclass(frozen=True)
class SentEvent:
    """An event that was sent. ``occurred_at`` is its business time, in seconds of the clock."""

    event_id: str
    company_id: UUID
    plan: str
    occurred_at: float
    body: str


@dataclass
class Outcomes:
    """Receives the outcomes of events, as an announcer of the functions. ``last_at`` is when the last event ended."""

    clock: Clock
    ended: defaultdict[str, list[Outcome]] = field(default_factory=lambda: defaultdict(list))
    ended_at: dict[str, float] = field(default_factory=dict)

    def announce(self, settled: Sequence[Settled]) -> None:
        for each in settled:
            if each.outcome is not Outcome.DEFERRED and each.event_id is not None:
                self.ended[each.event_id].append(each.outcome)
                self.ended_at[each.event_id] = self.clock.now


@dataclass(frozen=True)
class Ledger:
    """What became of all events. ``parked`` counts them by reason; ``ended_at`` is when each ended, by event id.

    ``problems`` are sentences, one for each fact that breaks the promise.
    """

    sent: int
    parked: Mapping[str, int]
    parked_ids: frozenset[str]
    lost: int
    ended_at: Mapping[str, float]
    problems: Sequence[str]


def balance(
    sent: Sequence[SentEvent], outcomes: Outcomes, source: Queue, dead_letters: Iterable[Queue], codat: Codat
) -> Ledger:
    """Compare what was sent with the outcomes, the queues and Codat."""
    by_id = {each.event_id: each for each in sent}
    bodies = {each.body: each.event_id for each in sent}
    dead = [each for queue in dead_letters for each in queue.messages()]
    parked = {each: _reason(each) for each in dead if each.body in bodies or _came_from(each, source)}
    reasons = {bodies.get(message.body, ""): reason for message, reason in parked.items()}
    lost = [each for each in by_id if each not in reasons and not outcomes.ended[each]]
    waiting = {bodies[each.body] for each in source.messages()}
    problems = [
        *_some("lost", set(lost) - waiting),
        *_some("still on the queue", waiting),
        *_some("altered in a DLQ", {each.message_id for each in parked if each.body not in bodies}),
        *_some("with more than one outcome", {each for each, ends in outcomes.ended.items() if len(ends) > 1}),
        *_some("parked without a copy in a DLQ", _parked(outcomes) - set(reasons)),
        *_some("in a DLQ with another outcome", set(reasons) - _parked(outcomes) - _moved(reasons)),
        *_some("in a DLQ twice", {each for each, count in Counter(map(_body, parked)).items() if count > 1}),
        *_some("at another preset than that of the newest plan", _elsewhere(sent, set(reasons), codat)),
    ]
    return Ledger(len(sent), Counter(reasons.values()), frozenset(reasons), len(lost), outcomes.ended_at, problems)


def _elsewhere(sent: Sequence[SentEvent], parked: set[str], codat: Codat) -> set[str]:
    """Return the companies that are not at the preset of their newest event; a parked one leaves it open."""
    newest: dict[UUID, SentEvent] = {}
    for each in sorted(sent, key=lambda event: event.occurred_at):
        newest[each.company_id] = each
    presets, elsewhere = local_presets(), set()
    for company_id, event in newest.items():
        if event.event_id not in parked:
            current = codat.settings(company_id)
            if differences(current, presets.for_company(event.plan, company_id).over(current)):
                elsewhere.add(str(company_id))
    return elsewhere


def _parked(outcomes: Outcomes) -> set[str]:
    return {each for each, ends in outcomes.ended.items() if PARKED & set(ends)}


def _moved(reasons: Mapping[str, str]) -> set[str]:
    return {each for each, reason in reasons.items() if reason == MOVED_BY_SQS}


def _came_from(message: Message, source: Queue) -> bool:
    """Return whether the message says that it was on the queue."""
    said = message.attributes.get("sourceQueue")
    return said is not None and str(said["StringValue"]).endswith(f":{source.url}")


def _body(message: Message) -> str:
    return message.body


def _reason(message: Message) -> str:
    said = message.attributes.get("reason")
    return str(said["StringValue"]) if said else MOVED_BY_SQS


def _some(what: str, found: set[str]) -> list[str]:
    return [f"{len(found)} {what}, such as {min(found)}"] if found else []
