"""The events about one company are read."""

from datetime import UTC, datetime, timedelta

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
)
from tests.fakes.clock import NOW
from tests.fakes.companies import COMPANY
from tests.fakes.events import CONNECTION
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
def test_a_cancellation_names_no_plan_to_go_to(detail: dict[str, str]) -> None:
    event = read_plan(body(PLAN_CANCELLED, {"companyId": str(COMPANY), **detail}))
    assert (event.plan, event.cancelled, event.authority) == (None, True, Authority.STATED)


def test_a_plan_event_is_no_word_on_a_connection() -> None:
    assert not read_plan(plan_body()).connected


def test_white_space_around_a_plan_is_no_part_of_it() -> None:
    assert read_plan(plan_body(plan=" growth\n")).plan == "growth"


@pytest.mark.parametrize("plan", ["", "  ", None, 3, True, ["growth"], {"name": "growth"}, "x" * 65], ids=repr)
def test_a_plan_is_a_short_text(plan: object) -> None:
    assert words(read_plan, plan_body(plan=plan)).startswith("detail.plan: ")


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


def test_the_company_referred_to_wins_over_the_payload() -> None:
    payload = {**REFERRED, "id": CONNECTION, "tags": {"plan": "scale"}}
    event = read_connection(codat_body(payload))
    assert (event.company_id, event.plan) == (COMPANY, "growth")


def test_a_body_that_names_its_type_otherwise_is_read_by_the_envelopes_type() -> None:
    event = read_connection(body("company.created", {"type": "company.created", "payload": FLAT}))
    assert event.company_id == COMPANY


@pytest.mark.parametrize(
    "tags",
    [None, {}, {"region": "uk"}, {"plan": None}, {"plan": ""}, {"plan": "  "}, {"Plan": "growth"}],
    ids=repr,
)
@pytest.mark.parametrize("shape", ["flat", "reference"])
def test_a_company_without_the_tag_is_assumed_to_have_the_default_plan(tags: object, shape: str) -> None:
    company = {"id": str(COMPANY), "tags": tags}
    event = read_connection(codat_body(company if shape == "flat" else {"referenceCompany": company}))
    assert (event.plan, event.authority) == (None, Authority.ASSUMED)


def test_a_company_need_not_have_tags() -> None:
    assert read_connection(codat_body({"id": str(COMPANY)})).plan is None


def test_the_tag_that_carries_the_plan_is_ours_to_name() -> None:
    text = codat_body({"id": str(COMPANY), "tags": {"plan": "growth", "syncTier": " scale "}})
    assert read_connection_event(text, now=NOW, plan_tag="syncTier").plan == "scale"


def test_without_a_generated_date_the_envelopes_time_counts() -> None:
    assert read_connection(codat_body(FLAT)).occurred_at == datetime(2026, 2, 1, 11, tzinfo=UTC)


@pytest.mark.parametrize("payload", [{}, {"name": "x"}, {"id": None}, {"referenceCompany": None}], ids=repr)
def test_a_payload_without_a_company_is_malformed(payload: object) -> None:
    assert words(read_connection, codat_body(payload)).startswith("detail.payload.id: ")


def test_what_nobody_reads_may_be_anything() -> None:
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


def test_a_company_that_is_to_be_looked_at_keeps_the_plan_that_it_has() -> None:
    event = read_company(body(COMPANY_RECONCILIATION, {"companyId": str(COMPANY)}))
    assert (event.plan, event.authority, event.connected) == (None, Authority.ASSUMED, True)


def test_a_plan_in_such_a_request_counts_for_no_more_than_a_tag() -> None:
    event = read_company(body(COMPANY_RECONCILIATION, {"companyId": str(COMPANY), "plan": " growth "}))
    assert (event.plan, event.authority) == ("growth", Authority.TAGGED)


@pytest.mark.parametrize("detail", [{}, {"occurredAt": None}], ids=repr)
def test_where_the_detail_does_not_say_when_the_envelopes_time_counts(detail: dict[str, object]) -> None:
    assert read_plan(plan_body(**detail)).occurred_at == datetime(2026, 2, 1, 11, tzinfo=UTC)


def test_what_the_detail_says_wins_over_the_envelope() -> None:
    event = read_plan(plan_body(occurredAt="2020-01-01T00:00:00Z"))
    assert event.occurred_at == datetime(2020, 1, 1, tzinfo=UTC)


def test_our_clock_may_be_a_little_slow() -> None:
    moment = NOW + CLOCK_SKEW
    assert read_plan(plan_body(occurredAt=moment.isoformat())).occurred_at == moment


@pytest.mark.parametrize("ahead", [CLOCK_SKEW + timedelta(seconds=1), timedelta(days=365 * 5000)])
def test_an_event_from_the_future_is_malformed(ahead: timedelta) -> None:
    moment = (NOW + ahead).isoformat()
    assert words(read_plan, plan_body(occurredAt=moment)) == f"{moment}, when it occurred, is in the future"
    assert words(read_connection, connection_body(occurredAt=moment)).endswith(" is in the future")
    assert words(read_connection, codat_body(FLAT, generatedDate=moment)).endswith(" is in the future")


def test_an_envelope_from_the_future_does_not_matter_where_the_detail_says_when() -> None:
    detail = {"companyId": str(COMPANY), "plan": "growth", "occurredAt": "2026-02-01T10:00:00Z"}
    assert read_plan(body("Company Changed Plan", detail, time="2030-01-01T00:00:00Z")).plan == "growth"
