"""What `sam build` makes of template.yaml, and a Python like Lambda's to run it. All of it is kept in .local/lambda."""

import contextlib
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from cfnlint.decode import cfn_yaml

from local.aws import sam
from local.aws.clients import environment_without_aws
from local.aws.processes import ProcessGroup, running

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".local/lambda"
LOCK = ROOT / "local/requirements-runtime-interface.txt"
TEMPLATE: Mapping[str, Any] = cfn_yaml.load(str(ROOT / "template.yaml"))
RUNTIME: str = TEMPLATE["Parameters"]["PythonRuntime"]["Default"]

_INSTALL_SECONDS = 300.0
_BUILD_SECONDS = 600.0  # The first one downloads the layer's packages.


class NotHere(Exception):
    """This machine cannot run what is built for Lambda: a sentence that says why."""


@dataclass(frozen=True)
class Build:
    """The folders that one `sam build` left."""

    folder: Path
    architecture: str
    """The processor that it is for, in Lambda's words."""

    @property
    def layer(self) -> Path:
        """What Lambda mounts as /opt/python."""
        return self.folder / "CodatSyncLayer/python"

    def function(self, name: str) -> Path:
        """What Lambda mounts as /var/task."""
        return self.folder / name

    @cached_property
    def template(self) -> Mapping[str, Any]:
        """The template that `sam deploy` would take."""
        return cfn_yaml.load(str(self.folder / "template.yaml"))  # type: ignore[no-any-return]  # YAML.

    @cached_property
    def settings(self) -> Mapping[str, Any]:
        """What the template gives to every function."""
        return self.template["Globals"]["Function"]  # type: ignore[no-any-return]  # YAML.

    def variables(self, function: str, values: Mapping[str, str]) -> dict[str, str]:
        """The function's environment variables. `values` are of the resources and parameters that they name.

        A parameter that is not among them has its default.
        """
        defaults = {name: each.get("Default") for name, each in self.template["Parameters"].items()}
        known = {"AWS::StackName": "codat-sync"} | defaults | dict(values)
        own = self.template["Resources"][function]["Properties"]["Environment"]["Variables"]
        given = {**self.settings["Environment"]["Variables"], **own}
        return {name: str(self._value(each, known)) for name, each in given.items()}

    def timeout(self, function: str) -> int:
        """How long Lambda lets one invocation take, in seconds."""
        own = self.template["Resources"][function]["Properties"]
        return int(own.get("Timeout", self.settings["Timeout"]))

    def _value(self, value: Any, known: Mapping[str, Any]) -> Any:  # noqa: ANN401  # YAML.
        match value:
            case {"Ref": name}:
                return known[name]
            case {"Fn::If": [condition, one, other]}:
                return self._value(one if self._holds(self.template["Conditions"][condition], known) else other, known)
            case _:
                return value

    def _holds(self, condition: Any, known: Mapping[str, Any]) -> bool:  # noqa: ANN401
        match condition:
            case {"Fn::Not": [other]}:
                return not self._holds(other, known)
            case {"Fn::Equals": [one, other]}:
                return bool(self._value(one, known) == self._value(other, known))
        raise ValueError(f"no condition that these tests can evaluate: {condition}")


@dataclass(frozen=True)
class Artefacts:
    """The functions and the layer, built twice from one template, and the interpreter for the first of them."""

    python: Path
    """The runtime's Python, with boto3 and awslambdaric, and nothing else."""
    for_this_machine: Build
    as_deployed: Build
    """From a plain `sam build`, with the template's own defaults."""


def build(environ: Mapping[str, str] = os.environ) -> Artefacts:
    """Raises ``NotHere``, and ``StackError`` where a command fails. What did not change is not built again."""
    if not sam.layer_runs_here(platform.system(), platform.libc_ver()[0]):
        raise NotHere("Lambda's wheels run on Linux with glibc alone, and this machine has another system.")
    environ = environment_without_aws(environ)
    python = _interpreter(environ)
    architecture = sam.architecture(platform.machine())
    host = ["--parameter-overrides", f"PythonRuntime={RUNTIME}", f"Architecture={architecture}"]
    path = f"{python.parent}:{environ.get('PATH', '')}"  # Where sam looks for the runtime's interpreter.
    with (
        _sam_build("for-this-machine", environ | {"PATH": path}, *host) as one,
        _sam_build("as-deployed", environ | {"PATH": path}) as other,
    ):
        environment = _environment(python, environ)
        one.wait(_BUILD_SECONDS)
        other.wait(_BUILD_SECONDS)
    return Artefacts(
        python=environment / "bin/python",
        for_this_machine=Build(FOLDER / "for-this-machine/.aws-sam/build", architecture),
        as_deployed=Build(FOLDER / "as-deployed/.aws-sam/build", TEMPLATE["Parameters"]["Architecture"]["Default"]),
    )


def _interpreter(environ: Mapping[str, str]) -> Path:
    """An installed Python of the runtime's version; nothing is downloaded."""
    version = RUNTIME.removeprefix("python")
    find = [sys.executable, "-m", "uv", "python", "find", "--system", "--no-project", "--no-python-downloads", version]
    # pyenv's stand-ins on the PATH answer for the version that this variable names, and fail for others.
    env = {**environ, "PYENV_VERSION": version}
    found = subprocess.run(find, env=env, check=False, capture_output=True, text=True)  # noqa: S603 - our words.
    if found.returncode != 0:
        why = found.stderr.strip().split("\n")[0].removeprefix("error: ").rstrip(".")
        raise NotHere(f"Python {version}, the functions' runtime, is not to be had on this machine: {why}.")
    return Path(found.stdout.strip())


def _sam_build(
    name: str, environ: Mapping[str, str], *overrides: str
) -> contextlib.AbstractContextManager[ProcessGroup]:
    command = [sys.executable, "-m", "samcli", "build", "--template", str(ROOT / "template.yaml"), *overrides]
    return running(f"sam build {name}", command, log=FOLDER / f"{name}.log", env=environ, folder=_made(FOLDER / name))


def _environment(python: Path, environ: Mapping[str, str]) -> Path:
    folder = FOLDER / "python"
    installed = folder / ".installed"
    content = f"{python}\n{LOCK.read_text('utf-8')}"
    if not installed.exists() or installed.read_text("utf-8") != content:
        _run("venv", [str(python), "-m", "venv", "--clear", "--without-pip", str(folder)], environ)
        pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin/python"), "install", "--quiet", "--no-input"]
        _run("pip", [*pip, "--no-deps", "--require-hashes", "--requirement", str(LOCK)], environ)
        installed.write_text(content, "utf-8")
    return folder


def _run(name: str, command: list[str], environ: Mapping[str, str]) -> None:
    with running(name, command, log=FOLDER / f"{name}.log", env=environ) as process:
        process.wait(_INSTALL_SECONDS)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
