"""A process that makes no step of its own accord.

Every call of the code under test to the world outside (Codat, the table, the queues) waits at a gate until it is told
its fate. So one thread alone moves at any time, and a test decides which process makes its next step, and how it ends.
"""

from collections.abc import Callable
from concurrent.futures import thread as executor_threads
from dataclasses import dataclass
from enum import Enum
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Final

PATIENCE_SECONDS: Final = 30
"""How long real time may pass between two steps, on a busy machine, before a process is taken to hang."""


class Crashed(BaseException):
    """The process is gone. No ``Exception``: nothing in a process outlives it to handle this."""


class Effect(Enum):
    """Whether, and when, a call does what it asks for."""

    NOW = "now"
    NEVER = "never"
    LATE = "late"
    """After the caller has given up, as a network or a slow server may do."""


@dataclass(frozen=True)
class Fate:
    """What becomes of one call. ``meets``: what the caller meets instead of the answer."""

    effect: Effect = Effect.NOW
    meets: BaseException | None = None


PASS: Final = Fate()


class Gate:
    """What stands between one process and the world. A process makes one call at a time."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.step: str | None = None
        """The call that waits; None while no work is under way."""
        self.is_dead = False
        self._fates: SimpleQueue[Fate] = SimpleQueue()
        self._arrivals: SimpleQueue[str | None] = SimpleQueue()
        self._surprise: BaseException | None = None

    # On the side of the process.

    def wait(self, step: str) -> Fate:
        """The fate of a call. Raises ``Crashed`` for a process that is gone."""
        if self.is_dead:
            raise Crashed
        self._arrivals.put(step)
        return self._fates.get()

    # On the side of the test.

    def start(self, work: Callable[[], None]) -> None:
        """Let the process work, up to its first call."""

        def run() -> None:
            try:
                work()
            except Crashed:
                pass
            except BaseException as surprise:  # noqa: BLE001  # Raised anew where the test sees it.
                self._surprise = surprise
            self._arrivals.put(None)

        Thread(target=run, name=self.name, daemon=True).start()
        self._await_arrival("its start")

    def resume(self, fate: Fate) -> None:
        """Let the call that waits have its fate, and the process go on to its next one."""
        assert self.step is not None, f"{self.name} is not at work"
        came_from = self.step
        self.is_dead = isinstance(fate.meets, Crashed)
        self._fates.put(fate)
        self._await_arrival(came_from)

    def _await_arrival(self, came_from: str) -> None:
        try:
            self.step = self._arrivals.get(timeout=PATIENCE_SECONDS)
        except Empty:
            executor_threads._threads_queues.clear()  # type: ignore[attr-defined]  # Or the interpreter waits for them.
            raise AssertionError(
                f"{self.name} hangs: it came back neither to a call nor to its end after {came_from}"
            ) from None
        if self._surprise is not None:
            raise AssertionError(f"{self.name} failed as a whole after {came_from}") from self._surprise


class Gated:
    """A client whose every call is made by way of ``call``, under its own name."""

    def __init__(self, client: object, call: Callable[..., Any]) -> None:
        self._client = client
        self._call = call

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # Whatever the client has.
        attribute = getattr(self._client, name)
        if not callable(attribute):
            return attribute
        return lambda *args, **kwargs: self._call(name, attribute, *args, **kwargs)
