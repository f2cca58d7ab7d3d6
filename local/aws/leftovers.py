"""Processes that outlived their run, because the run was killed: found by their records, checked, and ended."""

import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from local.aws.processes import GRACE_SECONDS, ProcessRecord, StackError

_PS: Final = ("ps", "-axww", "-o", "pid=,ppid=,pgid=,stat=,lstart=,command=")
_LINE: Final = re.compile(r"^\s*(\d+)\s+(\d+)\s+(\d+)\s+(\S+)\s+\w+ (\w+\s+\d+ [\d:]+ \d+) (.*)$", re.MULTILINE)
# `ps` tells the start in whole seconds, counted from a boot time that is adjusted with the clock.
_CLOCK_SECONDS: Final = 5.0
_POLL_SECONDS: Final = 0.05


@dataclass(frozen=True)
class Process:
    """A process of this machine, as `ps` shows it."""

    parent: int
    group: int
    ended: bool
    """Not yet collected by its parent."""
    started: float
    """Seconds since the epoch."""
    command: str


def processes() -> Mapping[int, Process]:
    """Return every process by its id. Raise OSError or CalledProcessError where `ps` is missing or knows less."""
    shown = subprocess.run(  # noqa: S603 - the words are ours.
        _PS,
        check=True,
        capture_output=True,
        text=True,
        errors="replace",
        env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"},
    ).stdout
    return {
        int(pid): Process(
            parent=int(parent),
            group=int(group),
            ended=state.startswith("Z"),
            started=datetime.strptime(started, "%b %d %H:%M:%S %Y").replace(tzinfo=UTC).timestamp(),
            command=command,
        )
        for pid, parent, group, state, started, command in _LINE.findall(shown)
    }


def end_leftovers(folder: Path, look: Callable[[], Mapping[int, Process]] = processes) -> list[str]:
    """End the process groups that the records in `folder` describe; return the name and process id of each.

    A group is ended only if its process has the recorded id, start and command, and a parent other than the run that
    started it: that run is gone. A process that merely has the same id is left alone. Raise StackError with the
    process ids where this machine cannot say what they are, or a group does not end.
    """
    records = {file: ProcessRecord.read(file) for file in sorted(folder.glob("*.pid"))}
    if not records:
        return []
    try:
        running = look()
    except (OSError, subprocess.CalledProcessError) as error:
        ids = ", ".join(f"{record.name} (process {record.pid})" for record in records.values() if record)
        raise StackError(
            f"an earlier run was killed and may have left running: {ids}. `ps` cannot check that here ({error}): "
            f"end them yourself, then remove {folder}/*.pid"
        ) from error
    ended = []
    for file, record in records.items():
        process = running.get(record.pid) if record else None
        if record and process and _is_described(process, record):
            if process.parent == record.owner:
                continue
            _end_group(record, look)
            ended.append(f"{record.name} (process {record.pid})")
        file.unlink(missing_ok=True)
    return ended


def _is_described(process: Process, record: ProcessRecord) -> bool:
    """Compare all but the command's first word, which is another one once a launcher has started the real program."""
    words = [word for word in record.command[1:] if len(word.split()) == 1]  # `ps` shows white space in its own way.
    return (
        not process.ended
        and process.group == record.pid
        and abs(process.started - record.started) <= _CLOCK_SECONDS
        and all(word in process.command for word in words)
    )


def _end_group(record: ProcessRecord, look: Callable[[], Mapping[int, Process]]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(record.pid, number)
        deadline = time.monotonic() + GRACE_SECONDS
        while time.monotonic() < deadline:
            if not any(each.group == record.pid and not each.ended for each in look().values()):
                return
            time.sleep(_POLL_SECONDS)
    raise StackError(f"{record.name} (process {record.pid}) of an earlier run cannot be ended: end it yourself")
