"""Whatever happens in whatever order, each event has one outcome, and each company ends at its newest plan.

Hypothesis searches for an order of steps that breaks this. ``make test`` searches a little, always the same;
``CHAOS_EXAMPLES=5000`` searches that many orders, and others each time.

**The world.** Up to three companies, two queues, three processes (two for billing's events, one for onboarding's and
Codat's), each with a memory of its own. A process stands still at each call to Codat, DynamoDB or SQS, and before its
answer to Lambda, until a step lets it go on. So a step is one of these:

- an event, new or once more, in any order of business time, ties included, at any authority, also for unknown plans;
  or a message that is no event;
- a batch that a process takes; a call of a process that passes; one that fails before its effect, after it, or, for a
  write to Codat, with the effect still to come; a crash at any of these places;
- a race, made of these: an event is held up at its write to Codat, newer ones of its company come, and the process
  that holds it goes on, crashes or loses answers;
- a tie, made of these: events of one company and minute, some of them twice, are taken in any order;
- time, which brings hidden messages back, lets pauses lapse, and cuts off who takes longer than Lambda allows;
- Codat's account becoming free, expired, paid for or out of quota; a deploy of other presets; a message brought back
  from a DLQ.

**What holds at all times.**

- A message leaves its queue only by an outcome: exactly one from that attempt, and if it says parked, then the message
  is in the DLQ, by that attempt. What is deferred stays, until SQS itself moves it to the DLQ.
- The table desires what the newest of all recorded events says: by authority, business time, sequence, first arrival
  among the messages that were recorded, and id. What it notes as applied was desired at that moment.
- While a pause is in force and had the time to get around, nobody calls Codat but the one who took over a lapsed one,
  and that one once. Who meets news of the whole account notes it before anything else.

**What holds for each company that nothing is under way for** (no message of it on a queue, no write on its way to
Codat): Codat is at the preset of its newest plan, or at what is left of it without hourly while an event in the DLQ
will bring hourly back. The one proviso: unless an event of the company was given up on, lies in a DLQ, and either is
the one that named the newest plan, or made it the newest by turning out to be older, or has written to Codat since
that one was recorded. Once Codat's bill is paid and
all DLQs are brought back there is no proviso left: each company is at its plan.

**What the world takes for granted**, and test_counterexamples.py shows what happens without: a request takes effect
no later than the shortest deferral after its caller gave up; who brings back what SQS moved to a DLQ marks it; the
preset of a plan as it was before a deploy will do, since attempts on both sides of one may disagree.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from botocore.exceptions import ClientError, ReadTimeoutError
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from codat_sync.codat.errors import (
    BadRequest,
    Conflict,
    NotFound,
    PaymentRequired,
    PaymentRequiredKind,
    RateLimited,
    ServerError,
    Unauthorized,
    Unreachable,
)
from tests.model.codat import Account
from tests.model.gate import PASS, Crashed, Effect, Fate
from tests.model.process import BILLING, CODAT_CALLS, WRITE
from tests.model.world import COMPANIES, World

EXAMPLES: Final = int(os.environ.get("CHAOS_EXAMPLES", "0"))

FAILURES: Final[Mapping[str, Callable[[], Exception]]] = {
    "timeout": lambda: Unreachable("no"),
    "503": lambda: ServerError("no", status=503),
    "400": lambda: BadRequest("no", status=400),
    "401": lambda: Unauthorized("no", status=401),
    "402 expired": lambda: PaymentRequired("no", kind=PaymentRequiredKind.ACCOUNT_EXPIRED),
    "402 limit": lambda: PaymentRequired("no", kind=PaymentRequiredKind.COMPANY_LIMIT),
    "404": lambda: NotFound("no", status=404),
    "409": lambda: Conflict("no", status=409),
    "429": lambda: RateLimited("no", retry_after=None),
    "429 for 20 s": lambda: RateLimited("no", retry_after=timedelta(seconds=20)),
    "429 for 12 h": lambda: RateLimited("no", retry_after=timedelta(hours=12)),
}
"""What Codat may answer without a reason that one could see."""
NO_ANSWER: Final = ("timeout", "503")
"""These leave open whether the call took effect."""
CONFIRMED: Final = "confirmed"
"""Stands for the plan that was confirmed last: a plan that comes back may be taken to be in force still."""
POINTS: Final = ("confirm", "get_sync_settings", "park", "answer", "pause", "record")


@dataclass(frozen=True)
class Event:
    """A company changes or cancels its plan, or connects, with or without a plan.

    ``late_by``: how many of the events that were sent before it occurred later, or in the same minute.
    ``taken``: by an idle process, at once, which is then held up at the call ``until``, or comes to its end.
    """

    says: Callable[..., None]
    company: int
    plan: str | None
    late_by: int
    taken: bool
    until: str | None
    sequence: int | None = None

    def happen(self, world: World) -> None:
        minute = max(len(world.sent) - self.late_by, 0)
        company = COMPANIES[self.company]
        plan = world.confirmed_plan(company) if self.plan == CONFIRMED else self.plan
        self.says(world, company, plan, minute, self.sequence)
        queue = world.queues.messages[-1].queue
        idle = [n for n, process in enumerate(world.processes) if process.step is None and process.queue == queue]
        if self.taken and idle:
            world.receive(idle[0], skip=-1, most=1)
            world.run(idle[0], self.until)


@dataclass(frozen=True)
class Move:
    """A process, which takes messages if it is idle, goes on to a call, which passes or fails.

    ``at``: that call, or None for the one where it stands. Afterwards it is held up at the call ``until``, or comes to
    its end.
    """

    process: int
    skip: int
    most: int
    at: str | None
    fails: str | None
    effect: Effect
    until: str | None

    def happen(self, world: World) -> None:
        if world.processes[self.process].step is None:
            world.receive(self.process, skip=self.skip, most=self.most)
        if self.at is not None:
            world.run(self.process, self.at)
        step = world.processes[self.process].step
        if step is not None:
            world.resume(self.process, self._fate(step))
            world.run(self.process, self.until)

    def _fate(self, step: str) -> Fate:
        effect = Effect.NEVER if self.effect is Effect.LATE and step != WRITE else self.effect
        match self.fails:
            case None:
                return PASS
            case "crash":
                return Fate(effect, Crashed())
            case _ if step in CODAT_CALLS:
                return Fate(effect if self.fails in NO_ANSWER else Effect.NEVER, FAILURES[self.fails]())
            case _ if step == "answer":
                return PASS
            case "timeout":
                return Fate(effect, ReadTimeoutError(endpoint_url="https://aws.invalid"))
            case _:
                return Fate(effect, ClientError({"Error": {"Code": "ThrottlingException", "Message": "no"}}, "Any"))


@dataclass(frozen=True)
class Race:
    """An event is about to be written to Codat: newer ones come, and its process moves on, crashes or loses answers.

    All of it could come about by events and moves alone, but not often, and it is the root of all that can go wrong.
    """

    older: Event
    then: list[Event | Move]

    def happen(self, world: World) -> None:
        self.older.happen(world)
        writing = next((n for n, process in enumerate(world.processes) if process.step == WRITE), 0)
        for step in self.then:
            (replace(step, process=writing) if isinstance(step, Move) else step).happen(world)


@dataclass(frozen=True)
class Tie:
    """Events of one company and one minute wait on the queue, some of them twice, and are taken in any order.

    Some cannot be recorded. All of it could come about by events and moves alone, but not often.
    """

    events: list[Event]
    repeats: list[int]
    then: list[Move]

    def happen(self, world: World) -> None:
        before, minute = len(world.queues.messages), len(world.sent)
        for each in self.events:
            each.says(world, COMPANIES[each.company], each.plan, minute, each.sequence)
        tied = world.queues.messages[before:]
        for number in self.repeats:
            world.again(tied[number % len(tied)])
        for move in self.then:
            move.happen(world)


@dataclass(frozen=True)
class Meanwhile:
    """Seconds pass; Codat's account is paid for, free, expired, or out of quota for some time; and more."""

    what: int | timedelta | Account | str
    which: int

    def happen(self, world: World) -> None:
        match self.what:
            case int():
                world.wait(self.what)
            case timedelta():
                world.codat.no_quota_until = world.now() + self.what
            case Account():
                world.codat.account = self.what
            case "again" if world.queues.messages:
                world.again(world.queues.messages[self.which % len(world.queues.messages)])
            case "redrive" if world.queues.dead_letters:
                world.redrive(world.queues.dead_letters[self.which % len(world.queues.dead_letters)])
            case "land" if world.late:
                world.land(world.late[self.which % len(world.late)])
            case "rest":
                world.come_to_rest()
            case "deploy":
                world.deploy()
            case "nonsense":
                world.nonsense(BILLING)


Names = st.SearchStrategy[str | None]
sequences = st.sampled_from([None, None, None, 0, 1])


def news(late_by: st.SearchStrategy[int], plan: Names, until: Names) -> st.SearchStrategy[Event]:
    """Billing's events about one and the same company, each taken at once."""
    return st.builds(
        Event,
        says=st.just(World.billing),
        company=st.just(0),
        plan=plan,
        late_by=late_by,
        taken=st.just(value=True),
        until=until,
        sequence=sequences,
    )


numbers = st.integers(0, 5)
points: Names = st.sampled_from([WRITE, None]) | st.sampled_from(POINTS)
effects = st.sampled_from([Effect.NOW, Effect.NOW, *Effect])
plans: Names = st.sampled_from(["free", "growth", "scale"]) | st.sampled_from(["account", "stubborn", "gold", None])
events = st.builds(
    Event,
    says=st.sampled_from([World.billing, World.billing, World.onboarding, World.tagged]),
    company=st.sampled_from([0, 0, 0, 1, 2]),
    plan=plans,
    late_by=st.sampled_from([0, 0, 0, 1, 2, 3]),
    taken=st.sampled_from([True, True, False]),
    until=points,
    sequence=sequences,
)
moves = st.builds(
    Move,
    process=st.integers(0, 2),
    skip=numbers,
    most=st.sampled_from([1, 1, 2, 3]),
    at=points,
    fails=st.sampled_from([None, None, "crash"]) | st.sampled_from(list(FAILURES)),
    effect=effects,
    until=points,
)
lost_answers = st.builds(
    Move,
    process=st.just(0),  # A race names the one.
    skip=st.just(-1),
    most=st.just(1),
    at=st.sampled_from([None, "get_sync_settings"]),
    fails=st.sampled_from(["crash", *NO_ANSWER]),
    effect=effects,
    until=points,
)
races = st.builds(
    Race,
    older=news(st.just(0), plans, st.just(WRITE)),
    then=st.lists(
        news(st.integers(0, 1), st.just(CONFIRMED) | plans, st.none() | points) | lost_answers, min_size=2, max_size=4
    ),
)
takes = st.builds(
    Move,
    process=st.integers(0, 1),
    skip=numbers,
    most=st.sampled_from([1, 1, 1, 2]),
    at=st.sampled_from([None, None, "record", WRITE]),
    fails=st.sampled_from([None, None, None, "timeout", "crash"]),
    effect=st.sampled_from([Effect.NOW, Effect.NEVER]),
    until=st.sampled_from([None, None, None, None, "confirm", WRITE]),
)
ties = st.builds(
    Tie,
    events=st.lists(news(st.just(0), plans, st.none()), min_size=2, max_size=3),
    repeats=st.lists(numbers, min_size=1, max_size=2),
    then=st.lists(takes, min_size=2, max_size=5),
)
meanwhiles = st.builds(
    Meanwhile,
    what=st.sampled_from([4, 20, 60, 400])
    | st.sampled_from([*Account, Account.PAID, Account.FREE, timedelta(minutes=1), timedelta(days=1)])
    | st.sampled_from(["again", "redrive", "land", "rest", "deploy", "nonsense"]),
    which=numbers,
)


class Protocol(RuleBasedStateMachine):
    """The next step, again and again, then rest, then all DLQs brought back.

    One rule: of several, Hypothesis leaves out about half in each example, and it takes all kinds to break something.
    """

    def __init__(self) -> None:
        super().__init__()
        self.world = World()

    @rule(step=events | moves | races | ties | meanwhiles)
    def next(self, step: Event | Move | Race | Tie | Meanwhile) -> None:
        step.happen(self.world)

    def teardown(self) -> None:
        try:
            if not self.world.is_broken:
                self.world.come_to_rest()
                self.world.replay_everything()
        finally:
            self.world.close()


TestProtocol = Protocol.TestCase
TestProtocol.settings = settings(
    max_examples=EXAMPLES or 100,
    stateful_step_count=16,
    deadline=None,
    derandomize=not EXAMPLES,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
