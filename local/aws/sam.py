"""The real `sam build`, `sam deploy` and `sam delete`, for this machine's Python and processor.

Their stage is in samconfig.toml.
"""

import platform
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from local.aws.processes import StackError

STACK_NAME = "codat-sync-local"  # As samconfig.toml names it in the stage.

_SAM = (sys.executable, "-m", "samcli")
_RUNTIMES = {(3, 11): "python3.11", (3, 12): "python3.12", (3, 13): "python3.13", (3, 14): "python3.14"}
_ARCHITECTURES = {"x86_64": "x86_64", "amd64": "x86_64", "arm64": "arm64", "aarch64": "arm64"}


def runtime(version: tuple[int, int]) -> str:
    """The Lambda runtime of a Python version; raise StackError if Lambda has none."""
    try:
        return _RUNTIMES[version]
    except KeyError:
        known = ", ".join(f"{major}.{minor}" for major, minor in _RUNTIMES)
        raise StackError(
            f"Lambda has no runtime for Python {version[0]}.{version[1]}: make PYTHON=... with one of {known}"
        ) from None


def architecture(machine: str) -> str:
    """Lambda's name of a processor, as `platform.machine()` says it; raise StackError if Lambda has none."""
    try:
        return _ARCHITECTURES[machine.lower()]
    except KeyError:
        raise StackError(f"Lambda has no architecture for the processor {machine!r}") from None


def host_parameters() -> dict[str, str]:
    """The template parameters that make the functions fit this machine."""
    return {
        "PythonRuntime": runtime(sys.version_info[:2]),
        "Architecture": architecture(platform.machine()),
    }


def parameter_overrides(parameters: Mapping[str, str]) -> list[str]:
    """`--parameter-overrides` and its values; raise StackError for a value that would not arrive as it is."""
    for name, value in parameters.items():
        if not value or any(character.isspace() or character in "\"'\\," for character in value):
            raise StackError(f"{name} must be one word, without quotes or commas: {value!r}")
    return ["--parameter-overrides", *(f"{name}={value}" for name, value in parameters.items())]


@dataclass(frozen=True)
class Project:
    """What sam builds and deploys, and where."""

    source: Path = Path()
    """Holds template.yaml, samconfig.toml and all that the template names."""
    folder: Path = Path(".local/sam")
    """Where sam runs, so that its .aws-sam is not the one that a build for AWS uses."""

    @property
    def built(self) -> Path:
        """Where the last build is."""
        return self.folder / ".aws-sam/build"

    def build_command(self, parameters: Mapping[str, str]) -> list[str]:
        """To be run in `folder`. What did not change since the last build is taken from sam's cache."""
        template = self.source.absolute() / "template.yaml"
        return [*_SAM, "build", *self._stage(), "--template", str(template), *parameter_overrides(parameters)]

    def deploy_command(self, parameters: Mapping[str, str]) -> list[str]:
        """To be run in `folder`, after the build. A parameter that is not given stays as it was deployed before."""
        return [*_SAM, "deploy", *self._stage(), *parameter_overrides(parameters)]

    def delete_command(self) -> list[str]:
        """To be run in `folder`. It asks nobody."""
        return [*_SAM, "delete", *self._stage(), "--no-prompts"]

    def _stage(self) -> list[str]:
        return ["--config-env", "local", "--config-file", str(self.source.absolute() / "samconfig.toml")]

    def fit_layer_to_host(self) -> None:
        """Put this machine's own wheels over Lambda's in the built layer, where those can't be imported (macOS, musl).

        They are the same locked versions. A build for AWS is another folder. Raise StackError if pip fails.
        """
        layer = self.built / "CodatSyncLayer/python"
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes", "--upgrade"]
        pip = subprocess.run(  # noqa: S603 - the words are ours.
            [*command, "--target", str(layer), "--requirement", str(layer / "requirements.txt")],
            check=False,
            capture_output=True,
            text=True,
        )
        if pip.returncode != 0:
            last_line = pip.stderr.strip().rpartition("\n")[2]
            raise StackError(f"pip could not fit the layer to this machine: {last_line}")


def layer_runs_here(system: str, libc: str) -> bool:
    """Whether Lambda's wheels (Linux, glibc) can be imported on this machine."""
    return system == "Linux" and libc == "glibc"
