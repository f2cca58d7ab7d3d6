"""Messages as producers send them."""

import json
from datetime import timedelta
from uuid import UUID

from tests.fakes.clock import NOW
from tests.fakes.companies import COMPANY

CONNECTION = "ee2eb431-c0fa-4dc9-93fa-d29781c12bcd"
LONGEST_PLAN = "Größe L + 会社 😀 " * 4 + "plan"
"""A name of 64 characters, the most that a plan may have."""
PLAN_NAMES = ("growth", "Team + Annual (2026)", "Größe L", "成長", LONGEST_PLAN)
"""Plans as billing may call them."""


def plan_event(plan: str, *, minutes: int = 0, company: UUID = COMPANY, event_id: str = "") -> str:
    """Return billing's event that a company changed its plan, so many minutes after ``NOW``."""
    occurred_at = (NOW + timedelta(minutes=minutes)).isoformat()
    return json.dumps(
        {
            "id": event_id or f"{plan}-{minutes}",
            "detail-type": "Company Changed Plan",
            "time": NOW.isoformat(),
            "detail": {"companyId": str(company), "plan": plan, "occurredAt": occurred_at},
        }
    )


def connection_event(event_id: str = "connected", **detail: str) -> str:
    """Return onboarding's event that a company connected. Without ``plan`` in the detail, the event names none."""
    known = {"companyId": str(COMPANY), "connectionId": CONNECTION}
    return json.dumps(
        {"id": event_id, "detail-type": "New Connection", "time": NOW.isoformat(), "detail": known | detail}
    )
