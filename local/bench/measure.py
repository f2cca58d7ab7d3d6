"""The measurement: three processes, a walk, its repairs, and some rounds of live events."""

import os
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from codat_sync.reconciliation.findings import Finding
from local.bench.aws import aws
from local.bench.codat import codat
from local.bench.estimates import Each
from local.bench.functions import Paced, Walk, Worked, functions
from local.bench.population import Population
from local.bench.subprocesses import apart

API_KEY: Final = "simulated-codat-api-key"
PACE: Final = 1000
"""ReconcileCallsPerMinute at its most, to see that it is kept."""
ROUNDS: Final = 3
"""Of live events, after one that only warms up."""

Calls = Mapping[tuple[str, int | None], int]
"""Requests that Codat was asked, by method and status."""


@dataclass(frozen=True)
class Measured:
    """All of it. ``walk_calls``, ``repair_calls`` and ``live_calls`` are by Codat's own count."""

    walk: Walk
    walk_calls: Calls
    codat_cpu_seconds: float
    """For the walk alone, as the next one."""
    aws_cpu_seconds: float
    repair: Worked
    repair_calls: Calls
    live: Sequence[tuple[Worked, Worked]]
    """Each round's events, and the same once more."""
    live_calls: Calls
    paced: Paced
    paced_calls: Calls
    seeding_seconds: float
    seconds: float
    load_before: Sequence[float]
    """The machine's, of the last 1, 5 and 15 minutes. More than its cores: others were at work, too."""
    load_after: Sequence[float]

    def each(self) -> Each:
        """What it took for a company, on the average."""
        count = self.walk.count
        both = (self.walk, self.repair)
        drifted, repaired = self.walk.outcomes["drifted"], self.repair.outcomes["repaired"]
        return Each(
            walk_calls=sum(self.walk_calls.values()) / count,
            repair_calls=sum(self.repair_calls.values()) / count,
            handed_over=self.walk.outcomes["handed_over"] / count,
            read_units=sum(each.usage.read_units for each in both) / count,
            write_units=sum(each.usage.write_units for each in both) / count,
            sqs_requests=sum(each.usage.of("sqs") for each in both) / count,
            bus_events=(drifted + repaired) / count,
            logged_bytes=sum(each.logged_bytes for each in both) / count,
        )


def measure(population: Population, events: int, on_step: Callable[[str], None], *, paced_seconds: float) -> Measured:
    """Raise StackError where a process ends."""
    load_before, began = os.getloadavg(), time.monotonic()
    with apart(codat, population, API_KEY) as at_codat, apart(aws, population, API_KEY) as at_aws:
        at_codat.answer()
        at_aws.answer()
        on_step("Companies are in place. The walk begins")
        seeding_seconds = time.monotonic() - began
        with apart(functions, population, at_codat.ask("environment") | at_aws.ask("environment")) as at_work:
            at_work.answer()
            used = [each.ask("cpu_seconds") for each in (at_codat, at_aws)]
            walk: Walk = at_work.ask("walk")
            codat_used, aws_used = (
                each.ask("cpu_seconds") - before for each, before in zip((at_codat, at_aws), used, strict=True)
            )
            calls: list[Counter[tuple[str, int | None]]] = [at_codat.ask("calls")]
            on_step("All are looked at. Those that have drifted are repaired")
            at_codat.ask("answer_everybody")
            repair: Worked = at_work.ask("repair")
            calls.append(at_codat.ask("calls"))
            on_step(f"Another walk begins, at {PACE:,} calls a minute")
            paced: Paced = at_work.ask("walk_at", PACE, paced_seconds)
            calls.append(at_codat.ask("calls"))
            on_step("Live events")
            at_work.ask("live", events, 0)
            calls.append(at_codat.ask("calls"))
            live = [at_work.ask("live", events, 1 + number) for number in range(ROUNDS)]
            calls.append(at_codat.ask("calls"))
    repair_calls, paced_calls, _, live_calls = (after - before for before, after in pairwise(calls))
    return Measured(
        walk=walk,
        walk_calls=calls[0],
        codat_cpu_seconds=codat_used,
        aws_cpu_seconds=aws_used,
        repair=repair,
        repair_calls=repair_calls,
        live=live,
        live_calls=live_calls,
        paced=paced,
        paced_calls=paced_calls,
        seeding_seconds=seeding_seconds,
        seconds=time.monotonic() - began,
        load_before=load_before,
        load_after=os.getloadavg(),
    )


def wrong(population: Population, events: int, measured: Measured) -> list[str]:
    """What is not as it was put there, in sentences; figures of such a run mean nothing."""
    there = population.findings
    drifted, unanswered = there[Finding.CHANGED_AT_CODAT], there[Finding.UNANSWERED]
    rounds = len(measured.live)
    found = {finding.value: count for finding, count in there.items()} | {
        "checked": population.companies,
        "drifted": drifted,
        "handed_over": drifted + unanswered,
    }
    expected_and_measured: dict[str, tuple[object, object]] = {
        "what the walk found": (found, dict(measured.walk.outcomes)),
        "what became of those handed over": (
            {"repaired": drifted, "unchanged": unanswered},
            dict(measured.repair.outcomes),
        ),
        "writes to Codat on the walk": (0, _of("POST", measured.walk_calls)),
        "writes to Codat for repair": (drifted, _of("POST", measured.repair_calls)),
        # What comes a second time costs Codat nothing.
        "calls to Codat for live events": (
            {("GET", 200): events * rounds, ("POST", 204): events * rounds},
            dict(measured.live_calls),
        ),
        "how live events ended": (
            [({"applied": events}, {"unchanged": events})] * rounds,
            [(dict(once.outcomes), dict(again.outcomes)) for once, again in measured.live],
        ),
    }
    return [
        f"{what}: {expected} was put there, {got} was measured"
        for what, (expected, got) in expected_and_measured.items()
        if expected != got
    ]


def _of(method: str, calls: Calls) -> int:
    return sum(count for (each, _), count in calls.items() if each == method)
