"""Every command that a document tells people to type is one that its tool would take."""

import re
import shlex
from typing import Any

import botocore.session
import pytest
import typer

from ops.cli.main import app
from tests.docs.documents import DOCS, shell_lines, spans

LINES = [line for doc in DOCS for line in shell_lines(doc)]
INLINE = [span for doc in DOCS for span in spans(doc) if re.match(r"codat-sync [a-z-]", span)]
TOOLS = {"aws", "codat-sync", "make", "sam"}
OF_THE_AWS_CLI = {"--query", "--output", "--region", "--profile"}


def of_tool(tool: str) -> list[str]:
    return sorted({line for line in LINES if line.split()[0] == tool})


def test_no_document_uses_another_tool() -> None:
    assert {line.split()[0] for line in LINES} <= TOOLS


@pytest.mark.parametrize("line", of_tool("aws"))
def test_the_aws_cli_takes_it(line: str) -> None:
    """Its commands and options are the operations and members of the services' own models, with dashes."""
    _, service, operation, *arguments = shlex.split(line)
    model = botocore.session.Session().get_service_model(service)
    (name,) = [each for each in model.operation_names if _dashed(each) == operation]
    shape = model.operation_model(name).input_shape
    assert shape is not None
    known = {f"--{_dashed(member)}" for member in shape.members} | OF_THE_AWS_CLI
    known |= {f"--no-{_dashed(member)}" for member, each in shape.members.items() if each.type_name == "boolean"}
    assert {each for each in arguments if each.startswith("--")} <= known
    assert {f"--{_dashed(member)}" for member in shape.required_members} <= set(arguments)


@pytest.mark.parametrize("line", sorted({*of_tool("codat-sync"), *INLINE}))
def test_our_own_tool_takes_it(line: str) -> None:
    """Each command, option and argument is one that it knows; what stands for a value is not looked at."""
    command: Any = typer.main.get_command(app)
    words = shlex.split(line.partition(" > ")[0])[1:]
    while hasattr(command, "commands"):
        if words[0].startswith("--"):  # Of the tool itself, such as --version.
            break
        command = command.commands[words.pop(0)]
    with command.context_class(command) as context:
        _, left_over, _ = command.make_parser(context).parse_args(args=[word.strip("[]") for word in words])
    assert left_over == []


@pytest.mark.parametrize("line", of_tool("sam"))
def test_the_sam_cli_takes_it(line: str) -> None:
    from samcli.commands.delete.command import cli as delete  # noqa: PLC0415  # Half a second that others need not pay.

    _, command, *arguments = shlex.split(line)
    assert command == "delete"
    known = {option for parameter in delete.params for option in parameter.opts}
    assert {each for each in arguments if each.startswith("--")} <= known


def _dashed(name: str) -> str:
    words = re.sub(r"([a-z0-9])([A-Z])", r"\1-\2", re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1-\2", name))
    return words.lower().replace("open-idconnect", "open-id-connect")
