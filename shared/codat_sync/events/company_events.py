"""The events about one company: what producers send, and what this package reads in them.

docs/events.md tells producers what to send; ``events/`` has a sample of each.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Annotated, Any, Final
from unicodedata import normalize
from uuid import UUID

from pydantic import BeforeValidator

from codat_sync.events.envelope import (
    Envelope,
    EventModel,
    MalformedEvent,
    Moment,
    PlanName,
    read_detail,
    read_envelope,
)

PLAN_CHANGED: Final = ("Company Upgraded Plan", "Company Downgraded Plan", "Company Changed Plan")
PLAN_CANCELLED: Final = "Company Cancelled Plan"
NEW_CONNECTION: Final = "New Connection"
CODAT_CONNECTED: Final = ("company.created", "connection.connected", "connection.reconnected")
COMPANY_RECONCILIATION: Final = "Company Reconciliation Requested"

CLOCK_SKEW: Final = timedelta(minutes=15)
"""How far ahead of our clock an event may have occurred. An event from further in the future would make all later
events look old, so it is refused."""


class Authority(IntEnum):
    """How much a source's word about a company's plan counts. The lesser never overrules the greater."""

    ASSUMED = 0
    """No source named a plan."""
    TAGGED = 1
    """A tag of the company at Codat, which may be as old as the company."""
    STATED = 2
    """Billing or onboarding named it."""


@dataclass(frozen=True)
class CompanyEvent:
    """Something happened to a company that bears on its sync settings.

    ``plan`` is None where the event names none: the company keeps its plan, or gets the default plan; or, where
    ``cancelled``, the plan for cancelled ones. ``connected``: Codat's settings are checked whatever the record says.
    """

    event_id: str
    company_id: UUID
    occurred_at: datetime
    authority: Authority
    plan: str | None = None
    cancelled: bool = False
    connected: bool = False
    presets: str | None = None
    """The presets with which a reconciliation run compared the company. None: no run handed it over."""


class PlanChanged(EventModel):
    """The detail of a plan event from billing."""

    company_id: UUID
    """Codat's id of the company."""
    plan: PlanName
    """The plan that the company is on now."""
    previous_plan: Any = None
    """The plan that the company was on. Not read; for people."""
    occurred_at: Moment | None = None
    """When the plan changed, in ISO 8601; no offset means UTC. Without it the envelope's time counts."""


class PlanCancelled(EventModel):
    """The detail of a cancellation."""

    company_id: UUID
    """Codat's id of the company."""
    plan: Any = None
    """The plan that was cancelled. Not read; for people."""
    previous_plan: Any = None
    """The same under another name."""
    occurred_at: Moment | None = None
    """When the plan was cancelled, in ISO 8601; no offset means UTC. Without it the envelope's time counts."""


class NewConnection(EventModel):
    """The detail of onboarding's event."""

    company_id: UUID
    """Codat's id of the company."""
    connection_id: UUID
    """Codat's id of the connection."""
    plan: PlanName | None = None
    """The plan that the company is on. Without it the company keeps its recorded plan, or gets the default plan."""
    occurred_at: Moment | None = None
    """When it connected, in ISO 8601; no offset means UTC. Without it the envelope's time counts."""


class CompanyReconciliation(EventModel):
    """The detail of a request to reconcile one company: from the on-call, a reconciliation run, or a backfill."""

    company_id: UUID
    """Codat's id of the company."""
    plan: PlanName | None = None
    """The plan that the company's tag at Codat names, if one does. It counts for no more than a tag."""
    presets: str | None = None
    """The fingerprint of the presets with which a reconciliation run compared the company. Set by the run alone."""


def _company_in(payload: object) -> object:
    """Codat's payload is the company itself, or refers to it, and the sources disagree on which event does what."""
    return payload.get("referenceCompany") or payload if isinstance(payload, dict) else payload


class _CodatCompany(EventModel):
    id: UUID
    tags: dict[str, Any] | None = None


class CodatConnected(EventModel):
    """The detail of one of Codat's own events: the body of its webhook, whole.

    https://docs.codat.io/using-the-api/webhooks/event-types
    """

    generated_date: Moment | None = None
    payload: Annotated[_CodatCompany, BeforeValidator(_company_in)]


def read_plan_event(body: str, *, now: datetime) -> CompanyEvent:
    """Read a plan event from billing. Raise ``MalformedEvent``."""
    envelope = read_envelope(Envelope, body, (*PLAN_CHANGED, PLAN_CANCELLED))
    if envelope.detail_type == PLAN_CANCELLED:
        cancelled = read_detail(PlanCancelled, envelope)
        return _event(envelope, now, cancelled.company_id, cancelled.occurred_at, cancelled=True)
    changed = read_detail(PlanChanged, envelope)
    return _event(envelope, now, changed.company_id, changed.occurred_at, plan=changed.plan)


def read_connection_event(body: str, *, now: datetime, plan_tag: str) -> CompanyEvent:
    """Read onboarding's or Codat's event that a company is there or connected. Raise ``MalformedEvent``.

    ``plan_tag`` is the name of the company tag that may carry the plan.
    """
    envelope = read_envelope(Envelope, body, (NEW_CONNECTION, *CODAT_CONNECTED))
    if envelope.detail_type == NEW_CONNECTION:
        onboarded = read_detail(NewConnection, envelope)
        return _event(envelope, now, onboarded.company_id, onboarded.occurred_at, plan=onboarded.plan, connected=True)
    codat = read_detail(CodatConnected, envelope)
    return _event(
        envelope,
        now,
        codat.payload.id,
        codat.generated_date,
        plan=tagged_plan(codat.payload.tags or {}, plan_tag),
        authority=Authority.TAGGED,
        connected=True,
    )


def read_company_reconciliation(body: str, *, now: datetime) -> CompanyEvent:
    """Read a request to reconcile one company, whatever its record says. Raise ``MalformedEvent``."""
    envelope = read_envelope(Envelope, body, (COMPANY_RECONCILIATION,))
    asked = read_detail(CompanyReconciliation, envelope)
    event = _event(envelope, now, asked.company_id, None, plan=asked.plan, authority=Authority.TAGGED, connected=True)
    return replace(event, presets=asked.presets)


def tagged_plan(tags: dict[str, Any], plan_tag: str) -> str | None:
    """Return the plan that a company's tags at Codat name, None where they name none."""
    return normalize("NFC", str(tags.get(plan_tag) or "").strip()) or None


def _event(
    envelope: Envelope,
    now: datetime,
    company_id: UUID,
    occurred_at: datetime | None,
    *,
    plan: str | None = None,
    authority: Authority = Authority.STATED,
    cancelled: bool = False,
    connected: bool = False,
) -> CompanyEvent:
    """Fall back to the envelope's time where the detail does not say when the event occurred."""
    occurred_at = occurred_at or envelope.time
    if occurred_at > now + CLOCK_SKEW:
        raise MalformedEvent(f"{occurred_at.isoformat()}, when it occurred, is in the future", envelope.id)
    return CompanyEvent(
        event_id=envelope.id,
        company_id=company_id,
        occurred_at=occurred_at,
        authority=authority if plan or cancelled else Authority.ASSUMED,
        plan=plan,
        cancelled=cancelled,
        connected=connected,
    )
