"""Put one synthetic event through the stack, from the bus to Codat, and wait until it is settled."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Final
from uuid import UUID

from codat_sync.companies.records import CompanyPlan
from codat_sync.events.company_events import PLAN_CHANGED
from ops.bus import OPERATIONS
from ops.doctor.finding import Finding, green, red
from ops.errors import InvalidEvents
from ops.stack import Stack

WAIT_SECONDS: Final = 120.0
"""Longer than a function's start and all its calls to Codat take where nothing is deferred."""
POLL_SECONDS: Final = 1.0


def plan_of(stack: Stack, company_id: UUID, plan: str | None) -> str:
    """Return the plan for the event: the one that is given, else the company's recorded one.

    Raise ``InvalidEvents`` where there is neither, and ``UnknownPlan`` where it has no preset.
    """
    if plan is None:
        record = stack.plans.get(company_id)
        if record is None:
            raise InvalidEvents(f"company {company_id} has no record", hint="name its plan with --plan")
        plan = record.desired.plan
    return stack.presets.for_company(plan, company_id).plan


def send_trial(
    stack: Stack,
    company_id: UUID,
    plan: str,
    *,
    now: Callable[[], datetime],
    monotonic: Callable[[], float],
    sleep: Callable[[float], None],
) -> Finding:
    """Send billing's event that the company is on the plan now, and wait until it is settled, for two minutes at most.

    It is an event like any other: the company's settings at Codat are brought to the plan's preset.
    """
    detail = {"companyId": str(company_id), "plan": plan, "occurredAt": now().isoformat()}
    began = monotonic()
    changed = next(name for name in PLAN_CHANGED if "Changed" in name)
    (event_id,) = stack.bus.put([{"Source": OPERATIONS, "DetailType": changed, "Detail": json.dumps(detail)}])
    while monotonic() - began < WAIT_SECONDS:
        finding = _settled(stack.plans.get(company_id), event_id, monotonic() - began)
        if finding is not None:
            return finding
        sleep(POLL_SECONDS)
    words = f"event {event_id} is not settled after {WAIT_SECONDS:.0f} s"
    return red(words, f"`codat-sync explain {company_id}`; look at the lines on the bus and the mappings above")


def _settled(record: CompanyPlan | None, event_id: str, seconds: float) -> Finding | None:
    """Return what became of the event; None where its function has not got there yet."""
    if record is None:
        return None
    failure = record.last_failure
    if failure is not None and failure.event_id == event_id:
        words = f"event {event_id} failed: {failure.reason}: {failure.words}"
        return red(words, f"docs/runbook.md says what to do about `{failure.reason}`")
    applied = record.applied
    if record.desired.event_id != event_id or applied is None or applied.order != record.desired.order:
        return None
    degraded = f", degraded to {applied.degraded_to}" if applied.degraded_to else ""
    return green(f"event {event_id}: {applied.plan} is in force at Codat after {seconds:.0f} s{degraded}")
