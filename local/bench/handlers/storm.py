"""Events from billing: one change of plan for each company, or a storm of several."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final
from uuid import UUID

from local.bench.messages import plan_changed, sqs_event

EVENTS_A_COMPANY: Final = 10
REPEATED: Final = 0.3
"""The share of deliveries that repeat an earlier event of the company."""
LATE: Final = 0.2
"""The share of events that come after the next one of the company."""
BATCH: Final = 10


@dataclass(frozen=True)
class PlanChange:
    """A change of plan as billing knows it."""

    company_id: UUID
    plan: str
    occurred_at: datetime
    event_id: str

    @property
    def body(self) -> str:
        return plan_changed(self.company_id, self.plan, self.event_id, self.occurred_at)


def one_each(companies: Sequence[UUID], plan: str, name: str) -> list[PlanChange]:
    """Return one change for each company."""
    now = datetime.now(UTC)
    return [PlanChange(each, plan, now, f"{name}/{each}") for each in companies]


def storm(companies: Sequence[UUID], plans: Sequence[str], random: Random, name: str) -> list[PlanChange]:
    """Return ten deliveries for each company, those of all companies mixed."""
    began = datetime.now(UTC)
    deliveries: list[tuple[float, PlanChange]] = []
    for company in companies:
        changes = [
            PlanChange(
                company, random.choice(plans), began + timedelta(microseconds=number), f"{name}/{number}/{company}"
            )
            for number in range(round(EVENTS_A_COMPANY * (1 - REPEATED)))
        ]
        arriving = sorted(range(len(changes)), key=lambda number: number + (random.random() < LATE) * 1.5)
        order = [changes[number] for number in arriving]
        while len(order) < EVENTS_A_COMPANY:
            first = random.randrange(len(order))
            order.insert(random.randint(first + 1, len(order)), order[first])
        moments = sorted(random.random() for _ in order)
        deliveries += zip(moments, order, strict=True)
    return [change for _, change in sorted(deliveries, key=lambda each: each[0])]


def newest_plans(changes: Sequence[PlanChange]) -> dict[UUID, str]:
    """Return the plan that each company ends on."""
    return {each.company_id: each.plan for each in sorted(changes, key=lambda each: each.occurred_at)}


def batches_of(changes: Sequence[PlanChange], size: int = BATCH) -> list[dict[str, Any]]:
    """Return Lambda's events for the changes, in their order."""
    bodies = [each.body for each in changes]
    return [sqs_event(bodies[start : start + size]) for start in range(0, len(bodies), size)]
