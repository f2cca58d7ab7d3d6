"""Fuzzes the consumers with sample events that a seeded random source has mutated.

    python -m tests.fuzz --bodies 1000000

Each body goes through the real consumer of every function, those with a duty included. It must be processed or parked.
A body that is deferred, or a batch that takes too long, fails the run. Deferred bodies are printed.
"""

import argparse
import io
import json
import os
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Final

from codat_sync.companies.converge import Convergence
from codat_sync.consuming.consume import Consumer, ConsumerSettings, Consuming, ReadEvent
from codat_sync.consuming.duties import DutyConsumer, ReadRequest
from codat_sync.consuming.settle import Settlement
from codat_sync.deadline import Deadline
from codat_sync.events.company_events import read_company_reconciliation, read_connection_event, read_plan_event
from codat_sync.events.requests import read_reconciliation_request, read_redrive_request
from codat_sync.observability import logger
from local.presets import local_presets
from tests.fakes.clock import NOW
from tests.fakes.codat import FakeCodat
from tests.fakes.companies import FakePlans
from tests.fakes.lambda_ import PATIENCE, FakeContext, sqs_event
from tests.fakes.outcomes import FakeDeadLetters, FakeQueue

SAMPLES: Final = [json.loads(path.read_text("utf-8")) for path in sorted(Path("events").glob("*.json"))]
PRESETS: Final = local_presets()
BATCH: Final = 10
CHUNK: Final = 20_000
SLOWEST_SECONDS: Final = 5.0
"""For a batch. Far more than it takes on a busy machine, and far less than the timeout of a function."""
LONGEST_BODY: Final = 1024 * 1024
"""SQS's limit on a message."""
ODD: Final[list[Any]] = [
    None, True, False, 0, -1, 1e308, 2**70, "", " ", "\x00", "\ud800", "a" * 100_000, "🦆", [], [[]], {}, {"": {}},
    ["growth"], "growth", "GROWTH", "free\n", "plan'; DROP TABLE",
    "../../etc/passwd", "8a210b68-6988-4001-a1eb-0242ac120001/../x", "{8a210b68-6988-4001-a1eb-0242ac120001}", "0" * 32,
    "1970-01-01T00:00:00Z", "2999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00",
    "2026-02-30", "2026-01-12T09:30:00", "20260112", 1768210200, "1768210200", "NaN",
]  # fmt: skip


@dataclass
class Report:
    """The results of a run."""

    bodies: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    """How many bodies were parked, by reason. "taken" counts those that were processed."""
    unexpected: list[str] = field(default_factory=list)
    """Bodies that were deferred. Codat and AWS never fail here, so the cause is an unexpected error."""
    slowest_seconds: float = 0.0

    def merged_with(self, other: "Report") -> "Report":
        """Return the report of both runs."""
        return Report(
            self.bodies + other.bodies,
            self.reasons + other.reasons,
            self.unexpected + other.unexpected,
            max(self.slowest_seconds, other.slowest_seconds),
        )


def _mutated(value: Any, random: Random) -> Any:  # noqa: ANN401  # Any JSON, or nearly.
    """Return a copy in which one value, at any depth, is replaced by an odd one, removed or added."""
    if not isinstance(value, dict) or not value or random.random() < 0.1:
        return random.choice(ODD)
    changed = dict(value)
    name = random.choice(list(changed))
    match random.randrange(6):
        case 0:
            del changed[name]
        case 1:
            changed[str(random.choice(ODD))[:50]] = random.choice(ODD)
        case _:
            changed[name] = _mutated(changed[name], random)
    return changed


def bodies(random: Random) -> Iterator[str]:
    """Yield mutated events, truncated text and plain garbage, without end."""
    while True:
        event = random.choice(SAMPLES)
        for _ in range(random.randint(0, 3)):
            event = _mutated(event, random)
        text = json.dumps(event, ensure_ascii=random.random() < 0.5)
        match random.randrange(12):
            case 0:
                text = text[: random.randrange(len(text) + 1)]
            case 1:
                text = "".join(chr(random.randrange(0x110000)) for _ in range(random.randrange(200)))
            case 2:
                at = random.randrange(len(text) + 1)
                text = text[:at] + chr(random.randrange(256)) + text[at + random.randrange(3) :]
            case 3 if random.random() < 0.01:
                text = '{"a":' * random.randrange(100_000)
            case 4 if random.random() < 0.01:
                text = json.dumps({"event": event, "padding": "x" * LONGEST_BODY})
            case 5:
                text = json.dumps(random.choice(ODD))
        yield text[:LONGEST_BODY]


def fuzz(count: int, seed: int) -> Report:
    """Feed at least ``count`` bodies to each function. The same seed makes the same bodies."""
    source = bodies(Random(seed))  # noqa: S311  # A run has to be repeatable, not secret.
    report = Report()
    while report.bodies < count:
        batch = [next(source) for _ in range(BATCH)]
        report.bodies += BATCH
        for read in EVENTS:
            dead_letters = FakeDeadLetters()
            _feed(_consumer(read, dead_letters), dead_letters, batch, report)
        for read_request in REQUESTS:
            dead_letters = FakeDeadLetters()
            duty = DutyConsumer(read_request, NoDuty(), dead_letters, FakeQueue(), lambda: NOW)
            _feed(duty, dead_letters, batch, report)
    return report


EVENTS: Final[list[ReadEvent]] = [
    read_plan_event,
    partial(read_connection_event, plan_tag="plan"),
    read_company_reconciliation,
]
REQUESTS: Final[list[ReadRequest[object]]] = [read_reconciliation_request, read_redrive_request]


class NoDuty:
    """A duty with nothing to do."""

    def carry_out(self, request: object, deadline: Deadline) -> None:
        assert request
        assert deadline.seconds_left > 0


def _consumer(read: ReadEvent, dead_letters: FakeDeadLetters) -> Consumer:
    return Consumer(
        read,
        Convergence(FakeCodat(), FakePlans(), PRESETS, lambda: NOW),
        Settlement(dead_letters, PATIENCE, lambda: NOW),
        FakeQueue(),
        ConsumerSettings(PATIENCE, max_concurrent_companies=1),
        now=lambda: NOW,
        random=Random(0),  # noqa: S311  # It only spreads deferrals.
    )


def _feed(consumer: Consuming, dead_letters: FakeDeadLetters, batch: list[str], report: Report) -> None:
    began = time.perf_counter()
    answer = consumer.consume(sqs_event(*batch), FakeContext())
    report.slowest_seconds = max(report.slowest_seconds, time.perf_counter() - began)
    report.unexpected += [batch[int(str(failure["itemIdentifier"])[1:])] for failure in answer["batchItemFailures"]]
    report.reasons.update(failure.reason for _, _, failure in dead_letters.parked)
    report.reasons["taken"] += BATCH - len(dead_letters.parked) - len(answer["batchItemFailures"])


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bodies", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    os.environ["POWERTOOLS_METRICS_NAMESPACE"] = "fuzz"
    logger().setLevel("CRITICAL")
    began = time.monotonic()
    report = _fuzz_in_chunks(arguments.bodies, arguments.seed)
    seconds = time.monotonic() - began
    print(f"{report.bodies:,} bodies, each through all functions, in {seconds:.0f} s (seed {arguments.seed})")
    _print(report)
    return 1 if report.unexpected or report.slowest_seconds > SLOWEST_SECONDS else 0


def _fuzz_in_chunks(count: int, seed: int) -> Report:
    """Fuzz chunk by chunk, so that the metrics of a long run do not fill the memory."""
    report = Report()
    with redirect_stdout(io.StringIO()) as metrics:  # The functions write their metrics to standard output.
        for chunk in range(0, count, CHUNK):
            report = report.merged_with(fuzz(min(CHUNK, count - chunk), seed + chunk))
            metrics.seek(0)
            metrics.truncate()
            print(f"{report.bodies:,} bodies", file=sys.stderr, end="\r")
    return report


def _print(report: Report) -> None:
    for reason, count in report.reasons.most_common():
        print(f"  {count:>10,} {reason}")
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"slowest batch of {BATCH}: {report.slowest_seconds * 1000:.0f} ms; peak memory {megabytes:.0f} MB")
    for body in report.unexpected[:10]:
        print(f"UNEXPECTED: {body[:500]!r}")


if __name__ == "__main__":
    sys.exit(main())
