"""Over days, no event is lost or given up early, and a run brings each company to the newest preset of its plan.

Hypothesis searches for an order of steps that violates this, as in test_protocol.py. Here patience, waits and queues
have the proportions of the template, all functions of events and of reconciliation are at work, and days pass.

**The world** has, beside what test_protocol.py describes:

- the functions that reconcile all companies (two processes, so that two may be at one run) and single companies;
- SQS with the template's 1,000 receives, a retention that is three days longer than the patience, and twelve hours of
  invisibility from the receive; a function may start 14 minutes after its batch was received;
- throttled invocations, which spend receives; messages that kill each process that handles them;
- edits in Codat's Portal, Codat's daily quota, and pauses of up to 20 hours;
- gradual deployments of other presets, and their rollback: processes have old or new presets beside each other, each
  until it is shifted, at the latest after ``LONGEST_DEPLOYMENT``.

**Invariants**, beside those of test_protocol.py:

- No message outlives its queue's retention, none is moved to a DLQ by SQS, and no request exceeds SQS's limits
  (sqs.py).
- No event is given up before its patience ends, but for a refusal that no retry can change. Only what kills its
  processes is parked without an answer of Codat's or AWS's; its neighbours are not (patience_rule.py).
- A finished run has asked Codat, with its own presets, about each company that rested meanwhile. What it was shown
  and found to differ, it hands over before it moves on. A request ends with a finished run of its mode
  (run_rules.py).
- What a run with the newest presets hands over, no function with others confirms for two hours (run_rules.py).
- A company that was edited may stay so until it is next written. Once all is mended, all DLQs are redriven and a
  night has passed, each company is at the preset of its newest plan **in the newest presets**. This has no exception:
  a run also repairs what a late write, or an attempt with old presets, has left.

**Assumptions.** Polling stops for at most ``LONGEST_OUTAGE`` in all. A DLQ keeps its messages. Codat shows what it
took.

A rule is a class in a module of its own (rules.py): it watches the calls of processes and the ends of messages. A
function is an entry of ``WORKERS`` (workers.py), a step an entry of ``STEPS``. test_planted_faults.py shows which
faults are found.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from tests.model.codat import Account
from tests.model.gate import Effect
from tests.model.process import WRITE
from tests.model.sqs import RECONCILE_COMPANIES, Message
from tests.model.steps import CONFIRMED, FAILURES, POINTS, Event, Move
from tests.model.weeks import EDITS, Weeks
from tests.model.world import COMPANIES, World

EXAMPLES: Final = int(os.environ.get("CHAOS_EXAMPLES", "0"))
RUN_POINTS: Final = ("page", "get_sync_settings", "hand_over", "advance", "begin", "note_drift", "answer")


Named = Callable[[Weeks, int], None]


@dataclass(frozen=True)
class Meanwhile:
    """A step outside the processes. ``which`` chooses among whatever the step is about."""

    what: timedelta | Account | str
    which: int

    def happen(self, world: Weeks) -> None:
        match self.what:
            case timedelta():
                world.stand_still(self.what)
            case Account():
                world.codat.account = self.what
            case _:
                STEPS[self.what](world, self.which)


def _to_one_of(messages: Callable[[Weeks], list[Message]], act: Callable[[Weeks, Message], None]) -> Named:
    """Return a step on one of the messages, which does nothing where there is none."""

    def happen(world: Weeks, which: int) -> None:
        there = messages(world)
        if there:
            act(world, there[which % len(there)])

    return happen


def _queued(world: Weeks) -> list[Message]:
    return world.queues.messages


STEPS: Final[Mapping[str, Named]] = {
    "no quota": lambda world, which: world.use_up_the_quota(timedelta(hours=5 * (1 + which))),
    "edit": lambda world, which: world.edit(COMPANIES[which % 3], EDITS[which // 3]),
    "throttle": lambda world, which: world.throttle(which % len(world.processes), most=3),
    "killer": _to_one_of(_queued, lambda world, message: world.killers.add(message.event_id)),
    "run": lambda world, _: world.ask_to_reconcile(),
    "report": lambda world, _: world.ask_to_reconcile(report_only=True),
    "deploy": lambda world, _: world.deploy_gradually(),
    "shift": lambda world, which: world.shift(which % len(world.processes)),
    "again": _to_one_of(_queued, World.deliver_again),
    "redrive": _to_one_of(lambda world: world.queues.dead_letters, World.redrive),
    "land": lambda world, which: world.land(world.late[which % len(world.late)]) if world.late else None,
    "night": lambda world, _: world.night(),
}
"""The steps outside the processes that have a name."""


@dataclass(frozen=True)
class Drift:
    """A company is at its plan, then differs from its preset; a run begins, and its functions make moves.

    Events, edits and moves alone lead to a repair too, but seldom.
    """

    plan: str
    company: int
    edit: int | None
    """None: not an edit makes the difference but other presets, which are deployed gradually."""
    then: list[Event | Move | Meanwhile]

    def happen(self, world: Weeks) -> None:
        company = COMPANIES[self.company]
        world.billing(company, self.plan, len(world.sent))
        world.drain(seldom=RECONCILE_COMPANIES)
        if self.edit is None:
            world.deploy_gradually()
        else:
            world.edit(company, EDITS[self.edit])
        world.ask_to_reconcile()
        for step in self.then:
            step.happen(world)


Step = Event | Move | Meanwhile | Drift

numbers = st.integers(0, 8)
plans = st.sampled_from(["free", "growth", "scale"]) | st.sampled_from(["account", "stubborn", "gold", None, CONFIRMED])


def event_steps(**fixed: st.SearchStrategy[Any]) -> st.SearchStrategy[Event]:
    """Return a strategy for such steps. What is ``fixed`` is drawn from there."""
    drawn: dict[str, st.SearchStrategy[Any]] = {
        "says": st.sampled_from([World.billing, World.billing, World.onboarding, World.tagged]),
        "company": st.sampled_from([0, 0, 1, 2]),
        "plan": plans,
        "late_by": st.sampled_from([0, 0, 0, 1]),
        "taken": st.sampled_from([True, True, False]),
        "until": st.sampled_from([WRITE, None, None]) | st.sampled_from(POINTS),
    }
    return st.builds(Event, **(drawn | fixed))


def move_steps(**fixed: st.SearchStrategy[Any]) -> st.SearchStrategy[Move]:
    """Return a strategy for such steps. What is ``fixed`` is drawn from there."""
    drawn: dict[str, st.SearchStrategy[Any]] = {
        "process": st.sampled_from([0, 1, 2, 3, 3, 3, 4, 5, 5, 6]),
        "skip": numbers,
        "most": st.sampled_from([1, 2, 3]),
        "at": st.sampled_from([None, None, WRITE]) | st.sampled_from(RUN_POINTS),
        "fails": st.sampled_from([None, None, None, "crash"]) | st.sampled_from(list(FAILURES)),
        "effect": st.sampled_from([Effect.NOW, Effect.NOW, *Effect]),
        "until": st.sampled_from([None, None, WRITE]) | st.sampled_from(RUN_POINTS),
        "starts_after": st.sampled_from([0, 0, 0, 300, 840]),
    }
    return st.builds(Move, **(drawn | fixed))


meanwhiles = st.builds(
    Meanwhile,
    what=st.sampled_from([timedelta(seconds=20), timedelta(minutes=13), timedelta(hours=3), timedelta(hours=13)])
    | st.sampled_from([*Account, Account.PAID, "no quota"])
    | st.sampled_from(["edit", "run", "run", "night", "deploy", "shift", "shift", "report"])
    | st.sampled_from(["edit", "throttle", "killer", "again", "redrive", "land"]),
    which=numbers,
)


def drift_steps(**fixed: st.SearchStrategy[Any]) -> st.SearchStrategy[Drift]:
    """Return a strategy for such steps. What is ``fixed`` is drawn from there."""
    drawn: dict[str, st.SearchStrategy[Any]] = {
        "plan": st.sampled_from(["growth", "growth", "free", "scale"]),
        "company": st.integers(0, 2),
        "edit": st.sampled_from([None, 0, 1, 2]),
        "then": st.lists(move_steps() | meanwhiles | event_steps(), min_size=2, max_size=6),
    }
    return st.builds(Drift, **(drawn | fixed))


def long_run(steps: st.SearchStrategy[Step]) -> type[RuleBasedStateMachine]:
    """Return the search over these steps, in any order. At the end all is mended, and one more night passes."""

    class LongRun(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.world = Weeks()

        @rule(step=steps)
        def next(self, step: Step) -> None:
            step.happen(self.world)

        def teardown(self) -> None:
            try:
                if not self.world.is_violated:
                    self.world.end()
            finally:
                self.world.close()

    return LongRun


TestLongRun = long_run(event_steps() | move_steps() | meanwhiles | drift_steps()).TestCase
TestLongRun.settings = settings(
    max_examples=EXAMPLES or 60,
    stateful_step_count=16,
    deadline=None,
    derandomize=not EXAMPLES,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
