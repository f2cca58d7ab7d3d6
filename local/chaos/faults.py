"""What goes wrong while the storm blows: faults and moods of the Codat account, and workers that are killed."""

import os
import re
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

import requests

from codat_sync.codat.client import READ_SECONDS
from local.aws.processes import StackError

Json = dict[str, Any]

_CONTROL_SECONDS: Final = 60
# A little longer than the client waits. A write that takes effect so late is still there before the shortest deferral
# of its event is over, so the redelivery sees it.
_TOO_LONG: Final = READ_SECONDS + 0.5

STEADY: Final[Sequence[Json]] = (
    {"status": 500, "probability": 0.02},
    {"status": 502, "body": "html", "probability": 0.015},
    {"status": 503, "body": "empty", "probability": 0.015},
    {"holdSeconds": _TOO_LONG, "moment": "before", "probability": 0.015},
    {"holdSeconds": _TOO_LONG, "moment": "after", "probability": 0.015},
    {"drop": True, "moment": "before", "probability": 0.01},
    {"drop": True, "moment": "after", "probability": 0.01},
)
"""From the first event to the last. 5 % server errors, 3 % timeouts, 2 % cut connections; half of the latter two
after the request had its effect."""

_WORKER = re.compile(r"^\s*(\d+)\s+(\d+)\s.*/ministack-lambda-[^/]+/_worker\.py\b", re.MULTILINE)
# What MiniStack says of an invocation whose worker ended under it, or while it was being started for it. Of a worker
# that was idle it says nothing, and starts another one.
_FAILED = b"failed processing SQS batch"
_CUT_OFF = re.compile(rb"errorMessage=(Worker process (died|exited)|\[Errno 32\])")


def too_many_requests(random: Random) -> Json:
    """Every request is refused, with a short wait."""
    return {"status": 429, "retryAfterSeconds": random.randint(1, 3)}


class Simulator:
    """The control API of the Codat simulator: codat_simulator/server.py."""

    def __init__(self, base_url: str) -> None:
        self._url = f"{base_url}/_simulator"
        self._session = requests.Session()
        self._session.trust_env = False  # Nothing on the way to 127.0.0.1 is a proxy's business.

    def get(self, path: str) -> Json:
        return self._asked("GET", path)

    def post(self, path: str, body: Json) -> Json:
        return self._asked("POST", path, body)

    def delete(self, path: str) -> None:
        self._asked("DELETE", path)

    def _asked(self, method: str, path: str, body: Json | None = None) -> Json:
        answer = self._session.request(method, f"{self._url}/{path}", json=body, timeout=_CONTROL_SECONDS)
        if not answer.ok:
            raise StackError(f"the Codat simulator refused {method} {path}: {answer.text}")
        content: Json = answer.json() if answer.content else {}
        return content


def workers_of(emulator: int, processes: str) -> list[int]:
    """The process ids of MiniStack's Lambda workers, from `ps -o pid=,ppid=,command=`."""
    return [int(pid) for pid, parent in _WORKER.findall(processes) if int(parent) == emulator]


def _at_work(worker: int) -> bool:
    """Whether the companies of a batch are on their way to Codat, which takes threads; an idle worker has one alone.

    Where the system does not show that, any worker may be.
    """
    threads = Path("/proc/self/task")
    return not threads.exists() or len(list(Path(f"/proc/{worker}/task").glob("*"))) > 1


@dataclass
class Killer:
    """Kills MiniStack's Lambda workers, as a host that fails would."""

    emulator: int
    """The process id of MiniStack."""
    log: Path
    """What MiniStack says."""
    random: Random
    sent: int = 0
    cut_off: int = 0
    """How many invocations MiniStack saw end by it."""
    failed: int = 0
    """How many failed without that: none should."""
    _read: int = 0

    def kill(self) -> bool:
        """SIGKILL to one worker that is at work; whether there was one."""
        processes = subprocess.run(
            ["ps", "-axww", "-o", "pid=,ppid=,command="],  # noqa: S607 - wherever this system has it.
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        workers = [worker for worker in workers_of(self.emulator, processes) if _at_work(worker)]
        if not workers:
            return False
        try:
            os.kill(self.random.choice(workers), signal.SIGKILL)
        except ProcessLookupError:
            return False
        self.sent += 1
        return True

    def count(self) -> None:
        """Read on in MiniStack's log."""
        with self.log.open("rb") as log:
            log.seek(self._read)
            for line in log:
                if not line.endswith(b"\n"):
                    break
                self._read += len(line)
                if _FAILED in line:
                    cut_off = _CUT_OFF.search(line) is not None
                    self.cut_off += cut_off
                    self.failed += not cut_off
