"""The requests that concern all companies: reconcile them, or bring back what waits for Codat's bill."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from codat_sync.codat.errors import PaymentRequiredKind
from codat_sync.events.envelope import EventModel, RequestEnvelope, read_detail, read_envelope

RECONCILIATION: Final = "Reconciliation Requested"
CODAT_UPGRADED: Final = "Codat Plan Upgraded"
REDRIVE: Final = "Redrive Requested"


class Reconciliation(EventModel):
    """The detail of a request to reconcile all companies that have a record."""

    report_only: bool = False
    """Whether to report what has drifted without changing anything."""


class Redrive(EventModel):
    """The detail of the news that Codat's bill is paid, or of a request to try whether it is.

    A field that is absent narrows nothing: an empty detail stands for everything that is parked.
    """

    reasons: frozenset[PaymentRequiredKind] = frozenset()
    """Only what is parked for one of these reasons."""
    company_id: UUID | None = None
    """Only what is parked for this company."""


@dataclass(frozen=True)
class ReconciliationRequest:
    """A request to reconcile all companies, from the on-call or the nightly schedule."""

    request_id: str
    requested_at: datetime
    report_only: bool


@dataclass(frozen=True)
class RedriveRequest:
    """A request to bring back what Codat's bill keeps in the DLQ, from the on-call or the daily schedule.

    No reasons stand for every reason, no company for every company. Only what was parked before ``requested_at``.
    """

    request_id: str
    requested_at: datetime
    reasons: frozenset[PaymentRequiredKind] = frozenset()
    company_id: UUID | None = None


def read_reconciliation_request(body: str, *, sent_at: datetime) -> ReconciliationRequest:
    """Read a request to reconcile all companies. ``sent_at``: when SQS got it. Raise ``MalformedEvent``."""
    request = read_envelope(RequestEnvelope, body, (RECONCILIATION,))
    asked = read_detail(Reconciliation, request)
    return ReconciliationRequest(request.id, sent_at, asked.report_only)


def read_redrive_request(body: str, *, sent_at: datetime) -> RedriveRequest:
    """Read a request to bring parked events back. ``sent_at``: when SQS got it. Raise ``MalformedEvent``."""
    request = read_envelope(RequestEnvelope, body, (CODAT_UPGRADED, REDRIVE))
    asked = read_detail(Redrive, request)
    return RedriveRequest(request.id, sent_at, asked.reasons, asked.company_id)
