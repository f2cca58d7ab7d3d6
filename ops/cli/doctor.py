"""The command ``doctor``."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final
from uuid import UUID

import typer
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from ops.cli._options import STACK, AsJson, Local, OneCompany, StackName
from ops.cli._output import show
from ops.cli.exit_codes import FINE, FOUND, NOT_REACHED
from ops.cli.presets_check import default_file
from ops.clock import now
from ops.doctor.examine import Line, examine, reach
from ops.doctor.finding import Light
from ops.doctor.subject import Subject, not_deployed
from ops.doctor.trial import plan_of, send_trial
from ops.errors import StackNotFound
from ops.stack import Aws, Stack

_MARKS: Final = {
    Light.GREEN: Text("ok", "green"),
    Light.YELLOW: Text("note", "yellow"),
    Light.RED: Text("WRONG", "bold red"),
    Light.UNANSWERED: Text("-", "dim"),
}


PresetsFile = Annotated[
    Path | None,
    typer.Option(
        "--presets",
        metavar="FILE",
        exists=True,
        dir_okay=False,
        help="The presets file that should be deployed. Default: as in `presets check`.",
    ),
]
Plan = Annotated[
    str | None,
    typer.Option("--plan", metavar="PLAN", help="The plan in that event. Default: the company's recorded plan."),
]
Send = Annotated[bool, typer.Option("--send", help="Put one event of --company through, and wait.")]


def doctor(
    *,
    presets: PresetsFile = None,
    send: Send = False,
    company: OneCompany = None,
    plan: Plan = None,
    stack: StackName = STACK,
    local: Local = False,
    as_json: AsJson = False,
) -> int:
    """Check a stack, before and after a deploy.

    Each line is a check; what is not ok says what to do. `-` marks a check that does not apply. Where there is no stack
    yet, the rest is checked. Changes nothing without --send, which brings the company to the plan's preset as any event
    would, and waits for two minutes at most.

    Exit code 1: a line is WRONG. 3: AWS cannot be reached, or nothing is wrong but there is no stack.

    Example: codat-sync doctor --send --company 8a210b68-6988-4001-a1eb-0242ac120001 --plan growth
    """
    _check_usage(company, plan, send=send)
    here = Stack.local() if local else not_deployed(stack, Aws())
    subject = Subject(here, presets or default_file(), now, in_emulator=local)
    lines = reach(subject)
    if _is_wrong(lines):
        show(lines, render(lines), as_json=as_json)
        return NOT_REACHED
    found = here if local else _found(stack)
    # The event first, so that the other lines show what it has left behind.
    sent = [_trial(found, company, plan)] if found is not None and company is not None else []
    lines += [*examine(replace(subject, stack=found or here), deployed=found is not None), *sent]
    show(lines, render(lines), as_json=as_json)
    if _is_wrong(lines):
        return FOUND
    return FINE if found is not None else NOT_REACHED


def render(lines: Sequence[Line]) -> RenderableType:
    """Show each check on a line, and below it what to do."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for line in lines:
        table.add_row(_MARKS[line.light], line.check, line.words)
        if line.action:
            table.add_row("", "", Text(f"> {line.action}", "bold"))
    return table


def _check_usage(company: UUID | None, plan: str | None, *, send: bool) -> None:
    if send and company is None:
        raise typer.TyperException("--send needs --company ID: a company of your own")
    if not send and (company is not None or plan is not None):
        raise typer.TyperException("--company and --plan are for --send")


def _is_wrong(lines: Sequence[Line]) -> bool:
    return any(line.light is Light.RED for line in lines)


def _found(name: str) -> Stack | None:
    try:
        return Stack.find(name)
    except StackNotFound:
        return None


def _trial(stack: Stack, company: UUID, plan: str | None) -> Line:
    chosen = plan_of(stack, company, plan)
    finding = send_trial(stack, company, chosen, now=now, monotonic=time.monotonic, sleep=time.sleep)
    return Line("event sent", finding.light, finding.words, finding.action)
