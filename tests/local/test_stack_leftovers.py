"""A run that was killed leaves processes behind. The next run ends them, and no process that is not its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from local.aws import leftovers, sam
from local.aws.codat import Codat
from local.aws.leftovers import Process, end_leftovers, processes
from local.aws.processes import ProcessRecord, StackError, running, wait_until
from local.aws.stack import local_stack

ENV = {"PATH": os.environ["PATH"]}

# A shell with a child, as MiniStack has workers.
SLEEPERS = ["sh", "-c", "sleep 1000 & sleep 1000", "of-this-test"]

OWNER = """
import os, sys, time
from pathlib import Path
from local.aws.processes import running
log, *command = sys.argv[1:]
with running("Sleepers", command, log=Path(log), env=os.environ) as group:
    print(group.pid, flush=True)
    time.sleep(1000)
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / ".local/logs/sleepers.log"


@contextmanager
def owner(log: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Start a run with sleepers, in a process of its own; yield it and the sleepers' process id. End both at last."""
    with subprocess.Popen(  # noqa: S603 - every word is this project's own.
        [sys.executable, "-c", OWNER, str(log), *SLEEPERS], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        group = int(process.stdout.readline())
        try:
            yield process, group
        finally:
            process.kill()
            if is_running(group):
                os.killpg(group, signal.SIGKILL)


def is_running(group: int) -> bool:
    return any(each.group == group and not each.ended for each in processes().values())


@pytest.fixture
def leftover(log: Path) -> Iterator[int]:
    """Sleepers whose run was killed."""
    with owner(log) as (process, group):
        process.kill()
        process.wait()
        assert is_running(group)
        yield group


def test_processes_of_a_killed_run_are_ended_with_their_children_and_named(log: Path, leftover: int) -> None:
    assert end_leftovers(log.parent) == [f"Sleepers (process {leftover})"]

    assert not is_running(leftover)
    assert list(log.parent.glob("*.pid")) == []
    assert end_leftovers(log.parent) == []


def test_processes_of_a_run_that_goes_on_are_left_alone(log: Path) -> None:
    with owner(log) as (_, group):
        assert end_leftovers(log.parent) == []

        assert is_running(group)
        assert log.with_suffix(".pid").exists()


@pytest.mark.parametrize(
    "change",
    [{"command": ["sh", "-c", "sleep 1000", "of-another-test"]}, {"started": time.time() - 3600}],
    ids=["command", "start"],
)
def test_a_process_that_merely_has_the_recorded_id_is_left_alone(
    log: Path, leftover: int, change: dict[str, list[str] | float]
) -> None:
    file = log.with_suffix(".pid")
    record = ProcessRecord.read(file)
    assert record is not None
    replace(record, **change).write(file)  # type: ignore[arg-type]  # Each value has its field's type.

    assert end_leftovers(log.parent) == []

    assert is_running(leftover)
    assert not file.exists()


def test_a_process_in_the_group_of_another_is_left_alone(log: Path) -> None:
    with running("Sleepers", SLEEPERS, log=log, env=ENV) as group:

        def children() -> list[int]:
            return [pid for pid, each in processes().items() if each.group == group.pid and pid != group.pid]

        wait_until(lambda: bool(children()), group, timeout=10)
        child = children()[0]
        record = ProcessRecord("Sleepers", child, 1, time.time(), ["sleep", "1000"])
        record.write(log.with_name("child.pid"))

        assert end_leftovers(log.parent) == []

        assert child in processes()


def test_a_record_that_was_cut_off_is_removed(log: Path) -> None:
    log.parent.mkdir(parents=True)
    log.with_suffix(".pid").write_text('{"name": "Sleep', encoding="utf-8")

    assert end_leftovers(log.parent) == []

    assert list(log.parent.iterdir()) == []


def test_where_ps_is_missing_the_process_is_named_and_left_alone(
    log: Path, leftover: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(log.parent))

    with pytest.raises(StackError, match=rf"Sleepers \(process {leftover}\)\. `ps` cannot check that here"):
        end_leftovers(log.parent)

    monkeypatch.undo()
    assert is_running(leftover)


def test_a_leftover_that_does_not_end_is_named(log: Path, leftover: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftovers, "GRACE_SECONDS", 0.1)
    before = processes()

    def unchanged() -> Mapping[int, Process]:
        return before

    with pytest.raises(StackError, match=rf"Sleepers \(process {leftover}\) of an earlier run cannot be ended"):
        end_leftovers(log.parent, unchanged)


def test_a_run_that_ends_leaves_no_record(log: Path) -> None:
    with running("Sleepers", SLEEPERS, log=log, env=ENV) as group:
        record = ProcessRecord.read(log.with_suffix(".pid"))
        assert record is not None
        assert (record.name, record.pid, record.owner) == ("Sleepers", group.pid, os.getpid())

    assert list(log.parent.glob("*.pid")) == []


def test_a_start_ends_what_a_killed_run_left_and_removes_its_endpoints(
    tmp_path: Path, leftover: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    stale = [tmp_path / ".local" / name for name in ("endpoints.env", "presets.toml")]
    for file in stale:
        file.touch()
    monkeypatch.setattr(sam.Project, "build_command", lambda _project, _parameters: ["true"])
    steps: list[str] = []

    with (
        pytest.raises(StackError, match="MiniStack is not installed"),
        local_stack(codat=Codat("http://127.0.0.1:9", "key"), on_step=lambda step, _seconds: steps.append(step)),
    ):
        pytest.fail("the block has run")

    assert steps == [f"Ended, left by a killed run: Sleepers (process {leftover})"]
    assert not is_running(leftover)
    assert [file for file in stale if file.exists()] == []
