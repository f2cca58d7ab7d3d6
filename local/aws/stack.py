"""The whole system on this machine: MiniStack, a Codat, and the stack that `sam deploy` puts there."""

import contextlib
import fcntl
import platform
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from botocore.exceptions import BotoCoreError

from local.aws import endpoints, sam
from local.aws.clients import Aws, environment_without_aws
from local.aws.function_logs import FunctionLogs, following
from local.aws.ministack import ministack, put_maximum_concurrency_in_force
from local.aws.processes import ProcessGroup, StackError, running, wait_until
from ops.release import release

FOLDER = Path(".local")

_API_KEY_SECRET_NAME = "codat-sync/api-key"  # noqa: S105 - a name, and no secret.
_SIMULATED_API_KEY = "simulated-api-key"
_SIMULATOR_SECONDS = 20.0
_BUILD_SECONDS = 600.0  # The first one downloads the layer's packages.
_DEPLOY_SECONDS = 120.0

OnStep = Callable[[str, float], None]
"""Told of each step that is done, and of the seconds that it took. Some run side by side."""


@dataclass(frozen=True)
class Codat:
    """A Codat for the functions to call."""

    base_url: str
    api_key: str


@dataclass(frozen=True)
class Deployment:
    """sam, at work on one project. What it says is in `logs`."""

    project: sam.Project
    logs: Path
    environ: dict[str, str]
    """Without an account to deploy to: that comes with each deployment."""

    @contextlib.contextmanager
    def building(self) -> Iterator[ProcessGroup]:
        """`sam build` runs when the block begins. Nobody else builds or deploys the project until it ends."""
        with (
            _locked(self.project.folder / "lock", wait=True),
            self._sam("build", self.project.build_command(sam.host_parameters()), self.environ) as build,
        ):
            yield build

    def fit_to_host(self) -> bool:
        """Whether what was built had to be fitted to this machine first."""
        runs_here = sam.layer_runs_here(platform.system(), platform.libc_ver()[0])
        if not runs_here:
            self.project.fit_layer_to_host()
        return not runs_here

    def deploy(self, aws: Aws, parameters: Mapping[str, str]) -> None:
        """What was built is what runs there once this returns."""
        command = self.project.deploy_command(sam.host_parameters() | dict(parameters))
        with self._sam("deploy", command, self.environ | aws.environment) as deploy:
            deploy.wait(_DEPLOY_SECONDS)
        put_maximum_concurrency_in_force(aws.lambda_)

    def delete(self, aws: Aws) -> None:
        """Nothing of it is there once this returns, but what the template retains."""
        with self._sam("delete", self.project.delete_command(), self.environ | aws.environment) as delete:
            delete.wait(_DEPLOY_SECONDS)

    def _sam(
        self, name: str, command: list[str], environ: dict[str, str]
    ) -> contextlib.AbstractContextManager[ProcessGroup]:
        # sam looks for the interpreter of the functions' runtime on the PATH.
        path = f"{Path(sys.executable).parent}:{environ.get('PATH', '')}"
        env = {**environ, "PATH": path, "SAM_CLI_POLL_DELAY": "0.2"}
        return running(f"sam {name}", command, log=self.logs / f"sam-{name}.log", env=env, folder=self.project.folder)


@dataclass(frozen=True)
class LocalStack:
    """What runs while the block of `local_stack` runs."""

    aws: Aws
    codat: Codat
    simulated: bool
    """Whether `codat` is the simulator, with its control API below `/_simulator`."""
    outputs: Mapping[str, str]
    """The outputs of template.yaml, by name."""
    endpoints: Path
    """The file that tells other programs of all this."""
    logs: Path
    """The folder of the logs. The functions' own are in functions.log, a second behind."""
    function_logs: FunctionLogs
    processes: tuple[ProcessGroup, ...]
    deployment: Deployment
    """How it got there."""

    def deploy_again(self, parameters: Mapping[str, str]) -> None:
        """Build the project as it is by now, and deploy that over what runs, which goes on meanwhile.

        Named by its Release, as `make deploy` does it. Parameters that are not given stay as they are. Raise StackError
        if sam fails.
        """
        with self.deployment.building() as build:
            build.wait(_BUILD_SECONDS)
            self.deployment.fit_to_host()
            given = [f"{name}={value}" for name, value in parameters.items()]
            named = {"Release": release(self.deployment.project.built, given)}
            self.deployment.deploy(self.aws, named | dict(parameters))

    def delete(self) -> None:
        """Take the deployed stack away; MiniStack and Codat go on. Raise StackError if sam fails."""
        self.function_logs.collect()
        self.deployment.delete(self.aws)

    def check_running(self) -> None:
        """Raise StackError if a part has ended."""
        for process in self.processes:
            process.check_running()


@contextlib.contextmanager
def local_stack(
    *,
    folder: Path = FOLDER,
    aws_port: int = 0,
    codat_port: int = 0,
    codat: Codat | None = None,
    parameters: Mapping[str, str] = MappingProxyType({}),
    project: sam.Project = sam.Project(),  # noqa: B008 - it is frozen.
    on_step: OnStep = lambda _name, _seconds: None,
) -> Iterator[LocalStack]:
    """Build, deploy and run everything while the block runs; nothing of it is left afterwards, however the block ends.

    A port of 0 takes a free one. With `codat`, the functions call that one and no simulator is started. `parameters`
    are further parameters of template.yaml. `project` may be a copy of this one. Two stacks can run side by side in two
    folders. Runs in the project's root.
    Raise StackError with one line that says what went wrong, and where to read more.
    """
    environ = environment_without_aws()
    logs = folder / "logs"
    deployment = Deployment(project, logs, environ)
    began = time.monotonic()

    def done(step: str, since: float = began) -> float:
        now = time.monotonic()
        on_step(step, now - since)
        return now

    with contextlib.ExitStack() as parts:
        parts.enter_context(_locked(folder / "lock", wait=False))
        # MiniStack and the simulator start while sam builds.
        with deployment.building() as build:
            aws, emulator = parts.enter_context(
                ministack(folder / "aws", port=aws_port, log=logs / "ministack.log", environ=environ)
            )
            processes = [emulator]
            simulated = codat is None
            if codat is None:
                codat, simulator = parts.enter_context(_simulator(folder, codat_port, logs, environ))
                processes.append(simulator)
                done("Codat simulator")
            _create_secret(aws, codat.api_key, emulator)
            done("MiniStack")
            build.wait(_BUILD_SECONDS)
            built = done("sam build")
            if deployment.fit_to_host():
                built = done("host wheels", built)
            ours = {
                "CodatBaseUrl": codat.base_url,
                "CodatApiKeySecretName": _API_KEY_SECRET_NAME,
                "Schedules": "DISABLED",  # What happens here is what somebody asks for.
                "GradualDeployments": "false",  # MiniStack has no CodeDeploy.
            }
            deployment.deploy(aws, ours | dict(parameters))
        done("sam deploy", built)

        function_logs = parts.enter_context(following(aws.logs, _log_groups(aws), logs / "functions.log"))
        stack = LocalStack(
            aws=aws,
            codat=codat,
            simulated=simulated,
            outputs=_outputs(aws),
            endpoints=folder / "endpoints.env",
            logs=logs,
            function_logs=function_logs,
            processes=tuple(processes),
            deployment=deployment,
        )
        endpoints.write(stack.endpoints, _variables(stack))
        parts.callback(stack.endpoints.unlink, missing_ok=True)
        yield stack


@contextlib.contextmanager
def _simulator(folder: Path, port: int, logs: Path, environ: Mapping[str, str]) -> Iterator[tuple[Codat, ProcessGroup]]:
    port_file = folder / "codat-simulator.port"
    port_file.unlink(missing_ok=True)
    command = [
        *(sys.executable, "-m", "local.codat_simulator", "--port", str(port)),
        *("--api-key", _SIMULATED_API_KEY, "--port-file", str(port_file)),
    ]
    with running("The Codat simulator", command, log=logs / "codat-simulator.log", env=environ) as simulator:
        wait_until(port_file.exists, simulator, timeout=_SIMULATOR_SECONDS)
        url = f"http://127.0.0.1:{int(port_file.read_text(encoding='utf-8'))}"
        yield Codat(base_url=url, api_key=_SIMULATED_API_KEY), simulator


def _create_secret(aws: Aws, api_key: str, emulator: ProcessGroup) -> None:
    try:
        aws.secretsmanager.create_secret(Name=_API_KEY_SECRET_NAME, SecretString=api_key)
    except BotoCoreError as error:
        emulator.check_running()
        raise emulator.failure(f"does not answer ({error})") from error


def _outputs(aws: Aws) -> Mapping[str, str]:
    [stack] = aws.cloudformation.describe_stacks(StackName=sam.STACK_NAME)["Stacks"]
    return MappingProxyType({output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]})


def _log_groups(aws: Aws) -> list[str]:
    pages = aws.cloudformation.get_paginator("list_stack_resources").paginate(StackName=sam.STACK_NAME)
    resources = [resource for page in pages for resource in page["StackResourceSummaries"]]
    return [
        resource["PhysicalResourceId"] for resource in resources if resource["ResourceType"] == "AWS::Logs::LogGroup"
    ]


def _variables(stack: LocalStack) -> dict[str, str]:
    """A key to a real Codat is not written to disk."""
    variables = stack.aws.environment | {endpoints.variable(name): value for name, value in stack.outputs.items()}
    variables["CODAT_BASE_URL"] = stack.codat.base_url
    if stack.simulated:
        variables["CODAT_API_KEY"] = stack.codat.api_key
    return variables


@contextlib.contextmanager
def _locked(file: Path, *, wait: bool) -> Iterator[None]:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StackError(f"a local stack runs already in {file.parent}: see {file.parent}/endpoints.env") from None
        yield
