"""A process that makes a step only when a test lets it.

Every call of the code under test to the world outside (Codat, the table, the queues) waits at a gate until a test
decides its result. So a single thread runs at any time, and a test decides which process makes its next call.
"""

from collections.abc import Callable
from concurrent.futures import thread as executor_threads
from dataclasses import dataclass
from enum import Enum
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Final

TIMEOUT_SECONDS: Final = 30
"""The real time between two steps after which a process counts as hanging. A busy machine needs some."""


class Crashed(BaseException):
    """The process has crashed. It is no ``Exception``, since no handler in a process outlives the process."""


class Effect(Enum):
    """Whether and when a call takes effect."""

    NOW = "now"
    NEVER = "never"
    LATE = "late"
    """After the caller has given up, as on a slow network."""


@dataclass(frozen=True)
class CallResult:
    """The result of one call. ``raises`` is what the caller meets instead of the answer, None for the answer."""

    effect: Effect = Effect.NOW
    raises: BaseException | None = None


PASS: Final = CallResult()


class Gate:
    """The gate between one process and the world. A process makes one call at a time."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.step: str | None = None
        """The call that waits; None while the process is idle."""
        self.is_dead = False
        self._results: SimpleQueue[CallResult] = SimpleQueue()
        self._arrivals: SimpleQueue[str | None] = SimpleQueue()
        self._error: BaseException | None = None

    def wait(self, step: str) -> CallResult:
        """Return the result of a call. Raise ``Crashed`` where the process has crashed."""
        if self.is_dead:
            raise Crashed
        self._arrivals.put(step)
        return self._results.get()

    def start(self, work: Callable[[], None]) -> None:
        """Let the process run up to its first call."""

        def run() -> None:
            try:
                work()
            except Crashed:
                pass
            except BaseException as error:  # noqa: BLE001  # Raised anew in the thread of the test.
                self._error = error
            self._arrivals.put(None)

        Thread(target=run, name=self.name, daemon=True).start()
        self._await_arrival("its start")

    def resume(self, result: CallResult) -> None:
        """Give the waiting call its result, and let the process run to its next call."""
        assert self.step is not None, f"{self.name} is idle"
        came_from = self.step
        self.is_dead = isinstance(result.raises, Crashed)
        self._results.put(result)
        self._await_arrival(came_from)

    def _await_arrival(self, came_from: str) -> None:
        try:
            self.step = self._arrivals.get(timeout=TIMEOUT_SECONDS)
        except Empty:
            executor_threads._threads_queues.clear()  # type: ignore[attr-defined]  # Or the interpreter waits for them.
            raise AssertionError(
                f"{self.name} hangs: it reached neither a call nor its end after {came_from}"
            ) from None
        if self._error is not None:
            raise AssertionError(f"{self.name} raised an error after {came_from}") from self._error


class Gated:
    """A client each of whose calls goes through ``call``, with its name."""

    def __init__(self, client: object, call: Callable[..., Any]) -> None:
        self._client = client
        self._call = call

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # Whatever the client has.
        attribute = getattr(self._client, name)
        if not callable(attribute):
            return attribute
        return lambda *args, **kwargs: self._call(name, attribute, *args, **kwargs)
