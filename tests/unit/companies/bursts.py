"""Bursts of calls: several processes with threads against a Codat that limits calls, in virtual time."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPMethod
from math import ceil
from random import Random
from typing import Protocol
from uuid import NAMESPACE_OID, UUID, uuid5

from codat_sync.codat.client import Answer
from codat_sync.codat.rate_limits import RateLimit
from codat_sync.companies.call_rate import CallRate
from tests.fakes.companies import FakeCallRate
from tests.fakes.virtual_time import VirtualTime

FUNCTION_SECONDS = 80.0
"""How long a function can wait for a turn."""


class Limit(Protocol):
    """A limit on calls."""

    def refuse(self, seconds: float) -> float | None:
        """Count a call; return the wait in seconds that a refused one is told, None for an accepted one."""


@dataclass
class FixedWindows:
    """So many calls in each minute of Codat's own clock, which begins its minutes at another moment than ours."""

    calls: int
    phase: float = 13.0
    window: float = -1.0
    used: int = 0

    def refuse(self, seconds: float) -> float | None:
        window = (seconds - self.phase) // 60
        if window != self.window:
            self.window, self.used = window, 0
        if self.used < self.calls:
            self.used += 1
            return None
        return ceil(60 - (seconds - self.phase) % 60)


@dataclass
class SlidingWindow:
    """So many calls in any minute."""

    calls: int
    accepted: deque[float] = field(default_factory=deque)

    def refuse(self, seconds: float) -> float | None:
        while self.accepted and self.accepted[0] <= seconds - 60:
            self.accepted.popleft()
        if len(self.accepted) < self.calls:
            self.accepted.append(seconds)
            return None
        return ceil(self.accepted[0] + 60 - seconds)


@dataclass
class TokenBucket:
    """A bucket of a few calls, which is refilled steadily."""

    calls: int
    size: int = 20
    tokens: float = 20
    filled_at: float = 0

    def refuse(self, seconds: float) -> float | None:
        self.tokens = min(self.size, self.tokens + (seconds - self.filled_at) * self.calls / 60)
        self.filled_at = seconds
        if self.tokens >= 1:
            self.tokens -= 1
            return None
        return 1


@dataclass
class Outage:
    """Every call is refused for some minutes, whatever its rate; then none is."""

    minutes: float
    wait: float

    def refuse(self, seconds: float) -> float | None:
        return self.wait if seconds < self.minutes * 60 else None


class Burst:
    """Calls that wait to be made, by threads of processes that share a rate. Refused calls are made again."""

    def __init__(self, limit: Limit, *, show_remaining: Callable[[], int | None] = lambda: None) -> None:
        self.limit = limit
        self.time = VirtualTime()
        self.record = FakeCallRate()
        self.refused = 0
        self.accepted: dict[str, int] = {}
        self._show_remaining = show_remaining
        self._random = Random(1)  # noqa: S311  # Latencies that a test can repeat.
        self._jobs: list[Callable[[], None]] = []

    def process(
        self,
        name: str,
        calls: int,
        *,
        threads: int = 4,
        yields: bool = False,
        since: float = 0,
        until: float = 1e9,
    ) -> None:
        """Add a process that makes so many calls, or as many as it can in that time."""
        rate = CallRate(
            self.record,
            now=self.time,
            sleep=self.time.sleep,
            random=Random(2),  # noqa: S311  # As above.
            yields=yields,
        )
        left = iter(range(calls))
        self.accepted[name] = 0

        def work() -> None:
            self.time.sleep(since)
            for number in left:
                company = uuid5(NAMESPACE_OID, f"{name} {number}")
                while self.time.seconds < until and not self._call(rate, company):
                    pass
                self.accepted[name] += self.time.seconds < until

        self._jobs += [work] * threads

    def later(self, seconds: float, change: Callable[[], None]) -> None:
        """Make a change after so many seconds."""

        def wait_and_change() -> None:
            self.time.sleep(seconds)
            change()

        self._jobs.append(wait_and_change)

    def run(self) -> None:
        """Run all processes until they have ended."""
        self.time.run(self._jobs)

    def _call(self, rate: CallRate, company: UUID) -> bool:
        if not rate.wait(within=FUNCTION_SECONDS):
            self.time.sleep(1)
            return False
        one_way = self._random.uniform(0.05, 0.25)
        self.time.sleep(one_way)
        wait = self.limit.refuse(self.time.seconds)
        resets_at = None if wait is None else self.time() + timedelta(seconds=wait)
        self.time.sleep(one_way)
        if resets_at is None:
            shown = RateLimit(remaining=self._show_remaining(), resets_at=self.time() + timedelta(seconds=5))
            rate.note(Answer(HTTPMethod.GET, 200, 2 * one_way, shown))
            return True
        self.refused += 1
        rate.refused(resets_at - self.time(), company, began=self.time() - timedelta(seconds=2 * one_way))
        return False

    @property
    def refused_share(self) -> float:
        """Refused calls of all calls."""
        return self.refused / (self.refused + sum(self.accepted.values()))

    def used_share(self, calls_a_minute: int) -> float:
        """Return the accepted calls as a share of those that the limit allowed in the time of the burst."""
        return sum(self.accepted.values()) / (calls_a_minute * self.time.seconds / 60)
