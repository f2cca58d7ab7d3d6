"""Times, lists and differences, in words."""

from datetime import UTC, datetime, timedelta

import pytest

from codat_sync.codat.differences import Difference
from codat_sync.companies.pause import Pause
from ops.cli.formatting import ago, change_line, difference_lines, duration, moment, pause_words, some_of

NOW = datetime(2026, 2, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (timedelta(0), "1 s"),
        (timedelta(seconds=29), "29 s"),
        (timedelta(seconds=31), "1 min"),
        (timedelta(minutes=90), "1 h 30 min"),
        (timedelta(days=2, hours=2, minutes=5), "2 d 2 h"),
        (timedelta(days=1, minutes=5), "1 d 5 min"),
        (timedelta(days=1200), "1,200 d"),
    ],
)
def test_a_span_is_shown_in_its_two_largest_units(span: timedelta, words: str) -> None:
    assert duration(span) == words


def test_the_future_is_just_now() -> None:
    assert ago(timedelta(seconds=-5)) == ago(timedelta(0)) == "just now"
    assert ago(timedelta(hours=1)) == "1 h ago"


def test_a_moment_is_in_utc_and_says_how_long_ago() -> None:
    assert moment(NOW) == "2026-02-01 12:00 UTC"
    assert moment(NOW, NOW + timedelta(hours=3)) == "2026-02-01 12:00 UTC (3 h ago)"


def test_a_long_list_is_cut_and_says_how_many_more_there_are() -> None:
    assert some_of(["a", "b", "c"]) == "a, b, c"
    assert some_of(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"


def test_data_types_that_change_alike_share_a_line() -> None:
    found = [
        Difference("invoices", "sync_schedule", "daily", "hourly"),
        Difference("bills", "sync_schedule", "daily", "hourly"),
        Difference("bills", "fetch_on_first_link", "yes", "no"),
        Difference(None, "overrides_defaults", "no", "yes"),
    ]
    assert difference_lines(found) == [
        "invoices, bills: daily → hourly",
        "bills fetch on first link: yes → no",
        "overrides defaults: no → yes",
    ]


def test_a_change_of_the_settings_as_a_whole_names_no_data_type() -> None:
    assert change_line([""], "overrides_defaults", "no → yes") == "overrides defaults: no → yes"


def test_a_pause_is_one_line() -> None:
    assert pause_words(None) == "none in force"
    assert pause_words(Pause("rate_limited", "Too many", NOW)) == "until 2026-02-01 12:00 UTC: rate_limited: Too many"
