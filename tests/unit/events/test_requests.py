"""The requests that concern all companies are read: reconciliation and redrive."""

import json
from collections.abc import Callable

import pytest

from codat_sync.codat.errors import PaymentRequiredKind
from codat_sync.events.company_events import (
    COMPANY_RECONCILIATION,
)
from codat_sync.events.requests import (
    CODAT_UPGRADED,
    RECONCILIATION,
    REDRIVE,
    ReconciliationRequest,
    RedriveRequest,
)
from tests.fakes.clock import NOW
from tests.fakes.companies import COMPANY
from tests.unit.events.bodies import body, read_company, read_reconciliation, read_redrive, words


def test_the_message_of_a_schedule_needs_an_id_a_type_and_a_detail() -> None:
    text = json.dumps({"id": "night-1", "detail-type": RECONCILIATION, "detail": {}})
    assert read_reconciliation(text) == ReconciliationRequest("night-1", NOW, report_only=False)


def test_a_reconciliation_may_only_report() -> None:
    assert read_reconciliation(body(RECONCILIATION, {"reportOnly": True})).report_only


@pytest.mark.parametrize("detail_type", [CODAT_UPGRADED, REDRIVE])
def test_a_redrive_is_of_all_parked_events_unless_it_is_narrowed(detail_type: str) -> None:
    assert read_redrive(body(detail_type, {})) == RedriveRequest("event-1", NOW, frozenset(), None)
    narrowed = read_redrive(body(detail_type, {"reasons": ["hourly_not_allowed"], "companyId": str(COMPANY)}))
    assert (narrowed.reasons, narrowed.company_id) == (frozenset({PaymentRequiredKind.HOURLY_NOT_ALLOWED}), COMPANY)


@pytest.mark.parametrize(
    ("read", "text", "field"),
    [
        (read_company, body(COMPANY_RECONCILIATION, {"companyId": "../x"}), "detail.companyId"),
        (read_reconciliation, body(RECONCILIATION, {"reportOnly": "perhaps"}), "detail.reportOnly"),
        (read_redrive, body(REDRIVE, {"reasons": ["unknown"]}), "detail.reasons"),
        (read_redrive, body(REDRIVE, {"companyId": 7}), "detail.companyId"),
    ],
    ids=["company", "mode", "reason", "company of a redrive"],
)
def test_a_request_with_an_invalid_field_is_malformed(read: Callable[[str], object], text: str, field: str) -> None:
    assert words(read, text).startswith(field)
