"""The demo's tables."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from rich.table import Table
from rich.text import Text

from codat_sync.codat.differences import Difference, differences
from codat_sync.codat.models import SyncSettings
from codat_sync.outcomes.triage import Outcome
from local.demo.scenario import Phase, ScenarioEvent
from ops.cli.formatting import difference_lines, moment
from ops.dlq import DeadLetter

_STYLES: Final = {
    Outcome.APPLIED: "bold green",
    Outcome.UNCHANGED: "green",
    Outcome.STALE: "dim",
    Outcome.DEGRADED: "bold yellow",
    Outcome.PARKED_PAYMENT_REQUIRED: "bold yellow",
    Outcome.PARKED_FAILED: "bold red",
    Outcome.DEFERRED: "magenta",
}


def changes(before: Mapping[str, SyncSettings], after: Mapping[str, SyncSettings]) -> dict[str, str]:
    """Describe by company how its settings at Codat differ between two moments."""
    return {name: "\n".join(difference_lines(differences(before[name], after[name]))) or "nothing" for name in after}


def outcomes_table(phases: Sequence[Phase], changed: Mapping[str, str]) -> Table:
    """Return a table of each event's outcome, with the `changes` of its company."""
    table = _table("Outcome of each event", event=5, company=3, plan=2, outcome=4, change_at_Codat=9)
    for phase in phases:
        table.add_section()
        table.add_row(Text(phase.title, style="italic"))
        for event in phase.events:
            change = changed[event.company] if event.outcome in {Outcome.APPLIED, Outcome.DEGRADED} else "nothing"
            if "reason" in event.settled[0]:
                change = f"{change}\n[dim]{event.settled[0]['reason']}[/]"
            mark = "" if event.outcome is event.expected else f" [bold red](expected {event.expected.value})[/]"
            outcome = f"[{_STYLES[event.outcome]}]{event.outcome.value.replace('_', ' ')}[/]{mark}"
            table.add_row(event.title, event.company, event.plan or "—", outcome, change)
    return table


def parked_events_table(letters: Sequence[DeadLetter], name_of: Callable[[object], str]) -> Table:
    """Return a table of the events in the DLQs. `name_of` gives a company's name for its id."""
    table = _table("Parked events", DLQ=3, company=3, plan=2, reason=4, in_words=11)
    for letter in letters:
        company = name_of(letter.company_id) if letter.company_id else "—"
        table.add_row(letter.dlq.value, company, letter.plan or "—", letter.reason, letter.words or "—")
    return table


def redriven_events_table(redriven: Sequence[ScenarioEvent], changed: Mapping[str, str]) -> Table:
    """Return a table of the events that were parked until Codat's bill was paid."""
    table = _table(
        "Codat's bill is paid: events redriven from the payment-required DLQ",
        event=5, company=3, plan=2, was_parked_for=4, change_at_Codat=9,
    )  # fmt: skip
    for event in redriven:
        reason = event.settled[0].get("reason", "—")
        table.add_row(event.title, event.company, event.plan or "—", reason, f"[green]{changed[event.company]}[/]")
    return table


def drift_table(found: Mapping[str, Mapping[str, Any]], not_repaired: set[str], now: datetime) -> Table:
    """Return a table of the announced drift, by company."""
    table = _table(
        "Changed in Codat's Portal: drift found by the reconciliation run",
        company=3, plan=2, drift=9, settings_were_confirmed=6, repaired=2,
    )  # fmt: skip
    for name, announced in found.items():
        # An announcement states the way back: from what is at Codat to the preset.
        drift = [
            Difference(each["dataType"], each["field"], each["before"], each["after"])
            for each in announced["differences"]
        ]
        since = announced["believedSince"]
        confirmed = moment(datetime.fromisoformat(since), now) if since else "—"
        repaired = "[bold red]no[/]" if name in not_repaired else "[bold green]yes[/]"
        table.add_row(name, announced["plan"], "\n".join(difference_lines(drift)), confirmed, repaired)
    return table


def _table(title: str, **columns: int) -> Table:
    """Return an empty table with these columns, each with its share of the width."""
    table = Table(title=title, title_justify="left", title_style="bold", expand=True)
    for column, ratio in columns.items():
        table.add_column(column.replace("_", " "), ratio=ratio)
    return table
