"""How fast a duty that is not urgent may call Codat, and how much of Codat's quota it may use."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from threading import Lock
from typing import Final

from codat_sync.codat.rate_limits import RateLimit

LONGEST: Final = timedelta(hours=12)
"""The longest wait for a new quota: as long as SQS can hide the message that continues the duty."""


class Pace:
    """Calls at an even rate. Safe to share between threads; each process has its own."""

    def __init__(
        self,
        calls_per_minute: int,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._distance = 60 / calls_per_minute
        self._monotonic = monotonic
        self._sleep = sleep
        self._lock = Lock()
        self._next_turn = monotonic()

    def wait(self, *, within: float) -> bool:
        """Wait for a turn. Return False where it is more than ``within`` seconds away: then no turn is taken."""
        with self._lock:
            now = self._monotonic()
            turn = max(self._next_turn, now)
            if turn - now > within:
                return False
            self._next_turn = turn + self._distance
        self._sleep(turn - now)
        return True


class Quota:
    """The share of Codat's daily quota beyond which the rest of the day is left to live events.

    Nothing is counted here: Codat's newest answer says how much all callers together have used.
    """

    def __init__(self, newest: Callable[[], RateLimit], *, share: int, now: Callable[[], datetime]) -> None:
        """``share`` is a percentage."""
        self._newest = newest
        self._share = share
        self._now = now

    def wait(self) -> timedelta | None:
        """Return how long until there is a new quota; None while the share is not used up, or Codat does not say."""
        said = self._newest()
        if said.limit is None or said.remaining is None:
            return None
        if 100 * (said.limit - said.remaining) <= self._share * said.limit:
            return None
        until_reset = replace(said, remaining=0, retry_at=None).wait(self._now())
        return min(until_reset, LONGEST) if until_reset else None
