"""Run one scenario until no event waits any more, and say what came out."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from local.simulation.ledger import Ledger, balance
from local.simulation.scenario import Scenario
from local.simulation.world import World

RATE_LIMITED: Final = 429


@dataclass(frozen=True)
class Counts:
    """What AWS counted. ``receives`` is that of the message that was received most often."""

    receives: int
    refused_deferrals: int
    invocations: int
    killed: int
    throttled: int


@dataclass(frozen=True)
class Result:
    """What came out. ``calls`` counts Codat's answers by status. ``errors`` are log lines of errors. ``early``
    counts the calls about a company before the end of the wait that Codat asked for, by company.

    ``done_after`` is when the last event ended that was not parked, ``all_done_after`` when the last one did.
    """

    scenario: Scenario
    ledger: Ledger
    calls: Mapping[int, int]
    early: Mapping[str, int]
    counts: Counts
    errors: Sequence[str]
    done_after: timedelta
    all_done_after: timedelta
    wall_seconds: float

    @property
    def allowed_calls(self) -> int:
        """The calls that Codat answered with anything but a 429."""
        return sum(count for status, count in self.calls.items() if status != RATE_LIMITED)

    @property
    def bound(self) -> timedelta:
        """The earliest end that Codat allows."""
        if self.scenario.bound is not None or self.scenario.calls_per_minute is None:
            return self.scenario.bound or timedelta(0)
        return timedelta(minutes=self.allowed_calls / self.scenario.calls_per_minute)

    @property
    def share_used(self) -> float | None:
        """The share of the allowed calls that were used, None where Codat has no limit by the minute."""
        if self.scenario.calls_per_minute is None:
            return None
        return self.bound / self.all_done_after if self.all_done_after else 0.0

    @property
    def share_refused(self) -> float:
        """The share of the calls that Codat answered with a 429."""
        return self.calls.get(RATE_LIMITED, 0) / max(1, sum(self.calls.values()))

    @property
    def problems(self) -> list[str]:
        """A sentence for each fact that is not as the promise or the scenario says."""
        return [*self.ledger.problems, *self._unexpected()]

    def _unexpected(self) -> Iterator[str]:
        expected, parked = self.scenario.expected, dict(self.ledger.parked)
        if parked != expected.parked:
            yield f"parked {parked}, expected {dict(expected.parked)}"
        if self.done_after > expected.within:
            yield f"done after {self.done_after}, expected within {expected.within}"
        if self.share_used is not None and self.share_used < expected.least_used:
            yield f"{self.share_used:.1%} of the allowed calls used, expected {expected.least_used:.0%}"
        if self.share_refused > expected.most_refused:
            yield f"{self.share_refused:.1%} of the calls answered 429, expected at most {expected.most_refused:.0%}"
        if (count := sum(self.early.values())) > expected.most_early:
            yield f"{count} calls before the end of the wait that Codat asked for, such as for {min(self.early)}"
        if self.counts.refused_deferrals:
            yield f"SQS refused {self.counts.refused_deferrals} deferrals"
        if errors := [each for each in self.errors if json.loads(each)["message"] not in expected.logged]:
            yield f"{len(errors)} errors logged, such as {errors[0]}"


def run(scenario: Scenario, seed: int = 1) -> Result:
    """Run a scenario from its start until all has ended, or for as long as it may take."""
    began = time.perf_counter()
    world = World(scenario, seed)
    with world.functions() as log:
        world.clock.run(world.start + scenario.longest.total_seconds())
        ledger = balance(world.sent, world.outcomes, world.plan_changes, world.dead_letters, world.codat)
        errors = tuple(log.error_lines)
    done = [at for event_id, at in ledger.ended_at.items() if event_id not in ledger.parked_ids]
    if scenario.changed_at_codat:
        done.extend(world.codat.written_at.values())
    return Result(
        scenario,
        ledger,
        world.codat.statuses,
        world.codat.early,
        Counts(
            max(each.most_receives for each in (world.plan_changes, world.companies)),
            sum(each.refused_waits for each in world.queues.values()),
            world.lambda_.invocations,
            world.lambda_.killed,
            world.lambda_.throttled,
        ),
        errors,
        _since(world.start, done),
        _since(world.start, [*done, *ledger.ended_at.values()]),
        time.perf_counter() - began,
    )


def _since(start: float, moments: Sequence[float]) -> timedelta:
    return timedelta(seconds=max(moments, default=start) - start)
