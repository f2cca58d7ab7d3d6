"""Write docs/cli.md from the help of every command: ``python -m ops.cli.reference``."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import typer

from ops.cli.main import app

FILE: Final = Path(__file__).parents[2] / "docs" / "cli.md"
WIDTH: Final = 100

_INTRODUCTION: Final = """\
# Command line

`codat-sync` is for the on-call of a deployed stack. `make` installs it into `.venv/bin`. [The runbook](runbook.md)
says which command helps when. This file holds the help of every command; `python -m ops.cli.reference` writes it.

Nothing is changed without `--apply`, except by `doctor --send`, whose option says so. Results go to standard output,
everything else to standard error. An error is a line `error: …`, followed by a line `hint: …` where there is one.
"""


def reference() -> str:
    """Return the text of docs/cli.md."""
    helps = list(_helps(typer.main.get_command(app), None, "codat-sync"))
    rows = [f"| [{path}](#{path.replace(' ', '-')}) | {short} |" for path, short, _ in helps]
    sections = [f"## {path}\n\n```text\n{text}\n```\n" for path, _, text in helps]
    return "\n".join([_INTRODUCTION, "| command | what it does |", "|---|---|", *rows, "", *sections])


def main() -> None:
    """Write docs/cli.md."""
    FILE.write_text(reference(), encoding="utf-8")


# Typer's command has no public name.
def _helps(command: Any, parent: typer.Context | None, name: str) -> Iterator[tuple[str, str, str]]:  # noqa: ANN401
    """Yield path, first sentence and help of a command and of every command below it."""
    context = typer.Context(command, parent=parent, info_name=name, terminal_width=WIDTH)
    yield context.command_path, command.get_short_help_str(limit=WIDTH), command.get_help(context)
    for below in getattr(command, "commands", ()):
        yield from _helps(command.commands[below], context, below)


if __name__ == "__main__":
    main()
