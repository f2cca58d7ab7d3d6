"""The command ``explain``."""

from datetime import datetime
from typing import Final

from rich.console import Group as Lines
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from codat_sync.companies.records import CompanyPlan
from codat_sync.reconciliation.findings import Finding
from ops.cli._options import STACK, AsJson, CompanyId, Local, StackName
from ops.cli._output import show
from ops.cli._stack import find_stack
from ops.cli.exit_codes import FINE, FOUND, NOT_REACHED
from ops.cli.formatting import difference_lines, fields, moment, once, pause_words, some_of
from ops.clock import now
from ops.diagnosis import AUTHORITY_IN_WORDS
from ops.explain import Explainer, Explanation

_LETTERS: Final = 3


def explain(company: CompanyId, *, stack: StackName = STACK, local: Local = False, as_json: AsJson = False) -> int:
    """Explain one company's sync settings.

    Shows its plan, what was applied, its events in the DLQs, its settings at Codat, and the cause in one sentence.
    Changes nothing.

    Exit code 1: Codat is not at the preset of the company's plan, one of its events is in a DLQ, or Codat does not know
    the company.

    Example: codat-sync explain 8a210b68-6988-4001-a1eb-0242ac120001
    """
    deployed = find_stack(stack, local=local)
    explainer = Explainer(deployed.codat, deployed.plans, deployed.presets, deployed.dlqs(), deployed.pause, now)
    about = explainer.explain(company)
    show(about, render_explanation(about, now()), as_json=as_json)
    if about.at_codat is None and about.finding is not Finding.GONE:
        return NOT_REACHED
    return FINE if about.finding is Finding.IN_STEP and not about.letters else FOUND


def render_explanation(about: Explanation, now: datetime) -> RenderableType:
    """Show an explanation on one screen, the sentence last."""
    name = about.at_codat.name if about.at_codat else None
    table = fields()
    if about.record is None:
        table.add_row("plan", Text("no event has named one", "yellow"))
    else:
        _add_plan(table, about.record, about.occurred_at, now)
        _add_attempts(table, about.record, now)
    _add_letters(table, about, now)
    table.add_row("pause", Text(pause_words(about.pause), "yellow" if about.pause else "dim"))
    _add_settings(table, about)
    title = Text.assemble((name or "Company", "bold"), f"  {about.company_id}")
    return Lines(title, table, Text(), Text(about.because, "bold"))


def _add_plan(table: Table, record: CompanyPlan, occurred_at: datetime | None, now: datetime) -> None:
    desired, applied = record.desired, record.applied
    table.add_row("plan", f"{desired.plan}: {AUTHORITY_IN_WORDS[desired.authority]}")
    table.add_row("", f"event {desired.event_id}, recorded {moment(record.desired_at, now)}")
    if occurred_at:
        table.add_row("", f"occurred {moment(occurred_at)}")
    if applied and record.applied_at:
        fallback = f", with {applied.degraded_to} as the fallback for hourly" if applied.degraded_to else ""
        table.add_row("applied", f"{applied.plan}{fallback}")
        table.add_row("", f"event {applied.event_id}, confirmed {moment(record.applied_at, now)}")
    else:
        table.add_row("applied", Text("never", "yellow"))


def _add_attempts(table: Table, record: CompanyPlan, now: datetime) -> None:
    failure = record.last_failure
    if failure:
        since = ", succeeded since" if record.applied_at and record.applied_at > failure.at else ""
        table.add_row("last failure", f"{moment(failure.at, now)}{since}: {failure.reason}: {failure.words}")
    if record.drifted_at:
        runs = {0: "not since", 1: "in the newest run"}
        in_a_row = runs.get(record.times_drifted, f"in {record.times_drifted} runs in a row")
        table.add_row("drifted", f"{moment(record.drifted_at, now)}: {in_a_row}")


def _add_letters(table: Table, about: Explanation, now: datetime) -> None:
    if not about.letters:
        table.add_row("in a DLQ", Text("nothing", "dim"))
    for title, letter in zip(once("in a DLQ"), reversed(about.letters[-_LETTERS:]), strict=False):
        table.add_row(title, f"{letter.dlq}, {moment(letter.parked_at, now)}: {letter.why}")
    if len(about.letters) > _LETTERS:
        table.add_row("", f"and {len(about.letters) - _LETTERS} older")
    if not about.all_letters:
        table.add_row("", Text("the time limit was reached before every message was read", "yellow"))


def _add_settings(table: Table, about: Explanation) -> None:
    settings = about.at_codat
    if settings is None:
        table.add_row("at Codat", Text(f"not shown: {about.not_shown_because}", "red"))
        return
    table.add_row("at Codat", "the company's own settings" if settings.overrides_defaults else "the account's settings")
    for frequency, data_types in settings.data_types.items():
        table.add_row("", f"{frequency} {len(data_types)}: {some_of(data_types)}")
    if settings.locked:
        table.add_row("", f"locked by Codat: {some_of(settings.locked)}")
    if about.finding in {None, Finding.UNKNOWN_PLAN}:
        return
    for title, line in zip(once("to the preset"), difference_lines(about.differences), strict=False):
        table.add_row(title, Text(line, "yellow"))
    if not about.differences:
        table.add_row("to the preset", Text("no difference", "green"))
