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
LONGEST_CYCLE: Final = 75_000
"""Between two refusals that lie further apart, more than one of Codat's windows has passed."""
FASTEST_RISE: Final = 10
"""Per cent a minute."""
MOST_TURNS: Final = 10
"""How many turns a process takes at once: half a second's, at most this many."""
FORGOTTEN: Final = 6 * 60 * MINUTE
"""After so long without a refusal, no limit is assumed."""


@dataclass(frozen=True)
class Rate:
    """The calls that all functions together may make: turns at even distances.

    ``limit`` is in calls a minute; moments are Unix milliseconds. ``next_turn`` is the first turn that nobody has
    taken, and ``granted`` counts those taken since ``opened_at``, before which no call is made.
    """

    limit: int
    next_turn: int
    opened_at: int
    granted: int
    refused_at: int
    raised_at: int

    @classmethod
    def first(cls, *, opens_at: int, now: int) -> Self:
        """Return the rate after a first refusal."""
        return cls(START, opens_at, opens_at, 0, refused_at=now, raised_at=opens_at)

    @property
    def turns_at_once(self) -> int:
        """How many turns a process takes at once."""
        return min(MOST_TURNS, ceil(self.limit / 120))

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
        percent = min(FASTEST_RISE, (now - self.opened_at) // MINUTE)
        return replace(self, limit=min(MOST, ceil(self.limit * (1 + percent / 100))), raised_at=now)

    def granting(self, now: int, share: float = 1) -> Self:
        """Return the rate once a process has taken its next turns. They begin now at the earliest."""
        length = round(self.turns_at_once * self.distance(share))
        return replace(self, next_turn=max(self.next_turn, now) + length, granted=self.granted + self.turns_at_once)

    def closed(self, *, until: int) -> Self:
        """Return the rate with all later turns void until that moment."""
        return replace(self, next_turn=until, opened_at=until, granted=0, raised_at=until)

    def refused(self, *, began: int, until: int, now: int) -> Self:
        """Return the rate after Codat refused a call that ``began`` then, and takes calls again at ``until``.

        What Codat accepted from one opening to the next is what it allows in that time, whether it counts in windows or
        refills a bucket.
        """
        accepted = self.granted - max(0, self.next_turn - began) / self.distance()
        cycle = until - self.opened_at
        learnt = accepted * MINUTE / cycle if cycle <= LONGEST_CYCLE else self.limit
        limit = max(DEEPEST_CUT * self.limit, CUT * min(learnt, self.limit), LEAST)
        return replace(self.closed(until=until), limit=round(limit), refused_at=now)
