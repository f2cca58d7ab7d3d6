"""A message is read as one event, or is malformed with an error that says what is wrong."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from codat_sync.events.company_events import (
    CLOCK_SKEW,
    CODAT_CONNECTED,
    COMPANY_RECONCILIATION,
    NEW_CONNECTION,
    PLAN_CANCELLED,
    PLAN_CHANGED,
    CompanyEvent,
)
from codat_sync.events.envelope import MalformedEvent
from codat_sync.events.requests import (
    CODAT_UPGRADED,
    RECONCILIATION,
    REDRIVE,
    ReconciliationRequest,
    RedriveRequest,
)
from tests.fakes.clock import NOW
from tests.fakes.companies import COMPANY
from tests.fakes.events import CONNECTION
from tests.unit.events.bodies import (
    READERS,
    body,
    codat_body,
    connection_body,
    plan_body,
    read_connection,
    read_plan,
    words,
)
from tests.unit.json_strategies import JSON

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


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.name)
def test_each_sample_is_read_by_one_reader_and_refused_by_all_others(sample: Path) -> None:
    text = sample.read_text("utf-8")
    read: list[CompanyEvent | ReconciliationRequest | RedriveRequest] = []
    for reader in READERS:
        try:
            read.append(reader(text))
        except MalformedEvent as refusal:
            assert str(refusal).startswith("detail-type: ")  # noqa: PT017  # All readers but one refuse.
    (event,) = read
    event_id = event.event_id if isinstance(event, CompanyEvent) else event.request_id
    assert event_id == json.loads(text)["id"]


def test_the_envelope_may_lack_the_fields_that_are_not_read() -> None:
    """A producer may send such a message to the queue itself."""
    assert read_plan(plan_body()).event_id == "event-1"


@pytest.mark.parametrize("missing", ["id", "detail-type", "detail"])
def test_a_field_of_the_envelope_that_is_read_is_required(missing: str) -> None:
    envelope = json.loads(plan_body())
    del envelope[missing]
    assert words(read_plan, json.dumps(envelope)) == f"{missing}: Field required"


@pytest.mark.parametrize("event_id", ["", None, 5, "x" * 257, []], ids=repr)
def test_the_id_of_an_event_is_text_of_1_to_256_characters(event_id: object) -> None:
    assert words(read_plan, body("Company Changed Plan", {}, id=event_id)).startswith("id: ")


@pytest.mark.parametrize("detail_type", ["", "Company changed plan", "company.deleted", "connection.deleted", "Alert"])
@pytest.mark.parametrize("read", READERS)
def test_another_type_of_event_is_malformed(read: Callable[[str], CompanyEvent], detail_type: str) -> None:
    text = words(read, body(detail_type, {}))
    assert text.startswith(f"detail-type: {detail_type!r} is none of ")


def test_an_error_shortens_the_type_of_event_that_it_repeats() -> None:
    assert len(words(read_plan, body("x" * 100_000, {}))) < 300


@pytest.mark.parametrize("text", ["", " ", "{", "null", "[]", '"x"', "5", "NaN", "\ud800", "<xml/>", "[" * 100_000])
@pytest.mark.parametrize("read", READERS)
def test_a_body_that_is_no_json_object_is_malformed(read: Callable[[str], CompanyEvent], text: str) -> None:
    assert words(read, text).startswith("body: ")


@pytest.mark.parametrize("detail", [None, [], "x", 5], ids=repr)
def test_a_detail_is_an_object(detail: object) -> None:
    assert words(read_plan, body("Company Changed Plan", detail)).startswith("detail: ")


def test_an_error_names_three_problems_at_most() -> None:
    text = words(read_plan, json.dumps({"id": 1, "detail-type": 1, "time": 1, "detail": 1}))
    assert text.count(";") == 2
    assert len(text) <= 500


def test_an_error_does_not_repeat_the_values_that_were_sent() -> None:
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


def test_a_field_in_snake_case_is_not_read() -> None:
    assert "companyId" in words(read_plan, body("Company Changed Plan", {"company_id": str(COMPANY), "plan": "x"}))


@pytest.mark.parametrize(
    "text",
    [
        str(COMPANY).upper(),
        COMPANY.hex,
        f"{{{COMPANY}}}",
        COMPANY.urn,
    ],
)
def test_each_valid_form_of_a_company_id_is_the_same_id(text: str) -> None:
    assert read_plan(plan_body(companyId=text)).company_id == COMPANY


@pytest.mark.parametrize("company", ["00000000-0000-0000-0000-000000000000", str(UUID(int=2**128 - 1))])
def test_a_company_id_may_be_of_any_uuid_version(company: str) -> None:
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
def test_text_that_is_not_exactly_a_company_id_is_malformed(company: object) -> None:
    assert words(read_plan, plan_body(companyId=company)).startswith("detail.companyId: ")
    assert words(read_connection, connection_body(companyId=company)).startswith("detail.companyId: ")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-02-01T10:00:00Z", datetime(2026, 2, 1, 10, tzinfo=UTC)),
        ("2026-02-01T10:00:00", datetime(2026, 2, 1, 10, tzinfo=UTC)),
        ("2026-02-01 10:00:00", datetime(2026, 2, 1, 10, tzinfo=UTC)),
        ("2026-02-01T12:30:00+02:30", datetime(2026, 2, 1, 10, tzinfo=UTC)),
        ("2026-02-01T10:00:00.123456789Z", datetime(2026, 2, 1, 10, 0, 0, 123_456, tzinfo=UTC)),
        ("2026-02-01", datetime(2026, 2, 1, tzinfo=UTC)),
    ],
)
def test_a_moment_is_iso_8601_and_is_utc_without_an_offset(text: str, moment: datetime) -> None:
    event = read_plan(plan_body(occurredAt=text))
    assert event.occurred_at == moment
    assert event.occurred_at.tzinfo is UTC


@pytest.mark.parametrize(
    "moment",
    [
        1.5,
        True,
        [],
        "yesterday",
        "2026-02-30",
        "2026-02-01T25:00:00Z",
        "9999-12-31T23:59:59-01:00",
        "10000-01-01T00:00:00Z",
    ],
)
def test_a_moment_that_cannot_be_read_is_malformed(moment: object) -> None:
    assert words(read_plan, plan_body(occurredAt=moment)).startswith("detail.occurredAt: ")
    assert words(read_plan, body("Company Changed Plan", {}, time=moment)).startswith("time: ")


def read_or_malformed(read: Callable[[str], object], text: str) -> None:
    try:
        event = read(text)
    except MalformedEvent as error:
        assert 0 < len(str(error)) <= 600  # noqa: PT017  # The error's own text is the claim.
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
