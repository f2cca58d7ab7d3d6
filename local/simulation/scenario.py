"""A scenario: what is sent when, what Codat and Lambda do meanwhile, and what has to come out."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from local.simulation.codat import Rule
from local.simulation.ledger import SentEvent

START: Final = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
"""When each simulation begins: a Monday morning."""
NIGHT: Final = timedelta(hours=16)
"""When the nightly reconciliation begins, counted from the start."""
PLANS: Final = ("starter", "growth")


def company(number: int) -> UUID:
    """Return one of the companies, which are numbered from 0."""
    return UUID(int=(4 << 76) | (2 << 62) | (number + 1))


@dataclass(frozen=True)
class Expected:
    """What has to come out. ``parked`` are the events that have to be parked, by reason.

    ``within`` is when all events that are not parked have to be done, ``least_used`` the share of the allowed calls
    that have to be used, ``most_refused`` the share of the calls that Codat may answer with a 429. ``most_early`` is
    how many calls about a company may come before the end of the wait that Codat asked for. ``logged`` are the
    messages of the errors that the functions may log.
    """

    parked: Mapping[str, int] = field(default_factory=dict)
    within: timedelta = timedelta.max
    least_used: float = 0.0
    most_refused: float = 1.0
    most_early: int = 0
    logged: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Scenario:
    """One event for each number, about a company each, or about fewer ``companies`` in turn.

    ``script`` gets the moment of the start. ``sent_after`` says how many seconds after the start an event is sent, and
    ``throttled`` with which probability Lambda does not start the function then, ``aws_throttled`` with which
    DynamoDB and SQS refuse a request of a function. ``settings`` are environment variables
    of the functions. ``bound`` is the earliest moment at which Codat allows the last event to be done; None where
    ``calls_per_minute`` decides. With ``changed_at_codat``, all settings are changed in Codat's Portal before the
    nightly reconciliation.
    """

    name: str
    script: Callable[[float], Sequence[Rule]]
    events: int = 200
    companies: int | None = None
    bound: timedelta | None = timedelta(0)
    calls_per_minute: int | None = None
    sent_after: Callable[[int], float] = lambda _: 0.0
    settings: Mapping[str, str] = field(default_factory=dict)
    throttled: Callable[[float], float] = lambda _: 0.0
    aws_throttled: Callable[[float], float] = lambda _: 0.0
    changed_at_codat: bool = False
    longest: timedelta = timedelta(days=12)
    expected: Expected = field(default_factory=Expected)

    def sending(self) -> Iterator[tuple[float, int]]:
        """Yield when each event is sent, in seconds after the start, and its number, in order of time."""
        return iter(sorted((self.sent_after(number), number) for number in range(self.events)))

    def event(self, number: int, at: datetime) -> SentEvent:
        """Return an event as billing sends it."""
        company_id, plan = company(number % (self.companies or self.events)), PLANS[number % len(PLANS)]
        occurred_at = at + timedelta(microseconds=number)  # So that the events of one company have an order.
        body = {
            "version": "0",
            "id": f"event-{number}",
            "detail-type": "Company Changed Plan",
            "source": "billing",
            "time": at.isoformat(),
            "detail": {"companyId": str(company_id), "plan": plan, "occurredAt": occurred_at.isoformat()},
        }
        return SentEvent(f"event-{number}", company_id, plan, occurred_at.timestamp(), json.dumps(body))
