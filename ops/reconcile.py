"""Asking for a reconciliation, and waiting for what it finds."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from codat_sync.companies.records import CompanyPlan, CompanyPlans
from codat_sync.events.company_events import COMPANY_RECONCILIATION
from codat_sync.events.requests import RECONCILIATION, ReconciliationRequest
from codat_sync.outcomes.triage import PARKED
from codat_sync.reconciliation.runs import TALLIED, ReconciliationRuns, Run
from ops.bus import OPERATIONS, Bus

POLL_SECONDS: Final = 2.0


@dataclass(frozen=True)
class Reconciled:
    """What became of one company since it was asked for. ``failed`` holds the reason and the words."""

    company_id: UUID
    plan: str
    failed: str | None


def ask_for_all(bus: Bus, *, report_only: bool, now: datetime) -> ReconciliationRequest:
    """All companies are to be looked at. The request is on the bus once this returns."""
    (event_id,) = bus.put(
        [{"Source": OPERATIONS, "DetailType": RECONCILIATION, "Detail": json.dumps({"reportOnly": report_only})}]
    )
    return ReconciliationRequest(event_id, now, report_only)


def ask_for(bus: Bus, companies: Sequence[UUID]) -> list[str]:
    """These companies are to be looked at; the ids of the events, in their order."""
    return bus.put(
        [
            {"Source": OPERATIONS, "DetailType": COMPANY_RECONCILIATION, "Detail": json.dumps({"companyId": str(each)})}
            for each in companies
        ]
    )


def wait_for_all(
    runs: ReconciliationRuns,
    request: ReconciliationRequest,
    *,
    sleep: Callable[[float], None],
    on_checked: Callable[[int], None],
) -> Run:
    """The run that looked at all companies since the request, once each that it handed over has become something.

    ``on_checked`` is told how many more companies were looked at.
    """
    seen = 0
    while True:
        run = runs.newest()
        if run is not None and run.finished_at is None:
            on_checked(run.counts.get("checked", 0) - seen)
            seen = run.counts.get("checked", 0)
        if run is not None and run.satisfies(request) and not still_open(run):
            return run
        sleep(POLL_SECONDS)


def wait_for(
    plans: CompanyPlans, companies: Sequence[UUID], *, since: datetime, sleep: Callable[[float], None]
) -> list[Reconciled]:
    """What became of each company, once an attempt at it has ended since."""
    found: dict[UUID, Reconciled] = {}
    while True:
        for company_id in companies:
            record = None if company_id in found else plans.get(company_id)
            if record is not None and (reconciled := _since(record, since)):
                found[company_id] = reconciled
        if len(found) == len(set(companies)):
            return [found[company_id] for company_id in companies]
        sleep(POLL_SECONDS)


def still_open(run: Run) -> int:
    """How many companies were handed over, and nothing has become of them yet."""
    return max(0, run.counts.get("handed_over", 0) - sum(run.outcomes.values()))


def left_open(run: Run) -> int:
    """How many companies a run leaves elsewhere than they should be, or has yet to hear of."""
    if run.report_only:
        return run.counts.get("drifted", 0)
    parked = sum(run.outcomes.get(TALLIED[outcome], 0) for outcome in PARKED)
    return parked + still_open(run)


def _since(record: CompanyPlan, since: datetime) -> Reconciled | None:
    failure = record.last_failure
    if failure is not None and failure.at >= since:
        return Reconciled(record.company_id, record.desired.plan, f"{failure.reason}: {failure.words}")
    if record.applied_at is not None and record.applied_at >= since:
        return Reconciled(record.company_id, record.desired.plan, None)
    return None
