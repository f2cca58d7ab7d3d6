"""Nothing that the local stack started outlives it, however it ends."""

import os
import re
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from local.aws import ministack as ministack_module
from local.aws import processes, sam, stack
from local.aws.clients import Aws
from local.aws.function_logs import FunctionLogs
from local.aws.ministack import ministack
from local.aws.processes import ProcessGroup, StackError, running, wait_until
from local.aws.stack import Codat, Deployment, LocalStack, local_stack

ENV = {"PATH": os.environ["PATH"]}
SOME_CODAT = Codat(base_url="http://127.0.0.1:9", api_key="key")

# A shell with a child: the worker that must not be left behind.
SLEEPERS = ["sh", "-c", "sleep 1000 & sleep 1000"]


class Lifeline:
    """A pipe whose writing end a group holds: it is at its end when every process of the group has ended."""

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


def test_a_group_that_does_not_want_to_end_is_killed(
    log: Path, lifeline: Lifeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "_GRACE_SECONDS", 0.05)
    command = ["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done"]

    with sleeping(log, lifeline, command) as group:
        wait_until(lambda: "ready" in log.read_text(encoding="utf-8"), group, timeout=10)

    assert lifeline.has_ended()


def test_children_of_a_command_that_has_done_its_work_are_ended(log: Path, lifeline: Lifeline) -> None:
    with sleeping(log, lifeline, ["sh", "-c", "sleep 1000 & exit 0"]) as group:
        group.wait(timeout=10)

        assert lifeline.has_ended()


def test_a_failure_is_one_line_with_the_code_the_last_word_and_the_place_of_the_log(log: Path) -> None:
    command = ["sh", "-c", "echo starting; echo; echo 'Error: no such thing'; echo; exit 3"]

    with running("sam build", command, log=log, env=ENV) as group, pytest.raises(StackError) as failure:
        group.wait(timeout=10)

    assert str(failure.value) == f"sam build failed (exit code 3): Error: no such thing (all of it: {log})"


def test_a_command_that_takes_too_long_is_ended_and_named(log: Path, lifeline: Lifeline) -> None:
    with (
        pytest.raises(StackError, match=r"Sleepers took longer than 0 s: it said nothing"),
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


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_to_us_ends_what_we_started(number: signal.Signals, log: Path, lifeline: Lifeline) -> None:
    program = """
import os, signal, sys
from pathlib import Path
from local.aws.processes import ending_on_signals, running
log, fd, *command = sys.argv[1:]
signal.signal(signal.SIGINT, signal.default_int_handler)  # A shell has its background jobs ignore it.
with ending_on_signals(), running("Sleepers", command, log=Path(log), env=os.environ, pass_fds=[int(fd)]):
    print("running", flush=True)
    signal.pause()
"""
    with subprocess.Popen(  # noqa: S603 - the words are ours.
        [sys.executable, "-c", program, str(log), str(lifeline.write), *SLEEPERS],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        pass_fds=[lifeline.write],
    ) as parent:
        lifeline.handed_over()
        assert parent.stdout is not None
        assert parent.stdout.readline() == "running\n"

        parent.send_signal(number)
        try:
            parent.wait(timeout=10)
        finally:
            parent.kill()  # Or the end of this block would wait for it.

    assert parent.returncode == (-number if number is signal.SIGINT else 128 + number)
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
    """MiniStack's place is taken by sleepers; the process group is a real one."""

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


def test_a_failing_build_ends_everything_and_says_where_to_read(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = ["sh", "-c", "echo 'Error: bad manifest'; exit 1"]
    monkeypatch.setattr(sam.Project, "build_command", lambda _project, _parameters: failing)

    # Twice: the first must not have left its lock behind.
    for _ in range(2):
        with pytest.raises(StackError) as failure, local_stack(codat=SOME_CODAT):
            pytest.fail("the block has run")

        assert str(failure.value) == (
            "sam build failed (exit code 1): Error: bad manifest (all of it: .local/logs/sam-build.log)"
        )
    assert [lifeline.has_ended() for lifeline in emulator.lifelines] == [True, True]


def test_a_failing_deploy_ends_everything_and_says_where_to_read(
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
            "LogLevel": "DEBUG",
        }
    ]


def test_what_is_deployed_again_has_a_name_and_keeps_what_it_is_not_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = sam.Project(folder=tmp_path / "sam")
    project.built.mkdir(parents=True)
    (project.built / "template.yaml").write_text("as it was built", encoding="utf-8")
    monkeypatch.setattr(sam.Project, "build_command", lambda _project, _parameters: ["true"])
    monkeypatch.setattr(sam, "layer_runs_here", lambda _system, _libc: True)
    deployed: list[dict[str, str]] = []

    def deploy_command(_project: sam.Project, parameters: dict[str, str]) -> list[str]:
        deployed.append(parameters)
        return ["true"]

    monkeypatch.setattr(sam.Project, "deploy_command", deploy_command)
    aws = SimpleNamespace(
        environment={}, lambda_=SimpleNamespace(list_event_source_mappings=lambda: {"EventSourceMappings": []})
    )
    running_stack = LocalStack(
        aws=cast("Aws", aws),
        codat=SOME_CODAT,
        simulated=True,
        outputs={},
        endpoints=tmp_path / "endpoints.env",
        logs=tmp_path / "logs",
        function_logs=cast("FunctionLogs", None),
        processes=(),
        deployment=Deployment(project, tmp_path / "logs", ENV),
    )

    for seconds in ("7", "8"):
        running_stack.deploy_again({"FirstDeferralSeconds": seconds})

    first, second = deployed
    assert first == sam.host_parameters() | {"FirstDeferralSeconds": "7", "Release": first["Release"]}
    assert re.fullmatch("[0-9a-f]{10}", first["Release"])
    assert second["Release"] != first["Release"]


def test_a_second_stack_in_one_folder_is_refused(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sam.Project, "build_command", lambda _project, _parameters: ["true"])

    with (
        stack._locked(Path(".local/lock"), wait=False),
        pytest.raises(StackError, match=r"runs already in \.local: see \.local/endpoints\.env"),
        local_stack(codat=SOME_CODAT),
    ):
        pytest.fail("the block has run")

    assert emulator.lifelines == []
