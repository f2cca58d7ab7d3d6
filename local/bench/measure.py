"""The measurement: three processes, a reconciliation run, its repairs, a run at a pace, and rounds of live events."""

import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from local.bench.aws import aws
from local.bench.codat import codat
from local.bench.functions import functions
from local.bench.population import Population
from local.bench.results import Machine, Results
from local.bench.subprocesses import Subprocess, subprocess_of

API_KEY: Final = "simulated-codat-api-key"
PACE: Final = 1000
"""The largest ReconcileCallsPerMinute, to check that a run keeps it."""
ROUNDS: Final = 3
"""Of live events, after one round that only warms up."""

OnStep = Callable[[str], None]
CallCounter = Counter[tuple[str, int | None]]


def measure(population: Population, events: int, on_step: OnStep, *, paced_seconds: float) -> tuple[Results, Machine]:
    """Run the whole benchmark. ``on_step`` receives a sentence as each step begins.

    Raise ``StackError`` if one of the processes ends before it is told to.
    """
    load_before, began = os.getloadavg(), time.monotonic()
    with (
        subprocess_of(codat, population, API_KEY) as at_codat,
        subprocess_of(aws, population, API_KEY) as at_aws,
    ):
        at_codat.wait_until_ready()
        at_aws.wait_until_ready()
        seeding_seconds = time.monotonic() - began
        environment = at_codat.call("environment") | at_aws.call("environment")
        with subprocess_of(functions, population, environment) as at_work:
            at_work.wait_until_ready()
            processes = _Processes(at_codat, at_aws, at_work)
            results = _measured(processes, events, on_step, paced_seconds)
    return results, Machine(load_before, os.getloadavg(), seeding_seconds, time.monotonic() - began)


@dataclass(frozen=True)
class _Processes:
    codat: Subprocess
    aws: Subprocess
    functions: Subprocess

    def counted(self, method: str, *arguments: object) -> tuple[Any, CallCounter]:
        """Call a method of the functions. Return its result, and the requests that Codat received meanwhile."""
        before: CallCounter = self.codat.call("calls")
        result = self.functions.call(method, *arguments)
        return result, self.codat.call("calls") - before

    def cpu_seconds(self) -> tuple[float, float]:
        """Return the CPU time so far of the simulator and of Moto."""
        return self.codat.call("cpu_seconds"), self.aws.call("cpu_seconds")


def _measured(processes: _Processes, events: int, on_step: OnStep, paced_seconds: float) -> Results:
    on_step("The companies are set up. The reconciliation run begins")
    codat_before, aws_before = processes.cpu_seconds()
    run, run_calls = processes.counted("reconcile_all")
    codat_after, aws_after = processes.cpu_seconds()
    on_step("All companies are checked. Those that have drifted are repaired")
    processes.codat.call("clear_faults")
    repairs, repair_calls = processes.counted("repair")
    on_step(f"Another run begins, at {PACE:,} calls a minute")
    paced, paced_calls = processes.counted("reconcile_at_pace", PACE, paced_seconds)
    on_step("Live events")
    processes.functions.call("process_events", events, 0)
    rounds = [processes.counted("process_events", events, 1 + number) for number in range(ROUNDS)]
    return Results(
        run=run,
        run_calls=run_calls,
        codat_cpu_seconds=codat_after - codat_before,
        aws_cpu_seconds=aws_after - aws_before,
        repairs=repairs,
        repair_calls=repair_calls,
        paced=paced,
        paced_calls=paced_calls,
        live=[measurements for measurements, _ in rounds],
        live_calls=sum((calls for _, calls in rounds), CallCounter()),
    )
