"""The command ``send``."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import RenderableType
from rich.table import Table

from ops.cli._options import STACK, AsJson, Local, StackName
from ops.cli._output import show
from ops.cli._stack import find_stack
from ops.cli.exit_codes import FINE
from ops.clock import now
from ops.send import SentEvent, read_files
from ops.send import send as send_events


def send(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="One event envelope in each file."),
    ],
    *,
    stack: StackName = STACK,
    local: Local = False,
    as_json: AsJson = False,
) -> int:
    """Send events to the stack's bus, such as the samples in events/.

    Every file is validated first. Nothing is sent unless all are valid.

    Example: codat-sync send events/company_upgraded_plan.json
    """
    events = read_files(files, now=now())
    sent = send_events(events, find_stack(stack, local=local).bus)
    show(sent, render_sent(sent), as_json=as_json)
    return FINE


def render_sent(events: Sequence[SentEvent]) -> RenderableType:
    """Show each event on a line."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("file", overflow="fold")
    table.add_column("company", no_wrap=True)
    table.add_column("event id", no_wrap=True)
    for event in events:
        table.add_row(str(event.file), str(event.company_id or "—"), event.event_id)
    return table
