"""Fakes of the room ``outcomes``: DLQs and a source queue that a test can inspect."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from codat_sync.outcomes.dead_letters import ReceivedEvent
from codat_sync.outcomes.triage import Failure, Outcome


@dataclass
class FakeDeadLetters:
    """``DeadLetters`` that keeps what was parked. ``failure`` is raised by each call."""

    parked: list[tuple[ReceivedEvent, Outcome, Failure]] = field(default_factory=list)
    failure: Exception | None = None

    def park(self, event: ReceivedEvent, outcome: Outcome, failure: Failure) -> None:
        if self.failure is not None:
            raise self.failure
        self.parked.append((event, outcome, failure))


@dataclass
class FakeQueue:
    """``SourceQueue`` that keeps for how long each message was hidden. ``failure`` is raised by each call."""

    waits: dict[str, int] = field(default_factory=dict)
    failure: Exception | None = None

    def defer(self, seconds_by_receipt_handle: Mapping[str, int]) -> None:
        if self.failure is not None:
            raise self.failure
        self.waits.update(seconds_by_receipt_handle)
