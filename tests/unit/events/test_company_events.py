"""Each event is read, and whatever else comes is malformed: in words, and in no other way."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from codat_sync.codat.errors import PaymentRequiredKind
from codat_sync.events.company_events import (
    CLOCK_SKEW,
    CODAT_CONNECTED,
    COMPANY_RECONCILIATION,
    NEW_CONNECTION,
    PLAN_CANCELLED,
    PLAN_CHANGED,
    Authority,
    CompanyEvent,
    read_company_reconciliation,
    read_connection_event,
    read_plan_event,
)
from codat_sync.events.envelope import MalformedEvent
from codat_sync.events.requests import (
    CODAT_UPGRADED,
    RECONCILIATION,
    REDRIVE,
    ReconciliationRequest,
    RedriveRequest,
    read_reconciliation_request,
    read_redrive_request,
)
from tests.unit.json_strategies import JSON

NOW = datetime(2026, 2, 1, 12, 0, tzinfo=UTC)
COMPANY = UUID("8a210b68-6988-4001-a1eb-0242ac120001")
CONNECTION = "ee2eb431-c0fa-4dc9-93fa-d29781c12bcd"
SAMPLES = sorted((Path(__file__).parents[3] / "events").glob("*.json"))
TYPES = (
    *PLAN_CHANGED,
    PLAN_CANCELLED,
    NEW_CONNECTION,
    *CODAT_CONNECTED,
    COMPANY_RECONCILIATION,
    RECONCILIATION,
    CODAT_UPGRADED,
    REDRIVE,
)

read_plan = partial(read_plan_event, now=NOW)
read_connection = partial(read_connection_event, now=NOW, plan_tag="plan")
read_company = partial(read_company_reconciliation, now=NOW)
read_reconciliation = partial(read_reconciliation_request, sent_at=NOW)
read_redrive = partial(read_redrive_request, sent_at=NOW)
EVENT_READERS: list[Callable[[str], CompanyEvent]] = [read_plan, read_connection, read_company]
READERS: list[Callable[[str], CompanyEvent | ReconciliationRequest | RedriveRequest]] = [
    *EVENT_READERS,
    read_reconciliation,
    read_redrive,
]


def body(detail_type: str, detail: object, **envelope: object) -> str:
    """The least that EventBridge's envelope has to hold."""
    fields = {"id": "event-1", "detail-type": detail_type, "time": "2026-02-01T11:00:00Z", "detail": detail}
    return json.dumps({**fields, **envelope})


def plan_body(detail_type: str = "Company Changed Plan", /, **detail: object) -> str:
    return body(detail_type, {"companyId": str(COMPANY), "plan": "growth", **detail})


def connection_body(**detail: object) -> str:
    return body(NEW_CONNECTION, {"companyId": str(COMPANY), "connectionId": CONNECTION, **detail})


def codat_body(payload: object, detail_type: str = "company.created", **detail: object) -> str:
    return body(detail_type, {"eventType": detail_type, "payload": payload, **detail})


def words(read: Callable[[str], object], text: str) -> str:
    with pytest.raises(MalformedEvent) as raised:
        read(text)
    return str(raised.value)


# --- From billing ---------------------------------------------------------------------------------------------------


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


# --- From onboarding ------------------------------------------------------------------------------------------------


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


# --- From Codat -----------------------------------------------------------------------------------------------------

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


# --- Requests -------------------------------------------------------------------------------------------------------


def test_a_company_that_is_to_be_looked_at_keeps_the_plan_that_it_has() -> None:
    event = read_company(body(COMPANY_RECONCILIATION, {"companyId": str(COMPANY)}))
    assert (event.plan, event.authority, event.connected) == (None, Authority.ASSUMED, True)


def test_a_plan_in_such_a_request_counts_for_no_more_than_a_tag() -> None:
    event = read_company(body(COMPANY_RECONCILIATION, {"companyId": str(COMPANY), "plan": " growth "}))
    assert (event.plan, event.authority) == ("growth", Authority.TAGGED)


def test_a_schedules_message_needs_no_more_than_an_id_and_a_type() -> None:
    text = json.dumps({"id": "night-1", "detail-type": RECONCILIATION, "detail": {}})
    assert read_reconciliation(text) == ReconciliationRequest("night-1", NOW, report_only=False)


def test_a_reconciliation_may_only_report() -> None:
    assert read_reconciliation(body(RECONCILIATION, {"reportOnly": True})).report_only


@pytest.mark.parametrize("detail_type", [CODAT_UPGRADED, REDRIVE])
def test_a_redrive_is_of_everything_unless_it_is_narrowed(detail_type: str) -> None:
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
def test_a_request_that_is_not_understood_is_malformed(read: Callable[[str], object], text: str, field: str) -> None:
    assert words(read, text).startswith(field)


# --- The envelope ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.name)
def test_each_sample_is_read_by_one_reader_and_refused_by_all_others(sample: Path) -> None:
    text = sample.read_text("utf-8")
    read: list[CompanyEvent | ReconciliationRequest | RedriveRequest] = []
    for reader in READERS:
        try:
            read.append(reader(text))
        except MalformedEvent as refusal:
            assert str(refusal).startswith("detail-type: ")  # noqa: PT017  # All but one refuse.
    (event,) = read
    event_id = event.event_id if isinstance(event, CompanyEvent) else event.request_id
    assert event_id == json.loads(text)["id"]


def test_the_envelope_may_hold_no_more_than_is_read() -> None:
    """As in a message that a producer sends to the queue itself."""
    assert read_plan(plan_body()).event_id == "event-1"


@pytest.mark.parametrize("missing", ["id", "detail-type", "time", "detail"])
def test_what_is_read_of_the_envelope_has_to_be_there(missing: str) -> None:
    envelope = json.loads(plan_body())
    del envelope[missing]
    assert words(read_plan, json.dumps(envelope)) == f"{missing}: Field required"


@pytest.mark.parametrize("event_id", ["", None, 5, "x" * 257, []], ids=repr)
def test_an_event_has_an_id(event_id: object) -> None:
    assert words(read_plan, body("Company Changed Plan", {}, id=event_id)).startswith("id: ")


@pytest.mark.parametrize("detail_type", ["", "Company changed plan", "company.deleted", "connection.deleted", "Alert"])
@pytest.mark.parametrize("read", READERS)
def test_another_type_of_event_is_malformed(read: Callable[[str], CompanyEvent], detail_type: str) -> None:
    text = words(read, body(detail_type, {}))
    assert text.startswith(f"detail-type: {detail_type!r} is none of ")


def test_a_type_of_event_is_not_repeated_at_length() -> None:
    assert len(words(read_plan, body("x" * 100_000, {}))) < 300


@pytest.mark.parametrize("text", ["", " ", "{", "null", "[]", '"x"', "5", "NaN", "\ud800", "<xml/>", "[" * 100_000])
@pytest.mark.parametrize("read", READERS)
def test_what_is_no_json_object_is_malformed(read: Callable[[str], CompanyEvent], text: str) -> None:
    assert words(read, text).startswith("body: ")


@pytest.mark.parametrize("detail", [None, [], "x", 5], ids=repr)
def test_a_detail_is_an_object(detail: object) -> None:
    assert words(read_plan, body("Company Changed Plan", detail)).startswith("detail: ")


def test_the_words_are_few_however_much_is_wrong() -> None:
    text = words(read_plan, json.dumps({"id": 1, "detail-type": 1, "time": 1, "detail": 1}))
    assert text.count(";") == 2
    assert len(text) <= 500


def test_the_words_do_not_repeat_what_was_sent() -> None:
    assert "hush" not in words(read_plan, plan_body(companyId="hush" * 100, occurredAt="hush" * 100))


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (read_plan, body("company.created", {})),
        (read_plan, plan_body(companyId="x")),
        (read_plan, plan_body(occurredAt="2030-01-01T00:00:00Z")),
        (read_connection, codat_body({})),
        (read_connection, connection_body(connectionId="x")),
    ],
)
def test_the_event_id_is_known_where_the_envelope_could_be_read(read: Callable[[str], CompanyEvent], text: str) -> None:
    with pytest.raises(MalformedEvent) as raised:
        read(text)
    assert raised.value.event_id == "event-1"


@pytest.mark.parametrize("text", ["", "{}", '{"id": "event-1"}'])
def test_the_event_id_is_not_known_where_the_envelope_could_not_be_read(text: str) -> None:
    with pytest.raises(MalformedEvent) as raised:
        read_plan(text)
    assert raised.value.event_id is None


def test_a_field_in_the_other_spelling_is_not_taken_for_ours() -> None:
    assert "companyId" in words(read_plan, body("Company Changed Plan", {"company_id": str(COMPANY), "plan": "x"}))


# --- Company ids ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        str(COMPANY).upper(),
        COMPANY.hex,
        f"{{{COMPANY}}}",
        COMPANY.urn,
    ],
)
def test_a_company_id_is_one_id_in_each_of_its_valid_forms(text: str) -> None:
    assert read_plan(plan_body(companyId=text)).company_id == COMPANY


@pytest.mark.parametrize("company", ["00000000-0000-0000-0000-000000000000", str(UUID(int=2**128 - 1))])
def test_a_company_id_need_not_be_of_a_known_version(company: str) -> None:
    assert str(read_plan(plan_body(companyId=company)).company_id) == company


@pytest.mark.parametrize(
    "company",
    [
        f"{COMPANY}/../{COMPANY}",
        f"../{COMPANY}",
        f"{COMPANY}/syncSettings",
        f"{COMPANY}?x=1",
        f"{COMPANY}#",
        f"{COMPANY}%2F",
        f" {COMPANY}",
        f"{COMPANY}\n",
        str(COMPANY)[:-1],
        "",
        None,
        5,
        [str(COMPANY)],
    ],
    ids=repr,
)
def test_what_is_more_or_less_than_a_company_id_is_malformed(company: object) -> None:
    assert words(read_plan, plan_body(companyId=company)).startswith("detail.companyId: ")
    assert words(read_connection, connection_body(companyId=company)).startswith("detail.companyId: ")


# --- When it occurred -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-02-01T10:00:00Z", datetime(2026, 2, 1, 10, tzinfo=UTC)),
        ("2026-02-01T10:00:00", datetime(2026, 2, 1, 10, tzinfo=UTC)),
        ("2026-02-01 10:00:00", datetime(2026, 2, 1, 10, tzinfo=UTC)),
        ("2026-02-01T12:30:00+02:30", datetime(2026, 2, 1, 10, tzinfo=UTC)),
        ("2026-02-01T10:00:00.123456789Z", datetime(2026, 2, 1, 10, 0, 0, 123_456, tzinfo=UTC)),
        ("2026-02-01", datetime(2026, 2, 1, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_moment_is_iso_8601_and_without_an_offset_utc(text: str, moment: datetime) -> None:
    event = read_plan(plan_body(occurredAt=text))
    assert event.occurred_at == moment
    assert event.occurred_at.tzinfo is UTC


@pytest.mark.parametrize(
    "moment",
    [
        1_769_950_800,
        1_769_950_800_000,
        1.5,
        True,
        [],
        "",
        "yesterday",
        "2026-02-30",
        "2026-02-01T25:00:00Z",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "0000-01-01T00:00:00Z",
        "10000-01-01T00:00:00Z",
    ],
)
def test_a_moment_that_nobody_can_tell_is_malformed(moment: object) -> None:
    assert words(read_plan, plan_body(occurredAt=moment)).startswith("detail.occurredAt: ")
    assert words(read_plan, body("Company Changed Plan", {}, time=moment)).startswith("time: ")


@pytest.mark.parametrize("moment", ["1769940000", "1769940000000", "1769940000.5", "20260131", "-5"])
def test_a_number_in_a_text_is_no_date_either(moment: str) -> None:
    assert words(read_plan, plan_body(occurredAt=moment)).startswith("detail.occurredAt: ")


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


# --- Anything -------------------------------------------------------------------------------------------------------


def read_or_malformed(read: Callable[[str], object], text: str) -> None:
    try:
        event = read(text)
    except MalformedEvent as error:
        assert 0 < len(str(error)) <= 600  # noqa: PT017  # Of the error itself there is little to claim.
    else:
        if isinstance(event, CompanyEvent):
            assert event.occurred_at.tzinfo is UTC
            assert event.occurred_at <= NOW + CLOCK_SKEW


@pytest.mark.parametrize("read", READERS)
@settings(deadline=None, max_examples=50)
@given(text=st.text() | st.text('{}[]":,\\ntruefalse0123456789.e-', max_size=40) | JSON.map(json.dumps))
@example(text='{"id": "\\ud800"}')
@example(text='{"detail": ' + "9" * 5000 + "}")
def test_any_text_is_an_event_or_malformed(read: Callable[[str], object], text: str) -> None:
    read_or_malformed(read, text)


MOMENTS = st.datetimes(timezones=st.none() | st.timezones()).map(lambda moment: moment.isoformat()) | st.text()
DETAILS = st.fixed_dictionaries(
    {},
    optional={
        "companyId": st.just(str(COMPANY)) | JSON,
        "connectionId": st.just(CONNECTION) | JSON,
        "plan": st.text(max_size=70) | JSON,
        "previousPlan": st.text(max_size=5) | JSON,
        "occurredAt": MOMENTS | JSON,
        "generatedDate": MOMENTS | JSON,
        "payload": JSON
        | st.fixed_dictionaries(
            {},
            optional={
                "id": st.just(str(COMPANY)) | JSON,
                "tags": st.dictionaries(st.just("plan"), JSON) | JSON,
                "referenceCompany": st.fixed_dictionaries(
                    {"id": st.just(str(COMPANY)) | JSON}, optional={"tags": st.dictionaries(st.just("plan"), JSON)}
                )
                | JSON,
            },
        ),
    },
)


@settings(deadline=None, max_examples=50)
@given(
    envelope=st.fixed_dictionaries(
        {"detail-type": st.sampled_from(TYPES), "detail": DETAILS},
        optional={"id": st.just("event-1") | JSON, "time": st.just("2026-02-01T11:00:00Z") | MOMENTS | JSON},
    )
)
def test_any_json_is_an_event_or_malformed(envelope: dict[str, Any]) -> None:
    for read in READERS:
        read_or_malformed(read, json.dumps(envelope))
        read_or_malformed(read, json.dumps({"id": "event-1", "time": "2026-02-01T11:00:00Z", **envelope}))
