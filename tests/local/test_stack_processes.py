"""No process that the local stack started outlives it, however it ends."""

import dataclasses
import os
import re
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from local.aws import ministack as ministack_module
from local.aws import processes, sam, stack
from local.aws.clients import Aws
from local.aws.codat import Codat
from local.aws.deployment import Deployment
from local.aws.function_logs import FunctionLogs
from local.aws.locks import locked
from local.aws.ministack import ministack
from local.aws.processes import ProcessGroup, StackError, running, wait_until
from local.aws.stack import LocalStack, local_stack

ENV = {"PATH": os.environ["PATH"]}
SOME_CODAT = Codat(base_url="http://127.0.0.1:9", api_key="key")

# A shell with a child, as MiniStack has workers.
SLEEPERS = ["sh", "-c", "sleep 1000 & sleep 1000"]


class Lifeline:
    """A pipe whose writing end a group holds: it is at its end once every process of the group has ended."""

    def __init__(self) -> None:
        self._read, self.write = os.pipe()

    def handed_over(self) -> None:
        os.close(self.write)

    def has_ended(self, *, within: float = 10) -> bool:
        return bool(select.select([self._read], [], [], within)[0])

    def close(self) -> None:
        os.close(self._read)


@contextmanager
def sleeping(log: Path, lifeline: Lifeline, command: Sequence[str] = SLEEPERS) -> Iterator[ProcessGroup]:
    with running("Sleepers", command, log=log, env=ENV, pass_fds=[lifeline.write]) as group:
        lifeline.handed_over()
        yield group


@pytest.fixture
def lifeline() -> Iterator[Lifeline]:
    with closing(Lifeline()) as lifeline:
        yield lifeline


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "logs" / "part.log"


def test_a_group_is_ended_with_its_children(log: Path, lifeline: Lifeline) -> None:
    with sleeping(log, lifeline):
        assert not lifeline.has_ended(within=0)

    assert lifeline.has_ended()


def test_a_group_that_ignores_sigterm_is_killed(log: Path, lifeline: Lifeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "GRACE_SECONDS", 0.05)
    command = ["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done"]

    with sleeping(log, lifeline, command) as group:
        wait_until(lambda: "ready" in log.read_text(encoding="utf-8"), group, timeout=10)

    assert lifeline.has_ended()


def test_children_of_a_command_that_has_ended_are_ended(log: Path, lifeline: Lifeline) -> None:
    with sleeping(log, lifeline, ["sh", "-c", "sleep 1000 & exit 0"]) as group:
        group.wait(timeout=10)

        assert lifeline.has_ended()


def test_a_failure_is_one_line_with_the_exit_code_the_last_line_and_the_log(log: Path) -> None:
    command = ["sh", "-c", "echo starting; echo; echo 'Error: no such thing'; echo; exit 3"]

    with running("sam build", command, log=log, env=ENV) as group, pytest.raises(StackError) as failure:
        group.wait(timeout=10)

    assert str(failure.value) == f"sam build failed (exit code 3): Error: no such thing (whole log: {log})"


def test_a_command_that_takes_too_long_is_ended_and_named(log: Path, lifeline: Lifeline) -> None:
    with (
        pytest.raises(StackError, match=r"Sleepers took longer than 0 s: it printed nothing"),
        sleeping(log, lifeline) as group,
    ):
        group.wait(timeout=0.01)

    assert lifeline.has_ended()


def test_a_command_that_is_not_there_is_named(log: Path) -> None:
    with (
        pytest.raises(StackError, match=r"MiniStack cannot start: .*no-such-command"),
        running("MiniStack", ["no-such-command"], log=log, env=ENV),
    ):
        pytest.fail("the block has run")


def test_waiting_stops_as_soon_as_the_part_has_ended(log: Path) -> None:
    with running("Part", ["sh", "-c", "echo 'port taken'; exit 1"], log=log, env=ENV) as group:
        group._process.wait(timeout=10)

        with pytest.raises(StackError, match=r"Part ended \(exit code 1\): port taken"):
            wait_until(lambda: False, group, timeout=1000)


def test_waiting_has_an_end(log: Path) -> None:
    clock = iter([0.0, 5.0, 11.0])

    with (
        running("Part", SLEEPERS, log=log, env=ENV) as group,
        pytest.raises(StackError, match="Part was not ready after 10 s"),
    ):
        wait_until(lambda: False, group, timeout=10, sleep=lambda _seconds: None, clock=lambda: next(clock))


# At its end it waits for a line, so that a test can send signals in the meantime.
OWNER = """
import os, signal, sys, time
from pathlib import Path
from local.aws.processes import ending_on_signals, running
log, fd, *command = sys.argv[1:]
with ending_on_signals(), running("Sleepers", command, log=Path(log), env=os.environ, pass_fds=[int(fd)]):
    try:
        print("running", flush=True)
        signal.pause()
    finally:
        print("ending", flush=True)
        sys.stdin.readline()
print("ended")
"""


@contextmanager
def owner(log: Path, lifeline: Lifeline, *, ignoring: signal.Signals | None = None) -> Iterator[subprocess.Popen[str]]:
    """Start a run with sleepers, in a process of its own. After a signal it ends them once it can read a line."""
    with subprocess.Popen(  # noqa: S603 - every word is this project's own.
        [sys.executable, "-c", OWNER, str(log), str(lifeline.write), *SLEEPERS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        pass_fds=[lifeline.write],
        preexec_fn=None if ignoring is None else partial(signal.signal, ignoring, signal.SIG_IGN),  # noqa: PLW1509
    ) as process:
        lifeline.handed_over()
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        try:
            yield process
        finally:
            process.kill()  # Or the end of this block would wait for it.


def ended(process: subprocess.Popen[str]) -> int:
    """Let the run end what it owns; return its exit code."""
    process.communicate("\n", timeout=10)
    return process.returncode


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_a_run_with_all_that_it_started(number: signal.Signals, log: Path, lifeline: Lifeline) -> None:
    with owner(log, lifeline) as process:
        process.send_signal(number)

        assert ended(process) == (-number if number is signal.SIGINT else 128 + number)
        assert lifeline.has_ended()


def test_a_background_job_ends_on_sigint_though_its_shell_has_it_ignored(log: Path, lifeline: Lifeline) -> None:
    with owner(log, lifeline, ignoring=signal.SIGINT) as process:
        process.send_signal(signal.SIGINT)

        assert ended(process) == -signal.SIGINT
        assert lifeline.has_ended()


def test_nohup_keeps_a_run_alive(log: Path, lifeline: Lifeline) -> None:
    with owner(log, lifeline, ignoring=signal.SIGHUP) as process:
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGTERM)

        assert ended(process) == 128 + signal.SIGTERM


def test_a_second_signal_does_not_interrupt_the_end(log: Path, lifeline: Lifeline) -> None:
    with owner(log, lifeline) as process:
        assert process.stdout is not None
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "ending\n"
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGINT)

        assert ended(process) == 128 + signal.SIGTERM
        assert lifeline.has_ended()


@pytest.mark.enable_socket
def test_a_taken_port_is_named_before_anything_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ministack_module, "_RUNTIME", Path(sys.prefix))
    monkeypatch.setattr(ministack_module, "_MINISTACK", Path(sys.prefix))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        with (
            pytest.raises(StackError, match=f"MiniStack cannot have port {port}: "),
            ministack(tmp_path / "aws", port=port, log=tmp_path / "ministack.log", environ=ENV),
        ):
            pytest.fail("the block has run")


def test_without_its_environments_ministack_says_how_to_get_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    with (
        pytest.raises(StackError, match="start with `make`"),
        ministack(tmp_path / "aws", port=0, log=tmp_path / "ministack.log", environ=ENV),
    ):
        pytest.fail("the block has run")


class Emulator:
    """Sleepers in the place of MiniStack, in a real process group."""

    def __init__(self) -> None:
        self.lifelines: list[Lifeline] = []
        self.aws = SimpleNamespace(
            secretsmanager=SimpleNamespace(create_secret=lambda **_arguments: {}), environment={"AWS_REGION": "local"}
        )

    @contextmanager
    def __call__(
        self, _folder: Path, *, port: int, log: Path, environ: Mapping[str, str]
    ) -> Iterator[tuple[Aws, ProcessGroup]]:
        assert port == 0
        assert "PATH" in environ
        self.lifelines.append(Lifeline())
        with sleeping(log, self.lifelines[-1]) as group:
            yield cast("Aws", self.aws), group


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Emulator]:
    monkeypatch.chdir(tmp_path)
    emulator = Emulator()
    monkeypatch.setattr(stack, "ministack", emulator)
    yield emulator
    for lifeline in emulator.lifelines:
        lifeline.close()


def test_a_failing_build_ends_everything_and_names_its_log(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    failing = ["sh", "-c", "echo 'Error: bad manifest'; exit 1"]
    monkeypatch.setattr(sam.Project, "build_command", lambda _project, _parameters: failing)

    # Twice: the first must have released its lock.
    for _ in range(2):
        with pytest.raises(StackError) as failure, local_stack(codat=SOME_CODAT):
            pytest.fail("the block has run")

        assert str(failure.value) == (
            "sam build failed (exit code 1): Error: bad manifest (whole log: .local/logs/sam-build.log)"
        )
    assert [lifeline.has_ended() for lifeline in emulator.lifelines] == [True, True]


def test_a_failing_deploy_ends_everything_and_names_its_log(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    deployed: list[dict[str, str]] = []

    def deploy_command(_project: sam.Project, parameters: dict[str, str]) -> list[str]:
        deployed.append(parameters)
        return ["sh", "-c", "echo 'Error: denied'; exit 1"]

    monkeypatch.setattr(sam.Project, "build_command", lambda _project, _parameters: ["true"])
    monkeypatch.setattr(sam.Project, "deploy_command", deploy_command)
    monkeypatch.setattr(sam, "layer_runs_here", lambda _system, _libc: True)

    with (
        pytest.raises(StackError, match=r"sam deploy .*: Error: denied .*\.local/logs/sam-deploy\.log"),
        local_stack(codat=SOME_CODAT, parameters={"LogLevel": "DEBUG"}, on_step=lambda step, _s: steps.append(step)),
    ):
        pytest.fail("the block has run")

    assert [lifeline.has_ended() for lifeline in emulator.lifelines] == [True]
    assert steps == ["MiniStack", "sam build"]
    assert deployed == [
        sam.host_parameters()
        | {
            "CodatBaseUrl": "http://127.0.0.1:9",
            "CodatApiKeySecretName": "codat-sync/api-key",
            "Schedules": "DISABLED",
            "GradualDeployments": "false",
            "DetailedMetrics": "true",
            "LogLevel": "DEBUG",
        }
    ]


@pytest.fixture
def deployed(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """Collect the parameters of each deployment, with sam replaced by a command that succeeds."""
    deployed: list[dict[str, str]] = []

    def deploy_command(_project: sam.Project, parameters: dict[str, str]) -> list[str]:
        deployed.append(parameters)
        return ["true"]

    monkeypatch.setattr(sam.Project, "build_command", lambda _project, _parameters: ["true"])
    monkeypatch.setattr(sam.Project, "deploy_command", deploy_command)
    monkeypatch.setattr(sam, "layer_runs_here", lambda _system, _libc: True)
    return deployed


@pytest.fixture
def project(tmp_path: Path) -> sam.Project:
    """Make a project as sam has built it."""
    project = sam.Project(folder=tmp_path / "sam")
    project.built_presets.parent.mkdir(parents=True)
    project.built_presets.write_text("# as packaged", encoding="utf-8")
    return project


def deployed_stack(folder: Path, project: sam.Project) -> LocalStack:
    """Return a stack on an AWS without event source mappings."""
    no_mappings = SimpleNamespace(list_event_source_mappings=lambda: {"EventSourceMappings": []})
    return LocalStack(
        aws=cast("Aws", SimpleNamespace(environment={}, lambda_=no_mappings)),
        codat=SOME_CODAT,
        simulated=True,
        outputs={},
        endpoints=folder / "endpoints.env",
        logs=folder / "logs",
        function_logs=cast("FunctionLogs", None),
        processes=(),
        deployment=Deployment(project, folder, ENV),
    )


def test_a_second_deployment_has_a_new_release_and_keeps_the_other_parameters(
    tmp_path: Path, project: sam.Project, deployed: list[dict[str, str]]
) -> None:
    running_stack = deployed_stack(tmp_path, project)

    for seconds in ("7", "8"):
        running_stack.deploy_again({"FirstDeferralSeconds": seconds})

    first, second = deployed
    assert first == sam.host_parameters() | {"FirstDeferralSeconds": "7", "Release": first["Release"]}
    assert re.fullmatch("[0-9a-f]{10}", first["Release"])
    assert second["Release"] != first["Release"]


@pytest.mark.usefixtures("deployed")
def test_the_packaged_presets_are_deployed_unless_there_are_others(tmp_path: Path, project: sam.Project) -> None:
    running_stack = deployed_stack(tmp_path, project)

    running_stack.deploy_again({})

    assert running_stack.deployment.presets.read_text("utf-8") == "# as packaged"


@pytest.mark.usefixtures("deployed")
def test_other_presets_are_deployed_in_the_place_of_the_packaged_ones(tmp_path: Path, project: sam.Project) -> None:
    others = tmp_path / "others.toml"
    others.write_text("# others", encoding="utf-8")
    running_stack = deployed_stack(tmp_path, dataclasses.replace(project, presets=others))

    running_stack.deploy_again({})

    assert project.built_presets.read_text("utf-8") == "# others"
    assert running_stack.deployment.presets.read_text("utf-8") == "# others"


@pytest.mark.usefixtures("deployed")
def test_sam_leaves_no_temporary_files(tmp_path: Path, project: sam.Project, monkeypatch: pytest.MonkeyPatch) -> None:
    write = ["sh", "-c", 'echo "$TMPDIR" && touch "$TMPDIR/file"']
    monkeypatch.setattr(sam.Project, "build_command", lambda _project, _parameters: write)

    deployed_stack(tmp_path, project).deploy_again({})

    temporary = Path((tmp_path / "logs/sam-build.log").read_text("utf-8").strip())
    assert temporary.is_relative_to(project.folder)
    assert not temporary.exists()


def test_a_second_stack_in_one_folder_is_refused_with_the_id_of_the_first(emulator: Emulator) -> None:
    with (
        locked(Path(".local/lock"), wait=False),
        pytest.raises(StackError, match=rf"runs already in \.local \(process {os.getpid()}\): see \.local/endpoints"),
        local_stack(codat=SOME_CODAT),
    ):
        pytest.fail("the block has run")

    assert emulator.lifelines == []
