"""The contract of each event that a producer or a person may send, found by the event's detail-type."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from pydantic_core import from_json

from codat_sync.events.company_events import (
    CODAT_CONNECTED,
    COMPANY_RECONCILIATION,
    NEW_CONNECTION,
    PLAN_CANCELLED,
    PLAN_CHANGED,
    CompanyEvent,
    read_company_reconciliation,
    read_connection_event,
    read_plan_event,
)
from codat_sync.events.envelope import MalformedEvent, without_byte_order_mark
from codat_sync.events.requests import (
    CODAT_UPGRADED,
    RECONCILIATION,
    REDRIVE,
    ReconciliationRequest,
    RedriveRequest,
    read_reconciliation_request,
    read_redrive_request,
)

Event = CompanyEvent | ReconciliationRequest | RedriveRequest

_CONTRACTS: Final[Mapping[str, Callable[[str, datetime], Event]]] = {
    **dict.fromkeys((*PLAN_CHANGED, PLAN_CANCELLED), lambda body, now: read_plan_event(body, now=now)),
    **dict.fromkeys(
        (NEW_CONNECTION, *CODAT_CONNECTED), lambda body, now: read_connection_event(body, now=now, plan_tag="plan")
    ),
    COMPANY_RECONCILIATION: lambda body, now: read_company_reconciliation(body, now=now),
    RECONCILIATION: lambda body, now: read_reconciliation_request(body, sent_at=now),
    **dict.fromkeys((CODAT_UPGRADED, REDRIVE), lambda body, now: read_redrive_request(body, sent_at=now)),
}


def read_envelope(body: str, *, now: datetime) -> tuple[dict[str, Any], UUID | None]:
    """Validate an event against the contract of its detail-type; return its envelope and the company it is about.

    The company is None where the event is not about one company. Raises ``MalformedEvent``.
    """
    envelope, event = read_event(body, now=now)
    return envelope, company_of(event)


def company_of(event: Event) -> UUID | None:
    """Return the company that an event is about, or None."""
    return None if isinstance(event, ReconciliationRequest) else event.company_id


def read_event(body: str, *, now: datetime) -> tuple[dict[str, Any], Event]:
    """Validate an event as ``read_envelope`` does; return its envelope, and what it says."""
    try:
        envelope = from_json(without_byte_order_mark(body))
    except ValueError as error:
        raise MalformedEvent(f"not JSON: {error}") from error
    detail_type = envelope.get("detail-type") if isinstance(envelope, dict) else None
    if not isinstance(detail_type, str) or detail_type not in _CONTRACTS:
        raise MalformedEvent(f"detail-type: {detail_type!r} is not one of {', '.join(_CONTRACTS)}")
    return envelope, _CONTRACTS[detail_type](body, now)
