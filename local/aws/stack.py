"""The whole system on this machine: MiniStack, a Codat, and the stack that `sam deploy` puts there."""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from botocore.exceptions import BotoCoreError

from local.aws import endpoints, sam
from local.aws.clients import Aws, environment_without_aws
from local.aws.codat import Codat, simulated_codat
from local.aws.deployment import Deployment
from local.aws.function_logs import FunctionLogs, following
from local.aws.leftovers import end_leftovers
from local.aws.locks import locked
from local.aws.ministack import ministack
from local.aws.processes import ProcessGroup
from ops.release import release

FOLDER = Path(".local")

_API_KEY_SECRET_NAME = "codat-sync/api-key"  # noqa: S105 - a name, and no secret.

OnStep = Callable[[str, float], None]
"""Called with each step that is done, and the seconds that it took. Some steps run side by side."""


@dataclass(frozen=True)
class Emulators:
    """The AWS and the Codat that a stack is deployed to."""

    aws: Aws
    codat: Codat
    simulated: bool
    """Whether `codat` is the simulator, with its control API below `/_simulator`."""
    processes: tuple[ProcessGroup, ...]
    """MiniStack, and the simulator if there is one."""


@dataclass(frozen=True)
class LocalStack(Emulators):
    """A stack that is deployed to them, while the block of `local_stack` runs."""

    outputs: Mapping[str, str]
    """The outputs of template.yaml, by name."""
    endpoints: Path
    """The file that tells other programs how to reach all of this."""
    logs: Path
    """The folder of the logs. The functions' own are in functions.log, a second late."""
    function_logs: FunctionLogs
    deployment: Deployment

    def deploy_again(self, parameters: Mapping[str, str]) -> None:
        """Build the project as it is now, and deploy it over the stack, which goes on meanwhile.

        The new versions of the functions are named by a Release, as `make deploy` does it. Parameters that are not
        given keep their values. Raise StackError if sam fails.
        """
        with self.deployment.building() as build:
            self.deployment.finish(build)
            self.deployment.deploy(self.aws, {"Release": release()} | dict(parameters))

    def delete(self) -> None:
        """Delete the deployed stack; MiniStack and Codat go on. Raise StackError if sam fails."""
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
    """Build, deploy and run everything while the block runs; no process is left afterwards, however the block ends.

    A port of 0 takes a free one. With `codat`, the functions call that one and no simulator is started. `parameters`
    are further parameters of template.yaml. `project` may be a copy of this one. Two stacks can run side by side in two
    folders. Runs in the project's root. What an earlier run in `folder` left running, since it was killed, is ended.
    Raise StackError with one line that says what went wrong, and where to read more.
    """
    deployment = Deployment(project, folder, environment_without_aws())
    steps = _Steps(on_step)
    with contextlib.ExitStack() as parts:
        parts.enter_context(locked(folder / "lock", wait=False))
        _sweep(deployment, steps)
        # MiniStack and the simulator start while sam builds.
        with deployment.building() as build:
            emulators = _start_emulators(parts, deployment, codat, (aws_port, codat_port), steps)
            deployment.finish(build)
            built = steps.done("sam build")
            parts.callback(deployment.presets.unlink, missing_ok=True)
            deployment.deploy(emulators.aws, _parameters(emulators.codat) | dict(parameters))
        steps.done("sam deploy", since=built)
        yield _deployed(parts, deployment, emulators)


class _Steps:
    """A start's clock, which reports each step to `on_step`."""

    def __init__(self, on_step: OnStep) -> None:
        self._on_step = on_step
        self._began = time.monotonic()

    def done(self, step: str, since: float | None = None) -> float:
        """Report a step that is done, with the seconds since the start or since another step; return the time."""
        now = time.monotonic()
        self._on_step(step, now - (self._began if since is None else since))
        return now


def _sweep(deployment: Deployment, steps: _Steps) -> None:
    """End the processes of a run that was killed, and remove the files that describe its stack."""
    for leftover in end_leftovers(deployment.logs):
        steps.done(f"Ended, left by a killed run: {leftover}")
    for file in (deployment.folder / "endpoints.env", deployment.presets):
        file.unlink(missing_ok=True)


def _start_emulators(
    parts: contextlib.ExitStack,
    deployment: Deployment,
    codat: Codat | None,
    ports: tuple[int, int],
    steps: _Steps,
) -> Emulators:
    """Start MiniStack, and the simulator unless there is another Codat. Both end with `parts`."""
    folder, logs, environ = deployment.folder, deployment.logs, deployment.environ
    aws_port, codat_port = ports
    aws, emulator = parts.enter_context(
        ministack(folder / "aws", port=aws_port, log=logs / "ministack.log", environ=environ)
    )
    processes = [emulator]
    simulated = codat is None
    if codat is None:
        port_file = folder / "codat-simulator.port"
        codat, simulator = parts.enter_context(
            simulated_codat(port_file, port=codat_port, log=logs / "codat-simulator.log", environ=environ)
        )
        processes.append(simulator)
        steps.done("Codat simulator")
    _create_secret(aws, codat.api_key, emulator)
    steps.done("MiniStack")
    return Emulators(aws, codat, simulated, tuple(processes))


def _create_secret(aws: Aws, api_key: str, emulator: ProcessGroup) -> None:
    try:
        aws.secretsmanager.create_secret(Name=_API_KEY_SECRET_NAME, SecretString=api_key)
    except BotoCoreError as error:
        emulator.check_running()
        raise emulator.failure(f"does not answer ({error})") from error


def _parameters(codat: Codat) -> dict[str, str]:
    return {
        "CodatBaseUrl": codat.base_url,
        "CodatApiKeySecretName": _API_KEY_SECRET_NAME,
        "Schedules": "DISABLED",  # A reconciliation run starts on request alone.
        "GradualDeployments": "false",  # MiniStack has no CodeDeploy.
        "DetailedMetrics": "true",  # They cost nothing here, and the picture of the dashboard shows them.
    }


def _deployed(parts: contextlib.ExitStack, deployment: Deployment, emulators: Emulators) -> LocalStack:
    """Return the stack, with its logs followed and its endpoints written until `parts` end."""
    aws, logs = emulators.aws, deployment.logs
    stack = LocalStack(
        **vars(emulators),
        outputs=_outputs(aws),
        endpoints=deployment.folder / "endpoints.env",
        logs=logs,
        function_logs=parts.enter_context(following(aws.logs, _log_groups(aws), logs / "functions.log")),
        deployment=deployment,
    )
    parts.callback(stack.endpoints.unlink, missing_ok=True)
    endpoints.write(stack.endpoints, _variables(stack))
    return stack


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
    """Return the content of the endpoints file. The key of a real Codat is not written to disk."""
    variables = stack.aws.environment | {endpoints.variable(name): value for name, value in stack.outputs.items()}
    variables["PRESETS_FILE"] = str(stack.deployment.presets.absolute())
    variables["CODAT_BASE_URL"] = stack.codat.base_url
    if stack.simulated:
        variables["CODAT_API_KEY"] = stack.codat.api_key
    return variables
