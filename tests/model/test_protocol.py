"""In any order of steps, each event gets one outcome, and each company ends at its newest plan.

Hypothesis searches for an order of steps that violates this. ``make test`` searches a little, the same each time;
``CHAOS_EXAMPLES=5000`` searches that many orders, others each time.

**The world.** There are up to three companies, two queues, and three processes with their own memory: two for billing's
events, one for onboarding's and Codat's. A process stops at each call to Codat, DynamoDB or SQS, and before its answer
to Lambda, until a step lets it continue. A step is one of these:

- an event, new or repeated, in any order of business time, ties included, of any authority, also for unknown plans; or
  a message that is no event;
- a batch that a process receives; a call that succeeds; one that fails before its effect, after it, or, for a write to
  Codat, before an effect that comes late; a crash at any of these places;
- a race, made of these: an event is held at its write to Codat, newer ones of its company come, and the process that
  holds it continues, crashes or loses answers;
- a tie, made of these: events of one company and minute, some of them repeated, are received in any order;
- time, which makes hidden messages visible, lets pauses lapse, and cuts off a process that exceeds Lambda's timeout;
- a change of Codat's account to free, expired, paid or out of quota; a deploy of other presets; a message brought back
  from a DLQ.

**Invariants at all times.**

- A message leaves its queue only with exactly one outcome from that attempt. If the outcome is parked, that attempt has
  put the message into the DLQ. A deferred message stays, until SQS itself moves it to the DLQ.
- The desired plan in the table is that of the newest recorded event: by authority, business time, sequence, first
  arrival among the messages that were recorded, and id. The applied preset in the table was desired at that moment.
- While a pause is in force and every cache of it has expired, no process calls Codat but the one that took over a
  lapsed pause, and that one once; and one that asks whether a refusal concerns the whole account. No pause begins on
  the refusal of one company. A process that meets a refusal of the whole account stores the pause before any other
  call.

**Invariants for each company without a message on a queue and a write in flight.** Codat is at the preset of the
company's newest plan, or at the degraded preset while an event in the DLQ will bring hourly back. There is one
exception: an event of the company was given up on, is in a DLQ, and either named the newest plan, or made it the newest
by turning out to be older, or has written to Codat since that plan was recorded. Once Codat's bill is paid and all DLQs
are redriven there is no exception: each company is at its plan.

**Assumptions**, and test_counterexamples.py shows what happens without each: a write takes effect no later than the
shortest deferral after its caller gave up; a redrive marks what SQS moved to a DLQ; the preset that a plan had before a
deploy counts too, since attempts on both sides of a deploy may disagree.
"""

import os
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from tests.model.codat import Account
from tests.model.gate import Effect
from tests.model.process import WRITE
from tests.model.sqs import BILLING
from tests.model.steps import CONFIRMED, FAILURES, NO_ANSWER, POINTS, Event, Move
from tests.model.world import COMPANIES, World

EXAMPLES: Final = int(os.environ.get("CHAOS_EXAMPLES", "0"))


@dataclass(frozen=True)
class Race:
    """An event is about to be written to Codat: newer ones come, and its process continues, crashes or loses answers.

    Events and moves alone lead to such a race too, but seldom, and most violations need one.
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
    """Events of one company and one minute wait on the queue, some of them repeated, and are received in any order.

    Some calls that record them fail. Events and moves alone lead to such a tie too, but seldom.
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
            world.deliver_again(tied[number % len(tied)])
        for move in self.then:
            move.happen(world)


@dataclass(frozen=True)
class Meanwhile:
    """A step outside the processes: seconds pass, Codat's account changes, a message is delivered again, and others."""

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
                world.deliver_again(world.queues.messages[self.which % len(world.queues.messages)])
            case "redrive" if world.queues.dead_letters:
                world.redrive(world.queues.dead_letters[self.which % len(world.queues.dead_letters)])
            case "land" if world.late:
                world.land(world.late[self.which % len(world.late)])
            case "drain":
                world.drain()
            case "deploy":
                world.deploy()
            case "malformed":
                world.send_malformed(BILLING)


Names = st.SearchStrategy[str | None]
sequences = st.sampled_from([None, None, None, 0, 1])


def events_of_one_company(late_by: st.SearchStrategy[int], plan: Names, until: Names) -> st.SearchStrategy[Event]:
    """Return a strategy for billing's events about one company, each received at once."""
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
    process=st.just(0),  # A race replaces it.
    skip=st.just(-1),
    most=st.just(1),
    at=st.sampled_from([None, "get_sync_settings"]),
    fails=st.sampled_from(["crash", *NO_ANSWER]),
    effect=effects,
    until=points,
)
races = st.builds(
    Race,
    older=events_of_one_company(st.just(0), plans, st.just(WRITE)),
    then=st.lists(
        events_of_one_company(st.integers(0, 1), st.just(CONFIRMED) | plans, st.none() | points) | lost_answers,
        min_size=2,
        max_size=4,
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
    events=st.lists(events_of_one_company(st.just(0), plans, st.none()), min_size=2, max_size=3),
    repeats=st.lists(numbers, min_size=1, max_size=2),
    then=st.lists(takes, min_size=2, max_size=5),
)
meanwhiles = st.builds(
    Meanwhile,
    what=st.sampled_from([4, 20, 60, 400])
    | st.sampled_from([*Account, Account.PAID, Account.FREE, timedelta(minutes=1), timedelta(days=1)])
    | st.sampled_from(["again", "redrive", "land", "drain", "deploy", "malformed"]),
    which=numbers,
)


class Protocol(RuleBasedStateMachine):
    """Steps in any order; at the end, all queues are drained and all DLQs redriven.

    There is a single rule: of several, Hypothesis leaves out about half in each example, and a violation needs all
    kinds.
    """

    def __init__(self) -> None:
        super().__init__()
        self.world = World()

    @rule(step=events | moves | races | ties | meanwhiles)
    def next(self, step: Event | Move | Race | Tie | Meanwhile) -> None:
        step.happen(self.world)

    def teardown(self) -> None:
        try:
            if not self.world.is_violated:
                self.world.drain()
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
