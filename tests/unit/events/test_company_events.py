"""The events about one company are read: from billing, onboarding, Codat, and a reconciliation run."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from unicodedata import normalize

import pytest

from codat_sync.events.company_events import (
    CLOCK_SKEW,
    CODAT_CONNECTED,
    COMPANY_RECONCILIATION,
    PLAN_CANCELLED,
    PLAN_CHANGED,
    Authority,
    CompanyEvent,
    read_connection_event,
    tagged_plan,
)
from tests.fakes.clock import NOW
from tests.fakes.companies import COMPANY
from tests.fakes.events import CONNECTION, LONGEST_PLAN, PLAN_NAMES
from tests.unit.events.bodies import (
    body,
    codat_body,
    connection_body,
    plan_body,
    read_company,
    read_connection,
    read_plan,
    words,
)


@pytest.mark.parametrize("detail_type", PLAN_CHANGED)
def test_a_plan_event_states_a_plan(detail_type: str) -> None:
    occurred_at = "2026-02-01T10:59:59.5Z"
    assert read_plan(plan_body(detail_type, previousPlan="free", occurredAt=occurred_at)) == CompanyEvent(
        event_id="event-1",
        company_id=COMPANY,
        occurred_at=datetime(2026, 2, 1, 10, 59, 59, 500_000, tzinfo=UTC),
        authority=Authority.STATED,
        plan="growth",
    )


@pytest.mark.parametrize("detail", [{}, {"plan": "scale"}, {"previousPlan": "scale"}], ids=repr)
def test_a_cancellation_names_no_new_plan(detail: dict[str, str]) -> None:
    event = read_plan(body(PLAN_CANCELLED, {"companyId": str(COMPANY), **detail}))
    assert (event.plan, event.cancelled, event.authority) == (None, True, Authority.STATED)


def test_a_plan_event_is_no_connection() -> None:
    assert not read_plan(plan_body()).connected


def test_white_space_around_a_plan_is_ignored() -> None:
    assert read_plan(plan_body(plan=" growth\n")).plan == "growth"


@pytest.mark.parametrize("plan", ["", "  ", None, 3, True, ["growth"], {"name": "growth"}, "x" * 65], ids=repr)
def test_a_plan_is_text_of_1_to_64_characters(plan: object) -> None:
    assert words(read_plan, plan_body(plan=plan)).startswith("detail.plan: ")


@pytest.mark.parametrize("plan", PLAN_NAMES)
def test_a_plan_is_read_as_billing_calls_it(plan: str) -> None:
    assert len(LONGEST_PLAN) == 64
    assert read_plan(plan_body(plan=plan)).plan == plan


@pytest.mark.parametrize(
    "read",
    [
        lambda plan: read_plan(plan_body(plan=plan)),
        lambda plan: read_connection(connection_body(plan=plan)),
        lambda plan: read_connection(codat_body({"id": str(COMPANY), "tags": {"plan": plan}})),
        lambda plan: read_company(body(COMPANY_RECONCILIATION, {"companyId": str(COMPANY), "plan": plan})),
    ],
    ids=["billing", "onboarding", "tag", "reconciliation"],
)
def test_a_plan_in_another_unicode_composition_is_the_same_plan(read: Callable[[str], CompanyEvent]) -> None:
    composed, decomposed = (normalize(form, "Größe L") for form in ("NFC", "NFD"))
    assert composed != decomposed
    assert read(composed).plan == read(decomposed).plan == composed


def test_a_plan_has_64_characters_once_it_is_composed() -> None:
    assert len(normalize("NFD", "é" * 64)) == 128
    assert read_plan(plan_body(plan=normalize("NFD", "é" * 64))).plan == "é" * 64
    assert words(read_plan, plan_body(plan=normalize("NFD", "é" * 65))).startswith("detail.plan: ")


def test_a_character_that_composing_makes_two_counts_as_two() -> None:
    assert len(normalize("NFC", "\u0958")) == 2
    assert read_plan(plan_body(plan="\u0958" * 32)).plan == normalize("NFC", "\u0958" * 32)
    assert words(read_plan, plan_body(plan="\u0958" * 33)).startswith("detail.plan: ")


def test_a_plan_event_without_a_plan_is_malformed() -> None:
    assert words(read_plan, body("Company Changed Plan", {"companyId": str(COMPANY)})) == "detail.plan: Field required"


def test_onboarding_states_a_plan() -> None:
    event = read_connection(connection_body(plan="growth", occurredAt="2026-02-01T10:00:00Z"))
    assert (event.plan, event.authority, event.connected) == ("growth", Authority.STATED, True)
    assert event.occurred_at == datetime(2026, 2, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize("detail", [{}, {"plan": None}, {"occurredAt": None}], ids=repr)
def test_onboarding_may_name_no_plan(detail: dict[str, object]) -> None:
    event = read_connection(connection_body(**detail))
    assert (event.plan, event.authority, event.connected) == (None, Authority.ASSUMED, True)


@pytest.mark.parametrize("connection", [None, "", "x", 5])
def test_onboarding_names_the_connection(connection: object) -> None:
    assert words(read_connection, connection_body(connectionId=connection)).startswith("detail.connectionId: ")


FLAT: dict[str, object] = {
    "id": str(COMPANY),
    "name": "Toft Stores",
    "description": "Requested early access",
    "redirect": f"https://link.codat.io/company/{COMPANY}",
    "lastSync": "2026-01-12T12:00:00.5Z",
    "created": "2026-01-12T12:00:00.1Z",
    "createdByUserName": "someone",
    "products": ["expenses"],
    "tags": {"plan": "growth", "region": "uk"},
}


REFERRED: dict[str, object] = {
    "referenceCompany": {
        "id": str(COMPANY),
        "name": "Toft Stores",
        "links": {"portal": f"https://app.codat.io/companies/{COMPANY}/summary"},
        "tags": {"plan": "growth"},
    },
    "connection": {"id": CONNECTION, "status": "Linked", "dataConnectionErrors": [{"statusCode": "401"}]},
}


@pytest.mark.parametrize("detail_type", CODAT_CONNECTED)
@pytest.mark.parametrize("payload", [FLAT, REFERRED, {**FLAT, "referenceCompany": None}], ids=["flat", "ref", "null"])
def test_codats_events_are_read_in_each_published_shape(detail_type: str, payload: object) -> None:
    event = read_connection(codat_body(payload, detail_type, generatedDate="2026-02-01T10:00:00.1234567Z"))
    assert (event.company_id, event.plan, event.authority) == (COMPANY, "growth", Authority.TAGGED)
    assert event.occurred_at == datetime(2026, 2, 1, 10, 0, 0, 123_456, tzinfo=UTC)
    assert event.connected


def test_the_reference_company_wins_over_the_payload() -> None:
    payload = {**REFERRED, "id": CONNECTION, "tags": {"plan": "scale"}}
    event = read_connection(codat_body(payload))
    assert (event.company_id, event.plan) == (COMPANY, "growth")


def test_a_codat_event_is_read_by_the_type_of_its_envelope() -> None:
    event = read_connection(body("company.created", {"type": "company.created", "payload": FLAT}))
    assert event.company_id == COMPANY


@pytest.mark.parametrize(
    "tags",
    [None, {}, {"region": "uk"}, {"plan": None}, {"plan": ""}, {"plan": "  "}, {"Plan": "growth"}],
    ids=repr,
)
@pytest.mark.parametrize("shape", ["flat", "reference"])
def test_a_company_without_the_tag_has_an_assumed_plan(tags: object, shape: str) -> None:
    company = {"id": str(COMPANY), "tags": tags}
    event = read_connection(codat_body(company if shape == "flat" else {"referenceCompany": company}))
    assert (event.plan, event.authority) == (None, Authority.ASSUMED)


def test_the_tags_of_a_company_are_optional() -> None:
    assert read_connection(codat_body({"id": str(COMPANY)})).plan is None


def test_the_name_of_the_plan_tag_is_configured() -> None:
    text = codat_body({"id": str(COMPANY), "tags": {"plan": "growth", "syncTier": " scale "}})
    assert read_connection_event(text, now=NOW, plan_tag="syncTier").plan == "scale"


@pytest.mark.parametrize(
    ("tags", "plan"),
    [
        ({"plan": "growth"}, "growth"),
        ({"plan": " growth\n"}, "growth"),
        ({"plan": "Team + Annual"}, "Team + Annual"),
        ({"plan": "Gro\u0308\u00dfe"}, "Größe"),
        ({"plan": 3}, "3"),
        ({"region": "uk"}, None),
        ({"Plan": "growth"}, None),
        ({"plan": None}, None),
        ({"plan": " "}, None),
        ({}, None),
    ],
    ids=repr,
)
def test_a_tagged_plan_is_text_in_its_composed_form_or_none(tags: dict[str, Any], plan: str | None) -> None:
    assert tagged_plan(tags, "plan") == plan


def test_a_tagged_plan_is_that_of_the_tag_that_carries_plans() -> None:
    assert tagged_plan({"plan": "growth", "syncTier": "scale"}, "syncTier") == "scale"


def test_without_a_generated_date_the_envelopes_time_counts() -> None:
    assert read_connection(codat_body(FLAT)).occurred_at == datetime(2026, 2, 1, 11, tzinfo=UTC)


@pytest.mark.parametrize("payload", [{}, {"name": "x"}, {"id": None}, {"referenceCompany": None}], ids=repr)
def test_a_payload_without_a_company_is_malformed(payload: object) -> None:
    assert words(read_connection, codat_body(payload)).startswith("detail.payload.id: ")


def test_a_field_that_is_not_read_may_hold_anything() -> None:
    assert read_plan(plan_body(previousPlan=3)).plan == "growth"
    payload = {"id": "not a UUID", "referenceCompany": {"id": str(COMPANY)}}
    assert read_connection(codat_body(payload)).company_id == COMPANY


@pytest.mark.parametrize(
    "payload",
    [None, [], "x", {"id": "x"}, {"referenceCompany": {}}, {"referenceCompany": {"id": None}}, {"tags": "plan"}],
    ids=repr,
)
def test_a_payload_of_another_shape_is_malformed(payload: object) -> None:
    assert words(read_connection, codat_body(payload)).startswith("detail.payload")


def test_a_reconciled_company_keeps_its_plan() -> None:
    event = read_company(body(COMPANY_RECONCILIATION, {"companyId": str(COMPANY)}))
    assert (event.plan, event.authority, event.connected) == (None, Authority.ASSUMED, True)


@pytest.mark.parametrize("presets", ["3f0039a059719258", None])
def test_a_reconciliation_request_names_the_company_and_the_presets_of_its_run(presets: str | None) -> None:
    event = read_company(body(COMPANY_RECONCILIATION, {"companyId": str(COMPANY), "presets": presets}))
    assert (event.company_id, event.presets) == (COMPANY, presets)


def test_a_plan_in_a_reconciliation_request_has_the_authority_of_a_tag() -> None:
    event = read_company(body(COMPANY_RECONCILIATION, {"companyId": str(COMPANY), "plan": " growth "}))
    assert (event.plan, event.authority) == ("growth", Authority.TAGGED)


@pytest.mark.parametrize("detail", [{}, {"occurredAt": None}], ids=repr)
def test_where_the_detail_has_no_time_that_of_the_envelope_counts(detail: dict[str, object]) -> None:
    assert read_plan(plan_body(**detail)).occurred_at == datetime(2026, 2, 1, 11, tzinfo=UTC)


def test_the_time_of_the_detail_wins_over_that_of_the_envelope() -> None:
    event = read_plan(plan_body(occurredAt="2020-01-01T00:00:00Z"))
    assert event.occurred_at == datetime(2020, 1, 1, tzinfo=UTC)


def test_an_event_may_be_ahead_of_our_clock_by_the_clock_skew() -> None:
    moment = NOW + CLOCK_SKEW
    assert read_plan(plan_body(occurredAt=moment.isoformat())).occurred_at == moment


@pytest.mark.parametrize("ahead", [CLOCK_SKEW + timedelta(seconds=1), timedelta(days=365 * 5000)])
def test_an_event_from_the_future_is_malformed(ahead: timedelta) -> None:
    moment = (NOW + ahead).isoformat()
    assert words(read_plan, plan_body(occurredAt=moment)) == f"{moment}, when it occurred, is in the future"
    assert words(read_connection, connection_body(occurredAt=moment)).endswith(" is in the future")
    assert words(read_connection, codat_body(FLAT, generatedDate=moment)).endswith(" is in the future")


def test_an_envelope_from_the_future_is_ignored_where_the_detail_has_a_time() -> None:
    detail = {"companyId": str(COMPANY), "plan": "growth", "occurredAt": "2026-02-01T10:00:00Z"}
    assert read_plan(body("Company Changed Plan", detail, time="2030-01-01T00:00:00Z")).plan == "growth"
