"""Bodies of messages, and the readers of all of them."""

import json
from collections.abc import Callable
from functools import partial

import pytest

from codat_sync.events.company_events import (
    NEW_CONNECTION,
    CompanyEvent,
    read_company_reconciliation,
    read_connection_event,
    read_plan_event,
)
from codat_sync.events.envelope import MalformedEvent
from codat_sync.events.requests import (
    ReconciliationRequest,
    RedriveRequest,
    read_reconciliation_request,
    read_redrive_request,
)
from tests.fakes.clock import NOW
from tests.fakes.companies import COMPANY
from tests.fakes.events import CONNECTION

read_plan = partial(read_plan_event, now=NOW)
read_connection = partial(read_connection_event, now=NOW, plan_tag="plan")
read_company = partial(read_company_reconciliation, now=NOW)
read_reconciliation = partial(read_reconciliation_request, sent_at=NOW)
read_redrive = partial(read_redrive_request, sent_at=NOW)
EVENT_READERS: list[Callable[[str], CompanyEvent]] = [read_plan, read_connection, read_company]
READERS: list[Callable[[str], CompanyEvent | ReconciliationRequest | RedriveRequest]] = [
    *EVENT_READERS,
    read_reconciliation,
    read_redrive,
]


def body(detail_type: str, detail: object, **envelope: object) -> str:
    """Return a message with the fields that EventBridge's envelope must have."""
    fields = {"id": "event-1", "detail-type": detail_type, "time": "2026-02-01T11:00:00Z", "detail": detail}
    return json.dumps({**fields, **envelope})


def plan_body(detail_type: str = "Company Changed Plan", /, **detail: object) -> str:
    return body(detail_type, {"companyId": str(COMPANY), "plan": "growth", **detail})


def connection_body(**detail: object) -> str:
    return body(NEW_CONNECTION, {"companyId": str(COMPANY), "connectionId": CONNECTION, **detail})


def codat_body(payload: object, detail_type: str = "company.created", **detail: object) -> str:
    return body(detail_type, {"eventType": detail_type, "payload": payload, **detail})


def words(read: Callable[[str], object], text: str) -> str:
    with pytest.raises(MalformedEvent) as raised:
        read(text)
    return str(raised.value)
