"""Whatever happens in whatever order, each event has one outcome, and each company ends at its newest plan.

Hypothesis looks for an order of steps that breaks this. A step is an event (new, delivered again, or brought back from
a DLQ), a move of one of three processes (it takes messages, or its next call to the world passes, fails before or after
its effect, or is its last one, since the process crashes), or something that happens meanwhile: time passes, Codat's
account expires, loses hourly, is paid or runs out of quota, a write that was given up on takes effect after all.

Then all comes to rest, and these must hold: no message left its queue without an outcome, each had one outcome, a
parked one lies in its DLQ byte for byte; the record desires what the newest recorded event says; Codat is at that
plan's preset, or a message in a DLQ says why it is not, and brings it there once it is brought back.

What is not asked: that a write lands later than the shortest deferral and is noticed, that two attempts at one event on
both sides of a deploy agree, and that a message which SQS itself moved to a DLQ is told from a new one after a replay.
docs/reliability.md says the same to those who run this.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
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
from tests.model.world import CODAT_CALLS, COMPANIES, WRITE, World

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
POINTS: Final = ("confirm", "get_sync_settings", "park", "answer", "pause", "record")


@dataclass(frozen=True)
class Event:
    """A company changes or cancels its plan, or connects, with or without a plan.

    ``taken``: by an idle process, at once, which is then held up at the call ``until``, or comes to its end.
    """

    says: Callable[..., None]
    company: int
    plan: str | None
    minute: int
    taken: bool
    until: str | None

    def happen(self, world: World) -> None:
        self.says(world, COMPANIES[self.company], self.plan, self.minute)
        queue = world.queues.messages[-1].queue
        idle = [n for n, process in enumerate(world.processes) if process.step is None and process.queue == queue]
        if self.taken and idle:
            world.receive(idle[0], skip=-1, most=1)
            world.run(idle[0], self.until)


@dataclass(frozen=True)
class Move:
    """A process that is idle takes messages; one at work has its call pass, or fail. Then it is held up, or ends."""

    process: int
    skip: int
    most: int
    fails: str | None
    effect: Effect
    until: str | None

    def happen(self, world: World) -> None:
        step = world.processes[self.process].step
        if step is None:
            world.receive(self.process, skip=self.skip, most=self.most)
        else:
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
class Overtaken:
    """An event is about to be written to Codat when a newer one passes it by: the root of all that can go wrong.

    It could come about by events and moves alone, but not often.
    """

    older: Event
    newer: Event
    then: Move

    def happen(self, world: World) -> None:
        self.older.happen(world)
        self.newer.happen(world)
        self.then.happen(world)


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


numbers = st.integers(0, 5)
points = st.sampled_from([WRITE, None, WRITE, None]) | st.sampled_from(POINTS)
effects = st.sampled_from([Effect.NOW, Effect.NOW, *Effect])
plans = st.sampled_from(["free", "growth", "scale"]) | st.sampled_from(["account", "stubborn", "gold", None])
events = st.builds(
    Event,
    says=st.sampled_from([World.billing, World.billing, World.onboarding, World.tagged]),
    company=st.sampled_from([0, 0, 0, 1, 2]),
    plan=plans,
    minute=st.integers(0, 2),
    taken=st.sampled_from([True, True, False]),
    until=points,
)
moves = st.builds(
    Move,
    process=st.integers(0, 2),
    skip=numbers,
    most=st.sampled_from([1, 1, 2, 3]),
    fails=st.sampled_from([None, None, "crash"]) | st.sampled_from(list(FAILURES)),
    effect=effects,
    until=points,
)
races = st.builds(
    Overtaken,
    older=st.builds(
        Event,
        says=st.just(World.billing),
        company=st.just(0),
        plan=plans,
        minute=st.integers(0, 1),
        taken=st.just(value=True),
        until=st.just(WRITE),
    ),
    newer=st.builds(
        Event,
        says=st.just(World.billing),
        company=st.just(0),
        plan=plans,
        minute=st.integers(1, 2),
        taken=st.just(value=True),
        until=points,
    ),
    then=moves,
)
meanwhiles = st.builds(
    Meanwhile,
    what=st.sampled_from([4, 20, 60, 400])
    | st.sampled_from([*Account, Account.PAID, Account.FREE, timedelta(minutes=1), timedelta(days=1)])
    | st.sampled_from(["again", "redrive", "land", "rest"]),
    which=numbers,
)


class Protocol(RuleBasedStateMachine):
    """What may happen, in whatever order.

    One rule, since Hypothesis leaves out about half of all rules in each example, and what is to be found here needs
    events, moves and failures together.
    """

    def __init__(self) -> None:
        super().__init__()
        self.world = World()

    @rule(step=events | moves | races | meanwhiles)
    def next(self, step: Event | Move | Overtaken | Meanwhile) -> None:
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
