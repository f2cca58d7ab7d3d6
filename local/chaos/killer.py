"""Kills Lambda workers in the middle of an invocation, as a failing host would."""

import os
import re
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from random import Random

_WORKER = re.compile(r"^\s*(\d+)\s+(\d+)\s.*/ministack-lambda-[^/]+/_worker\.py\b", re.MULTILINE)
# MiniStack logs this of an invocation whose worker ended during it, or while it was being started for it. Of a worker
# that was idle it logs nothing, and starts another one.
_FAILED = b"failed processing SQS batch"
_INTERRUPTED = re.compile(rb"errorMessage=(Worker process (died|exited)|\[Errno 32\])")


def workers_of(emulator: int, processes: str) -> list[int]:
    """Return the process ids of MiniStack's Lambda workers from the output of `ps -o pid=,ppid=,command=`."""
    return [int(pid) for pid, parent in _WORKER.findall(processes) if int(parent) == emulator]


def _is_busy(worker: int) -> bool:
    """Tell whether a worker calls Codat, which takes more than one thread.

    Where the system does not show threads, every worker counts as busy.
    """
    threads = Path("/proc/self/task")
    return not threads.exists() or len(list(Path(f"/proc/{worker}/task").glob("*"))) > 1


@dataclass
class Killer:
    """A source of SIGKILL for the workers of one MiniStack, and a count of what the kills did."""

    emulator: int
    """The process id of MiniStack."""
    log: Path
    """MiniStack's log."""
    random: Random
    sent: int = 0
    interrupted: int = 0
    """Invocations that MiniStack saw end with their worker."""
    failed: int = 0
    """Invocations that failed for another reason: none should."""
    _read: int = 0

    def kill(self) -> bool:
        """Send SIGKILL to one busy worker; return False if there is none."""
        processes = subprocess.run(
            ["ps", "-axww", "-o", "pid=,ppid=,command="],  # noqa: S607 - its path depends on the system.
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        workers = [worker for worker in workers_of(self.emulator, processes) if _is_busy(worker)]
        if not workers:
            return False
        try:
            os.kill(self.random.choice(workers), signal.SIGKILL)
        except ProcessLookupError:
            return False
        self.sent += 1
        return True

    def count(self) -> None:
        """Count the failed invocations that MiniStack has logged since the last call."""
        with self.log.open("rb") as log:
            log.seek(self._read)
            for line in log:
                if not line.endswith(b"\n"):
                    break
                self._read += len(line)
                if _FAILED in line:
                    interrupted = _INTERRUPTED.search(line) is not None
                    self.interrupted += interrupted
                    self.failed += not interrupted
