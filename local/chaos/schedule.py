"""Faults that begin at a share of the storm's events and last some seconds, one at a time."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class ScheduledFault:
    """Something that happens once, and the call that undoes it."""

    at: float
    """The share of the events, 0 to 1, that have to be handled before."""
    name: str
    begin: Callable[[], None]
    end: Callable[[], None]
    seconds: float


class Schedule:
    """Begins and ends faults in the order of their shares. No two are active at once."""

    def __init__(self, faults: Iterable[ScheduledFault]) -> None:
        self._waiting = sorted(faults, key=lambda fault: fault.at)
        self._active: ScheduledFault | None = None
        self._ends_at = 0.0

    @property
    def active(self) -> str | None:
        """The name of the active fault."""
        return self._active.name if self._active else None

    @property
    def done(self) -> bool:
        """Whether every fault has begun and ended."""
        return not self._waiting and self._active is None

    def advance(self, progress: float, now: float, *, paused: bool) -> None:
        """End the active fault if its time is over; else begin the next if it is due.

        No fault begins while the stack is paused: the functions call Codat too rarely to meet it. `progress` is the
        share of the events that are handled, `now` a monotonic time in seconds.
        """
        if self._active is not None and self._ends_at <= now:
            self._active.end()
            self._active = None
        if self._active is None and not paused and self._waiting and self._waiting[0].at <= progress:
            self._active = self._waiting.pop(0)
            self._active.begin()
            self._ends_at = now + self._active.seconds
