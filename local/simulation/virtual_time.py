"""One virtual clock, and the tasks that wait on it.

Each task has a thread, but only one task runs at any time: a task that waits gives control to the one that is due next,
and the clock jumps to that moment. So a run is deterministic, and a wait of twelve hours takes no time.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from heapq import heappop, heappush
from itertools import count
from math import inf
from threading import Lock, Thread
from types import TracebackType
from typing import Any, Final, Self, TypeVar

_T = TypeVar("_T")


class CutOff(BaseException):
    """The task's process was killed. It is no ``Exception``, since no handler in a process outlives the process."""


@dataclass(eq=False)
class Process:
    """The tasks of one invocation, which end together: at ``ends_at`` at the latest, when Lambda cuts it off."""

    ends_at: float = inf
    is_dead: bool = False


class Task:
    """One thread of the simulation. ``waits`` counts its waits, so that a wake-up of an earlier one is ignored."""

    def __init__(self) -> None:
        self.turn = Lock()
        self.turn.acquire()
        self.waits = 0
        self.work: Callable[[], object] | None = None
        self.process: Process | None = None


@dataclass(frozen=True)
class Wait:
    """One wait of one task, for whoever may end it early."""

    task: Task
    number: int

    @property
    def is_over(self) -> bool:
        """Whether the task has gone on since."""
        return self.task.waits != self.number


class Clock:
    """The clock and its tasks. All methods are for the running task, and for the thread that made the clock.

    ``now`` is in seconds since the epoch.
    """

    def __init__(self, start: datetime) -> None:
        self.now = start.timestamp()
        self._until = inf
        self._due: list[tuple[float, int, Wait]] = []
        self._order = count()
        self._ready: deque[Task] = deque()
        self._idle: list[Task] = []
        self._driver = Task()
        self._current = self._driver
        self._threads: list[tuple[Task, Thread]] = []
        self._error: BaseException | None = None
        self._is_closing = False

    def moment(self) -> datetime:
        """Return the time of the clock, in UTC."""
        return datetime.fromtimestamp(self.now, UTC)

    def monotonic(self) -> float:
        """Return the seconds of the clock, as ``time.monotonic`` does."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Wait. Raise ``CutOff`` where the task's process ends meanwhile."""
        self.wait(self.now + max(0.0, seconds))

    def wait(self, until: float = inf, announce: Callable[[Wait], object] = lambda _: None) -> None:
        """Wait until a moment, or until ``end`` is called with what ``announce`` gets. Raise ``CutOff``."""
        task = self._current
        wait = Wait(task, task.waits)
        announce(wait)
        process = task.process
        at = until if process is None else min(until, process.ends_at)
        if at < inf:
            heappush(self._due, (at, next(self._order), wait))
        self._hand_over(task)
        if self._is_closing and task is not self._driver:
            raise CutOff
        if process is not None and self.now >= process.ends_at:
            process.is_dead = True
        self.check()

    def check(self) -> None:
        """Raise ``CutOff`` where the process of the running task has ended."""
        process = self._current.process
        if process is not None and process.is_dead:
            raise CutOff

    def kill(self) -> None:
        """End the process of the running task: each of its tasks ends at its next step."""
        if self._current.process is not None:
            self._current.process.is_dead = True
        self.check()

    def end(self, wait: Wait) -> None:
        """Let a waiting task go on, at the time that it is now."""
        if not wait.is_over:
            wait.task.waits += 1
            self._ready.append(wait.task)

    def spawn(self, work: Callable[[], object]) -> None:
        """Begin a task, of the same process as the current one."""
        task = self._idle.pop() if self._idle else self._new_task()
        task.work, task.process = work, self._current.process
        self._ready.append(task)

    def within(self, process: Process, work: Callable[[], _T]) -> _T:
        """Return the result of a function that runs in this task as a part of the process. Raise ``CutOff``."""
        task = self._current
        task.process = process
        try:
            return work()
        finally:
            task.process = None

    def run(self, until: float = inf) -> None:
        """Run all tasks until a moment, or until none of them has anything to wait for. Raise what a task raised."""
        self._until = until
        self._hand_over(self._driver)
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """End all tasks, with ``CutOff`` where they wait."""
        self._is_closing = True
        for task, thread in self._threads:
            if thread.is_alive():
                self._ready.clear()
                self._current = task
                task.turn.release()
                self._driver.turn.acquire()
                thread.join()

    def _hand_over(self, task: Task) -> None:
        if self._is_closing:
            return
        following = self._following()
        if following is not task:
            self._current = following
            following.turn.release()
            task.turn.acquire()
        # A new wait of this task has another number.
        self._current = task

    def _following(self) -> Task:
        """Return the task whose turn it is, and set the clock to that moment; the driver where there is none."""
        if self._ready:
            return self._ready.popleft()
        while self._due and self._due[0][0] <= self._until:
            at, _, wait = heappop(self._due)
            if not wait.is_over:
                wait.task.waits += 1
                self.now = max(self.now, at)
                return wait.task
        if self._until < inf:
            self.now = max(self.now, self._until)
        return self._driver

    def _new_task(self) -> Task:
        task = Task()
        thread = Thread(target=self._live, args=(task,), daemon=True)
        self._threads.append((task, thread))
        thread.start()
        return task

    def _live(self, task: Task) -> None:
        while True:
            task.turn.acquire()
            if not self._is_closing and task.work is not None:
                self._do(task.work)
            if self._is_closing:
                break
            task.work = None
            task.waits += 1
            self._idle.append(task)
            self._current = self._driver if self._error else self._following()
            self._current.turn.release()
        self._driver.turn.release()

    def _do(self, work: Callable[[], object]) -> None:
        try:
            work()
        except CutOff:
            pass
        except BaseException as error:  # noqa: BLE001  # Raised anew by the thread that runs the simulation.
            self._error = error


class VirtualLock:
    """A lock whose waiting takes virtual time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._is_held = False
        self._waiting: deque[Wait] = deque()

    def __enter__(self) -> Self:
        while self._is_held:
            self._clock.wait(announce=self._waiting.append)
        self._is_held = True
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._is_held = False
        while self._waiting:
            wait = self._waiting.popleft()
            if not wait.is_over:
                self._clock.end(wait)
                break


_NOTHING: Final = object()


class VirtualThreads:
    """``ThreadPoolExecutor``, as far as the functions use it, with threads that are tasks of the clock."""

    def __init__(self, clock: Clock, max_workers: int) -> None:
        self._clock = clock
        self._max_workers = max_workers

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """All work is done once ``map`` returns."""

    def map(self, work: Callable[..., _T], *arguments: Iterable[Any]) -> Iterator[_T]:
        """Return the results in order, once all are there. An exception is raised where its result would be."""
        jobs = deque(enumerate(zip(*arguments, strict=False)))
        results: list[Any] = [_NOTHING] * len(jobs)
        errors: dict[int, Exception] = {}
        others = min(self._max_workers, len(jobs)) - 1
        at_work = [others]
        waiting: list[Wait] = []

        def lane() -> None:
            while jobs:
                number, each = jobs.popleft()
                try:
                    results[number] = work(*each)
                except Exception as error:  # noqa: BLE001  # For the one who reads the result.
                    errors[number] = error

        def thread() -> None:
            try:
                lane()
            finally:
                at_work[0] -= 1
                if not at_work[0] and waiting:
                    self._clock.end(waiting[0])

        for _ in range(others):
            self._clock.spawn(thread)
        lane()
        if others > 0 and at_work[0]:
            self._clock.wait(announce=waiting.append)
        self._clock.check()
        return self._results(results, errors)

    @staticmethod
    def _results(results: list[Any], errors: dict[int, Exception]) -> Iterator[Any]:
        for number, result in enumerate(results):
            if number in errors:
                raise errors[number]
            yield result
