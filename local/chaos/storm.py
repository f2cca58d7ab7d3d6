"""The events of a storm, and the plans to which they have to lead. Pure: randomness and clock are arguments."""

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, timezone
from enum import IntEnum
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
_RESTATED: Final = 0.05  # The same content under another id.
# Without a time in the detail, so the envelope's time counts. These go directly to the queue, as docs/events.md allows:
# MiniStack's bus puts its own time into the envelope, whatever the producer sent.
_WITHOUT_TIME: Final = 0.1
_INVALID: Final = 0.01  # Of each kind: malformed, and with an unknown plan.
_MOMENTS: Final = 40  # Few, so that the events of one company often share one.
_LAST_MONTH: Final = 30 * 24 * 3600

_CHANGED: Final = ("Company Upgraded Plan", "Company Downgraded Plan", "Company Changed Plan")
_FROM_CODAT: Final = ("company.created", "connection.connected", "connection.reconnected")


class Authority(IntEnum):
    """The origin of a plan. The greater authority counts, whatever the time."""

    ASSUMED = 0
    """No plan was named: the default plan."""
    TAGGED = 1
    """A tag at Codat named it."""
    STATED = 2
    """Billing or onboarding named it."""


@dataclass(frozen=True, order=True)
class NamedPlan:
    """A plan that an event names for a company. The greatest is the newest."""

    authority: Authority
    moment: datetime
    sequence: int
    plan: str = field(compare=False)


@dataclass
class StormEvent:
    """One event with its expected result, and what the producers note when they send it."""

    queue: str
    """The output of template.yaml that names its queue."""
    source: str
    detail_type: str
    time: datetime
    """In whole seconds, as EventBridge keeps it."""
    detail: dict[str, Any]
    company_id: UUID
    authority: Authority = Authority.ASSUMED
    moment: datetime | None = None
    """The business time; None where the detail has none and the envelope's time counts."""
    sequence: int = 0
    """The producer's counter, which orders events of the same moment."""
    plan: str | None = None
    parked_for: str | None = None
    """The reason for which it has to be parked in the failed-events DLQ; None: it has to be settled."""
    raw_body: str | None = None
    """The message's body where it is no envelope."""
    direct: bool = False
    """Sent to the queue without the bus. Its id is then known before it is sent."""
    repeated: bool = False
    """To be delivered once more under the same id."""
    event_id: str = ""
    deliveries: int = 0

    @property
    def key(self) -> str:
        """Its identity, which a message shows as well: see `key_of`."""
        return self.raw_body or self.event_id

    @property
    def body(self) -> str:
        """The message as a producer sends it to the queue."""
        if self.raw_body is not None:
            return self.raw_body
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
    """Return the id of the event in a message, or the body itself where it has none."""
    try:
        envelope = json.loads(body)
    except ValueError:
        return body
    return envelope["id"] if isinstance(envelope, dict) and "id" in envelope else body


def detail_of(body: str) -> object:
    """Return the detail of the event in a message; None where the body is no envelope."""
    try:
        envelope = json.loads(body)
    except ValueError:
        return None
    return envelope.get("detail") if isinstance(envelope, dict) else None


def new_uuid(random: Random) -> UUID:
    """Return a UUID of version 4."""
    return UUID(int=random.getrandbits(128), version=4)


def storm(
    random: Random, *, count: int, companies: Sequence[UUID], plans: Collection[str], now: datetime
) -> list[StormEvent]:
    """Return `count` different events about these companies, in the order in which to send them, all in the past."""
    start = now.replace(microsecond=0) - timedelta(seconds=_LAST_MONTH)
    moments = [start + timedelta(seconds=random.randrange(_LAST_MONTH - 1)) for _ in range(_MOMENTS)]
    restated = round(count * _RESTATED)
    events = [
        _event(random, random.choice(companies), sorted(plans), random.choice(moments)) for _ in range(count - restated)
    ]
    for number, event in enumerate(random.sample(events, k=round(len(events) * 2 * _INVALID))):
        _invalidate(random, event, number)
    valid = [event for event in events if event.parked_for is None]
    _settle_ties(random, valid)
    events += [replace(event) for event in random.sample(valid, k=restated)]
    for event in events:
        if event.direct and event.raw_body is None:
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
        authority=Authority.STATED,
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
                event.authority, event.plan = Authority.ASSUMED, None
        case "codat":
            return _from_codat(random, event)
    if random.random() < _WITHOUT_TIME:
        event.direct = True
    else:
        event.moment = moment + timedelta(milliseconds=random.choice((0, 0, 250)))
        event.detail["occurredAt"] = _formatted(random, event.moment)
    return event


def _from_codat(random: Random, event: StormEvent) -> StormEvent:
    """Return the event as one of Codat's webhooks, in one of the two forms of its payload."""
    event.queue, event.source, event.detail_type = CONNECTION_QUEUE, "codat", random.choice(_FROM_CODAT)
    event.authority = Authority.TAGGED
    tags = {"region": "uk", "plan": event.plan}
    if random.random() < 1 / 3:
        del tags["plan"]
        event.authority, event.plan = Authority.ASSUMED, None
    company = {"id": str(event.company_id), "name": "Toft Stores", "tags": tags}
    payload = company if event.detail_type == "company.created" else {"referenceCompany": company}
    event.moment = event.time
    event.detail = {
        "id": str(new_uuid(random)),
        "eventType": event.detail_type,
        "generatedDate": _formatted(random, event.moment),
        "payload": payload,
    }
    return event


def _settle_ties(random: Random, events: Sequence[StormEvent]) -> None:
    """Give stated plans a sequence, and tags a moment of their own.

    Otherwise the arrival at SQS would decide between events of the same moment, which no producer knows.
    """
    for event, number in zip(events, random.sample(range(1_000_000), k=len(events)), strict=True):
        if event.authority is Authority.STATED:
            event.sequence = event.detail["sequence"] = number
        elif event.authority is Authority.TAGGED:
            event.moment = event.time + timedelta(microseconds=number)
            event.detail["generatedDate"] = _formatted(random, event.moment)


def _formatted(random: Random, moment: datetime) -> str:
    """Return a time in one of the formats that producers use."""
    match random.randrange(3):
        case 0:
            return moment.isoformat().replace("+00:00", "Z")
        case 1:
            return moment.astimezone(timezone(timedelta(hours=5, minutes=30))).isoformat()
        case _:
            return moment.replace(tzinfo=None).isoformat()


def _invalidate(random: Random, event: StormEvent, number: int) -> None:
    """Make the event invalid: an odd number names an unknown plan, an even one is malformed in one of six ways."""
    company = str(event.company_id)
    if number % 2:
        event.parked_for = UNKNOWN_PLAN
        event.queue = random.choice(SOURCE_QUEUES)
        event.detail_type = "New Connection" if event.queue == CONNECTION_QUEUE else "Company Changed Plan"
        event.detail = {"companyId": company, "connectionId": str(new_uuid(random)), "plan": "platinum"}
        return
    event.parked_for = MALFORMED
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
            event.detail["occurredAt"] = 1_700_000_000_000_000  # Microseconds.
        case 4:
            event.direct, event.raw_body = True, f'{{"id": "cut off {new_uuid(random)}'
        case _:
            event.direct, event.detail_type = True, "Invoice Paid"


def newest_plans(events: Iterable[StormEvent], presets: Presets) -> dict[UUID, str]:
    """Return the plan at which each company has to end.

    It is computed from the whole set at once, by none of the functions' code. A company without a valid event is not
    in it.
    """
    newest: dict[UUID, NamedPlan] = {}
    for event in events:
        if event.parked_for is None:
            named = _named_plan(event, presets)
            known = newest.get(event.company_id)
            newest[event.company_id] = named if known is None else max(known, named)
    return {company: named.plan for company, named in newest.items()}


def _named_plan(event: StormEvent, presets: Presets) -> NamedPlan:
    if event.authority is Authority.ASSUMED:
        return NamedPlan(Authority.ASSUMED, datetime.min.replace(tzinfo=UTC), 0, presets.default_plan)
    return NamedPlan(event.authority, event.moment or event.time, event.sequence, event.plan or presets.on_cancelled)
