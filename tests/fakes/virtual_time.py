"""A time that moves only while all threads of a test sleep, so that hours of several processes pass in seconds."""

import heapq
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from itertools import count
from threading import Semaphore, Thread

from tests.fakes.clock import NOW


class VirtualTime:
    """A clock, and threads of which one runs at a time. The order in which they run is always the same."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._numbers = count()
        self._sleeping: list[tuple[float, int, Semaphore]] = []
        self._stopped = Semaphore(0)
        self._failures: list[BaseException] = []

    def __call__(self) -> datetime:
        return NOW + timedelta(seconds=self.seconds)

    def sleep(self, seconds: float) -> None:
        """Let the other threads run until the time has come. To be called in a thread of ``run``."""
        woken = self._wake_in(seconds)
        self._stopped.release()
        woken.acquire()

    def run(self, jobs: Iterable[Callable[[], None]]) -> None:
        """Run each job in a thread of its own, and return once all have ended. Raise what the first of them raised."""
        threads = [Thread(target=self._run, args=(job, self._wake_in(0)), daemon=True) for job in jobs]
        for thread in threads:
            thread.start()
        while self._sleeping and not self._failures:
            self.seconds, _, woken = heapq.heappop(self._sleeping)
            woken.release()
            self._stopped.acquire()
        for failure in self._failures:
            raise failure

    def _run(self, job: Callable[[], None], woken: Semaphore) -> None:
        woken.acquire()
        try:
            job()
        except BaseException as failure:  # noqa: BLE001  # Raised again in the thread of the test.
            self._failures.append(failure)
        finally:
            self._stopped.release()

    def _wake_in(self, seconds: float) -> Semaphore:
        woken = Semaphore(0)
        heapq.heappush(self._sleeping, (self.seconds + seconds, next(self._numbers), woken))
        return woken
