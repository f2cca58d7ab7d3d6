"""A summary of the functions' own logs. It is shown beside the ledger, which does not depend on it."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from codat_sync.outcomes.triage import Outcome
from local.chaos.storm import StormEvent


@dataclass
class LogSummary:
    """The counted `event_settled` lines. What a killed worker had not logged yet is missing."""

    outcomes: Counter[str] = field(default_factory=Counter)
    """Lines by outcome: one for each delivery and attempt."""
    deferred_for: Counter[str] = field(default_factory=Counter)
    """Deferrals by reason."""
    settled: set[str] = field(default_factory=set)
    """The ids of the events that have a line with a final outcome."""
    unreadable: int = 0
    """Lines about an outcome that are not JSON."""
    redelivered: int = 0
    """Lines about messages that had been received before."""
    most_received: int = 0

    @classmethod
    def read(cls, functions_log: Path) -> "LogSummary":
        """Count the lines of a log file."""
        summary = cls()
        with functions_log.open(encoding="utf-8") as lines:
            for text in lines:
                if "event_settled" in text:
                    summary._read_line(text)
        return summary

    def without_outcome(self, events: Iterable[StormEvent]) -> list[str]:
        """Return the keys of the events for which no final outcome was logged."""
        return [event.key for event in events if event.raw_body is None and event.event_id not in self.settled]

    def _read_line(self, text: str) -> None:
        try:
            self._add(json.loads(text))
        except ValueError:
            self.unreadable += 1

    def _add(self, line: Mapping[str, Any]) -> None:
        outcome = line["outcome"]
        self.outcomes[outcome] += 1
        received = line.get("receive_count", 1)
        self.redelivered += received > 1
        self.most_received = max(self.most_received, received)
        if outcome == Outcome.DEFERRED:
            self.deferred_for[line.get("reason", "")] += 1
        elif "correlation_id" in line:
            self.settled.add(line["correlation_id"])
