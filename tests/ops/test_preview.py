"""A plan in words: its settings grouped by frequency, and the same words for the same settings."""

from uuid import UUID

import pytest

from codat_sync.presets.file import Presets
from codat_sync.presets.preset import spread_hour
from ops.preview import describe

AT_LARGE = 'default_plan = "one"\non_cancelled = "one"\n[plans.one]\n'


def words(toml: str) -> dict[str, tuple[str, ...]]:
    return dict(describe(Presets.parse((AT_LARGE + toml).encode()), "one").data_types)


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ('frequency = "off"\nallow_all_off = true', "off"),
        ('frequency = "daily"\nhour_of_day = 2', "daily at 02:00"),
        ('frequency = "hourly"\nhour_of_day = 2', "hourly"),
        ('frequency = "hourly"', "hourly"),
        ("fetch_on_first_link = true", "as it is, fetched at first link"),
        ('frequency = "hourly"\nfetch_on_first_link = false', "hourly, not fetched at first link"),
        (
            'frequency = "hourly"\nmonths_to_sync = 24\nsync_from_window = 12',
            "hourly, 24 months of reports, 12 months of history",
        ),
        ('frequency = "hourly"\nsync_from_utc = "2024-01-31"', "hourly, history from 2024-01-31T00:00:00Z"),
    ],
)
def test_a_preset_is_said_in_words(toml: str, said: str) -> None:
    assert list(words(toml)) == [said]


def test_the_most_frequent_comes_first() -> None:
    exceptions = '[plans.one.data_types]\nbills = "hourly"\nitems = "off"\ninvoices = "daily"'
    listed = words(f'frequency = "weekly"\nhour_of_day = 3\n{exceptions}')
    assert list(listed) == ["hourly", "daily at 03:00", "weekly at 03:00", "off"]
    assert listed["hourly"] == ("bills",)


def test_the_two_companies_tell_a_spread_hour_from_a_fixed_one() -> None:
    assert spread_hour(UUID(int=0)) != spread_hour(UUID(int=1))
