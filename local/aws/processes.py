"""Commands that end with the run that started them. Each has a process group of its own, which is ended whole."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType

GRACE_SECONDS = 1.0
"""From SIGTERM to SIGKILL."""

_LONGEST_LAST_LINE = 200


class StackError(Exception):
    """The local stack could not start, or a part of it ended. One line for the reader, with the log's path."""


@dataclass(frozen=True)
class ProcessRecord:
    """A running process group, as a file beside its log describes it. Only a run that was killed leaves that file."""

    name: str
    pid: int
    """The process id of the command, and the id of its process group."""
    owner: int
    """The process id of the run that started it."""
    started: float
    """Seconds since the epoch."""
    command: list[str]

    def write(self, file: Path) -> None:
        """Write the record as JSON."""
        file.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, file: Path) -> "ProcessRecord | None":
        """Return the record in a file; None where the file was not written to its end."""
        try:
            return cls(**json.loads(file.read_text(encoding="utf-8")))
        except (ValueError, TypeError):
            return None


class ProcessGroup:
    """A running command and all that it starts. Their output goes to `log`."""

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
        """Start the command in `folder`. Raise OSError if it cannot be started."""
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
                start_new_session=True,  # Ctrl-C in a terminal reaches this run alone, which ends its parts in order.
            )
        self._record = log.with_suffix(".pid").absolute()
        try:
            ProcessRecord(name, self.pid, os.getpid(), time.time(), list(command)).write(self._record)
        except OSError:
            self.end()
            raise

    @property
    def pid(self) -> int:
        """The process id of the command, and the id of its process group."""
        return self._process.pid

    def check_running(self) -> None:
        """Raise StackError if the command has ended, whatever its exit code."""
        code = self._process.poll()
        if code is not None:
            raise self.failure(f"ended (exit code {code})")

    def wait(self, timeout: float) -> None:
        """Wait until the command has ended; raise StackError if it fails or takes longer (seconds)."""
        try:
            code = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise self.failure(f"took longer than {timeout:.0f} s") from None
        self.end()
        if code != 0:
            raise self.failure(f"failed (exit code {code})")

    def failure(self, what: str) -> StackError:
        """Return an error with the last line of the log, and the log's path."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").split("\n")
        last_line = next((line.strip() for line in reversed(lines) if line.strip()), "it printed nothing")
        return StackError(f"{self.name} {what}: {last_line[:_LONGEST_LAST_LINE]} (whole log: {self.log})")

    def end(self) -> None:
        """Send SIGTERM to the whole group, and SIGKILL to what is left after GRACE_SECONDS."""
        if self._ended:
            return  # Another process may have the id by now.
        self._signal(signal.SIGTERM)
        try:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(GRACE_SECONDS)
        finally:
            self._signal(signal.SIGKILL)
            self._process.wait()
            self._ended = True
            self._record.unlink(missing_ok=True)

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
    """Run a command while the block runs. No process of its group is left afterwards, however the block ends."""
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
def ending_on_signals(end: Callable[[int], object] = sys.exit) -> Iterator[None]:
    """End the block on SIGTERM, SIGHUP or SIGINT, so that every `with` block is left in order.

    SIGINT raises KeyboardInterrupt. For the other two, `end` is called with 128 + the signal's number, and has to
    raise. Signals after the first are ignored: `timeout` and `make` both send one to the same process, and the end
    takes a few seconds. SIGHUP stays ignored where it was, as `nohup` asks.
    """
    numbers = [signal.SIGTERM, signal.SIGINT]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)

    def handle(number: int, _frame: FrameType | None) -> None:
        for each in numbers:
            signal.signal(each, signal.SIG_IGN)
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        end(128 + number)

    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
