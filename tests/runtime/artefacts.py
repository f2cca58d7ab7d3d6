"""The artefacts of `sam build`, and a Python like Lambda's to run them. All of it is kept in .local/lambda."""

import contextlib
import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from cfnlint.decode import cfn_yaml

from local.aws import sam
from local.aws.clients import environment_without_aws
from local.aws.deployment import temporary_folder
from local.aws.leftovers import end_leftovers
from local.aws.processes import ProcessGroup, running
from local.presets import FILE

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".local/lambda"
FUNCTION_LOGS = FOLDER / "logs"
LOCK = ROOT / "local/requirements-runtime-interface.txt"
TEMPLATE: Mapping[str, Any] = cfn_yaml.load(str(ROOT / "template.yaml"))
RUNTIME: str = TEMPLATE["Parameters"]["PythonRuntime"]["Default"]

_INSTALL_SECONDS = 300.0
_BUILD_SECONDS = 600.0  # The first one downloads the layer's packages.


class NotHere(Exception):
    """This machine cannot run what is built for Lambda. The text says why."""


@dataclass(frozen=True)
class Build:
    """The folders of one `sam build`."""

    folder: Path
    architecture: str
    """Lambda's name of the processor that it is for."""

    @property
    def layer(self) -> Path:
        """The folder that Lambda mounts as /opt/python."""
        return self.folder / "CodatSyncLayer/python"

    def function(self, name: str) -> Path:
        """Return the folder that Lambda mounts as /var/task."""
        return self.folder / name

    @cached_property
    def template(self) -> Mapping[str, Any]:
        """The template that `sam deploy` would read."""
        return cfn_yaml.load(str(self.folder / "template.yaml"))  # type: ignore[no-any-return]  # YAML.

    @cached_property
    def settings(self) -> Mapping[str, Any]:
        """The template's settings of every function."""
        return self.template["Globals"]["Function"]  # type: ignore[no-any-return]  # YAML.

    def variables(self, function: str, values: Mapping[str, str]) -> dict[str, str]:
        """Return the function's environment variables. `values` are those of resources and parameters, by name.

        A parameter that is not among them has its default.
        """
        defaults = {name: each.get("Default") for name, each in self.template["Parameters"].items()}
        known = {"AWS::StackName": "codat-sync"} | defaults | dict(values)
        own = self.template["Resources"][function]["Properties"]["Environment"]["Variables"]
        given = {**self.settings["Environment"]["Variables"], **own}
        return {name: str(self._value(each, known)) for name, each in given.items()}

    def timeout(self, function: str) -> int:
        """Return the function's timeout in seconds."""
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
    """The functions and the layer, built twice from one template, and the interpreter for the first build."""

    python: Path
    """The runtime's Python, with boto3 and awslambdaric, and nothing else."""
    for_this_machine: Build
    """Its layer has the presets of local/presets.toml: the sample events name their plans."""
    as_deployed: Build
    """From a plain `sam build`, with the template's own defaults and the packaged presets."""


def build(environ: Mapping[str, str] = os.environ) -> Artefacts:
    """Build everything. Raise NotHere, or StackError if a command fails. What did not change is not built again."""
    if not sam.layer_runs_here(platform.system(), platform.libc_ver()[0]):
        raise NotHere("Lambda's wheels run on Linux with glibc alone, and this machine has another system.")
    for folder in (FOLDER, FUNCTION_LOGS):
        end_leftovers(folder)
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
    project = sam.Project(folder=FOLDER / "for-this-machine", presets=FILE)
    project.put_presets_into_layer()
    return Artefacts(
        python=environment / "bin/python",
        for_this_machine=Build(project.built, architecture),
        as_deployed=Build(FOLDER / "as-deployed/.aws-sam/build", TEMPLATE["Parameters"]["Architecture"]["Default"]),
    )


def _interpreter(environ: Mapping[str, str]) -> Path:
    """Return an installed Python of the runtime's version; download nothing. Raise NotHere if there is none."""
    version = RUNTIME.removeprefix("python")
    find = [sys.executable, "-m", "uv", "python", "find", "--system", "--no-project", "--no-python-downloads", version]
    # pyenv's shims on the PATH answer for the version that this variable names, and fail for others.
    env = {**environ, "PYENV_VERSION": version}
    found = subprocess.run(find, env=env, check=False, capture_output=True, text=True)  # noqa: S603 - the words are ours.
    if found.returncode != 0:
        why = found.stderr.strip().split("\n")[0].removeprefix("error: ").rstrip(".")
        raise NotHere(f"Python {version}, the functions' runtime, is not installed on this machine: {why}.")
    return Path(found.stdout.strip())


@contextlib.contextmanager
def _sam_build(name: str, environ: Mapping[str, str], *overrides: str) -> Iterator[ProcessGroup]:
    command = [sys.executable, "-m", "samcli", "build", "--template", str(ROOT / "template.yaml"), *overrides]
    folder, log = FOLDER / name, FOLDER / f"{name}.log"
    with temporary_folder(folder / "tmp") as temporary:
        env = {**environ, "TMPDIR": str(temporary)}
        with running(f"sam build {name}", command, log=log, env=env, folder=folder) as build:
            yield build


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
