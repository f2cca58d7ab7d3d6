"""Run one scenario: the functions as wired in Lambda, the events, and Codat's script, until all has ended."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final
from uuid import UUID

from codat_sync.config import Config
from codat_sync.events.company_events import read_plan_event
from codat_sync.wiring import wire_consumer
from local.simulation.codat import Codat, Rule
from local.simulation.dynamodb import DynamoDbClient
from local.simulation.lambda_ import Function, Lambda
from local.simulation.ledger import Ledger, Outcomes, SentEvent, balance
from local.simulation.sqs import Queue, SqsClient
from local.simulation.surroundings import ENVIRONMENT, EventBusClient, surroundings
from local.simulation.virtual_time import Clock

START: Final = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
"""When each simulation begins: a Monday morning."""
PLANS: Final = ("starter", "growth")
DLQ_RETENTION: Final = 14 * 24 * 60 * 60


@dataclass(frozen=True)
class Scenario:
    """What happens, and what has to come out.

    ``script`` gets the moment of the start. ``sent_after`` says how many seconds after it an event is sent, by its
    number. ``bound`` is when Codat allows the last event to be done, counted from the start; None where
    ``calls_per_minute`` decides. ``settings`` are environment variables of the functions. ``parked`` are the events
    that have to be parked, by reason; ``any_parked`` allows any number.
    """

    name: str
    events: int
    script: Callable[[float], Sequence[Rule]]
    companies: int = 0
    bound: timedelta | None = None
    calls_per_minute: int | None = None
    sent_after: Callable[[int], float] = lambda _: 0.0
    settings: Mapping[str, str] = field(default_factory=dict)
    parked: Mapping[str, int] = field(default_factory=dict)
    any_parked: bool = False
    throttled: Callable[[float], float] = lambda _: 0.0
    others_within: timedelta | None = None
    longest: timedelta = timedelta(days=11)

    def company(self, number: int) -> UUID:
        """Return the company that an event concerns."""
        return UUID(int=(4 << 76) | (2 << 62) | (number % (self.companies or self.events)) + 1)


@dataclass(frozen=True)
class Result:
    """What came out. ``calls`` counts Codat's answers by status, ``done_after`` is when the last event ended.

    ``others_done_after`` leaves out the events that were parked.
    """

    scenario: Scenario
    ledger: Ledger
    calls: Mapping[int, int]
    done_after: timedelta
    others_done_after: timedelta
    most_receives: int
    refused_deferrals: int
    invocations: int
    killed: int
    throttles: int
    wall_seconds: float
    problems: Sequence[str]

    @property
    def bound(self) -> timedelta:
        """The earliest end that Codat allows."""
        if self.scenario.bound is not None:
            return self.scenario.bound
        return timedelta(minutes=self.answered / (self.scenario.calls_per_minute or self.answered))

    @property
    def answered(self) -> int:
        """The calls that Codat allowed."""
        return sum(count for status, count in self.calls.items() if status != RATE_LIMITED)

    @property
    def share_used(self) -> float | None:
        """The share of the allowed calls that were used, None where Codat has no limit by the minute."""
        if self.scenario.calls_per_minute is None:
            return None
        return self.answered / (self.scenario.calls_per_minute * max(1.0, self.done_after / timedelta(minutes=1)))

    @property
    def share_refused(self) -> float:
        """The share of the calls that Codat answered with a 429."""
        return self.calls.get(RATE_LIMITED, 0) / max(1, sum(self.calls.values()))


RATE_LIMITED: Final = 429


class World:
    """The clock, AWS and Codat of one run."""

    def __init__(self, scenario: Scenario, seed: int) -> None:
        self.random = Random(seed)  # noqa: S311  # A run that can be repeated.
        self.clock = Clock(START)
        self.codat = Codat(self.clock, self.random, scenario.script(self.clock.now))
        self.failed = Queue("failed-events", self.clock, retention=DLQ_RETENTION)
        self.unpaid = Queue("payment-required", self.clock, retention=DLQ_RETENTION)
        self.plan_changes = Queue("company-plan-changed", self.clock, dead_letters=self.failed)
        queues = {each.url: each for each in (self.failed, self.unpaid, self.plan_changes)}
        self.sqs = SqsClient(self.clock, queues)
        self.lambda_ = Lambda(self.clock, self.random)
        self.outcomes = Outcomes(self.clock)
        self.clients = {"sqs": self.sqs, "dynamodb": DynamoDbClient(self.clock), "events": EventBusClient(self.clock)}


def run(scenario: Scenario, seed: int = 1) -> Result:
    """Run a scenario from its start until no event waits any more."""
    began = time.perf_counter()
    world = World(scenario, seed)
    environment = {**ENVIRONMENT, **scenario.settings, "SOURCE_QUEUE_URL": world.plan_changes.url}
    clock = world.clock
    sent: list[SentEvent] = []

    with surroundings(clock, world.random, world.clients, world.codat) as log, _closing(clock):
        config = Config.from_env(environment)

        clock.spawn(lambda: _send(scenario, world, sent))
        world.lambda_.run(
            Function(
                lambda: wire_consumer(config, read_plan_event, clock.moment, [world.outcomes]),
                world.plan_changes,
                throttled=scenario.throttled,
            )
        )
        start = clock.now
        clock.run(start + scenario.longest.total_seconds())
        ledger = balance(sent, world.outcomes, world.plan_changes, [world.failed, world.unpaid], world.codat)
        errors = list(log.error_lines)
    ended = [at - start for at in ledger.ended_at.values()]
    others = [at - start for each, at in ledger.ended_at.items() if each not in ledger.parked_ids]
    result = Result(
        scenario,
        ledger,
        world.codat.statuses,
        timedelta(seconds=max(ended, default=0.0)),
        timedelta(seconds=max(others, default=0.0)),
        world.plan_changes.most_receives,
        world.sqs.refused,
        world.lambda_.invocations,
        world.lambda_.killed,
        world.lambda_.throttles,
        time.perf_counter() - began,
        (),
    )
    return result


@contextmanager
def _closing(clock: Clock):
    try:
        yield
    finally:
        clock.close()


def _send(scenario: Scenario, world: World, sent: list[SentEvent]) -> None:
    start = world.clock.now
    for number in range(scenario.events):
        world.clock.wait(start + scenario.sent_after(number))
        event = _event(scenario, number, world.clock.moment())
        sent.append(event)
        world.plan_changes.send(event.body, {})


def _event(scenario: Scenario, number: int, at: datetime) -> SentEvent:
    company_id, plan, event_id = scenario.company(number), PLANS[number % len(PLANS)], f"event-{number}"
    occurred_at = at + timedelta(microseconds=number % 1_000_000)
    body = {
        "version": "0",
        "id": event_id,
        "detail-type": "Company Changed Plan",
        "source": "billing",
        "time": at.isoformat(),
        "detail": {"companyId": str(company_id), "plan": plan, "occurredAt": occurred_at.isoformat()},
    }
    return SentEvent(event_id, company_id, plan, occurred_at.timestamp(), json.dumps(body))
