"""The file that tells other programs how to reach the local stack."""

import re
import shlex
from collections.abc import Mapping
from pathlib import Path


def variable(output: str) -> str:
    """Return the environment variable for an output of the template: EVENT_BUS_NAME for EventBusName."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", output).upper()


def text(variables: Mapping[str, str]) -> str:
    """Return one NAME=value a line, quoted for a shell: `set -a; . .local/endpoints.env`."""
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in variables.items())


def write(file: Path, variables: Mapping[str, str]) -> None:
    """Replace the file in one step, so that no reader sees half of it."""
    part = file.with_name(f"{file.name}.part")
    part.write_text(text(variables), encoding="utf-8")
    part.replace(file)
