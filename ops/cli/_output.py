"""Output for people and for scripts."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import typer
from pydantic_core import to_json
from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

WIDTH: Final = 120
"""In characters, where standard output is not a terminal."""


def show(data: object, view: RenderableType, *, as_json: bool) -> None:
    """Print the result of a command: ``data`` as JSON, or the view of it."""
    if as_json:
        typer.echo(to_json(data, indent=2))
        return
    Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else WIDTH).print(view)


@contextmanager
def progress(of: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """Show a progress bar where standard error is a terminal. Call the yielded function with each increment."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(of, total=total)
        yield lambda count: bar.advance(task, count)
