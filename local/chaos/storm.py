"""What the storm sends, and where it has to lead. Pure: the randomness and the clock are given."""

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, timezone
from random import Random
from typing import Any, Final
from uuid import UUID

from codat_sync.presets.file import Presets

PLAN_QUEUE: Final = "CompanyPlanChangedQueueUrl"
CONNECTION_QUEUE: Final = "NewConnectionQueueUrl"
SOURCE_QUEUES: Final = (PLAN_QUEUE, CONNECTION_QUEUE)
"""The outputs of template.yaml that name the source queues."""

MALFORMED: Final = "malformed_event"
UNKNOWN_PLAN: Final = "unknown_plan"

_REPEATED: Final = 0.10  # Delivered once more, under the same id.
_TOLD_TWICE: Final = 0.05  # The same news under another id.
# No moment in the detail, so the envelope's time counts. These go straight to the queue, as docs/events.md allows:
# MiniStack's bus puts its own time into the envelope, whatever the producer said.
_TIMELESS: Final = 0.1
_BAD: Final = 0.01  # Of each kind.
_MOMENTS: Final = 40  # So few that the events of one company often share one.
_LAST_MONTH: Final = 30 * 24 * 3600

_CHANGED: Final = ("Company Upgraded Plan", "Company Downgraded Plan", "Company Changed Plan")
_OF_CODAT: Final = ("company.created", "connection.connected", "connection.reconnected")

_ASSUMED, _TAGGED, _STATED = range(3)


@dataclass(frozen=True, order=True)
class Word:
    """What an event says of a company's plan. The greater word holds."""

    weight: int
    """Nobody named a plan, a tag did, billing or onboarding did."""
    moment: datetime
    event_id: str
    plan: str = field(compare=False)


@dataclass
class StormEvent:
    """One event, and what is known of it as it goes out."""

    queue: str
    """The output that names its queue."""
    source: str
    detail_type: str
    time: datetime
    """In whole seconds, as EventBridge keeps it."""
    detail: dict[str, Any]
    company_id: UUID
    weight: int = _ASSUMED
    moment: datetime | None = None
    """None where the detail says none: the envelope's time counts."""
    plan: str | None = None
    parked: str | None = None
    """The reason under which it has to end in the failed-events DLQ."""
    unreadable: str | None = None
    """The body in the place of an envelope."""
    straight: bool = False
    """Not by way of the bus. Its id is then known before it is sent."""
    repeated: bool = False
    """To be delivered once more under the same id."""
    event_id: str = ""
    deliveries: int = 0

    @property
    def key(self) -> str:
        """What tells it from all others, in a queue as well: see `key_of`."""
        return self.unreadable or self.event_id

    @property
    def body(self) -> str:
        """The message as a producer sends it to the queue."""
        if self.unreadable is not None:
            return self.unreadable
        return json.dumps(
            {
                "id": self.event_id,
                "detail-type": self.detail_type,
                "source": self.source,
                "time": self.time.isoformat().replace("+00:00", "Z"),
                "detail": self.detail,
            }
        )


def key_of(body: str) -> str:
    """The id of the event in a message, or the body itself where there is none."""
    try:
        envelope = json.loads(body)
    except ValueError:
        return body
    return envelope["id"] if isinstance(envelope, dict) and "id" in envelope else body


def detail_of(body: str) -> object:
    """What the event in a message says; None where it is no envelope."""
    try:
        envelope = json.loads(body)
    except ValueError:
        return None
    return envelope.get("detail") if isinstance(envelope, dict) else None


def new_uuid(random: Random) -> UUID:
    return UUID(int=random.getrandbits(128), version=4)


def storm(
    random: Random, *, count: int, companies: Sequence[UUID], plans: Collection[str], now: datetime
) -> list[StormEvent]:
    """`count` different events about these companies, in the order in which they go out, all of them in the past."""
    start = now.replace(microsecond=0) - timedelta(seconds=_LAST_MONTH)
    moments = [start + timedelta(seconds=random.randrange(_LAST_MONTH - 1)) for _ in range(_MOMENTS)]
    told_twice = round(count * _TOLD_TWICE)
    events = [
        _event(random, random.choice(companies), sorted(plans), random.choice(moments))
        for _ in range(count - told_twice)
    ]
    for number, event in enumerate(random.sample(events, k=round(len(events) * 2 * _BAD))):
        _spoil(random, event, number)
    fit = [event for event in events if event.parked is None]
    events += [replace(event) for event in random.sample(fit, k=told_twice)]
    for event in events:
        if event.straight and event.unreadable is None:
            event.event_id = str(new_uuid(random))
    for event in random.sample(events, k=round(count * _REPEATED)):
        event.repeated = True
    random.shuffle(events)
    return events


def _event(random: Random, company: UUID, plans: Sequence[str], moment: datetime) -> StormEvent:
    plan = random.choice(plans)
    event = StormEvent(
        queue=PLAN_QUEUE,
        source="billing",
        detail_type=random.choice(_CHANGED),
        time=moment,
        detail={"companyId": str(company), "plan": plan},
        company_id=company,
        weight=_STATED,
        plan=plan,
    )
    match random.choices(("changed", "cancelled", "connected", "codat"), weights=(55, 10, 18, 17))[0]:
        case "cancelled":
            event.detail_type = "Company Cancelled Plan"
            event.detail = {"companyId": str(company), "previousPlan": plan}
            event.plan = None
        case "connected":
            event.queue, event.source, event.detail_type = CONNECTION_QUEUE, "onboarding", "New Connection"
            event.detail["connectionId"] = str(new_uuid(random))
            if random.random() < 1 / 3:
                del event.detail["plan"]
                event.weight, event.plan = _ASSUMED, None
        case "codat":
            return _of_codat(random, event)
    if random.random() < _TIMELESS:
        event.straight = True
    else:
        event.moment = moment + timedelta(milliseconds=random.choice((0, 0, 250)))
        event.detail["occurredAt"] = _spelled(random, event.moment)
    return event


def _of_codat(random: Random, event: StormEvent) -> StormEvent:
    """The same as a webhook of Codat's, in either shape of its payload."""
    event.queue, event.source, event.detail_type = CONNECTION_QUEUE, "codat", random.choice(_OF_CODAT)
    event.weight = _TAGGED
    tags = {"region": "uk", "plan": event.plan}
    if random.random() < 1 / 3:
        del tags["plan"]
        event.weight, event.plan = _ASSUMED, None
    company = {"id": str(event.company_id), "name": "Toft Stores", "tags": tags}
    payload = company if event.detail_type == "company.created" else {"referenceCompany": company}
    event.moment = event.time
    event.detail = {
        "id": str(new_uuid(random)),
        "eventType": event.detail_type,
        "generatedDate": _spelled(random, event.moment),
        "payload": payload,
    }
    return event


def _spelled(random: Random, moment: datetime) -> str:
    """A moment in one of the forms that producers have for it."""
    match random.randrange(3):
        case 0:
            return moment.isoformat().replace("+00:00", "Z")
        case 1:
            return moment.astimezone(timezone(timedelta(hours=5, minutes=30))).isoformat()
        case _:
            return moment.replace(tzinfo=None).isoformat()


def _spoil(random: Random, event: StormEvent, number: int) -> None:
    """Half of them name a plan without a preset, the others are malformed in one of six ways."""
    company = str(event.company_id)
    if number % 2:
        event.parked = UNKNOWN_PLAN
        event.queue = random.choice(SOURCE_QUEUES)
        event.detail_type = "New Connection" if event.queue == CONNECTION_QUEUE else "Company Changed Plan"
        event.detail = {"companyId": company, "connectionId": str(new_uuid(random)), "plan": "platinum"}
        return
    event.parked = MALFORMED
    event.queue, event.detail_type = PLAN_QUEUE, "Company Upgraded Plan"
    event.detail = {"companyId": company, "plan": "scale"}
    match number // 2 % 6:
        case 0:
            event.detail["companyId"] = f"company {number}"
        case 1:
            del event.detail["plan"]
        case 2:
            event.detail["occurredAt"] = "2199-01-01T00:00:00Z"
        case 3:
            event.detail["occurredAt"] = 1_700_000_000
        case 4:
            event.straight, event.unreadable = True, f'{{"id": "cut off {new_uuid(random)}'
        case _:
            event.straight, event.detail_type = True, "Invoice Paid"


def newest_plans(events: Iterable[StormEvent], presets: Presets) -> dict[UUID, str]:
    """The plan that each company has to end at, by the events that went out with their ids.

    Worked out from the whole set at once, with nothing of what the functions use for it. A company that no event
    which counts is about has none.
    """
    newest: dict[UUID, Word] = {}
    for event in events:
        if event.parked is None:
            word = _word(event, presets)
            known = newest.get(event.company_id)
            newest[event.company_id] = word if known is None else max(known, word)
    return {company: word.plan for company, word in newest.items()}


def _word(event: StormEvent, presets: Presets) -> Word:
    if event.weight == _ASSUMED:
        return Word(_ASSUMED, datetime.min.replace(tzinfo=UTC), "", presets.default_plan)
    return Word(event.weight, event.moment or event.time, event.event_id, event.plan or presets.on_cancelled)
