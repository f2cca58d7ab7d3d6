"""Whatever a queue may hold: sample events, broken in every way that a seeded random source thinks of.

    python -m tests.fuzz --bodies 1000000

Each body goes through the real consumer of each function, also of those that have a duty. It must end in an outcome
that is not a surprise, within bounded time: an unexpected error or a batch that took too long fails the run, which
prints the body.
"""

import argparse
import io
import json
import os
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Final

from codat_sync.companies.converge import Convergence
from codat_sync.consuming.consume import Consumer, Consuming, ReadEvent
from codat_sync.consuming.duties import DutyConsumer, ReadRequest
from codat_sync.events.company_events import read_company_reconciliation, read_connection_event, read_plan_event
from codat_sync.events.requests import read_reconciliation_request, read_redrive_request
from codat_sync.observability import logger
from local.presets import local_presets
from tests.fakes import NOW, FakeCodat, FakeContext, FakeDeadLetters, FakePlans, FakeQueue, sqs_event

SAMPLES: Final = [json.loads(path.read_text("utf-8")) for path in sorted(Path("events").glob("*.json"))]
PRESETS: Final = local_presets()
BATCH: Final = 10
CHUNK: Final = 20_000
SLOWEST_SECONDS: Final = 5.0
"""For a batch, on a machine that has other work too: far above what it takes, far below a function's timeout."""
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
class Findings:
    """What a run came to."""

    bodies: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    """How often each reason was parked; "taken" where nothing was wrong."""
    surprises: list[str] = field(default_factory=list)
    """Bodies that were deferred although Codat was well: nobody planned for them."""
    slowest_seconds: float = 0.0

    def and_then(self, later: "Findings") -> "Findings":
        """Both runs together."""
        return Findings(
            self.bodies + later.bodies,
            self.reasons + later.reasons,
            self.surprises + later.surprises,
            max(self.slowest_seconds, later.slowest_seconds),
        )


def _changed(value: Any, random: Random) -> Any:  # noqa: ANN401  # Any JSON, or nearly.
    """The same with one thing in it made odd, taken away or added, at any depth."""
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
            changed[name] = _changed(changed[name], random)
    return changed


def bodies(random: Random) -> Iterator[str]:
    """Without end."""
    while True:
        event = random.choice(SAMPLES)
        for _ in range(random.randint(0, 3)):
            event = _changed(event, random)
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


def fuzz(count: int, seed: int) -> Findings:
    """Feed at least ``count`` bodies to each function."""
    source = bodies(Random(seed))  # noqa: S311  # A run that can be repeated.
    findings = Findings()
    while findings.bodies < count:
        batch = [next(source) for _ in range(BATCH)]
        findings.bodies += BATCH
        for read in EVENTS:
            dead_letters = FakeDeadLetters()
            _feed(_consumer(read, dead_letters), dead_letters, batch, findings)
        for read_request in REQUESTS:
            dead_letters = FakeDeadLetters()
            duty = DutyConsumer(read_request, DoneAtOnce(), dead_letters, FakeQueue())
            _feed(duty, dead_letters, batch, findings)
    return findings


EVENTS: Final[list[ReadEvent]] = [
    read_plan_event,
    partial(read_connection_event, plan_tag="plan"),
    read_company_reconciliation,
]
REQUESTS: Final[list[ReadRequest[object]]] = [read_reconciliation_request, read_redrive_request]


class DoneAtOnce:
    """A duty that has nothing to do."""

    def carry_out(self, request: object, seconds_left: Callable[[], float]) -> None:
        assert request
        assert seconds_left() > 0


def _consumer(read: ReadEvent, dead_letters: FakeDeadLetters) -> Consumer:
    return Consumer(
        read,
        Convergence(FakeCodat(), FakePlans(), PRESETS, lambda: NOW),
        dead_letters,
        FakeQueue(),
        first_deferral_seconds=60,
        max_concurrent_companies=1,
        max_receive_count=10,
        now=lambda: NOW,
        random=Random(0),  # noqa: S311  # No wait is waited for.
    )


def _feed(consumer: Consuming, dead_letters: FakeDeadLetters, batch: list[str], findings: Findings) -> None:
    began = time.perf_counter()
    answer = consumer.consume(sqs_event(*batch), FakeContext())
    findings.slowest_seconds = max(findings.slowest_seconds, time.perf_counter() - began)
    findings.surprises += [batch[int(str(failure["itemIdentifier"])[1:])] for failure in answer["batchItemFailures"]]
    findings.reasons.update(failure.reason for _, _, failure in dead_letters.parked)
    findings.reasons["taken"] += BATCH - len(dead_letters.parked) - len(answer["batchItemFailures"])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--bodies", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    os.environ["POWERTOOLS_METRICS_NAMESPACE"] = "fuzz"
    logger().setLevel("CRITICAL")
    began = time.monotonic()
    with redirect_stdout(io.StringIO()) as metrics:  # Metrics go to standard output.
        findings = Findings()
        for chunk in range(0, arguments.bodies, CHUNK):
            found = fuzz(min(CHUNK, arguments.bodies - chunk), arguments.seed + chunk)
            findings = findings.and_then(found)
            metrics.seek(0)
            metrics.truncate()
            print(f"{findings.bodies:,} bodies", file=sys.stderr, end="\r")
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{findings.bodies:,} bodies, each through all functions, in {time.monotonic() - began:.0f} s"
        f" (seed {arguments.seed})"
    )
    for reason, count in findings.reasons.most_common():
        print(f"  {count:>10,} {reason}")
    print(f"slowest batch of {BATCH}: {findings.slowest_seconds * 1000:.0f} ms; peak memory {megabytes:.0f} MB")
    for body in findings.surprises[:10]:
        print(f"SURPRISE: {body[:500]!r}")
    return 1 if findings.surprises or findings.slowest_seconds > SLOWEST_SECONDS else 0


if __name__ == "__main__":
    sys.exit(main())
