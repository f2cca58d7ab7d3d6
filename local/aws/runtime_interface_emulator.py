"""AWS's Runtime Interface Emulator: starts and invokes one function from its built artefacts as Lambda does.

It comes with aws-sam-cli, for Linux alone. It has no event sources, no IAM and no memory limit, and handles one event
at a time. https://github.com/aws/aws-lambda-runtime-interface-emulator
"""

import contextlib
import importlib.util
import json
import platform
import re
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from local.aws import sam
from local.aws.processes import ProcessGroup, StackError, running, wait_until

_HOST = "127.0.0.1"
_START_SECONDS = 10.0
_ANSWER_SECONDS = 90.0  # More than any function's own timeout, which the emulator enforces.
_INIT = re.compile(r"INIT REPORT\(durationMs: ([\d.]+)\)")
_INVOCATION = re.compile(r"INVOKE RTDONE\(.*duration: ([\d.]+)ms\)")


class InvocationFailed(Exception):
    """The function raised, could not be imported, or was ended at its timeout."""

    def __init__(self, error_type: str, message: str) -> None:
        super().__init__(f"{error_type}: {message}")
        self.error_type = error_type
        self.message = message


@dataclass(frozen=True)
class EmulatedFunction:
    """A function that waits for events. Its process starts with the first event, and handles all others."""

    url: str
    process: ProcessGroup

    def invoke(self, event: Mapping[str, Any]) -> Any:  # noqa: ANN401 - whatever the handler returns.
        """Return the handler's answer; raise InvocationFailed. Events must come one after another."""
        with requests.Session() as session:
            session.trust_env = False  # No proxy on the way to 127.0.0.1.
            text = session.post(self.url, json=event, timeout=_ANSWER_SECONDS).text
        try:
            answer = json.loads(text)
        except ValueError:
            raise InvocationFailed("Sandbox.Timedout", text) from None  # A timeout is reported in plain text.
        # Only the body's form shows an error: the status is 200 as well.
        if isinstance(answer, dict) and "errorType" in answer:
            raise InvocationFailed(answer["errorType"], answer["errorMessage"])
        return answer

    def output(self) -> str:
        """Return what the function and the emulator have printed."""
        return self.process.log.read_text(encoding="utf-8")

    def init_milliseconds(self) -> list[float]:
        """Return the time of each INIT: the interpreter's start and the import of the handler."""
        return [float(each) for each in _INIT.findall(self.output())]

    def invocation_milliseconds(self) -> list[float]:
        """Return the handler's time for each event that it answered, without INIT."""
        return [float(each) for each in _INVOCATION.findall(self.output())]


def environment(*, folder: Path, layer: Path, runtime: str, region: str, timeout: int, memory: int) -> dict[str, str]:
    """Return the variables that Lambda itself sets. `timeout` is in seconds, `memory` in MB.

    https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
    """
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "LAMBDA_TASK_ROOT": str(folder),
        "PYTHONPATH": str(layer),
        "PYTHONDONTWRITEBYTECODE": "1",  # Lambda's folders are read-only: each cold start compiles anew.
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{runtime}",
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory),
        "AWS_LAMBDA_FUNCTION_TIMEOUT": str(timeout),  # For the emulator; Lambda does not set it.
        "AWS_LAMBDA_LOG_FORMAT": "JSON",
        "AWS_LAMBDA_LOG_LEVEL": "INFO",
    }


@contextlib.contextmanager
def emulated_function(
    python: Path, handler: str, *, folder: Path, env: Mapping[str, str], log: Path
) -> Iterator[EmulatedFunction]:
    """Run a function while the block runs; no process of it is left afterwards.

    `python` is an interpreter that has awslambdaric, `folder` the root of the function's code. Paths are absolute.
    Raise StackError if the emulator is missing or does not start.
    """
    port, runtime_api_port = _free_ports()
    command = [
        str(_binary()),
        *("--runtime-interface-emulator-address", f"{_HOST}:{port}"),
        *("--runtime-api-address", f"{_HOST}:{runtime_api_port}"),
        *(str(python), "-m", "awslambdaric", handler),
    ]
    with running("Runtime emulator", command, log=log, env=env, folder=folder) as process:
        wait_until(lambda: _is_listening(port), process, timeout=_START_SECONDS)
        yield EmulatedFunction(f"http://{_HOST}:{port}/2015-03-31/functions/function/invocations", process)


def _binary() -> Path:
    package = importlib.util.find_spec("samcli")
    folders = package.submodule_search_locations if package else None
    binary = f"local/rapid/aws-lambda-rie-{sam.architecture(platform.machine())}"
    for folder in folders or ():
        if (Path(folder) / binary).exists():
            return Path(folder) / binary
    raise StackError(f"aws-sam-cli is not installed, or has no {binary}")


def _free_ports() -> tuple[int, int]:
    """Return two ports that were free a moment ago: the emulator takes no open socket, and chooses no port itself."""
    with socket.create_server((_HOST, 0)) as one, socket.create_server((_HOST, 0)) as other:
        return one.getsockname()[1], other.getsockname()[1]


def _is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((_HOST, port)) == 0
