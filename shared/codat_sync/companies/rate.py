"""The arithmetic of the shared call rate: what Codat's refusals and their absence say of how much it allows."""

from dataclasses import dataclass, replace
from math import ceil
from typing import Final, Self

MINUTE: Final = 60_000
START: Final = 950
"""The first limit, in calls a minute. Codat may block an IP address at 1,000; a refusal corrects what is too much.
https://docs.codat.io/using-the-api/rate-limits"""
LEAST: Final = 60
MOST: Final = 5_000
CUT: Final = 0.95
"""What is left of a limit that Codat has refused, and of what Codat accepted in its place."""
DEEPEST_CUT: Final = 0.5
"""One refusal may be an accident: it costs no more than half of the limit."""
SHORTEST_COUNT: Final = 10_000
"""What was accepted in a shorter time shows no limit."""
LONGEST_COUNT: Final = 75_000
"""In a longer time there was more than one of Codat's windows, of which only the last was used up."""
RISE: Final = 2
FASTEST_RISE: Final = 10
"""Per cent a minute: the first rise after a refusal, and more each minute up to the fastest."""
MOST_TURNS: Final = 5
"""How many turns a process takes at once: those of a second, at most this many."""
FORGOTTEN: Final = 6 * 60 * MINUTE
"""After so long without a refusal, no limit is assumed."""


@dataclass(frozen=True)
class Rate:
    """The calls that all functions together may make: turns at even distances.

    ``limit`` is in calls a minute; moments are Unix milliseconds. ``next_turn`` is the first turn that nobody has
    taken. Calls are closed before ``opened_at``. ``granted`` counts the turns since ``counted_since``.
    """

    limit: int
    next_turn: int
    opened_at: int
    granted: int
    counted_since: int
    refused_at: int
    raised_at: int

    @classmethod
    def first(cls, *, opens_at: int, now: int) -> Self:
        """Return the rate after a first refusal."""
        return cls(START, opens_at, opens_at, 0, counted_since=opens_at, refused_at=now, raised_at=opens_at)

    @property
    def turns_at_once(self) -> int:
        """How many turns a process takes at once."""
        return min(MOST_TURNS, ceil(self.limit / 60))

    def distance(self, share: float = 1) -> float:
        """Return the milliseconds between two turns for a caller that may use this share of the limit."""
        return MINUTE / (self.limit * share)

    def is_forgotten(self, now: int) -> bool:
        """Return whether the limit is too old to count."""
        return now - self.refused_at > FORGOTTEN

    def is_to_be_raised(self, now: int) -> bool:
        """Return whether a minute has passed without a refusal, and calls have to wait for their turns."""
        return now - self.raised_at >= MINUTE and self.next_turn - now >= 2 * self.distance()

    def raised(self, now: int) -> Self:
        """Return the rate with a limit that is raised the more, the longer Codat has not refused any call."""
        percent = min(FASTEST_RISE, RISE * ((now - self.opened_at) // MINUTE))
        return replace(self, limit=min(MOST, ceil(self.limit * (1 + percent / 100))), raised_at=now)

    def granting(self, now: int, share: float = 1) -> Self:
        """Return the rate once a process has taken its next turns. They begin now at the earliest."""
        length = round(self.turns_at_once * self.distance(share))
        return replace(self, next_turn=max(self.next_turn, now) + length, granted=self.granted + self.turns_at_once)

    def closed(self, *, began: int, until: int, now: int) -> Self:
        """Return the rate after Codat refused a call that ``began`` then, and takes calls again at ``until``.

        Turns after the refused call's are void.
        """
        void = max(0, self.next_turn - max(began, self.opened_at)) / self.distance()
        return replace(
            self,
            next_turn=until,
            opened_at=until,
            granted=max(0, self.granted - ceil(void)),
            refused_at=now,
            raised_at=until,
        )

    def lowered(self) -> Self:
        """Return a closed rate with the limit that was shown to be too high, once enough was counted.

        What Codat accepted from one opening to another is what it allows in that time, whether it counts in windows or
        refills a bucket.
        """
        counted = self.opened_at - self.counted_since
        if counted < SHORTEST_COUNT:
            return self
        shown = self.granted * MINUTE / counted if counted <= LONGEST_COUNT else self.limit
        limit = max(CUT * min(shown, self.limit), DEEPEST_CUT * self.limit, LEAST)
        return replace(self, limit=round(limit), granted=0, counted_since=self.opened_at)
