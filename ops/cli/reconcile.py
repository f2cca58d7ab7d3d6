"""The command ``reconcile``."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

import typer
from rich.console import Group as Lines
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from codat_sync.outcomes.triage import Outcome
from codat_sync.reconciliation.runs import TALLIED, Run
from ops.cli._options import STACK, Apply, AsJson, CompanyIds, Local, StackName
from ops.cli._output import progress, show
from ops.cli._stack import find_stack
from ops.cli.exit_codes import FINE, FOUND
from ops.cli.formatting import fields, moment
from ops.clock import now
from ops.reconcile import (
    Reconciled,
    left_open,
    request_companies,
    request_run,
    still_open,
    wait_for_companies,
    wait_for_run,
)
from ops.stack import Stack

_OUTCOMES: Final[Mapping[Outcome, str]] = {
    Outcome.APPLIED: "repaired",
    Outcome.UNCHANGED: "unchanged",
    Outcome.DEGRADED: "degraded",
    Outcome.PARKED_PAYMENT_REQUIRED: "parked: payment",
    Outcome.PARKED_FAILED: "parked: failed",
}


def reconcile(
    companies: CompanyIds = None,
    *,
    apply: Apply = False,
    report_only: Annotated[
        bool, typer.Option("--report-only", help="Report which companies drifted, and repair none.")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the results. Ctrl-C only ends the waiting.")] = False,
    status: Annotated[
        bool, typer.Option("--status", help="Show the newest run over all companies, and request nothing.")
    ] = False,
    stack: StackName = STACK,
    local: Local = False,
    as_json: AsJson = False,
) -> int:
    """Compare companies with their presets, and repair drift.

    Without --apply it only shows what it would request. --report-only repairs nothing, and so needs no --apply.

    A company without a record gets the default plan; `backfill` takes its plan from its tag.

    Exit code 1, with --wait or --status: companies are left drifted or parked, or have no outcome yet.

    Example: codat-sync reconcile --report-only --wait
    """
    _check_options(companies, apply=apply, report_only=report_only, wait=wait, status=status)
    deployed = find_stack(stack, local=local)
    if not (apply or report_only or status):
        return _show_dry_run(companies or (), deployed, as_json=as_json)
    if companies:
        return _reconcile_companies(companies, deployed, wait=wait, as_json=as_json)
    if status:
        return _show_run(deployed.runs.newest(), as_json=as_json)
    return _reconcile_all(deployed, report_only=report_only, wait=wait, as_json=as_json)


def _check_options(
    companies: Sequence[UUID] | None, *, apply: bool, report_only: bool, wait: bool, status: bool
) -> None:
    if companies and (report_only or status):
        raise typer.TyperException("--report-only and --status are about all companies: leave out COMPANY")
    if status and (report_only or wait or apply):
        raise typer.TyperException("--status requests nothing: leave out --report-only, --wait and --apply")
    if wait and not (apply or report_only):
        raise typer.TyperException("--wait waits for what --apply requests: add --apply, or --report-only")


def _show_dry_run(companies: Sequence[UUID], deployed: Stack, *, as_json: bool) -> int:
    records = {each: deployed.plans.get(each) for each in companies}
    plans = {each: record.desired.plan if record else None for each, record in records.items()}
    data = {"all_companies": not companies, "companies": [{"company_id": each, "plan": plans[each]} for each in plans]}
    show(data, render_dry_run(plans), as_json=as_json)
    return FINE


def _reconcile_companies(companies: Sequence[UUID], deployed: Stack, *, wait: bool, as_json: bool) -> int:
    since = now()
    event_ids = request_companies(deployed.bus, companies)
    if not wait:
        return _show_requested(event_ids, as_json=as_json)
    done = wait_for_companies(deployed.plans, companies, since=since, sleep=time.sleep)
    show(done, render_reconciled(done), as_json=as_json)
    return FOUND if any(each.failed for each in done) else FINE


def _reconcile_all(deployed: Stack, *, report_only: bool, wait: bool, as_json: bool) -> int:
    request = request_run(deployed.bus, report_only=report_only, now=now())
    if not wait:
        return _show_requested([request.request_id], as_json=as_json)
    with progress("companies") as on_checked:
        run = wait_for_run(deployed.runs, request, sleep=time.sleep, on_checked=on_checked)
    return _show_run(run, as_json=as_json)


def _show_requested(event_ids: Sequence[str], *, as_json: bool) -> int:
    show({"event_ids": event_ids}, f"Requested: {', '.join(event_ids)}", as_json=as_json)
    return FINE


def _show_run(run: Run | None, *, as_json: bool) -> int:
    show(run, render_run(run, now()), as_json=as_json)
    return FOUND if run is None or run.finished_at is None or left_open(run) else FINE


def render_dry_run(plans: Mapping[UUID, str | None]) -> RenderableType:
    """Show what ``--apply`` would request: companies with their recorded plans, or without any a run over all."""
    table = fields()
    for company_id, plan in plans.items():
        table.add_row(str(company_id), plan or Text("no record: it would get the default plan", "yellow"))
    what = f"{len(plans):,} to reconcile" if plans else "A reconciliation run over all companies would be requested"
    end = Text(f"{what}. Nothing was requested. --apply does it.", "bold")
    return Lines(table, Text(), end) if plans else end


def render_run(newest: Run | None, now: datetime) -> RenderableType:
    """Show what a reconciliation run found, and the outcomes of the companies that it handed over."""
    if newest is None:
        return "There has been no reconciliation run yet."
    table = fields()
    table.add_row("started", moment(newest.started_at, now))
    if newest.finished_at:
        table.add_row("finished", moment(newest.finished_at, now))
    else:
        table.add_row("in progress", f"last progress {moment(newest.progress_at, now)}")
    _add_findings(table, newest)
    for outcome, counter in TALLIED.items():
        if newest.outcomes.get(counter):
            table.add_row(_OUTCOMES[outcome], f"{newest.outcomes[counter]:,}")
    if still_open(newest):
        table.add_row("still open", f"{still_open(newest):,}")
    for company_id, times in newest.keeps_drifting:
        table.add_row("keeps drifting", f"{company_id}, in {times} runs in a row")
    mode = "report only" if newest.report_only else "with repairs"
    return Lines(Text(f"Reconciliation run {newest.run_id} ({mode})", "bold"), table)


def _add_findings(table: Table, newest: Run) -> None:
    counts = newest.counts
    table.add_row("checked", f"{counts.get('checked', 0):,} companies")
    table.add_row("drifted", f"{counts.get('drifted', 0):,}")
    for finding, count in sorted(counts.items()):
        if finding not in {"checked", "drifted", "handed_over"} and count:
            table.add_row(Text(f"  {finding.replace('_', ' ').replace('codat', 'Codat')}", "dim"), f"{count:,}")
    for title, counted in (("data types", newest.by_data_type), ("plans", newest.by_plan)):
        if counted:
            table.add_row(title, ", ".join(f"{name} {count:,}" for name, count in Counter(counted).most_common()))


def render_reconciled(companies: Sequence[Reconciled]) -> RenderableType:
    """Show each company on a line."""
    table = fields()
    for company in companies:
        words = Text(company.failed, "red") if company.failed else Text(f"at the preset of {company.plan}", "green")
        table.add_row(str(company.company_id), words)
    return table
