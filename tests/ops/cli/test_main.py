"""The command line as a whole: help, usage errors, exit codes for scripts, and how it is started."""

import importlib
import os
import re
import runpy
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import version
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from ops.cli import main as cli
from ops.errors import StackNotFound
from ops.stack import Stack
from tests.ops.on_call import COMPANY, OnCall

ROOT = Path(__file__).parents[3]
GROUPS = [[], ["dlq"], ["pause"], ["presets"], ["sources"]]
OF_A_STACK = [
    ["explain"],
    ["preview"],
    ["send"],
    ["reconcile"],
    ["backfill"],
    ["doctor"],
    *(["dlq", command] for command in ("list", "show", "redrive", "discard")),
    *(["pause", command] for command in ("show", "lift")),
    *(["presets", command] for command in ("show", "put", "status")),
]
COMMANDS = [*OF_A_STACK, ["presets", "check"], ["sources", "check"], ["sources", "try"]]


def help_of(command: list[str]) -> str:
    result = CliRunner().invoke(cli.app, [*command, "--help"])
    assert result.exit_code == 0
    return result.stdout


def leaves(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:  # noqa: ANN401
    for name, command in group.commands.items():
        yield from leaves(command, (*path, name)) if hasattr(command, "commands") else [(*path, name)]


# --- Help -----------------------------------------------------------------------------------------------------------


def test_these_are_all_commands() -> None:
    assert {tuple(each) for each in COMMANDS} == set(leaves(typer.main.get_command(cli.app)))


@pytest.mark.parametrize("command", [*GROUPS, *COMMANDS], ids=" ".join)
def test_every_command_has_help_without_boxes(command: list[str]) -> None:
    shown = help_of(command)
    assert shown.startswith("Usage: ")
    assert not set(shown) & set("╭│╰─")


@pytest.mark.parametrize("command", OF_A_STACK, ids=" ".join)
def test_every_command_of_a_stack_takes_the_same_options(command: list[str]) -> None:
    shown = help_of(command)
    for option in ("--stack", "CODAT_SYNC_STACK", "--local", "--json"):
        assert option in shown


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_the_help_of_a_command_ends_with_one_example_that_the_command_takes(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = " ".join(help_of(command).split())
    (example,) = re.findall(r"Example: codat-sync (.*)$", shown)
    words = shlex.split(example.partition(" > ")[0])
    assert words[: len(command)] == command
    monkeypatch.chdir(tmp_path)
    for file in [Path(word) for word in words if word.endswith((".toml", ".json"))]:
        file.parent.mkdir(exist_ok=True)
        file.touch()
    click: Any = typer.main.get_command(cli.app)
    for name in command:
        click = click.commands[name]
    with click.make_context("codat-sync", words[len(command) :]) as context:
        assert context.args == []


@pytest.mark.parametrize("command", [*GROUPS, *COMMANDS], ids=" ".join)
def test_every_option_and_argument_has_help(command: list[str]) -> None:
    click: Any = typer.main.get_command(cli.app)
    for name in command:
        click = click.commands[name]
    assert [parameter.name for parameter in click.params if not parameter.help] == []


def test_the_help_says_what_the_exit_codes_mean() -> None:
    assert "Exit codes: 0 success." in help_of([])


@pytest.mark.parametrize("group", GROUPS, ids=" ".join)
def test_a_group_without_a_command_prints_its_help(group: list[str]) -> None:
    result = CliRunner().invoke(cli.app, group)
    assert (result.exit_code, result.stdout) == (2, help_of(group))


def test_it_tells_its_version() -> None:
    result = CliRunner().invoke(cli.app, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"codat-sync {version('codat-sync-presets')}\n")


# --- Usage errors ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "hint"),
    [
        (["expain"], "No such command 'expain'. Did you mean 'explain'?", "codat-sync"),
        (["pause", "lif"], "No such command 'lif'. Did you mean 'lift'?", "codat-sync pause"),
        (["--nope"], "No such option: --nope", "codat-sync"),
        (["explain"], "Missing argument 'COMPANY'.", "codat-sync explain"),
        (
            ["explain", "Kew-Cafe"],
            "Invalid value for 'COMPANY': 'Kew-Cafe' is not a company's id, which is a UUID",
            "codat-sync explain",
        ),
    ],
)
def test_a_usage_error_is_one_line_and_a_hint(arguments: list[str], error: str, hint: str) -> None:
    result = CliRunner().invoke(cli.app, arguments, prog_name="codat-sync")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"error: {error}\nhint: `{hint} --help` describes the command\n"


# --- Which stack ----------------------------------------------------------------------------------------------------


def test_the_stack_may_be_named_by_the_environment(on_call: OnCall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODAT_SYNC_STACK", "absent")
    result = on_call("pause", "show")
    assert (result.exit_code, result.stderr) == (3, "error: there is no stack 'absent'\nhint: name another\n")


def test_region_and_profile_may_be_options(on_call: OnCall, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.setenv(name, "before")
    seen = []

    def find(_: str) -> Stack:
        seen.append((os.environ["AWS_DEFAULT_REGION"], os.environ["AWS_PROFILE"]))
        raise StackNotFound("looked for")

    monkeypatch.setattr(Stack, "find", find)
    assert on_call("--region", "eu-west-1", "--profile", "mine", "pause", "show").exit_code == 3
    assert seen == [("eu-west-1", "mine")]


@pytest.mark.usefixtures("on_call")
def test_a_character_that_the_output_lacks_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    written = BytesIO()
    monkeypatch.setattr(sys, "argv", ["codat-sync", "send", "events/reconciliation_requested.json"])
    monkeypatch.setattr(sys, "stdout", TextIOWrapper(written, "latin-1"))
    with pytest.raises(SystemExit) as ended:
        cli.main()
    sys.stdout.flush()
    assert ended.value.code == 0
    assert b"events/reconciliation_requested.json  ?" in written.getvalue()


def test_the_local_stack_may_be_named_instead(on_call: OnCall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Stack, "local", lambda: on_call.stack)
    assert on_call("pause", "show", "--local", "--stack", "absent").exit_code == 0


def test_a_fault_of_the_tool_is_a_plain_traceback_without_values(
    on_call: OnCall, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find(_: str) -> Stack:
        raise ZeroDivisionError("a mistake")

    monkeypatch.setattr(Stack, "find", find)
    with pytest.raises(ZeroDivisionError):
        on_call("pause", "show")
    assert cli.app.pretty_exceptions_enable is False
    assert cli.app.pretty_exceptions_show_locals is False


def test_a_bar_is_shown_on_a_terminal_alone(on_call: OnCall, monkeypatch: pytest.MonkeyPatch) -> None:
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
    modules = [f"ops.cli.{path.stem}" for path in (ROOT / "ops/cli").glob("[a-z]*.py")]
    trap = f"""
import sys, boto3, requests
def forbidden(*_, **__): raise AssertionError("importing did something")
boto3.client = boto3.resource = boto3.Session.__init__ = requests.Session = forbidden
for name in {modules!r}: __import__(name)
assert "ops.stack" in sys.modules
"""
    path = f"{ROOT / 'shared'}:{ROOT}"
    subprocess.run([sys.executable, "-W", "error", "-c", trap], check=True, cwd=ROOT, env={"PYTHONPATH": path})  # noqa: S603


def test_the_stack_of_a_usage_error_is_not_looked_for(on_call: OnCall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Stack, "find", lambda _: pytest.fail("no stack is needed"))
    assert on_call("reconcile", COMPANY, "--status").exit_code == 2
