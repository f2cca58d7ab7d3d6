"""When an event occurred, in whatever form a producer's system writes it; and a date that was never set is none."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from codat_sync.events.company_events import NEW_CONNECTION, PLAN_CANCELLED, PlanChanged
from codat_sync.events.moments import read_moment, read_sequence
from tests.fakes.companies import COMPANY
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

NOON = datetime(2026, 1, 20, 12, 0, tzinfo=UTC)
ENVELOPE_TIME = datetime(2026, 2, 1, 11, tzinfo=UTC)
UNSET: list[object] = [
    None,
    "",
    "  \n",
    "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00",
    "0001-01-01",
    "00010101T000000Z",
    "0001-01-01T00:00:00.0000000Z",
    "0001-01-01T00:00:00+01:00",
    "0001-01-01T08:00:00+08:00",
    "0000-12-31T19:03:58-04:56",
    "0000-00-00 00:00:00",
    "1970-01-01T00:00:00Z",
    "1970-01-01",
    "19700101T000000Z",
    "1970-01-01T00:00:00.999Z",
    "1970-01-01T01:00:00+01:00",
    " 1970-01-01 00:00:00 +0000 ",
    0,
    0.0,
    -0.0,
    0.5,
    "0",
    "0.0",
    "-0",
    -62_135_596_800,
    "-62135596800000",
]


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-20T12:00:00Z",
        "20260120T120000Z",
        "20260120T1200Z",
        "20260120T12Z",
        "2026-01-20T12:00Z",
        "2026-01-20T12:00:00",
        "2026-01-20t12:00:00z",
        "2026-01-20 12:00:00",
        "2026-01-20  12:00:00",
        "2026-01-20T12:00:00+00",
        "2026-01-20T12:00:00+0000",
        "2026-01-20T12:00:00+00:00",
        "2026-01-20T12:00:00-00:00",
        "2026-01-20 12:00:00 +0000",
        "2026-01-20T12:00:00 Z",
        "2026-01-20T14:30:00+02:30",
        "2026-01-20T07:00:00-05",
        "2026-01-20T07:00:00\N{MINUS SIGN}05:00",
        "20260120T070000-0500",
        "2026-01-20T12:00:00.0Z",
        "2026-01-20T12:00:00,000Z",
        "20260120T120000.000000000Z",
        f"2026-01-20T12:00:00.{'0' * 60}Z",
        "\t2026-01-20T12:00:00Z\r\n",
        "2026-W04-2T12:00:00Z",
        "2026W042T120000Z",
        "1768910400",
        "1768910400000",
        " 1768910400.0 ",
        "1768910400,000",
    ],
)
def test_iso_8601_is_taken_in_its_usual_forms(text: str) -> None:
    assert read_moment(text) == NOON


@pytest.mark.parametrize(
    ("text", "microsecond"),
    [("2026-01-20T12:00:00.5Z", 500_000), ("20260120T120000,25Z", 250_000), ("2026-01-20T12:00:00.1234567Z", 123_456)],
)
def test_a_fraction_of_any_length_counts_to_the_microsecond(text: str, microsecond: int) -> None:
    assert read_moment(text) == NOON.replace(microsecond=microsecond)


@pytest.mark.parametrize("text", ["2026-01-20", "20260120", "2026-01-20Z", "2026-01-20+00:00", " 2026-01-20 "])
def test_a_date_alone_is_its_first_moment(text: str) -> None:
    assert read_moment(text) == datetime(2026, 1, 20, tzinfo=UTC)


def test_an_offset_behind_a_date_alone_is_not_taken_for_a_time() -> None:
    assert read_moment("2026-01-20+02:00") == datetime(2026, 1, 19, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    ("number", "moment"),
    [
        (1_768_910_400, NOON),
        (1_768_910_400_000, NOON),
        (1_768_910_400_250, NOON.replace(microsecond=250_000)),
        (1_768_910_400.25, NOON.replace(microsecond=250_000)),
        ("1768910400.123456", NOON.replace(microsecond=123_456)),
        (978_307_200, datetime(2001, 1, 1, tzinfo=UTC)),
        (978_307_200_000, datetime(2001, 1, 1, tzinfo=UTC)),
        (4_133_980_799, datetime(2100, 12, 31, 23, 59, 59, tzinfo=UTC)),
        (4_133_980_799_000, datetime(2100, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_a_number_is_seconds_or_milliseconds_and_cannot_be_both(number: object, moment: datetime) -> None:
    assert read_moment(number) == moment


@pytest.mark.parametrize(
    ("number", "unit"),
    [
        (1_768_910_400_000_000, "microseconds"),
        ("1768910400000000", "microseconds"),
        (1_768_910_400_000_000_000, "nanoseconds"),
        ("1768910400000000000", "nanoseconds"),
    ],
)
def test_finer_units_are_refused_by_their_name(number: object, unit: str) -> None:
    with pytest.raises(ValueError, match=f"^{unit} since 1970 are not accepted; a moment is ISO 8601 text, such as"):
        read_moment(number)


@pytest.mark.parametrize(
    "number",
    [
        *(978_307_199, 4_133_980_800, 978_307_199_999, 4_133_980_800_000, 1, -1, 1.5, 20260120, 10**400, "9" * 20),
        *(float("nan"), float("inf"), "202601201200", "20260120120000", "-1768910400", "1e9", "٣" * 10),
    ],
    ids=str,
)
def test_a_number_outside_2001_to_2100_is_refused_in_words(number: object) -> None:
    with pytest.raises(ValueError, match=r"^a moment is ISO 8601 text"):
        read_moment(number)


@pytest.mark.parametrize(
    "value",
    [
        *("yesterday", "null", "2026", "2026-01", "2026-01-20_12:00:00", "2026-01-20T12:00:00+1", "12:00:00"),
        *("20/01/2026", "2026-01-20T12:00.5Z", "2026-01-20T12:00:00Z+01:00", "2026-02-30", "2026-01-20T25:00:00Z"),
        *("9999-12-31T23:59:59-01:00", "10000-01-01T00:00:00Z", True, False, [], {}),
    ],
    ids=str,
)
def test_anything_else_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"moment|calendar"):
        read_moment(value)


@pytest.mark.parametrize("value", UNSET, ids=repr)
def test_a_date_that_was_never_set_is_no_date(value: object) -> None:
    assert read_moment(value) is None


@pytest.mark.parametrize("value", UNSET, ids=repr)
@pytest.mark.parametrize("read_it", ["plan", "cancelled", "onboarding", "codat"])
def test_where_the_detail_has_no_date_the_envelopes_time_counts(value: object, read_it: str) -> None:
    event = {
        "plan": lambda: read_plan(plan_body(occurredAt=value)),
        "cancelled": lambda: read_plan(body(PLAN_CANCELLED, {"companyId": str(COMPANY), "occurredAt": value})),
        "onboarding": lambda: read_connection(connection_body(occurredAt=value)),
        "codat": lambda: read_connection(codat_body({"id": str(COMPANY)}, generatedDate=value)),
    }[read_it]()
    assert event.occurred_at == ENVELOPE_TIME


@pytest.mark.parametrize("value", [*UNSET, ...], ids=repr)
def test_where_the_envelope_has_no_time_the_details_date_counts(value: object) -> None:
    detail: dict[str, object] = {"companyId": str(COMPANY), "plan": "growth"}
    assert read_plan(enveloped({**detail, "occurredAt": 1_768_910_400}, value)).occurred_at == NOON
    assert words(read_plan, enveloped(detail, value)).startswith("time: it is not set")
    assert words(read_plan, enveloped({**detail, "occurredAt": ""}, value)).startswith("time: it is not set")


def enveloped(detail: dict[str, object], time: object) -> str:
    """``...`` leaves the time out."""
    envelope = json.loads(body("Company Changed Plan", detail, time=None if time is ... else time))
    if time is ...:
        del envelope["time"]
    return json.dumps(envelope)


@pytest.mark.parametrize("time", ["20260120T120000Z", 1_768_910_400, "1768910400000"])
@pytest.mark.parametrize(
    ("read", "detail_type", "detail"),
    [
        (read_plan, "Company Changed Plan", {"companyId": str(COMPANY), "plan": "growth"}),
        (read_connection, NEW_CONNECTION, {"companyId": str(COMPANY), "connectionId": str(COMPANY)}),
        (read_company, "Company Reconciliation Requested", {"companyId": str(COMPANY)}),
    ],
)
def test_the_envelopes_time_is_read_like_any_other(
    read: Callable[[str], object], detail_type: str, detail: dict[str, str], time: object
) -> None:
    assert read(body(detail_type, detail, time=time)) == read(body(detail_type, detail, time=NOON.isoformat()))


@settings(deadline=None, max_examples=200)
@given(
    moment=st.datetimes(
        datetime(2001, 1, 2),  # noqa: DTZ001  # As hypothesis asks.
        datetime(2100, 12, 30),  # noqa: DTZ001  # As above.
        timezones=st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes))),
    )
)
def test_every_form_of_a_moment_is_the_same_moment(moment: datetime) -> None:
    forms: list[object] = [
        moment.isoformat(),
        moment.isoformat(" ").replace("+", " +"),
        moment.strftime("%Y%m%dT%H%M%S.%f%z"),
        f"{moment.isoformat(timespec='microseconds')}".replace(".", ","),
    ]
    assert {read_moment(form) for form in forms} == {moment.astimezone(UTC)}
    seconds = moment.replace(microsecond=0)
    assert read_moment(int(seconds.timestamp())) == read_moment(int(seconds.timestamp() * 1000)) == seconds


# --- A producer's counter -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "sequence"),
    [(0, 0), (7, 7), ("42", 42), (" 007 ", 7), (18_446_744_073_709_551_615, 2**64 - 1), (None, None), (" ", None)],
)
def test_a_sequence_is_a_whole_number_or_digits(value: object, sequence: int | None) -> None:
    assert read_sequence(value) == sequence
    assert read_plan(plan_body(sequence=value)).sequence == sequence
    assert read_plan(body(PLAN_CANCELLED, {"companyId": str(COMPANY), "sequence": value})).sequence == sequence
    assert read_connection(connection_body(sequence=value)).sequence == sequence


@pytest.mark.parametrize("value", [-1, 1.5, 2.0, True, "x", "1.0", "-1", "9" * 21, 10**20, [], "٣"], ids=repr)
def test_another_sequence_is_malformed(value: object) -> None:
    assert words(read_plan, plan_body(sequence=value)).startswith("detail.sequence: ")


def test_codats_events_have_no_sequence() -> None:
    assert read_connection(codat_body({"id": str(COMPANY)}, sequence=5)).sequence is None


# --- For producers --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value", "is_valid"),
    [
        ("occurredAt", "20260120T120000Z", True),
        ("occurredAt", 1_768_910_400, True),
        ("occurredAt", "", True),
        ("occurredAt", None, True),
        ("occurredAt", [], False),
        ("sequence", 5, True),
        ("sequence", "5", True),
        ("sequence", None, True),
        ("sequence", -5, False),
        ("sequence", "five", False),
    ],
)
def test_the_schema_for_producers_says_so(field: str, value: object, *, is_valid: bool) -> None:
    detail = {"companyId": str(COMPANY), "plan": "growth", field: value}
    assert Draft202012Validator(PlanChanged.model_json_schema()).is_valid(detail) is is_valid


# --- Byte order marks and replays -----------------------------------------------------------------------------------


def test_a_byte_order_mark_before_a_message_is_no_part_of_it() -> None:
    assert read_plan("\N{ZERO WIDTH NO-BREAK SPACE}" + plan_body()) == read_plan(plan_body())
    mark = "\N{ZERO WIDTH NO-BREAK SPACE}"
    assert read_connection(mark + codat_body({"id": str(COMPANY)})).company_id == COMPANY


def test_an_event_that_is_replayed_from_an_archive_says_so() -> None:
    assert read_plan(body("Company Changed Plan", json.loads(plan_body())["detail"], **{"replay-name": "x"})).replayed
    assert not read_plan(plan_body()).replayed


@pytest.mark.parametrize(
    ("products", "read"),
    [(["lending"], ("lending",)), ([], ()), (None, ()), ("lending", ()), ([5, "expenses"], ("expenses",))],
    ids=repr,
)
def test_codats_event_tells_the_products_of_a_company(products: object, read: tuple[str, ...]) -> None:
    assert read_connection(codat_body({"id": str(COMPANY), "products": products})).products == read
