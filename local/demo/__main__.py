"""The main job on this machine: what becomes of events, and how what went wrong is put right.

Sample events go through the bus. Then Codat's bill is paid, and somebody changes settings at Codat behind our back.
Exits 0 only if every event ended as it should, all that waited for payment came back, all that was changed was found
and repaired, and every company is at its preset.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from rich.console import Console, RenderableType
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from codat_sync.announcements import SyncSettingsDrifted
from codat_sync.codat.differences import Difference, differences
from codat_sync.codat.models import SyncSettings
from codat_sync.outcomes.triage import PARKED, Outcome
from codat_sync.reconciliation.findings import Finding
from local.aws.processes import StackError, ending_on_signals
from local.aws.stack import local_stack
from local.demo.environment import Theatre, now
from local.demo.scenario import ASKED_ABOUT, CHANGED_AT_CODAT, PAID, Scene, Step, first_act
from ops.cli.explain import render_explanation
from ops.cli.formatting import difference_lines, moment
from ops.cli.reconcile import render_run
from ops.dlq import DeadLetter, Dlq

STYLES: Final = {
    Outcome.APPLIED: "bold green",
    Outcome.UNCHANGED: "green",
    Outcome.STALE: "dim",
    Outcome.DEGRADED: "bold yellow",
    Outcome.PARKED_PAYMENT_REQUIRED: "bold yellow",
    Outcome.PARKED_FAILED: "bold red",
    Outcome.DEFERRED: "magenta",
}


class Demo:
    """The two acts, one after the other, in one theatre. `problems` is what was not as it should be, in words."""

    def __init__(self, theatre: Theatre, console: Console) -> None:
        self._theatre = theatre
        self._console = console
        self.problems: list[str] = []

    def events_and_outcomes(self, scenes: Sequence[Scene]) -> None:
        """The first act."""
        before = self._theatre.settings()
        for scene in scenes:
            started = time.monotonic()
            with self._console.status(f"{scene.title}: {len(scene.steps)} events"):
                self._theatre.set_account(scene.account)
                for step in scene.steps:
                    self._theatre.send(step)
                self._theatre.wait_until_settled(scene.steps)
            self._say(f"{scene.title}: {len(scene.steps)} events settled", started)
        self._theatre.set_account(PAID)  # Nobody has told the stack: it goes on as if it were not.
        after, letters = self._theatre.settings(), self._theatre.dead_letters()
        self._show(_outcomes_table(scenes, _changes(before, after)), _dead_letters_table(letters, self._theatre))
        steps = [step for scene in scenes for step in scene.steps]
        self.problems += _outcome_problems(steps, self._theatre, after)
        parked = Counter(step.event_id for step in steps if step.expected in PARKED)
        if Counter(letter.event_id or "" for letter in letters) != parked:
            self.problems.append(f"the DLQs hold {len(letters)} events; {parked.total()} were to be parked")

    def explanation(self) -> None:
        """Why a company that pays for hourly has daily."""
        about = self._theatre.explain(ASKED_ABOUT)
        self._show(Rule("codat-sync explain", align="left"), render_explanation(about, now()), Rule())
        if about.finding is not Finding.DEGRADED or not about.letters:
            self.problems.append(f"explain: {ASKED_ABOUT} should be degraded, with its event in a DLQ: {about.because}")

    def payment(self, waiting: Sequence[Step]) -> None:
        """Somebody has paid Codat's bill, and says so."""
        started, before = time.monotonic(), self._theatre.settings()
        with self._console.status("Codat's bill is paid"):
            self._theatre.announce("codat_plan_upgraded")
            self._theatre.wait_until_settled(waiting, times=2)
            after, letters = self._theatre.settings(), self._theatre.dead_letters()
        self._say(f"Codat's bill is paid: {len(waiting)} events came back", started)
        self._show(_payment_table(waiting, _changes(before, after)))
        self.problems += [
            f"{step.company} is not at the preset of {step.plan}, though Codat's bill is paid"
            for step in waiting
            if not self._theatre.at_preset(step, after[step.company])
        ]
        left = [letter for letter in letters if letter.dlq is Dlq.PAYMENT_REQUIRED]
        if left:
            self.problems.append(f"{len(left)} events are still in the payment-required DLQ")

    def drift(self) -> None:
        """Somebody changes settings by hand at Codat, and all companies are reconciled."""
        started, was = time.monotonic(), self._theatre.settings()
        for name, frequencies in CHANGED_AT_CODAT.items():
            self._theatre.change_at_codat(name, frequencies)
        with self._console.status("Changed behind our back"):
            request_id = self._theatre.announce("reconciliation_requested")
            run = self._theatre.wait_until_reconciled(request_id)
            found = self._found_drifted(request_id)
            left = {name for name, each in self._theatre.settings().items() if differences(each, was[name])}
        self._say(f"Changed behind our back: {run.counts['checked']} companies reconciled", started)
        self._show(_drift_table(found, left), render_run(run, now()))
        if found.keys() != CHANGED_AT_CODAT.keys():
            self.problems.append(f"drift was found of {_names(found)}, not of {_names(CHANGED_AT_CODAT)}")
        self.problems += [f"{name} was changed at Codat, and is not as it was before" for name in sorted(left)]

    def _found_drifted(self, run_id: str) -> dict[str, dict[str, Any]]:
        """What the stack itself has said of drift on its bus, by company."""
        detail_type = SyncSettingsDrifted.detail_type

        def heard() -> dict[str, dict[str, Any]]:
            said = self._theatre.support_desk.heard(detail_type, caused_by=run_id)
            return {self._theatre.name_of(each["companyId"]): each for each in said}

        self._theatre.wait(lambda: len(heard()) >= len(CHANGED_AT_CODAT), lambda: detail_type)
        return heard()

    def _say(self, what: str, since: float) -> None:
        self._console.print(f"  {what} [dim]{time.monotonic() - since:4.1f} s[/]")

    def _show(self, *parts: RenderableType) -> None:
        self._console.print()
        for part in parts:
            self._console.print(part)


def _outcome_problems(steps: Sequence[Step], theatre: Theatre, after: Mapping[str, SyncSettings]) -> list[str]:
    problems = [
        f"{step.title} ({step.company}): {step.outcome.value}, not {step.expected.value}. "
        f"{step.settled[0].get('words', 'The function gave no reason.')}"
        for step in steps
        if step.outcome is not step.expected
    ]
    problems += [
        f"{step.title} ({step.company}): Codat is not at the preset of {step.plan}"
        for step in steps
        if step.outcome in {Outcome.APPLIED, Outcome.UNCHANGED, Outcome.DEGRADED}
        and not theatre.at_preset(step, after[step.company], without_hourly=step.outcome is Outcome.DEGRADED)
    ]
    return problems


def _changes(before: Mapping[str, SyncSettings], after: Mapping[str, SyncSettings]) -> dict[str, str]:
    return {name: "\n".join(difference_lines(differences(before[name], after[name]))) or "nothing" for name in after}


def _names(companies: Mapping[str, object]) -> str:
    return ", ".join(sorted(companies)) or "none"


def _table(title: str, **columns: int) -> Table:
    """With a ratio for each column."""
    table = Table(title=title, title_justify="left", title_style="bold", expand=True)
    for column, ratio in columns.items():
        table.add_column(column.replace("_", " "), ratio=ratio)
    return table


def _styled(outcome: Outcome) -> str:
    return f"[{STYLES[outcome]}]{outcome.value.replace('_', ' ')}[/]"


def _outcomes_table(scenes: Sequence[Scene], changed: Mapping[str, str]) -> Table:
    table = _table("What became of each event", event=5, company=3, plan=2, outcome=4, what_changed_at_Codat=9)
    for scene in scenes:
        table.add_section()
        table.add_row(Text(scene.title, style="italic"))
        for step in scene.steps:
            words = changed[step.company] if step.outcome in {Outcome.APPLIED, Outcome.DEGRADED} else "nothing"
            if "reason" in step.settled[0]:
                words = f"{words}\n[dim]{step.settled[0]['reason']}[/]"
            mark = "" if step.outcome is step.expected else f" [bold red](expected {step.expected.value})[/]"
            table.add_row(step.title, step.company, step.plan or "—", f"{_styled(step.outcome)}{mark}", words)
    return table


def _dead_letters_table(letters: Sequence[DeadLetter], theatre: Theatre) -> Table:
    table = _table("What waits in the DLQs, and why", DLQ=3, company=3, plan=2, reason=4, in_words=11)
    for letter in letters:
        company = theatre.name_of(letter.company_id) if letter.company_id else "—"
        table.add_row(letter.dlq.value, company, letter.plan or "—", letter.reason, letter.words or "—")
    return table


def _payment_table(waiting: Sequence[Step], changed: Mapping[str, str]) -> Table:
    table = _table(
        "Codat's bill is paid: what came back by itself",
        event=5, company=3, plan=2, had_waited_for=4, what_changed_at_Codat=9,
    )  # fmt: skip
    for step in waiting:
        reason = step.settled[0].get("reason", "—")
        table.add_row(step.title, step.company, step.plan or "—", reason, f"[green]{changed[step.company]}[/]")
    return table


def _drift_table(found: Mapping[str, Mapping[str, Any]], left: set[str]) -> Table:
    table = _table(
        "Changed behind our back: what the reconciliation found",
        company=3, plan=2, what_was_different=9, believed_otherwise_since=6, repaired=2,
    )  # fmt: skip
    for name, said in found.items():
        # What was announced goes from what is at Codat to what should be there.
        different = [
            Difference(each["dataType"], each["field"], each["before"], each["after"]) for each in said["differences"]
        ]
        since = moment(datetime.fromisoformat(said["believedSince"]), now()) if said["believedSince"] else "—"
        repaired = "[bold red]no[/]" if name in left else "[bold green]yes[/]"
        table.add_row(name, said["plan"], "\n".join(difference_lines(different)), since, repaired)
    return table


def play(console: Console, folder: Path) -> list[str]:
    """The whole story; what was not as it should be."""
    began = time.monotonic()
    scenes = first_act()
    with local_stack(
        folder=folder, on_step=lambda step, seconds: console.print(f"  {step:<18} [dim]{seconds:4.1f} s[/]")
    ) as stack:
        theatre = Theatre(stack)
        theatre.set_account(PAID)
        theatre.seed()
        demo = Demo(theatre, console)
        demo.events_and_outcomes(scenes)
        demo.explanation()
        demo.payment([step for scene in scenes for step in scene.steps if step.waits_for_payment])
        demo.drift()
    console.print(f"The functions' logs: {stack.logs}/functions.log. {time.monotonic() - began:.1f} s in all.")
    return demo.problems


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m local.demo", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path(".local"), help="where the stack keeps its files")
    arguments = parser.parse_args(argv)
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=150)
    try:
        with ending_on_signals():
            problems = play(console, arguments.folder)
    except StackError as error:
        console.print(f"[bold red]demo:[/] {error}")
        return 1
    except KeyboardInterrupt:
        return 130
    for problem in problems:
        console.print(f"[bold red]✗[/] {problem}")
    if not problems:
        console.print(
            "[bold green]✓[/] Every event ended as it should, what waited for payment came back, what was changed "
            "behind our back is repaired, and every company is at its preset."
        )
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
