"""`sam build`, `sam deploy` and `sam delete` at work on one project."""

import contextlib
import platform
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from local.aws import sam
from local.aws.clients import Aws
from local.aws.locks import locked
from local.aws.ministack import put_maximum_concurrency_in_force
from local.aws.processes import ProcessGroup, running

_BUILD_SECONDS = 600.0  # The first one downloads the layer's packages.
_DEPLOY_SECONDS = 120.0


@dataclass(frozen=True)
class Deployment:
    """One project, and the stack that it is deployed to."""

    project: sam.Project
    folder: Path
    """The folder of the stack's files. sam's output is in its `logs`."""
    environ: dict[str, str]
    """The environment of sam, without an account to deploy to: each deployment adds that."""

    @property
    def logs(self) -> Path:
        """The folder of the logs."""
        return self.folder / "logs"

    @property
    def presets(self) -> Path:
        """A copy of the file of presets that is deployed."""
        return self.folder / "presets.toml"

    @contextlib.contextmanager
    def building(self) -> Iterator[ProcessGroup]:
        """Start `sam build`, and keep others from building or deploying the project until the block ends."""
        with (
            locked(self.project.folder / "lock", wait=True),
            self._sam("build", self.project.build_command(sam.host_parameters()), self.environ) as build,
        ):
            yield build

    def finish(self, build: ProcessGroup) -> None:
        """Wait for the build, and put into it what this machine needs. Raise StackError if sam or pip fails."""
        build.wait(_BUILD_SECONDS)
        if not sam.layer_runs_here(platform.system(), platform.libc_ver()[0]):
            self.project.fit_layer_to_host()
        self.project.put_presets_into_layer()

    def deploy(self, aws: Aws, parameters: Mapping[str, str]) -> None:
        """Deploy what was built. It runs there once this returns. Raise StackError if sam fails."""
        command = self.project.deploy_command(sam.host_parameters() | dict(parameters))
        with self._sam("deploy", command, self.environ | aws.environment) as deploy:
            deploy.wait(_DEPLOY_SECONDS)
        put_maximum_concurrency_in_force(aws.lambda_)
        shutil.copyfile(self.project.built_presets, self.presets)

    def delete(self, aws: Aws) -> None:
        """Delete the stack. Only what the template retains is left once this returns. Raise StackError if sam fails."""
        with self._sam("delete", self.project.delete_command(), self.environ | aws.environment) as delete:
            delete.wait(_DEPLOY_SECONDS)

    @contextlib.contextmanager
    def _sam(self, name: str, command: list[str], environ: dict[str, str]) -> Iterator[ProcessGroup]:
        log, folder = self.logs / f"sam-{name}.log", self.project.folder
        # sam looks for the interpreter of the functions' runtime on the PATH.
        path = f"{Path(sys.executable).parent}:{environ.get('PATH', '')}"
        with temporary_folder(folder / f"tmp-{name}") as temporary:
            env = {**environ, "PATH": path, "TMPDIR": str(temporary), "SAM_CLI_POLL_DELAY": "0.2"}
            with running(f"sam {name}", command, log=log, env=env, folder=folder) as group:
                yield group


@contextlib.contextmanager
def temporary_folder(folder: Path) -> Iterator[Path]:
    """Return an empty folder for sam's temporary files, most of which it leaves behind; remove it with all of them."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder.absolute()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
