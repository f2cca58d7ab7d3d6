"""Which contract an event is read by, and which company it is about."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from codat_sync.events.envelope import MalformedEvent
from ops.contracts import _CONTRACTS, read_envelope

NOW = datetime(2026, 2, 1, 12, 0, tzinfo=UTC)
EVENTS = Path(__file__).parents[2] / "events"
SAMPLES = sorted(EVENTS.glob("*.json"))


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.stem)
def test_every_sample_has_a_contract(sample: Path) -> None:
    body = sample.read_text("utf-8")
    envelope, company_id = read_envelope(body, now=NOW)
    assert envelope == json.loads(body)
    assert company_id is None or str(company_id) in body


def test_a_request_about_all_companies_is_about_none() -> None:
    body = (EVENTS / "reconciliation_requested.json").read_text("utf-8")
    assert read_envelope(body, now=NOW)[1] is None


def test_every_contract_has_a_sample() -> None:
    assert {json.loads(sample.read_text("utf-8"))["detail-type"] for sample in SAMPLES} == set(_CONTRACTS)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("{", "not JSON: "),
        ("[]", "detail-type: None is not one of Company Upgraded Plan, "),
        ('{"detail-type": "Company Left"}', "detail-type: 'Company Left' is not one of "),
    ],
)
def test_an_event_without_a_contract_is_malformed(body: str, problem: str) -> None:
    with pytest.raises(MalformedEvent, match=problem):
        read_envelope(body, now=NOW)
