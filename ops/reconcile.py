"""Request a reconciliation of some or all companies, and wait for its results."""

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
    """The result for one company. ``failed`` is the failure's reason and words, None where the preset is in force."""

    company_id: UUID
    plan: str
    failed: str | None


def request_run(bus: Bus, *, report_only: bool, now: datetime) -> ReconciliationRequest:
    """Put a request to reconcile all companies on the bus. Raises ``BusRefused``."""
    (event_id,) = bus.put(
        [{"Source": OPERATIONS, "DetailType": RECONCILIATION, "Detail": json.dumps({"reportOnly": report_only})}]
    )
    return ReconciliationRequest(event_id, now, report_only)


def request_companies(bus: Bus, companies: Sequence[UUID]) -> list[str]:
    """Put a request for each company on the bus; return the ids of the events, in order. Raises ``BusRefused``."""
    return bus.put(
        [
            {"Source": OPERATIONS, "DetailType": COMPANY_RECONCILIATION, "Detail": json.dumps({"companyId": str(each)})}
            for each in companies
        ]
    )


def wait_for_run(
    runs: ReconciliationRuns,
    request: ReconciliationRequest,
    *,
    sleep: Callable[[float], None],
    on_checked: Callable[[int], None],
) -> Run:
    """Wait for a run that satisfies the request, and for the outcome of every company that it handed over.

    ``on_checked`` is called with how many more companies were checked. There is no time limit.
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


def wait_for_companies(
    plans: CompanyPlans, companies: Sequence[UUID], *, since: datetime, sleep: Callable[[float], None]
) -> list[Reconciled]:
    """Wait until an attempt at each company has ended after ``since``; return the results. There is no time limit."""
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
    """Return how many of the companies that a run handed over have no outcome yet."""
    return max(0, run.counts.get("handed_over", 0) - sum(run.outcomes.values()))


def left_open(run: Run) -> int:
    """Return how many companies a run leaves drifted, parked or without an outcome."""
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
