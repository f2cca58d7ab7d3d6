"""The commands of ``dlq``."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group as Lines
from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from ops.cli._options import STACK, Apply, AsJson, Local, OfCompany, StackName
from ops.cli._output import progress, show
from ops.cli._stack import find_stack
from ops.cli.exit_codes import FINE, FOUND
from ops.cli.formatting import ago, columns, fields, moment
from ops.clock import now
from ops.dlq import OUTPUTS, DeadLetter, Dlq, Dlqs, Filter, Found, Group, OnRead, Processed, approximate_count
from ops.kept_events import KeptEvents
from ops.reasons import known_reasons
from ops.stack import Stack

Which = Annotated[
    list[Dlq] | None,
    typer.Option("--dlq", metavar="DLQ", help=f"Only this DLQ: {', '.join(Dlq)}. May be repeated."),
]
Reason = Annotated[str | None, typer.Option("--reason", metavar="SLUG", help="Only events with this reason.")]

OfEvent = Annotated[str | None, typer.Option("--event", metavar="ID", help="Only the event with this id.")]
KeptIn = Annotated[
    Path | None,
    typer.Option(
        "--to", metavar="FILE", dir_okay=False, help="A new file for what goes. Default: discarded-TIME.jsonl, here."
    ),
]


def list_groups(
    *,
    which: Which = None,
    reason: Reason = None,
    company: OfCompany = None,
    stack: StackName = STACK,
    local: Local = False,
    as_json: AsJson = False,
) -> int:
    """List the events in the DLQs by reason, with the words of the newest.

    Exit code 1: there is an event.

    Example: codat-sync dlq list --dlq payment-required
    """
    found = _find(find_stack(stack, local=local), which, Filter(reason, company))
    show(_listed(found), render_groups(found, now()), as_json=as_json)
    return FOUND if found.letters else FINE


def show_events(
    *,
    which: Which = None,
    reason: Reason = None,
    company: OfCompany = None,
    stack: StackName = STACK,
    local: Local = False,
    as_json: AsJson = False,
) -> int:
    """Show each event in the DLQs, with its attributes and its body.

    Exit code 1: there is an event.

    Example: codat-sync dlq show --reason malformed_event
    """
    found = _find(find_stack(stack, local=local), which, Filter(reason, company))
    show(found, render_letters(found, now()), as_json=as_json)
    return FOUND if found.letters else FINE


def redrive(
    *,
    apply: Apply = False,
    which: Which = None,
    reason: Reason = None,
    company: OfCompany = None,
    stack: StackName = STACK,
    local: Local = False,
    as_json: AsJson = False,
) -> int:
    """Move parked events back to their queues, where functions receive them again.

    Exit code 1: without --apply, there is an event to move; with it, one could not be moved.

    Example: codat-sync dlq redrive --reason unknown_plan --apply
    """
    deployed, matching = find_stack(stack, local=local), Filter(reason, company)
    _check_reason(deployed, which, reason)
    if apply:
        return _process(deployed, which, matching, Dlqs.redrive, "redriven", as_json=as_json)
    return _dry_run(deployed, which, matching, "redriven", as_json=as_json)


def discard(
    *,
    apply: Apply = False,
    which: Which = None,
    reason: Reason = None,
    company: OfCompany = None,
    event: OfEvent = None,
    to: KeptIn = None,
    stack: StackName = STACK,
    local: Local = False,
    as_json: AsJson = False,
) -> int:
    """Delete events from the DLQs for good, after they were written to a file.

    Needs a DLQ and a reason, or the id of an event. The file has one JSON object for each event.

    Exit code 1: without --apply, there is an event to delete; with it, one could not be deleted.

    Example: codat-sync dlq discard --dlq failed-events --reason malformed_event --apply
    """
    if event is None and not (which and reason):
        raise typer.TyperException("discard needs --dlq and --reason, or --event")
    deployed, matching = find_stack(stack, local=local), Filter(reason, company, event)
    _check_reason(deployed, which, reason)
    if apply:
        kept = KeptEvents(to or Path(f"discarded-{now():%Y%m%dT%H%M%SZ}.jsonl"))

        def act(dlqs: Dlqs, matching: Filter, on_read: OnRead) -> Processed:
            return dlqs.discard(matching, kept, on_read)

        code = _process(deployed, which, matching, act, "discarded", as_json=as_json)
        if kept.begun:
            typer.echo(f"note: what was discarded is in {kept.file}", err=True)
        return code
    return _dry_run(deployed, which, matching, "discarded", as_json=as_json)


def _check_reason(deployed: Stack, which: Sequence[Dlq] | None, reason: str | None) -> None:
    """Refuse a reason that neither the functions nor any event in the DLQs has, with the nearest."""
    known = known_reasons()
    if reason is None or reason in known:
        return
    present = {letter.reason for letter in _find(deployed, which, Filter()).letters}
    if reason not in present:
        close = get_close_matches(reason, sorted(known | present), n=1)
        meant = f": did you mean {close[0]!r}?" if close else "; docs/runbook.md lists the reasons"
        raise typer.BadParameter(f"there is no reason {reason!r}{meant}")


def _find(deployed: Stack, which: Sequence[Dlq] | None, matching: Filter) -> Found:
    with progress("messages", _count(deployed, which)) as on_read:
        return deployed.dlqs(which or ()).find(matching, on_read)


def _process(
    deployed: Stack,
    which: Sequence[Dlq] | None,
    matching: Filter,
    act: Callable[[Dlqs, Filter, OnRead], Processed],
    done: str,
    *,
    as_json: bool,
) -> int:
    with progress("messages", _count(deployed, which)) as on_read:
        result = act(deployed.dlqs(which or ()), matching, on_read)
    show(result, render_processed(result, done), as_json=as_json)
    return FOUND if result.failed or not result.complete else FINE


def _dry_run(deployed: Stack, which: Sequence[Dlq] | None, matching: Filter, done: str, *, as_json: bool) -> int:
    found = _find(deployed, which, matching)
    show(_listed(found), render_dry_run(found, done, now()), as_json=as_json)
    return FOUND if found.letters else FINE


def _count(deployed: Stack, which: Sequence[Dlq] | None) -> int:
    return sum(approximate_count(deployed.sqs, deployed.output(OUTPUTS[dlq])) for dlq in which or Dlq)


def _listed(found: Found) -> dict[str, object]:
    return {"groups": found.groups, "complete": found.complete}


def render_groups(found: Found, now: datetime) -> RenderableType:
    """Show how many events each DLQ holds for each reason."""
    if not found.letters:
        return Lines("The DLQs hold no such event.", *_incomplete(found))
    table = columns("DLQ", "reason", "count", "oldest", "newest", "words of the newest", right=("count",))
    for group in found.groups:
        table.add_row(*_row(group, now))
    return Lines(table, *_incomplete(found))


def render_letters(found: Found, now: datetime) -> RenderableType:
    """Show each event with its attributes and its body."""
    shown: list[RenderableType] = []
    for letter in found.letters:
        table = fields()
        for title, value in _attributes(letter, now).items():
            if value:
                table.add_row(title, value)
        shown += [Text(f"{letter.dlq}: {letter.reason}", "bold"), table, Padding(letter.body.strip(), (0, 2)), Text()]
    return Lines(*(shown or ["The DLQs hold no such event."]), *_incomplete(found))


def render_processed(result: Processed, done: str) -> RenderableType:
    """Show how many events were processed, and why others were not. ``done`` is a participle such as "redriven"."""
    lines: list[RenderableType] = [Text(f"{len(result.letters):,} {done}.", "bold")]
    for why, count in Counter(why for _, why in result.failed).most_common():
        lines.append(Text(f"{count:,} failed, and stay in their DLQ: {why}", "red"))
    return Lines(*lines, *_incomplete(result))


def render_dry_run(found: Found, done: str, now: datetime) -> RenderableType:
    """Show what ``--apply`` would process."""
    if not found.letters:
        return render_groups(found, now)
    end = f"{len(found.letters):,} would be {done}. Nothing was changed. --apply does it."
    return Lines(render_groups(found, now), Text(), Text(end, "bold"))


def _row(group: Group, now: datetime) -> list[str]:
    oldest, newest = (ago(now - at) for at in (group.oldest, group.newest))
    return [group.dlq, group.reason, f"{group.count:,}", oldest, newest, group.words or ""]


def _attributes(letter: DeadLetter, now: datetime) -> dict[str, str | None]:
    return {
        "words": letter.words,
        "parked": moment(letter.parked_at, now),
        "company": str(letter.company_id) if letter.company_id else None,
        "plan": letter.plan,
        "event": letter.event_id,
        "status": letter.status,
        "Codat's id": letter.correlation_id,
        "source queue": letter.source_queue,
    }


def _incomplete(found: Found) -> list[RenderableType]:
    if found.complete:
        return []
    return [Text("The time limit was reached before every message was read.", "yellow")]
