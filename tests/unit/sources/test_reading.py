"""Events that a source takes are read by its expressions; all others as ever."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codat_sync.events.company_events import CompanyEvent, Ignored, read_plan_event
from codat_sync.events.envelope import MalformedEvent
from codat_sync.outcomes.triage import Outcome, triage
from codat_sync.sources.file import Sources
from codat_sync.sources.reading import PlanEvents, Unmapped
from tests.unit.json_strategies import JSON

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
COMPANY = "8a210b68-6988-4001-a1eb-0242ac120001"
SOURCES = Sources.parse(b"""
[sources.billing]
sources = ["billing", "bill.*"]
detail_types = ["changed"]
ignored = ["seen"]
condition = "detail.live"
ignored_if = "detail.draft"
event_id = "detail.id"
company = "detail.company"
plan = "detail.plan"
plan_aliases = {"1" = "free", pro = "growth"}
cancelled = "detail.gone"
occurred_at = "detail.at"
sequence = "detail.version"
""")
DETAIL = {"live": True, "id": "e-1", "company": COMPANY, "plan": "pro", "at": 1_796_000_000, "version": 7}


def body(source: str = "billing", detail_type: str = "changed", **detail: object) -> str:
    return json.dumps({"id": "x", "source": source, "detail-type": detail_type, "detail": DETAIL | detail})


def read(text: str) -> CompanyEvent | Ignored:
    return PlanEvents(SOURCES)(text, now=NOW)


def event(text: str) -> CompanyEvent:
    found = read(text)
    assert isinstance(found, CompanyEvent)
    return found


def test_an_event_is_read_by_the_expressions() -> None:
    found = event(body())
    assert (found.event_id, found.company_id, found.plan) == ("e-1", UUID(COMPANY), "growth")
    assert (found.occurred_at, found.sequence, found.cancelled) == (
        datetime.fromtimestamp(1_796_000_000, UTC),
        7,
        False,
    )


@pytest.mark.parametrize(("plan", "means"), [("scale", "scale"), (1, "free"), (["pro", "growth", None], "growth")])
def test_a_plan_is_known_by_its_alias_or_by_its_own_name(plan: object, means: str) -> None:
    assert event(body(plan=plan)).plan == means


def test_a_cancellation_needs_no_plan() -> None:
    found = event(body(gone=True, plan=None))
    assert (found.cancelled, found.plan) == (True, None)


def test_a_source_may_be_named_by_its_beginning() -> None:
    assert event(body(source="bill.eu")).plan == "growth"


@pytest.mark.parametrize(
    ("detail_type", "draft", "because"),
    [("seen", False, "detail-type seen"), ("changed", True, "ignored_if: detail.draft")],
)
def test_what_changes_no_plan_is_ignored(detail_type: str, draft: bool, because: str) -> None:  # noqa: FBT001
    assert read(body(detail_type=detail_type, draft=draft)) == Ignored("x", "billing", because)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"company": None}, "company = detail.company: it found nothing; found: null"),
        (
            {"company": "cus_1"},
            'company = detail.company: it is not Codat\'s company id, which is a UUID; found: "cus_1"',
        ),
        ({"plan": ["pro", "scale"]}, "plan = detail.plan: it names several plans"),
        ({"plan": {"a": 1}}, "plan = detail.plan: it is neither text nor a whole number"),
        ({"plan": [None]}, "plan = detail.plan: it found nothing; found: [null]"),
        ({"at": "0001-01-01"}, "occurred_at = detail.at: the time was never set"),
        ({"version": -1}, "sequence = detail.version: a sequence is"),
    ],
)
def test_an_expression_that_finds_nothing_of_use_parks_the_event(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(Unmapped, match="source billing: ") as caught:
        read(body(**wrong))
    assert words in str(caught.value)
    assert caught.value.event_id == "x"
    assert (triage(caught.value).outcome, triage(caught.value).reason) == (Outcome.PARKED_FAILED, "unmapped")


def test_what_stood_there_is_shortened() -> None:
    with pytest.raises(Unmapped) as caught:
        read(body(company="y" * 10_000))
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("text", [body(source="other"), body(detail_type="odd"), body(live=False), "{", "[]"])
def test_what_no_source_takes_is_refused_by_the_contract(text: str) -> None:
    with pytest.raises(MalformedEvent) as caught:
        read(text)
    assert caught.value.reason == "malformed_event"


def test_an_event_of_the_contract_is_read_as_without_sources() -> None:
    ours = (Path(__file__).parents[3] / "events/company_upgraded_plan.json").read_text("utf-8")
    assert read(ours) == PlanEvents(Sources())(ours, now=NOW) == read_plan_event(ours, now=NOW)


ANY_DETAIL = st.fixed_dictionaries(
    {"company": JSON | st.just(COMPANY), "plan": JSON, "at": JSON, "version": JSON, "gone": JSON}
)


@given(ANY_DETAIL)
def test_any_payload_ends_as_an_event_or_is_refused_in_words(detail: dict[str, Any]) -> None:
    try:
        found = read(body(**detail))
    except MalformedEvent as error:
        found = None
        words = str(error)
    else:
        words = ""
    assert isinstance(found, CompanyEvent) or words
