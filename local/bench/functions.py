"""The functions, wired as in Lambda, in a process with nothing else in it."""

import json
import os
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from itertools import islice, pairwise
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, Final, Self
from unittest import mock

import boto3

from codat_sync.config import Config, ReconciliationConfig
from codat_sync.consuming.consume import START_SECONDS, Consuming
from codat_sync.consuming.deliveries import Settled
from codat_sync.events.company_events import read_plan_event
from codat_sync.presets.file import Presets
from codat_sync.reconciliation.findings import Finding
from codat_sync.reconciliation.reconcile import PAGE
from codat_sync.reconciliation.runs import ReconciliationRuns, Run
from codat_sync.wiring import wire_company_reconciliation, wire_consumer, wire_reconciliation
from local.aws.clients import environment_without_aws
from local.bench.measurements import Measurement, PacedRun, RunMeasurement
from local.bench.messages import batches, plan_changed, received_batches
from local.bench.meter import Meter
from local.bench.population import Population
from local.presets import local_presets

UNLIMITED_PACE: Final = 10**9
"""Calls a minute. Without a pace, the run's own cost shows."""
UNLIMITED_SECONDS: Final = 10.0**6
"""The time of an invocation that does all there is to do."""
TENTHS: Final = 10
PEAK_PERCENTS: Final = (10, 50, 100)
"""The percentages of the run after which the peak memory is read."""
LOG_TAIL: Final = 2000
"""The characters of the log that an error shows."""


@dataclass(frozen=True)
class _Mark:
    """The resources that the process had used when a page of the run began, or when the last page ended."""

    cpu_seconds: float
    peak_bytes: int


class Functions:
    """The tasks of the benchmark for the functions. Each method measures its own work."""

    def __init__(self, population: Population, environment: Mapping[str, str], log: IO[str]) -> None:
        self._population = population
        self._environment = environment
        self._log = log
        self._marks: list[_Mark] = []
        self._meter = Meter(on_scan=self._mark)
        self._outcomes: Counter[str] = Counter()

    def reconcile_all(self) -> RunMeasurement:
        """Reconcile all companies in one invocation. Raise ``RuntimeError`` if the run does not end."""
        duty, request = wire_reconciliation(self._config_at_pace(UNLIMITED_PACE)), self._request("night-1")
        logged_before = self._log.tell()
        self._meter.take()
        with self._stopwatch() as stopwatch:
            answer = duty.consume(request, _Context())
        self._mark()
        usage, run = self._meter.take(), self._run()
        if answer["batchItemFailures"] or run.finished_at is None:
            self._log.seek(0)
            raise RuntimeError(f"the reconciliation run did not end: {self._log.read()[-LOG_TAIL:]}")
        return RunMeasurement(
            count=run.counts["checked"],
            seconds=stopwatch.seconds,
            cpu_seconds=stopwatch.cpu_seconds,
            outcomes=run.counts,
            usage=usage,
            logged_bytes=self._log.tell() - logged_before,
            cpu_seconds_by_tenth=self._cpu_seconds_by_tenth(run.counts["checked"] // PAGE),
            peak_bytes=self._peak_bytes(),
        )

    def reconcile_at_pace(self, calls_a_minute: int, seconds: float) -> PacedRun:
        """Begin another run, at a pace, in the last ``seconds`` of an invocation. The request returns to its queue."""
        duty, request = wire_reconciliation(self._config_at_pace(calls_a_minute)), self._request("night-2")
        with self._stopwatch() as stopwatch:
            duty.consume(request, _Context(START_SECONDS + seconds))
        return PacedRun(calls_a_minute, stopwatch.seconds, stopwatch.cpu_seconds)

    def repair(self) -> Measurement:
        """Process the companies that the run put on the queue, as Lambda would. ``outcomes`` are those of the run."""
        queue = self._environment["RECONCILE_COMPANY_QUEUE_URL"]
        config = self._config(SOURCE_QUEUE_URL=queue, MAX_CONCURRENT_COMPANIES="1")
        consumer = wire_company_reconciliation(config)
        measurement = self._process(consumer, received_batches(boto3.client("sqs"), queue))
        return replace(measurement, outcomes=self._run().outcomes)

    def process_events(self, events: int, round_: int) -> tuple[Measurement, Measurement]:
        """Change the plans of so many companies, with an event each, and then deliver the same events once more.

        The rounds alternate between two plans whose upgrade does not refresh data, which would add calls to Codat.
        """
        plans = [name for name, preset in local_presets().plans.items() if not preset.refresh_on_upgrade]
        in_step = (each for each in self._population if each.finding is Finding.IN_STEP)
        plan, now = plans[-1 - round_ % 2], datetime.now(UTC)
        bodies = [
            plan_changed(each.company_id, plan, f"round-{round_}/{each.company_id}", now)
            for each in islice(in_step, events)
        ]
        delivered = batches(bodies)
        return self._process(self._consumer, delivered), self._process(self._consumer, delivered)

    def announce(self, settled: Sequence[Settled]) -> None:
        """Count the outcomes of live events."""
        self._outcomes.update(each.outcome.value for each in settled)

    @cached_property
    def _consumer(self) -> Consuming:
        return wire_consumer(self._config(), read_plan_event, announcers=[self])

    def _config(self, **changed: str) -> Config:
        return Config.from_env({**self._environment, **changed})

    def _config_at_pace(self, calls_a_minute: int) -> ReconciliationConfig:
        config = ReconciliationConfig.from_env(self._environment)
        return config.model_copy(update={"reconcile_calls_per_minute": calls_a_minute})  # A copy is not validated.

    def _request(self, name: str) -> dict[str, Any]:
        """Send a request as the schedule of template.yaml does, and receive it from its queue."""
        sqs, queue = boto3.client("sqs"), self._environment["SOURCE_QUEUE_URL"]
        body = {"id": name, "detail-type": "Reconciliation Requested", "detail": {}}
        sqs.send_message(QueueUrl=queue, MessageBody=json.dumps(body))
        return next(received_batches(sqs, queue))

    def _run(self) -> Run:
        table = self._environment["COMPANY_PLANS_TABLE_NAME"]
        run = ReconciliationRuns(boto3.client("dynamodb"), table).newest()
        if run is None:
            raise RuntimeError("the table has no reconciliation run")
        return run

    def _process(self, consumer: Consuming, events: Iterable[dict[str, Any]]) -> Measurement:
        self._outcomes.clear()
        self._meter.take()
        stopwatch, count, logged_before = self._stopwatch(), 0, self._log.tell()
        for event in events:
            with stopwatch:
                consumer.consume(event, _Context())
            count += len(event["Records"])
        return Measurement(
            count=count,
            seconds=stopwatch.seconds,
            cpu_seconds=stopwatch.cpu_seconds,
            outcomes=dict(self._outcomes),
            usage=self._meter.take(),
            logged_bytes=self._log.tell() - logged_before,
        )

    def _stopwatch(self) -> "_Stopwatch":
        return _Stopwatch(self._meter)

    def _mark(self) -> None:
        self._marks.append(_Mark(_cpu_seconds(self._meter), peak_bytes()))

    def _cpu_seconds_by_tenth(self, whole_pages: int) -> list[float]:
        ends = sorted({round(whole_pages * tenth / TENTHS) for tenth in range(TENTHS + 1)})
        return [
            (self._marks[end].cpu_seconds - self._marks[start].cpu_seconds) / (end - start) / PAGE
            for start, end in pairwise(ends)
        ]

    def _peak_bytes(self) -> dict[int, int]:
        pages = len(self._marks) - 1
        return {percent: self._marks[max(1, round(pages * percent / 100))].peak_bytes for percent in PEAK_PERCENTS}


class _Stopwatch:
    """Adds up the time and the CPU time of the blocks that it is entered for, without the meter's own work."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self.seconds = self.cpu_seconds = 0.0

    def __enter__(self) -> Self:
        self._began, self._cpu_before = time.monotonic(), _cpu_seconds(self._meter)
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds += time.monotonic() - self._began
        self.cpu_seconds += _cpu_seconds(self._meter) - self._cpu_before


class _Context:
    """The context of an invocation with so many seconds left."""

    def __init__(self, seconds: float = UNLIMITED_SECONDS) -> None:
        self._ends_at = time.monotonic() + seconds

    def get_remaining_time_in_millis(self) -> int:
        return int(1000 * (self._ends_at - time.monotonic()))


@contextmanager
def functions(population: Population, environment: Mapping[str, str]) -> Iterator[Functions]:
    """Set this process up as Lambda does, while the block runs. The functions' log goes to a temporary file.

    ``environment`` replaces the environment of the process, and ``local/presets.toml`` the packaged presets, which
    belong to the team that deploys and may lack the plans of the population.
    """
    kept = environment_without_aws()
    os.environ.clear()
    os.environ.update({**kept, **environment})
    os.environ.update(POWERTOOLS_METRICS_NAMESPACE="codat-sync", POWERTOOLS_SERVICE_NAME="bench")
    with (
        mock.patch.object(Presets, "packaged", local_presets),
        TemporaryFile("w+", encoding="utf-8") as log,
        redirect_stdout(log),
    ):
        yield Functions(population, os.environ, log)


def _cpu_seconds(meter: Meter) -> float:
    return time.process_time() - meter.own_seconds


def peak_bytes() -> int:
    """Return the peak memory of this process.

    On Linux, rusage also counts the peak of the process that started this one, so /proc is read there.
    """
    status = Path("/proc/self/status")
    if status.exists():
        return 1024 * int(status.read_text().partition("VmHWM:")[2].split()[0])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
