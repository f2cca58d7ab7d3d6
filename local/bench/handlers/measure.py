"""Measures each handler in a process of its own, beside the simulator in another."""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import median
from typing import Any, Final
from unittest import mock
from uuid import NAMESPACE_URL, UUID, uuid5

from codat_sync.presets.file import Presets
from local.aws.clients import environment_without_aws
from local.bench.handlers.codat import slow_codat
from local.bench.handlers.contestants import CONTESTANTS, Contestant
from local.bench.handlers.presets import hours_by_plan
from local.bench.handlers.storm import PlanChange, batches_of, newest_plans, one_each, storm
from local.bench.subprocesses import Subprocess, subprocess_of
from local.presets import local_presets

API_KEY: Final = "simulated-codat-api-key"
LATENCIES: Final = (0.02, 0.05, 0.2)
AT_A_TIME: Final = 10
STORM_SEED: Final = 1
STORMY: Final = 100


@dataclass(frozen=True)
class Spread:
    """The least, the median and the most of several rounds."""

    least: float
    median: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        return cls(min(values), median(values), max(values))


@dataclass(frozen=True)
class HandlerFigures:
    """What was measured of one handler. CPU is in milliseconds an event, throughput in events a second by latency."""

    name: str
    throughput: dict[float, Spread]
    cpu_of_a_change: Spread
    storm_cpu: Spread
    storm_calls: float
    """Calls to Codat for 1,000 deliveries."""
    wrong_plans: int
    companies: int


class Worker:
    """One handler in its process."""

    def __init__(self, contestant: Contestant) -> None:
        self._contestant = contestant

    def consume(self, events: Sequence[dict[str, Any]]) -> tuple[float, float]:
        """Consume the batches one after the other; return the seconds, and the CPU seconds of the handler."""
        began, cpu, others = time.monotonic(), time.process_time(), self._contestant.seconds_of_others
        for event in events:
            self._contestant.consume(event)
        others = self._contestant.seconds_of_others - others
        return time.monotonic() - began, time.process_time() - cpu - others


@contextmanager
def worker(name: str, codat_url: str) -> Iterator[Worker]:
    """Set the process up as Lambda does, with the presets of ``local``, while the block runs. Its log is discarded."""
    kept = environment_without_aws()
    os.environ.clear()
    os.environ.update({**kept, "POWERTOOLS_METRICS_NAMESPACE": "bench", "POWERTOOLS_SERVICE_NAME": "bench"})
    os.environ["BOTO_DISABLE_CRT"] = "true"  # The layer is without the CRT.
    with (
        mock.patch.object(Presets, "packaged", local_presets),
        Path(os.devnull).open("w", encoding="utf-8") as log,
        redirect_stdout(log),
    ):
        yield Worker(CONTESTANTS[name](codat_url, API_KEY, AT_A_TIME))


def measure_handler(name: str, companies: int, rounds: int) -> HandlerFigures:
    """Measure one handler on so many companies. Raise ``StackError`` if a process ends before its time."""
    ids = [uuid5(NAMESPACE_URL, f"company-{number}") for number in range(companies)]
    with subprocess_of(slow_codat, ids, API_KEY) as at_codat:
        at_codat.wait_until_ready()
        with subprocess_of(worker, name, at_codat.call("url")) as at_work:
            at_work.wait_until_ready()
            return _measured(name, ids, rounds, at_codat, at_work)


def _measured(name: str, ids: Sequence[UUID], rounds: int, at_codat: Subprocess, at_work: Subprocess) -> HandlerFigures:
    plans = [plan for plan, preset in local_presets().plans.items() if not preset.refresh_on_upgrade]
    number = 0

    def change_all(companies: Sequence[UUID]) -> tuple[float, float]:
        """Change the plan of each company; return seconds and CPU seconds an event."""
        nonlocal number
        number += 1
        events = batches_of(one_each(companies, plans[number % 2], f"round-{number}"))
        seconds, cpu_seconds = at_work.call("consume", events)
        return seconds / len(companies), cpu_seconds / len(companies)

    change_all(ids)  # Warms up, and gives every company settings of its own.
    cpu = [1000 * change_all(ids)[1] for _ in range(rounds)]
    throughput = {}
    for latency in LATENCIES:
        at_codat.call("answer_after", latency)
        few = ids[: 10 * AT_A_TIME] if name == "this project" else ids[: 2 * AT_A_TIME]
        throughput[latency] = Spread.of([1 / change_all(few)[0] for _ in range(rounds)])
    at_codat.call("answer_after", 0)

    storm_cpu, storm_calls, wrong_plans = _storms(ids[:STORMY], plans, rounds, at_codat, at_work)
    return HandlerFigures(
        name=name,
        throughput=throughput,
        cpu_of_a_change=Spread.of(cpu),
        storm_cpu=storm_cpu,
        storm_calls=storm_calls,
        wrong_plans=wrong_plans,
        companies=len(ids[:STORMY]),
    )


def _storms(
    ids: Sequence[UUID], plans: Sequence[str], rounds: int, at_codat: Subprocess, at_work: Subprocess
) -> tuple[Spread, float, int]:
    """Return the CPU an event, the calls to Codat for 1,000 events, and the companies that end at a wrong plan."""
    cpu, calls_before, changes = list[float](), at_codat.call("calls"), list[PlanChange]()
    for seed in range(rounds):
        changes = storm(ids, plans, Random(STORM_SEED + seed), f"storm-{seed}")  # noqa: S311  # No secret.
        cpu.append(1000 * at_work.call("consume", batches_of(changes))[1] / len(changes))
    calls = at_codat.call("calls") - calls_before
    hours, presets = at_codat.call("hours"), hours_by_plan()
    wrong = sum(hours[str(company)] != presets[plan] for company, plan in newest_plans(changes).items())
    return Spread.of(cpu), 1000 * calls / (rounds * len(changes)), wrong
