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
    PlanName,
    read_detail,
    read_envelope,
)
from codat_sync.events.moments import Moment, Sequence

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
    ``sequence`` is the producer's counter, None where it has none. ``replayed``: the event comes from an archive.
    ``products`` are those of Codat that the company is enrolled in, as far as the event says so.
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
    sequence: int | None = None
    replayed: bool = False
    products: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ignored:
    """An event that a source takes and that changes no plan. ``event_id`` is None where the envelope has no id."""

    event_id: str | None
    source: str
    because: str


class PlanChanged(EventModel):
    """The detail of a plan event from billing."""

    company_id: UUID
    """Codat's id of the company."""
    plan: PlanName
    """The plan that the company is on now."""
    previous_plan: Any = None
    """The plan that the company was on. Not read; for people."""
    occurred_at: Moment = None
    """When the plan changed: ISO 8601 text, where no offset means UTC, or seconds or milliseconds since 1970.
    Without it, or where it was never set (blank, year 1, the epoch), the envelope's time counts."""
    sequence: Sequence = None
    """The producer's counter, which orders events of the same moment. All producers of plans share one counter."""


class PlanCancelled(EventModel):
    """The detail of a cancellation."""

    company_id: UUID
    """Codat's id of the company."""
    plan: Any = None
    """The plan that was cancelled. Not read; for people."""
    previous_plan: Any = None
    """The same under another name."""
    occurred_at: Moment = None
    """When the plan was cancelled: ISO 8601 text, where no offset means UTC, or seconds or milliseconds since 1970.
    Without it, or where it was never set (blank, year 1, the epoch), the envelope's time counts."""
    sequence: Sequence = None
    """The producer's counter, which orders events of the same moment. All producers of plans share one counter."""


class NewConnection(EventModel):
    """The detail of onboarding's event."""

    company_id: UUID
    """Codat's id of the company."""
    connection_id: UUID
    """Codat's id of the connection."""
    plan: PlanName | None = None
    """The plan that the company is on. Without it the company keeps its recorded plan, or gets the default plan."""
    occurred_at: Moment = None
    """When it connected: ISO 8601 text, where no offset means UTC, or seconds or milliseconds since 1970.
    Without it, or where it was never set (blank, year 1, the epoch), the envelope's time counts."""
    sequence: Sequence = None
    """The producer's counter, which orders events of the same moment. All producers of plans share one counter."""


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
    products: Any = None

    @property
    def product_names(self) -> tuple[str, ...]:
        """The identifiers of Codat's products that the company is enrolled in."""
        return tuple(each for each in self.products if isinstance(each, str)) if isinstance(self.products, list) else ()


class CodatConnected(EventModel):
    """The detail of one of Codat's own events: the body of its webhook, whole.

    https://docs.codat.io/using-the-api/webhooks/event-types
    """

    generated_date: Moment = None
    payload: Annotated[_CodatCompany, BeforeValidator(_company_in)]


def read_plan_event(body: str, *, now: datetime) -> CompanyEvent:
    """Read a plan event from billing. Raise ``MalformedEvent``."""
    envelope = read_envelope(Envelope, body, (*PLAN_CHANGED, PLAN_CANCELLED))
    if envelope.detail_type == PLAN_CANCELLED:
        gone = read_detail(PlanCancelled, envelope)
        return _event(envelope, now, gone.company_id, gone.occurred_at, sequence=gone.sequence, cancelled=True)
    new = read_detail(PlanChanged, envelope)
    return _event(envelope, now, new.company_id, new.occurred_at, sequence=new.sequence, plan=new.plan)


def read_connection_event(body: str, *, now: datetime, plan_tag: str) -> CompanyEvent:
    """Read onboarding's or Codat's event that a company is there or connected. Raise ``MalformedEvent``.

    ``plan_tag`` is the name of the company tag that may carry the plan.
    """
    envelope = read_envelope(Envelope, body, (NEW_CONNECTION, *CODAT_CONNECTED))
    if envelope.detail_type == NEW_CONNECTION:
        new = read_detail(NewConnection, envelope)
        return _event(
            envelope, now, new.company_id, new.occurred_at, sequence=new.sequence, plan=new.plan, connected=True
        )
    codat = read_detail(CodatConnected, envelope)
    return _event(
        envelope,
        now,
        codat.payload.id,
        codat.generated_date,
        plan=tagged_plan(codat.payload.tags or {}, plan_tag),
        authority=Authority.TAGGED,
        connected=True,
        products=codat.payload.product_names,
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
    sequence: int | None = None,
    products: tuple[str, ...] = (),
) -> CompanyEvent:
    """Fall back to the envelope's time where the detail does not say when the event occurred."""
    occurred_at = occurred_at or envelope.time
    if occurred_at is None:
        raise MalformedEvent("time: it is not set, and the detail does not say when the event occurred", envelope.id)
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
        sequence=sequence,
        replayed=envelope.replay_name is not None,
        products=products,
    )
