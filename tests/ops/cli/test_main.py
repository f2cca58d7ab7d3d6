"""The command line as a whole: help, exit codes for scripts, and a key that nobody sees."""

import importlib
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from typer.testing import CliRunner

from ops.cli import main as cli
from ops.stack import Stack
from tests.ops.on_call import COMPANY, OnCall

ROOT = Path(__file__).parents[2]
COMMANDS = [
    ["explain"],
    ["preview"],
    ["send"],
    ["reconcile"],
    ["backfill"],
    *(["dlq", command] for command in ("list", "show", "redrive", "discard")),
    *(["pause", command] for command in ("show", "lift")),
    *(["presets", command] for command in ("show", "put", "status")),
]
ARGUMENTS = {
    "explain": [str(COMPANY)],
    "preview": ["growth", str(COMPANY)],
    "send": ["events/new_connection.json"],
    "presets put": ["local/presets.toml"],
}


@pytest.mark.parametrize("command", [[], ["dlq"], ["pause"], ["presets"], *COMMANDS], ids=" ".join)
def test_every_command_has_help(command: list[str]) -> None:
    result = CliRunner().invoke(cli.app, [*command, "--help"])
    assert result.exit_code == 0
    assert "Usage:" in result.stdout


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_takes_the_same_options(command: list[str]) -> None:
    shown = CliRunner().invoke(cli.app, [*command, "--help"]).stdout
    for option in ("--stack", "CODAT_SYNC_STACK", "--local", "--json"):
        assert option in shown


def test_the_help_says_what_the_exit_codes_mean() -> None:
    assert "Exit codes: 0 fine." in CliRunner().invoke(cli.app, ["--help"]).stdout


def test_the_stack_may_be_named_by_the_environment(on_call: OnCall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODAT_SYNC_STACK", "nobodys")
    result = on_call("pause", "show")
    assert (result.exit_code, result.stderr) == (3, "there is no stack 'nobodys'\n")


def test_the_local_stack_may_be_named_instead(on_call: OnCall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Stack, "local", lambda: on_call.stack)
    assert on_call("pause", "show", "--local", "--stack", "nobodys").exit_code == 0


@pytest.mark.parametrize(
    "error",
    [
        EndpointConnectionError(endpoint_url="https://sqs.eu-west-2.amazonaws.com"),
        ClientError({"Error": {"Code": "AccessDenied", "Message": "Not you"}}, "DescribeStacks"),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_an_aws_that_is_not_reached_is_one_line_and_a_code(
    on_call: OnCall, monkeypatch: pytest.MonkeyPatch, command: list[str], error: Exception
) -> None:
    def find(_: str) -> Stack:
        raise error

    monkeypatch.setattr(Stack, "find", find)
    result = on_call(*command, *ARGUMENTS.get(" ".join(command), []))
    assert (result.exit_code, result.stdout, result.stderr) == (3, "", f"{error}\n")


def test_a_mistake_of_ours_is_a_plain_traceback_without_values(
    on_call: OnCall, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find(_: str) -> Stack:
        raise ZeroDivisionError("a mistake")

    monkeypatch.setattr(Stack, "find", find)
    with pytest.raises(ZeroDivisionError):
        on_call("pause", "show")
    assert cli.app.pretty_exceptions_enable is False
    assert cli.app.pretty_exceptions_show_locals is False


def test_a_bar_is_shown_to_people_and_not_to_programs(on_call: OnCall, monkeypatch: pytest.MonkeyPatch) -> None:
    assert on_call("dlq", "list").stderr == ""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    on_call.park("FailedEventsQueueUrl", reason="forbidden")
    assert "messages" in on_call("dlq", "list").stderr


# --- How it is started ----------------------------------------------------------------------------------------------


@pytest.fixture
def arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["codat-sync", "preview", "growth", "--json"])


@pytest.mark.usefixtures("arguments")
def test_it_runs_as_a_module(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("ops", run_name="__main__")
    assert ended.value.code == 0
    assert '"plan": "growth"' in capsys.readouterr().out


@pytest.mark.usefixtures("arguments")
def test_it_runs_as_the_console_script_that_is_installed(capsys: pytest.CaptureFixture[str]) -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["scripts"]
    assert scripts == {"codat-sync": f"{cli.main.__module__}:{cli.main.__name__}"}
    with pytest.raises(SystemExit):
        cli.main()
    assert '"plan": "growth"' in capsys.readouterr().out


def test_importing_it_does_nothing() -> None:
    """No client, no session, no command."""
    importlib.import_module("ops.__main__")
    trap = """
import sys, boto3, requests
def forbidden(*_, **__): raise AssertionError("importing did something")
boto3.client = boto3.resource = boto3.Session.__init__ = requests.Session = forbidden
import ops.cli.main
"""
    path = f"{ROOT / 'shared'}:{ROOT}"
    subprocess.run([sys.executable, "-W", "error", "-c", trap], check=True, cwd=ROOT, env={"PYTHONPATH": path})  # noqa: S603
