"""Commands for `sam build`, `sam deploy` and `sam delete`, for this machine's Python and processor.

They use the stage `local` of samconfig.toml.
"""

import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from local.aws.processes import StackError

STACK_NAME = "codat-sync-local"  # The stage in samconfig.toml has the same name.

_SAM = (sys.executable, "-m", "samcli")
_RUNTIMES = {(3, 11): "python3.11", (3, 12): "python3.12", (3, 13): "python3.13", (3, 14): "python3.14"}
_ARCHITECTURES = {"x86_64": "x86_64", "amd64": "x86_64", "arm64": "arm64", "aarch64": "arm64"}


def runtime(version: tuple[int, int]) -> str:
    """Return the Lambda runtime of a Python version; raise StackError if Lambda has none."""
    try:
        return _RUNTIMES[version]
    except KeyError:
        known = ", ".join(f"{major}.{minor}" for major, minor in _RUNTIMES)
        raise StackError(
            f"Lambda has no runtime for Python {version[0]}.{version[1]}: make PYTHON=... with one of {known}"
        ) from None


def architecture(machine: str) -> str:
    """Return Lambda's name of a processor from that of `platform.machine()`; raise StackError if Lambda has none."""
    try:
        return _ARCHITECTURES[machine.lower()]
    except KeyError:
        raise StackError(f"Lambda has no architecture for the processor {machine!r}") from None


def host_parameters() -> dict[str, str]:
    """Return the template parameters with which the functions run on this machine."""
    return {
        "PythonRuntime": runtime(sys.version_info[:2]),
        "Architecture": architecture(platform.machine()),
    }


def parameter_overrides(parameters: Mapping[str, str]) -> list[str]:
    """Return `--parameter-overrides` and its values; raise StackError for a value that sam would split or unquote."""
    for name, value in parameters.items():
        if not value or any(character.isspace() or character in "\"'\\," for character in value):
            raise StackError(f"{name} must be one word, without quotes or commas: {value!r}")
    return ["--parameter-overrides", *(f"{name}={value}" for name, value in parameters.items())]


@dataclass(frozen=True)
class Project:
    """A project that sam builds and deploys, and the folder in which it does so."""

    source: Path = Path()
    """The folder of template.yaml, samconfig.toml and all that the template names."""
    folder: Path = Path(".local/sam")
    """The folder in which sam runs, so that its .aws-sam is not the one of a build for AWS."""
    presets: Path | None = None
    """A file of presets to deploy in the place of the packaged one. None: the packaged one."""

    @property
    def built(self) -> Path:
        """The folder of the last build."""
        return self.folder / ".aws-sam/build"

    @property
    def built_presets(self) -> Path:
        """The file of presets in the built layer."""
        return self._built_layer / "codat_sync/presets/presets.toml"

    @property
    def _built_layer(self) -> Path:
        return self.built / "CodatSyncLayer/python"

    def build_command(self, parameters: Mapping[str, str]) -> list[str]:
        """Return the command, to be run in `folder`. sam takes unchanged dependencies from its last build."""
        template = self.source.absolute() / "template.yaml"
        return [*_SAM, "build", *self._stage(), "--template", str(template), *parameter_overrides(parameters)]

    def deploy_command(self, parameters: Mapping[str, str]) -> list[str]:
        """Return the command, to be run in `folder` after the build. A parameter that is not given keeps its value."""
        return [*_SAM, "deploy", *self._stage(), *parameter_overrides(parameters)]

    def delete_command(self) -> list[str]:
        """Return the command, to be run in `folder`. It does not ask for confirmation."""
        return [*_SAM, "delete", *self._stage(), "--no-prompts"]

    def _stage(self) -> list[str]:
        return ["--config-env", "local", "--config-file", str(self.source.absolute() / "samconfig.toml")]

    def put_presets_into_layer(self) -> None:
        """Replace the packaged file in the built layer by `presets`, if there are any. The source is not touched."""
        if self.presets is not None:
            shutil.copyfile(self.presets, self.built_presets)

    def fit_layer_to_host(self) -> None:
        """Replace Lambda's wheels in the built layer by this machine's, where those cannot be imported (macOS, musl).

        They are the same locked versions. A build for AWS is in another folder. Raise StackError if pip fails.
        """
        layer = self._built_layer
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes", "--upgrade"]
        pip = subprocess.run(  # noqa: S603 - every word is this project's own.
            [*command, "--target", str(layer), "--requirement", str(layer / "requirements.txt")],
            check=False,
            capture_output=True,
            text=True,
        )
        if pip.returncode != 0:
            last_line = pip.stderr.strip().rpartition("\n")[2]
            raise StackError(f"pip could not fit the layer to this machine: {last_line}")


def layer_runs_here(system: str, libc: str) -> bool:
    """Tell whether Lambda's wheels (Linux, glibc) can be imported on this machine."""
    return system == "Linux" and libc == "glibc"
