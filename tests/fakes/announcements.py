"""A fake of ``announcements`` that keeps what was announced."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from codat_sync.announcements import Announcement
from codat_sync.consuming.deliveries import Settled
from codat_sync.reconciliation.findings import Drift


@dataclass
class FakeAnnouncer:
    """``Announcements`` that keeps its arguments, by method. ``meanwhile`` runs in ``announce``."""

    settled: list[Settled] = field(default_factory=list)
    drifts: list[Drift] = field(default_factory=list)
    said: list[Announcement] = field(default_factory=list)
    meanwhile: Callable[[], None] = lambda: None

    def announce(self, settled: Sequence[Settled]) -> None:
        self.meanwhile()
        self.settled += settled

    def announce_drift(self, drifts: Sequence[Drift]) -> None:
        self.drifts += drifts

    def say(self, announcements: Sequence[Announcement]) -> None:
        self.said += announcements
