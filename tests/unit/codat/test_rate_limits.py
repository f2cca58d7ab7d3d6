"""Codat's quota headers are read in every form that is in use."""

import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from codat_sync.codat.rate_limits import RateLimit
from tests.fakes.clock import NOW

HOUR = timedelta(hours=1)

IN_AN_HOUR = [
    "3600",
    "3600.0",
    " 3600 ",
    "Sun, 01 Feb 2026 13:00:00 GMT",
    "Sun, 01 Feb 2026 13:00:00 -0000",
    "Sun, 01 Feb 2026 14:00:00 +0100",
    "Sunday, 01-Feb-26 13:00:00 GMT",
    "Sun Feb  1 13:00:00 2026",
    "2026-02-01T13:00:00Z",
    "2026-02-01T13:00:00.0000000Z",
    "2026-02-01T13:00:00",
    "2026-02-01 13:00:00",
    "2026-02-01T15:00:00+02:00",
    "1769950800",
    "1769950800.0",
    "1769950800000",
]
UNREADABLE = ["", " ", "soon", "-5", "nan", "inf", "-inf", "1e400", "2026-02-01T23:59:99Z", "1e15", "5, 6", "Mon"]


def read(headers: Mapping[str, str], now: datetime = NOW) -> RateLimit:
    return RateLimit.read(CaseInsensitiveDict(headers), now)


def test_all_headers_are_read() -> None:
    headers = {
        "X-Rate-Limit-Limit": "101000",
        "X-Rate-Limit-Remaining": "99",
        "X-Rate-Limit-Reset": "2026-02-02T00:00:00Z",
        "Retry-After": "7",
    }
    assert read(headers) == RateLimit(
        limit=101_000,
        remaining=99,
        resets_at=datetime(2026, 2, 2, tzinfo=UTC),
        retry_at=NOW + timedelta(seconds=7),
    )


def test_names_of_headers_are_case_insensitive() -> None:
    assert read({"x-rate-limit-remaining": "3"}).remaining == 3


def test_an_answer_without_headers_has_no_quota() -> None:
    assert read({}) == RateLimit()


@pytest.mark.parametrize("text", IN_AN_HOUR)
def test_retry_after_is_read_in_every_form(text: str) -> None:
    assert read({"Retry-After": text}).wait(NOW) == HOUR


@pytest.mark.parametrize("text", IN_AN_HOUR)
def test_the_reset_is_read_in_every_form(text: str) -> None:
    assert read({"X-Rate-Limit-Reset": text, "X-Rate-Limit-Remaining": "0"}).wait(NOW) == HOUR


@pytest.mark.parametrize("text", UNREADABLE)
def test_a_date_that_cannot_be_read_counts_as_absent(text: str) -> None:
    assert read({"Retry-After": text, "X-Rate-Limit-Reset": text}) == RateLimit()


@pytest.mark.parametrize("text", ["", "-1", "1.5", "many", "٣", "²", "9" * 5000])
def test_a_count_that_cannot_be_read_counts_as_absent(text: str) -> None:
    assert read({"X-Rate-Limit-Limit": text, "X-Rate-Limit-Remaining": text}) == RateLimit()


def test_retry_after_wins_over_the_reset() -> None:
    headers = {"Retry-After": "5", "X-Rate-Limit-Remaining": "0", "X-Rate-Limit-Reset": "2026-02-02T00:00:00Z"}
    assert read(headers).wait(NOW) == timedelta(seconds=5)


def test_retry_after_wins_although_quota_is_left() -> None:
    assert read({"Retry-After": "5", "X-Rate-Limit-Remaining": "100"}).wait(NOW) == timedelta(seconds=5)


def test_a_retry_after_of_zero_is_a_wait_of_zero() -> None:
    assert read({"Retry-After": "0"}).wait(NOW) == timedelta(0)


def test_where_retry_after_is_unreadable_the_reset_counts() -> None:
    headers = {"Retry-After": "soon", "X-Rate-Limit-Remaining": "0", "X-Rate-Limit-Reset": "3600"}
    assert read(headers).wait(NOW) == HOUR


def test_a_used_up_quota_without_a_reset_lasts_until_midnight_utc() -> None:
    assert read({"X-Rate-Limit-Remaining": "0"}).wait(NOW) == timedelta(hours=12)


def test_midnight_is_that_of_utc_in_any_time_zone_of_the_caller() -> None:
    tokyo = timezone(timedelta(hours=9))
    assert read({"X-Rate-Limit-Remaining": "0"}).wait(NOW.astimezone(tokyo)) == timedelta(hours=12)


def test_midnight_is_that_of_utc_at_any_moment_of_the_day() -> None:
    now = datetime(2026, 2, 1, 9, 41, 27, 350_000, UTC)
    assert now + (read({"X-Rate-Limit-Remaining": "0"}, now).wait(now) or now - now) == datetime(2026, 2, 2, tzinfo=UTC)


@pytest.fixture
def thirteen_hours_ahead_of_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Move this process into another time zone."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "AHEAD-13")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("thirteen_hours_ahead_of_utc")
@pytest.mark.parametrize("text", IN_AN_HOUR)
def test_every_moment_is_read_in_utc_wherever_the_process_runs(text: str) -> None:
    resets_at = read({"X-Rate-Limit-Reset": text}).resets_at
    assert resets_at is not None
    assert resets_at.isoformat() == "2026-02-01T13:00:00+00:00"


@pytest.mark.usefixtures("thirteen_hours_ahead_of_utc")
def test_midnight_is_that_of_utc_wherever_the_process_runs() -> None:
    assert read({"X-Rate-Limit-Remaining": "0"}).wait(NOW) == timedelta(hours=12)


def test_a_moment_counts_up_to_a_year_ahead() -> None:
    year = timedelta(days=366)
    assert read({"Retry-After": f"{year.total_seconds()}"}).wait(NOW) == year
    assert read({"Retry-After": f"{year.total_seconds() + 1}"}).wait(NOW) is None


def test_the_first_number_that_is_too_large_for_seconds_counts_milliseconds() -> None:
    assert read({"X-Rate-Limit-Reset": "100000000000"}).resets_at == datetime(1973, 3, 3, 9, 46, 40, tzinfo=UTC)


def test_at_midnight_the_next_one_counts() -> None:
    midnight = datetime(2026, 2, 1, tzinfo=UTC)
    assert read({"X-Rate-Limit-Remaining": "0"}, midnight).wait(midnight) == timedelta(days=1)


def test_where_quota_is_left_there_is_no_wait() -> None:
    assert read({"X-Rate-Limit-Remaining": "1", "X-Rate-Limit-Reset": "2026-02-02T00:00:00Z"}).wait(NOW) is None


def test_without_headers_there_is_no_wait() -> None:
    assert read({}).wait(NOW) is None


def test_a_reset_without_a_count_is_the_wait() -> None:
    assert read({"X-Rate-Limit-Reset": "3600"}).wait(NOW) == HOUR


@pytest.mark.parametrize("header", ["Retry-After", "X-Rate-Limit-Reset"])
@pytest.mark.parametrize("past", ["Sun, 01 Feb 2026 11:59:59 GMT", "2001-01-01T00:00:00Z", "1000000000"])
def test_a_moment_in_the_past_is_a_wait_of_zero(header: str, past: str) -> None:
    assert read({header: past}).wait(NOW) == timedelta(0)


HEADER_TEXT = (
    st.text()
    | st.text("0123456789-+:.TZ, GMTSunFeb")
    | st.integers().map(str)
    | st.floats().map(str)
    | st.datetimes(timezones=st.timezones()).map(lambda moment: moment.isoformat())
    | st.sampled_from([*IN_AN_HOUR, *UNREADABLE])
)


@settings(deadline=None, max_examples=150)
@given(
    headers=st.dictionaries(
        st.sampled_from(["X-Rate-Limit-Limit", "X-Rate-Limit-Remaining", "X-Rate-Limit-Reset", "Retry-After"]),
        HEADER_TEXT,
    ),
    now=st.datetimes(datetime(2020, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001  # As it asks.
)
@example(headers={"Retry-After": "0001-01-01T00:00:00+23:59"}, now=NOW)
@example(headers={"Retry-After": "9999-12-31T23:59:59-23:59"}, now=NOW)
@example(headers={"Retry-After": "Fri, 31 Dec 9999 23:59:59 -2359"}, now=NOW)
@example(headers={"X-Rate-Limit-Reset": "99999999999999.9"}, now=NOW)
def test_any_headers_are_read_and_no_wait_is_negative(headers: dict[str, str], now: datetime) -> None:
    wait = read(headers, now).wait(now)
    assert wait is None or wait >= timedelta(0)
