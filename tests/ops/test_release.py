"""Each deployment is a release of its own, and what was built is what the stage runs."""

import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse

from ops import release as module
from ops.release import check_built, environment, main, release
from ops.stage import Stage, StageRefused

ROOT = Path(__file__).parents[2]
SAMCONFIG = """
[try.deploy.parameters]
stack_name = "codat-sync-try"
parameter_overrides = ["PythonRuntime=python3.12", "Architecture=x86_64", 'RedriveSchedule="cron(0 3 * * ? *)"']
[prod.deploy.parameters]
stack_name = "codat-sync"
"""
TAG = "cpython-312-x86_64-linux-gnu"


@dataclass
class Commands:
    """Stands for the operating system: notes each command, and answers as uv and SAM CLI would."""

    compiled: str = TAG
    codes: dict[str, int] = field(default_factory=dict)
    """Exit codes that are not 0, by the tool's subcommand."""
    ran: list[list[str]] = field(default_factory=list)
    environments: list[dict[str, str]] = field(default_factory=list)

    def run(self, command: Sequence[str], *, check: bool, env: dict[str, str], **_: Any) -> Any:  # noqa: ANN401
        self.ran.append(list(command))
        self.environments.append(env)
        code = self.codes.get(command[3], 0)
        if command[3] == "build" and not code:
            module.LAYER.mkdir(parents=True)
            (module.LAYER / f"_pydantic_core.{self.compiled}.so").touch()
        if code and check:
            raise subprocess.CalledProcessError(code, command)
        return subprocess.CompletedProcess(command, code, stdout="/opt/python3.12/bin/python3.12\n", stderr="no such")

    def of_sam(self) -> list[list[str]]:
        return [each[3:] for each in self.ran if each[2] == "samcli"]


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Commands:
    (tmp_path / "samconfig.toml").write_text(SAMCONFIG, "utf-8")
    (tmp_path / "template.yaml").write_bytes((ROOT / "template.yaml").read_bytes())
    monkeypatch.chdir(tmp_path)
    commands = Commands()
    monkeypatch.setattr("ops.release.subprocess.run", commands.run)
    return commands


def test_the_same_content_has_another_name_each_time() -> None:
    """Lambda publishes no version that equals the newest, not even after its deployment was taken back.

    https://docs.aws.amazon.com/lambda/latest/dg/configuration-versions.html
    """
    pattern = yaml_parse((ROOT / "template.yaml").read_text("utf-8"))["Parameters"]["Release"]["AllowedPattern"]
    names = {release() for _ in range(100)}
    assert len(names) == 100
    assert all(re.fullmatch(pattern, each) for each in names)


def test_build_and_deployment_have_the_stages_parameters_and_only_the_deployment_has_further_arguments(
    commands: Commands,
) -> None:
    """`sam build` builds for the template's defaults unless it is told the stage's parameters."""
    assert main(["deploy", "try", "--no-confirm-changeset", "--no-fail-on-empty-changeset"]) == 0
    build, deploy = commands.of_sam()
    assert build[0] == "build"
    assert deploy[:3] == ["deploy", "--config-env", "try"]
    assert deploy[-2:] == ["--no-confirm-changeset", "--no-fail-on-empty-changeset"]
    (named,) = set(deploy[3:-2]) - set(build)
    assert re.fullmatch('Release="[0-9a-f]{10}"', named)
    given = {'PythonRuntime="python3.12"', 'Architecture="x86_64"', 'RedriveSchedule="cron(0 3 * * ? *)"'}
    assert given <= set(build) & set(deploy)


def test_the_stages_own_python_is_the_first_that_sam_build_finds(commands: Commands) -> None:
    assert main(["build", "try", "--build-dir", "elsewhere"]) == 0
    find, build = commands.ran
    assert find == [sys.executable, "-m", "uv", "python", "find", *find[5:-1], "3.12"]
    assert commands.environments[1]["PATH"].startswith("/opt/python3.12/bin:")
    assert build[-2:] == ["--build-dir", "elsewhere"]


@pytest.mark.parametrize(
    "compiled", ["cpython-312-aarch64-linux-gnu", "cpython-313-x86_64-linux-gnu", "cpython-312-darwin", "abi3"]
)
def test_what_was_built_for_another_runtime_or_architecture_is_not_deployed(
    commands: Commands, compiled: str, capsys: pytest.CaptureFixture[str]
) -> None:
    commands.compiled = compiled
    assert main(["deploy", "try"]) == 2
    assert "needs python3.12 on x86_64" in capsys.readouterr().err
    assert [each[0] for each in commands.of_sam()] == ["build"]


def test_a_layer_of_two_builds_is_refused(tmp_path: Path) -> None:
    for tag in (TAG, "cpython-312-aarch64-linux-gnu"):
        (tmp_path / f"module.{tag}.so").touch()
    with pytest.raises(StageRefused, match=r"built for python3\.12 on arm64, python3\.12 on x86_64"):
        check_built(tmp_path, Stage("try", "s", {"PythonRuntime": "python3.12", "Architecture": "x86_64"}))


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([], "name build or deploy"),
        (["deploy"], "name build or deploy"),
        (["delete", "try"], "name build or deploy"),
        (["deploy", "nowhere"], "no stage 'nowhere'; it has try, prod"),
        (["deploy", "prod"], "give AlarmEmail or AlarmTopicArn"),
        (["deploy", "try", "--stack-name=other"], "--stack-name belongs into the stage try"),
        (["deploy", "try", "--parameter-overrides", "LogLevel=INFO"], "--parameter-overrides belongs into the stage"),
    ],
)
def test_what_cannot_be_deployed_is_refused_before_the_build(
    commands: Commands, capsys: pytest.CaptureFixture[str], arguments: list[str], problem: str
) -> None:
    assert main(arguments) == 2
    assert problem in capsys.readouterr().err
    assert commands.ran == []


def test_a_python_that_is_not_installed_is_named(commands: Commands, capsys: pytest.CaptureFixture[str]) -> None:
    commands.codes = {"python": 2}
    assert main(["build", "try"]) == 2
    assert capsys.readouterr().err == "error: Python 3.12, the stage's PythonRuntime, is not on the PATH\nno such\n"


@pytest.mark.parametrize("failing", ["build", "deploy"])
def test_the_exit_code_is_that_of_sam_cli_and_nothing_runs_after_a_failure(commands: Commands, failing: str) -> None:
    commands.codes = {failing: 7}
    assert main(["deploy", "try"]) == 7
    assert commands.of_sam()[-1][0] == failing


@pytest.mark.parametrize(
    ("given", "region"),
    [
        ({"AWS_REGION": "eu-west-1"}, "eu-west-1"),
        ({"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": ""}, "eu-west-1"),
        ({"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "us-east-1"}, "us-east-1"),
        ({}, None),
    ],
)
def test_aws_region_alone_is_enough(given: dict[str, str], region: str | None) -> None:
    """boto3 reads AWS_DEFAULT_REGION: https://docs.aws.amazon.com/boto3/latest/guide/configuration.html"""
    assert environment(given).get("AWS_DEFAULT_REGION") == region
