"""Commands that end with us: each runs in a process group of its own, and all of the group is ended."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType

_GRACE_SECONDS = 1.0
_LONGEST_LAST_LINE = 200


class StackError(Exception):
    """Why the local stack could not start, or ended: one line for the reader, with the place of the log."""


class ProcessGroup:
    """A running command with all that it starts. What they print goes to `log`."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        env: Mapping[str, str],
        folder: Path | None = None,
        pass_fds: Collection[int] = (),
    ) -> None:
        self.name = name
        self.log = log
        self._ended = False
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            self._process = subprocess.Popen(  # noqa: S603 - every caller's words are ours.
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=env,
                cwd=folder,
                pass_fds=pass_fds,
                start_new_session=True,  # Ctrl-C in a terminal reaches us alone, and we end things in order.
            )

    @property
    def pid(self) -> int:
        """The process id of the command, and the id of its process group."""
        return self._process.pid

    def check_running(self) -> None:
        """Raise StackError if the command has ended, however well."""
        code = self._process.poll()
        if code is not None:
            raise self.failure(f"ended (exit code {code})")

    def wait(self, timeout: float) -> None:
        """Wait until the command has done its work; raise StackError if it fails or takes longer (seconds)."""
        try:
            code = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise self.failure(f"took longer than {timeout:.0f} s") from None
        self.end()
        if code != 0:
            raise self.failure(f"failed (exit code {code})")

    def failure(self, what: str) -> StackError:
        lines = self.log.read_text(encoding="utf-8", errors="replace").split("\n")
        last_line = next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
        return StackError(f"{self.name} {what}: {last_line[:_LONGEST_LAST_LINE]} (all of it: {self.log})")

    def end(self) -> None:
        """Ask the whole group to end, and kill what is left of it after a grace."""
        if self._ended:
            return  # Its id may be another's by now.
        self._signal(signal.SIGTERM)
        try:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_GRACE_SECONDS)
        finally:
            self._signal(signal.SIGKILL)
            self._process.wait()
            self._ended = True

    def _signal(self, number: signal.Signals) -> None:
        # macOS answers EPERM for a group whose every process has ended but is not yet collected.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)


@contextlib.contextmanager
def running(
    name: str,
    command: Sequence[str],
    *,
    log: Path,
    env: Mapping[str, str],
    folder: Path | None = None,
    pass_fds: Collection[int] = (),
) -> Iterator[ProcessGroup]:
    """Run a command while the block runs; nothing of it is left afterwards, however the block ends."""
    try:
        group = ProcessGroup(name, command, log=log, env=env, folder=folder, pass_fds=pass_fds)
    except OSError as error:
        raise StackError(f"{name} cannot start: {error}") from error
    try:
        yield group
    finally:
        group.end()


def wait_until(
    done: Callable[[], bool],
    group: ProcessGroup,
    *,
    timeout: float,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Wait until `done()`; raise StackError as soon as the group has ended, or after `timeout` seconds."""
    deadline = clock() + timeout
    while not done():
        group.check_running()
        if clock() > deadline:
            raise group.failure(f"was not ready after {timeout:.0f} s")
        sleep(0.02)


@contextlib.contextmanager
def ending_on_signals() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into SystemExit while the block runs, so that `with` blocks are left in order."""

    def end(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
