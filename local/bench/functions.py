"""The functions, wired as they are in Lambda, in a process that has nothing else in it."""

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
from itertools import islice, pairwise, zip_longest
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Any, Final

import boto3

from codat_sync.config import Config, ReconciliationConfig
from codat_sync.consuming.consume import START_SECONDS, Consuming
from codat_sync.consuming.deliveries import Settled
from codat_sync.events.company_events import read_plan_event
from codat_sync.outcomes.deferral import SQS_BATCH
from codat_sync.reconciliation.findings import Finding
from codat_sync.reconciliation.reconcile import PAGE
from codat_sync.reconciliation.runs import ReconciliationRuns, Run
from codat_sync.wiring import wire_company_reconciliation, wire_consumer, wire_reconciliation
from local.aws.clients import environment_without_aws
from local.bench.meter import Meter, Usage
from local.bench.population import Company, Population
from local.presets import local_presets

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

FUNCTION_SECONDS: Final = 900
NO_PACE: Final = 10**9
"""Calls a minute: what is measured is what the walk itself costs."""
NO_END: Final = 10.0**6
"""Seconds of an invocation that does all there is to do."""
PARTS: Final = 10
PEAKS: Final = (10, 50, 100)
"""After how much of the walk memory is looked at, in percent."""
SAID: Final = 2000
"""Characters of the log, where something has gone wrong."""


@dataclass(frozen=True)
class Worked:
    """What it took to work off some companies or events. The meter's own work is not in ``cpu_seconds``."""

    count: int
    seconds: float
    cpu_seconds: float
    outcomes: Mapping[str, int]
    usage: Usage
    logged_bytes: int


@dataclass(frozen=True)
class Paced:
    """What the walk took when it kept to a pace."""

    calls_a_minute: int
    seconds: float
    cpu_seconds: float


@dataclass(frozen=True)
class Walk(Worked):
    """A reconciliation of all companies. ``outcomes`` are what it found.

    ``parts`` are the CPU seconds per company of each tenth of it, ``peak_bytes`` the most memory that the process had
    had after so many percent of it.
    """

    parts: Sequence[float]
    peak_bytes: Mapping[int, int]


class Functions:
    """What is asked of them from outside."""

    def __init__(self, population: Population, environment: Mapping[str, str], log: IO[str]) -> None:
        self._population = population
        self._environment = environment
        self._log = log
        self._marks: list[tuple[float, int]] = []
        self._meter = Meter(self._mark)
        self._outcomes: Counter[str] = Counter()

    def walk(self) -> Walk:
        """All companies are looked at, in one invocation without end. Raises ``RuntimeError`` where it has another."""
        consumer = wire_reconciliation(self._at_pace(NO_PACE))
        night = self._asked_for("night-1")
        logged = self._log.tell()
        self._meter.take()
        began, used = time.monotonic(), self._used()
        answer = consumer.consume(night, _Context())
        seconds, cpu_seconds = time.monotonic() - began, self._used() - used
        self._mark()
        usage, run = self._meter.take(), self._run()
        if answer["batchItemFailures"] or run.finished_at is None:
            self._log.seek(0)
            raise RuntimeError(f"the walk did not come to its end: {self._log.read()[-SAID:]}")
        whole_pages, pages = run.counts["checked"] // PAGE, len(self._marks) - 1
        ends = sorted({round(whole_pages * part / PARTS) for part in range(PARTS + 1)})
        return Walk(
            count=run.counts["checked"],
            seconds=seconds,
            cpu_seconds=cpu_seconds,
            outcomes=run.counts,
            usage=usage,
            logged_bytes=self._log.tell() - logged,
            parts=[
                (self._marks[end][0] - self._marks[start][0]) / (end - start) / PAGE for start, end in pairwise(ends)
            ],
            peak_bytes={percent: self._marks[max(1, round(pages * percent / 100))][1] for percent in PEAKS},
        )

    def walk_at(self, calls_a_minute: int, seconds: float) -> Paced:
        """The beginning of another walk, at a pace: the last seconds of an invocation. Its request comes back."""
        consumer = wire_reconciliation(self._at_pace(calls_a_minute))
        night = self._asked_for("night-2")
        began, used = time.monotonic(), self._used()
        consumer.consume(night, _Context(START_SECONDS + seconds))
        return Paced(calls_a_minute, time.monotonic() - began, self._used() - used)

    def repair(self) -> Worked:
        """What the walk has handed over is worked off, as Lambda would have it done. The run says what became of it."""
        queue = self._environment["RECONCILE_COMPANY_QUEUE_URL"]
        config = self._config(SOURCE_QUEUE_URL=queue, MAX_CONCURRENT_COMPANIES="1")
        worked = self._work_off(wire_company_reconciliation(config), messages(boto3.client("sqs"), queue))
        return replace(worked, outcomes=self._run().outcomes)

    def live(self, events: int, round_: int) -> tuple[Worked, Worked]:
        """So many companies change their plan, each by an event; then all of these events come once more.

        To and fro between two plans that have nothing pulled at once: that would be further calls to Codat.
        """
        plans = [name for name, preset in local_presets().plans.items() if not preset.refresh_on_upgrade]
        in_step = (each for each in self._population if each.finding is Finding.IN_STEP)
        bodies = [plan_changed(each, plans[-1 - round_ % 2], f"round-{round_}") for each in islice(in_step, events)]
        batches = [sqs_event(bodies[start : start + SQS_BATCH]) for start in range(0, len(bodies), SQS_BATCH)]
        return self._work_off(self._consumer, batches), self._work_off(self._consumer, batches)

    def announce(self, settled: Sequence[Settled]) -> None:
        """How live events ended."""
        self._outcomes.update(each.outcome.value for each in settled)

    @cached_property
    def _consumer(self) -> Consuming:
        return wire_consumer(self._config(), read_plan_event, announcing=[self])

    def _config(self, **changed: str) -> Config:
        return Config.from_env({**self._environment, **changed})

    def _at_pace(self, calls_a_minute: int) -> ReconciliationConfig:
        config = ReconciliationConfig.from_env(self._environment)
        return config.model_copy(update={"reconcile_calls_per_minute": calls_a_minute})  # Which nobody validates.

    def _asked_for(self, name: str) -> dict[str, Any]:
        """A request, as the schedule of template.yaml sends it, on its way from the queue."""
        sqs, queue = boto3.client("sqs"), self._environment["SOURCE_QUEUE_URL"]
        body = {"id": name, "detail-type": "Reconciliation Requested", "detail": {}}
        sqs.send_message(QueueUrl=queue, MessageBody=json.dumps(body))
        return next(messages(sqs, queue))

    def _run(self) -> Run:
        table = self._environment["COMPANY_PLANS_TABLE_NAME"]
        run = ReconciliationRuns(boto3.client("dynamodb"), table).newest()
        if run is None:
            raise RuntimeError("there was no run")
        return run

    def _work_off(self, consumer: Consuming, batches: Iterable[dict[str, Any]]) -> Worked:
        self._outcomes.clear()
        self._meter.take()
        logged, count, seconds, cpu_seconds = self._log.tell(), 0, 0.0, 0.0
        for batch in batches:
            began, used = time.monotonic(), self._used()
            consumer.consume(batch, _Context())
            seconds, cpu_seconds = seconds + time.monotonic() - began, cpu_seconds + self._used() - used
            count += len(batch["Records"])
        outcomes, logged = dict(self._outcomes), self._log.tell() - logged
        return Worked(count, seconds, cpu_seconds, outcomes, self._meter.take(), logged)

    def _used(self) -> float:
        return time.process_time() - self._meter.own_seconds

    def _mark(self) -> None:
        """As each page of the walk begins, and when the last one ends."""
        self._marks.append((self._used(), peak_bytes()))


class _Context:
    """An invocation with so many seconds left."""

    def __init__(self, seconds: float = NO_END) -> None:
        self._ends_at = time.monotonic() + seconds

    def get_remaining_time_in_millis(self) -> int:
        return int(1000 * (self._ends_at - time.monotonic()))


@contextmanager
def functions(population: Population, environment: Mapping[str, str]) -> Iterator[Functions]:
    """The environment of the process is what Lambda would give it; what it logs is kept apart."""
    kept = environment_without_aws()
    os.environ.clear()
    os.environ.update({**kept, **environment})
    os.environ.update(POWERTOOLS_METRICS_NAMESPACE="codat-sync", POWERTOOLS_SERVICE_NAME="bench")
    with TemporaryFile("w+", encoding="utf-8") as log, redirect_stdout(log):
        yield Functions(population, os.environ, log)


def sqs_event(bodies: Sequence[str], handles: Sequence[str] = ()) -> dict[str, Any]:
    """What Lambda gives to a function for a batch of messages that are new. Without handles none can be deferred."""
    sent = str(int(time.time() * 1000))
    return {
        "Records": [
            {
                "messageId": f"message-{number}",
                "receiptHandle": handle,
                "body": body,
                "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": sent},
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:source",
                "awsRegion": "us-east-1",
            }
            for number, (body, handle) in enumerate(zip_longest(bodies, handles, fillvalue="none"))
        ]
    }


def messages(sqs: "SQSClient", queue: str) -> Iterator[dict[str, Any]]:
    """All that is on a queue, as batches. Each is deleted when the next one is asked for."""
    while received := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=SQS_BATCH).get("Messages"):
        yield sqs_event([each["Body"] for each in received], [each["ReceiptHandle"] for each in received])
        sqs.delete_message_batch(
            QueueUrl=queue,
            Entries=[{"Id": each["MessageId"], "ReceiptHandle": each["ReceiptHandle"]} for each in received],
        )


def plan_changed(company: Company, plan: str, event_id: str) -> str:
    """An event of billing's, as EventBridge has it on a queue. Each is newer than the one before."""
    now = datetime.now(UTC).isoformat()
    return json.dumps(
        {
            "version": "0",
            "id": f"{event_id}/{company.company_id}",
            "detail-type": "Company Changed Plan",
            "source": "billing",
            "account": "123456789012",
            "time": now,
            "region": "us-east-1",
            "resources": [],
            "detail": {"companyId": str(company.company_id), "plan": plan, "occurredAt": now},
        }
    )


def peak_bytes() -> int:
    """The most memory that this process has had.

    Linux adds to rusage what the process had that started this one, and says it right elsewhere.
    """
    status = Path("/proc/self/status")
    if status.exists():
        return 1024 * int(status.read_text().partition("VmHWM:")[2].split()[0])
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else 1024 * most
