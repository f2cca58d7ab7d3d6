"""Groups of commands whose modules are imported when a command runs.

``presets check`` runs before each build, and must not load the AWS client, which takes a second.
"""

import inspect
from collections import UserDict
from collections.abc import Mapping
from importlib import import_module
from typing import Any, ClassVar

import typer
from typer.core import TyperGroup

from ops.cli.exit_codes import BAD_INPUT


class _Commands(UserDict[str, Any]):
    """Commands by name. A string "module:function" is imported when the command is read."""

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401  # Typer's own command has no public name.
        command = self.data[name]
        return _load(command) if isinstance(command, str) else command


class LazyGroup(TyperGroup):
    """A group of commands. Without a command it prints its help, and exits with ``BAD_INPUT``."""

    functions: ClassVar[Mapping[str, str]]
    """The command functions by the names of their commands, each as "module:function"."""

    def __init__(self, **attributes: Any) -> None:  # noqa: ANN401  # Typer's own.
        super().__init__(**attributes)
        self.commands = _Commands({**self.functions, **self.commands})

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401, ARG002  # Typer's context has no public name.
        """Return the names in the order of the help, without importing a command."""
        return list(self.commands)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401
        """Parse the group's own options."""
        if not args:
            typer.echo(ctx.get_help())
            raise typer.Exit(BAD_INPUT)
        return super().parse_args(ctx, args)


def _load(function: str) -> Any:  # noqa: ANN401
    module, _, name = function.partition(":")
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    command = getattr(import_module(module), name)
    text, _, example = inspect.cleandoc(command.__doc__).rpartition("\n\nExample: ")
    app.command(help=text, epilog=f"Example: {example}")(command)
    return typer.main.get_command(app)
