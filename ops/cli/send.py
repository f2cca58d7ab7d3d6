"""The command ``send``."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Group as Lines
from rich.console import RenderableType
from rich.text import Text

from codat_sync.presets.file import InvalidPresets, Presets
from codat_sync.presets.hosted import PresetsUnusable
from ops.cli._errors import problem_of
from ops.cli._input import input_file, read_input
from ops.cli._options import STACK, Apply, AsJson, Local, StackName
from ops.cli._output import show
from ops.cli._stack import find_stack
from ops.cli.exit_codes import FINE
from ops.cli.formatting import columns
from ops.clock import now
from ops.errors import StackNotFound
from ops.live_presets import live_presets
from ops.send import SentEvent, ValidEvent, check_plans, read_files
from ops.send import send as send_events
from ops.stack import Stack


def send(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE",
            parser=input_file,
            help="One event envelope in each file. - is standard input.",
        ),
    ],
    *,
    apply: Apply = False,
    stack: StackName = STACK,
    local: Local = False,
    as_json: AsJson = False,
) -> int:
    """Send events to the stack's bus, such as the samples in events/.

    Every file is validated first, and every plan compared with the live presets where they can be read. Nothing is
    sent unless all are valid.

    Example: codat-sync send events/company_upgraded_plan.json --apply
    """
    events = read_files(files, now=now(), read=read_input)
    deployed = find_stack(stack, local=local)
    unchecked = _check_plans(events, deployed)
    if unchecked:
        typer.echo(f"note: the plans were not checked: {unchecked}", err=True)
    if not apply:
        would = [{"file": each.file, "company_id": each.company_id, "plan": each.plan} for each in events]
        show({"would_send": would, "unchecked": unchecked}, render_dry_run(events), as_json=as_json)
        return FINE
    sent = send_events(events, deployed.bus)
    show(sent, render_sent(sent), as_json=as_json)
    return FINE


def _check_plans(events: Sequence[ValidEvent], deployed: Stack) -> str | None:
    """Compare the stated plans with the live presets. Return why that was not possible, or None."""
    if all(event.plan is None for event in events):
        return None
    try:
        presets = Presets.parse(live_presets(deployed)[0])
    except (StackNotFound, PresetsUnusable, InvalidPresets, ClientError, BotoCoreError) as error:
        problem = problem_of(error)
        return problem.facts if problem else str(error)
    check_plans(events, presets)
    return None


def render_sent(events: Sequence[SentEvent]) -> RenderableType:
    """Show each event on a line."""
    table = columns("file", "company", "event id")
    for event in events:
        table.add_row(str(event.file), str(event.company_id or "—"), event.event_id)
    return table


def render_dry_run(events: Sequence[ValidEvent]) -> RenderableType:
    """Show what ``--apply`` would send."""
    table = columns("file", "company", "plan")
    for event in events:
        table.add_row(str(event.file), str(event.company_id or "—"), event.plan or "—")
    return Lines(table, Text(), Text(f"{len(events):,} would be sent. Nothing was sent. --apply does it.", "bold"))
