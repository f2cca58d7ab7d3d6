"""The events that this project takes, in EventBridge's envelope: what happened to a company, and what is asked of us.

docs/events.md tells producers what to send; ``events/`` has a sample of each.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import Annotated, Any, Final, TypeVar
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError
from pydantic.alias_generators import to_camel

from codat_sync.codat.errors import PaymentRequiredKind

PLAN_CHANGED: Final = ("Company Upgraded Plan", "Company Downgraded Plan", "Company Changed Plan")
PLAN_CANCELLED: Final = "Company Cancelled Plan"
NEW_CONNECTION: Final = "New Connection"
CODAT_CONNECTED: Final = ("company.created", "connection.connected", "connection.reconnected")
COMPANY_RECONCILIATION: Final = "Company Reconciliation Requested"
RECONCILIATION: Final = "Reconciliation Requested"
CODAT_UPGRADED: Final = "Codat Plan Upgraded"
REDRIVE: Final = "Redrive Requested"

CLOCK_SKEW: Final = timedelta(minutes=15)
"""How far ahead of our clock an event may have occurred. One from further in the future would make all later events
look old, so it is refused."""


class MalformedEvent(ValueError):
    """The message is no event that this function takes. The text says what is wrong, in words.

    ``event_id`` is there where at least the envelope could be read.
    """

    reason = "malformed_event"

    def __init__(self, message: str, event_id: str | None = None) -> None:
        super().__init__(message)
        self.event_id = event_id


class Authority(IntEnum):
    """How much a word about a company's plan counts. The lesser never overrules the greater."""

    ASSUMED = 0
    """Nobody named a plan."""
    TAGGED = 1
    """A tag of the company at Codat, which may be as old as the company."""
    STATED = 2
    """Billing or onboarding said so."""


@dataclass(frozen=True)
class CompanyEvent:
    """Something happened to a company that bears on its sync settings.

    ``plan`` is None where the event names none: the company keeps the one it has, or gets the default plan; or, where
    ``cancelled``, the plan for cancelled ones. ``connected``: Codat's settings are to be checked whatever we believe.
    """

    event_id: str
    company_id: UUID
    occurred_at: datetime
    authority: Authority
    plan: str | None = None
    cancelled: bool = False
    connected: bool = False


def _text(value: object) -> object:
    """A number is no date here, as text neither: nobody can tell seconds from milliseconds by looking at it."""
    if not isinstance(value, str) or not _DATE.match(value):
        raise ValueError("a date and time is ISO 8601 text, such as 2026-01-31T12:00:00Z")
    return value


def _in_utc(moment: datetime) -> datetime:
    """No offset means UTC, as with Codat's own dates."""
    try:
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except OverflowError as error:
        raise ValueError("a date and time at the edge of the calendar") from error


_Moment = Annotated[datetime, BeforeValidator(_text), AfterValidator(_in_utc)]
_Id = Annotated[str, StringConstraints(min_length=1, max_length=256)]
_PlanName = Annotated[str, StringConstraints(strict=True, strip_whitespace=True, min_length=1, max_length=64)]


_DATE: Final = re.compile(r"\s*\d{4}-\d{2}-\d{2}")
_PROBLEMS: Final = 3
_WORDS: Final = 500  # An error names what is wrong; it does not repeat a megabyte of it.


class _Model(BaseModel):
    """Unknown extra fields pass."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, use_attribute_docstrings=True)


class Request(_Model):
    """The part of EventBridge's envelope that a request needs. A schedule's message has no more."""

    id: _Id
    detail_type: Annotated[str, Field(alias="detail-type")]
    detail: dict[str, Any]


class Envelope(Request):
    """EventBridge's envelope, as far as it is read; the rest may be absent, as in one that a producer sends to SQS."""

    time: _Moment


class PlanChanged(_Model):
    """The detail of a plan event from billing."""

    company_id: UUID
    """Codat's id of the company."""
    plan: _PlanName
    """The plan that the company is on now."""
    previous_plan: Any = None
    """The plan that it was on. Not read; for people."""
    occurred_at: _Moment | None = None
    """When the plan changed, in ISO 8601; no offset means UTC. Without it the envelope's time counts."""


class PlanCancelled(_Model):
    """The detail of a cancellation."""

    company_id: UUID
    """Codat's id of the company."""
    plan: Any = None
    """The plan that was cancelled. Not read; for people."""
    previous_plan: Any = None
    """The same, by another name."""
    occurred_at: _Moment | None = None
    """When the plan was cancelled, in ISO 8601; no offset means UTC. Without it the envelope's time counts."""


class NewConnection(_Model):
    """The detail of onboarding's event."""

    company_id: UUID
    """Codat's id of the company."""
    connection_id: UUID
    """Codat's id of the connection."""
    plan: _PlanName | None = None
    """The plan that the company is on. Without it the company keeps the one we know, or gets the default plan."""
    occurred_at: _Moment | None = None
    """When it connected, in ISO 8601; no offset means UTC. Without it the envelope's time counts."""


class CompanyReconciliation(_Model):
    """The detail of a request to look at one company: of whoever is on call, of a reconciliation, or of a backfill."""

    company_id: UUID
    """Codat's id of the company."""
    plan: _PlanName | None = None
    """The plan that its tag at Codat names, if one does. It counts for no more than a tag."""


class Reconciliation(_Model):
    """The detail of a request to look at all companies that we know."""

    report_only: bool = False
    """Whether to say only what has drifted, and change nothing."""


class Redrive(_Model):
    """The detail of the news that Codat's bill is paid, or of a request to try whether it is.

    What is not named is not narrowed: an empty detail stands for everything that is parked.
    """

    reasons: frozenset[PaymentRequiredKind] = frozenset()
    """Only what is parked for one of these reasons."""
    company_id: UUID | None = None
    """Only what is parked for this company."""


def _referred_to(payload: object) -> object:
    """Codat's payload is the company itself, or refers to it, and the sources disagree on which event does what."""
    return payload.get("referenceCompany") or payload if isinstance(payload, dict) else payload


class _CodatCompany(_Model):
    id: UUID
    tags: dict[str, Any] | None = None


class CodatConnected(_Model):
    """The detail of one of Codat's own events: the body of its webhook, whole.

    https://docs.codat.io/using-the-api/webhooks/event-types
    """

    generated_date: _Moment | None = None
    payload: Annotated[_CodatCompany, BeforeValidator(_referred_to)]


def read_plan_event(body: str, *, now: datetime) -> CompanyEvent:
    """A plan event from billing. Raises ``MalformedEvent``."""
    envelope = _envelope(body, (*PLAN_CHANGED, PLAN_CANCELLED))
    if envelope.detail_type == PLAN_CANCELLED:
        cancelled = _detail(PlanCancelled, envelope)
        return _event(envelope, now, cancelled.company_id, cancelled.occurred_at, cancelled=True)
    changed = _detail(PlanChanged, envelope)
    return _event(envelope, now, changed.company_id, changed.occurred_at, plan=changed.plan)


def read_connection_event(body: str, *, now: datetime, plan_tag: str) -> CompanyEvent:
    """Onboarding's or Codat's word that a company is there or connected. Raises ``MalformedEvent``.

    ``plan_tag`` is the name of the company tag that may carry the plan.
    """
    envelope = _envelope(body, (NEW_CONNECTION, *CODAT_CONNECTED))
    if envelope.detail_type == NEW_CONNECTION:
        onboarded = _detail(NewConnection, envelope)
        return _event(envelope, now, onboarded.company_id, onboarded.occurred_at, plan=onboarded.plan, connected=True)
    codat = _detail(CodatConnected, envelope)
    company = codat.payload
    tag = str((company.tags or {}).get(plan_tag) or "").strip()
    return _event(
        envelope,
        now,
        company.id,
        codat.generated_date,
        plan=tag or None,
        authority=Authority.TAGGED,
        connected=True,
    )


def read_company_reconciliation(body: str, *, now: datetime) -> CompanyEvent:
    """A request to look at one company, whatever we believe of it. Raises ``MalformedEvent``."""
    envelope = _envelope(body, (COMPANY_RECONCILIATION,))
    asked = _detail(CompanyReconciliation, envelope)
    return _event(envelope, now, asked.company_id, None, plan=asked.plan, authority=Authority.TAGGED, connected=True)


@dataclass(frozen=True)
class ReconciliationRequest:
    """Somebody, or the night's schedule, wants all companies looked at."""

    request_id: str
    requested_at: datetime
    report_only: bool


@dataclass(frozen=True)
class RedriveRequest:
    """Somebody, or the day's schedule, wants what Codat's bill keeps in the DLQ brought back.

    No reasons stand for every reason, no company for every company. Only what was parked before ``requested_at``.
    """

    request_id: str
    requested_at: datetime
    reasons: frozenset[PaymentRequiredKind] = frozenset()
    company_id: UUID | None = None


def read_reconciliation_request(body: str, *, sent_at: datetime) -> ReconciliationRequest:
    """A request to look at all companies. ``sent_at``: when SQS got it. Raises ``MalformedEvent``."""
    request = _request(body, (RECONCILIATION,))
    asked = _detail(Reconciliation, request)
    return ReconciliationRequest(request.id, sent_at, asked.report_only)


def read_redrive_request(body: str, *, sent_at: datetime) -> RedriveRequest:
    """A request to bring parked events back. ``sent_at``: when SQS got it. Raises ``MalformedEvent``."""
    request = _request(body, (CODAT_UPGRADED, REDRIVE))
    asked = _detail(Redrive, request)
    return RedriveRequest(request.id, sent_at, asked.reasons, asked.company_id)


_Detail = TypeVar("_Detail", bound=_Model)
_Request = TypeVar("_Request", bound=Request)


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
    """Where the detail does not say when it occurred, the envelope's time counts."""
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


def _envelope(body: str, taken: Collection[str]) -> Envelope:
    return _read(Envelope, body, taken)


def _request(body: str, taken: Collection[str]) -> Request:
    return _read(Request, body, taken)


def _read(model: type[_Request], body: str, taken: Collection[str]) -> _Request:
    try:
        envelope = model.model_validate_json(body)
    except ValidationError as error:
        raise MalformedEvent(_in_words(error)) from error
    if envelope.detail_type not in taken:
        raise MalformedEvent(f"detail-type: {envelope.detail_type[:64]!r} is none of {', '.join(taken)}", envelope.id)
    return envelope


def _detail(model: type[_Detail], envelope: Request) -> _Detail:
    try:
        return model.model_validate(envelope.detail)
    except ValidationError as error:
        raise MalformedEvent(_in_words(error, "detail"), envelope.id) from error


def _in_words(error: ValidationError, *path: str) -> str:
    problems = error.errors(include_url=False, include_input=False)
    words = [f"{'.'.join([*path, *map(str, p['loc'])]) or 'body'}: {p['msg']}" for p in problems[:_PROBLEMS]]
    return "; ".join(words)[:_WORDS]
