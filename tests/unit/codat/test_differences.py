"""The differences between two states of a company's settings, and what became more frequent."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codat_sync.codat.differences import Difference, differences, more_frequent
from codat_sync.codat.models import Dialect, Frequency, SyncSchedule, SyncSetting, SyncSettings
from tests.unit.json_strategies import answers

HOURLY = SyncSchedule(interval_hours=Frequency.HOURLY)
DAILY = SyncSchedule(interval_hours=Frequency.DAILY)


def shown(*listed: SyncSetting, overrides_defaults: bool = True) -> SyncSettings:
    return SyncSettings(settings=listed, overrides_defaults=overrides_defaults)


def invoices(schedule: object = DAILY, **fields: Any) -> SyncSetting:  # noqa: ANN401
    return SyncSetting(data_type="invoices", sync_schedule=schedule, fetch_on_first_link=True, **fields)


def words(before: SyncSettings, after: SyncSettings) -> list[str]:
    return [str(difference) for difference in differences(before, after)]


def at(hour: int | None, frequency: Frequency = Frequency.DAILY) -> SyncSchedule:
    return SyncSchedule(interval_hours=frequency, hour_of_day=hour)


def test_a_frequency_is_named_in_words() -> None:
    assert words(shown(invoices(DAILY)), shown(invoices(HOURLY))) == ["invoices: daily → hourly"]


def test_a_difference_has_its_fields() -> None:
    assert differences(shown(invoices(DAILY)), shown(invoices(HOURLY))) == (
        Difference("invoices", "sync_schedule", "daily", "hourly"),
    )


def test_the_hour_of_day_is_named() -> None:
    assert words(shown(invoices(at(2))), shown(invoices(at(14)))) == ["invoices: daily at 02:00 → daily at 14:00"]


@pytest.mark.parametrize(("before", "after"), [(None, 2), (2, None), (None, None), (2, 2)])
def test_an_hour_of_day_counts_only_where_both_sides_show_one(before: int | None, after: int | None) -> None:
    assert words(shown(invoices(at(before))), shown(invoices(at(after)))) == []


@pytest.mark.parametrize("frequency", [Frequency.HOURLY, Frequency.OFF])
def test_an_hour_of_day_does_not_count_for_hourly_and_off(frequency: Frequency) -> None:
    assert words(shown(invoices(at(2, frequency))), shown(invoices(at(3, frequency)))) == []


@pytest.mark.parametrize("frequency", [Frequency.DAILY, Frequency.WEEKLY, Frequency.MONTHLY])
def test_an_hour_of_day_counts_from_daily_on(frequency: Frequency) -> None:
    assert len(words(shown(invoices(at(2, frequency))), shown(invoices(at(3, frequency))))) == 1


def test_a_flag_is_named_in_words() -> None:
    before, after = shown(invoices()), shown(invoices().model_copy(update={"fetch_on_first_link": False}))
    assert words(before, after) == ["invoices fetch_on_first_link: yes → no"]


def test_a_date_is_shown_as_it_is() -> None:
    after = shown(invoices(sync_from_utc="2024-01-31T00:00:00Z"))
    assert words(shown(invoices()), after) == ["invoices sync_from_utc: unset → 2024-01-31T00:00:00Z"]


@pytest.mark.parametrize("field", ["sync_from_window", "months_to_sync"])
def test_a_history_window_is_not_shown_in_hours(field: str) -> None:
    (line,) = words(shown(invoices(**{field: 24})), shown(invoices(**{field: 12})))
    assert "hour" not in line
    assert "24" in line
    assert "12" in line


@pytest.mark.parametrize("field", ["sync_from_window", "months_to_sync"])
def test_a_history_window_is_a_difference(field: str) -> None:
    (difference,) = differences(shown(invoices(**{field: 24})), shown(invoices(**{field: 12})))
    assert (difference.data_type, difference.field) == ("invoices", field)


def test_an_override_that_begins_is_a_difference_of_the_settings_as_a_whole() -> None:
    (difference,) = differences(shown(overrides_defaults=False), shown())
    assert difference.data_type is None
    assert str(difference) == "overrides_defaults: no → yes"


def test_an_undocumented_interval_is_shown_in_hours() -> None:
    assert words(shown(invoices(6)), shown(invoices(DAILY))) == ["invoices: every 6 hours → daily"]


def test_a_missing_schedule_is_shown_as_unset() -> None:
    assert words(shown(invoices(None)), shown(invoices(DAILY))) == ["invoices: unset → daily"]


def test_a_schedule_of_unknown_form_does_not_differ_from_itself() -> None:
    assert words(shown(invoices({"cron": "0 2 * * *"})), shown(invoices({"cron": "0 2 * * *"}))) == []


def test_a_new_data_type_differs_in_each_of_its_fields() -> None:
    assert words(shown(), shown(invoices(DAILY))) == [
        "invoices: unset → daily",
        "invoices fetch_on_first_link: unset → yes",
    ]


def test_a_data_type_that_is_not_written_does_not_differ() -> None:
    assert words(shown(invoices()), shown()) == []


def test_data_types_are_matched_by_name_in_any_order() -> None:
    bills = SyncSetting(data_type="bills", sync_schedule=DAILY)
    assert words(shown(invoices(), bills), shown(bills, invoices(HOURLY))) == ["invoices: daily → hourly"]


def test_a_data_type_that_is_listed_twice_is_matched_in_order() -> None:
    assert words(shown(invoices(DAILY), invoices(HOURLY)), shown(invoices(DAILY), invoices(HOURLY))) == []
    assert words(shown(invoices(DAILY), invoices(HOURLY)), shown(invoices(DAILY), invoices(DAILY))) == [
        "invoices: hourly → daily"
    ]


def test_differences_are_in_the_order_of_the_written_settings() -> None:
    bills = SyncSetting(data_type="bills", sync_schedule=DAILY)
    assert words(shown(), shown(bills, invoices()))[0] == "bills: unset → daily"


@settings(deadline=None, max_examples=30)
@given(answer=st.sampled_from(Dialect).flatmap(answers))
def test_nothing_differs_from_itself(answer: dict[str, Any]) -> None:
    current = SyncSettings.model_validate(answer)
    assert differences(current, current) == ()


# --- What became more frequent ---------------------------------------------------------------------------------------


def every(hours: object, data_type: str = "invoices") -> SyncSetting:
    return SyncSetting.model_validate({"dataType": data_type, "syncSchedule": hours})


@pytest.mark.parametrize(
    ("before", "after"), [(24, 1), (720, 168), (0, 720), (None, 24), (6, 1), ({"intervalHours": 24, "hourOfDay": 2}, 1)]
)
def test_a_data_type_that_is_pulled_more_often_became_more_frequent(before: object, after: object) -> None:
    assert more_frequent(shown(every(before)), shown(every(after))) == ("invoices",)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (1, 24),
        (24, 24),
        (24, 0),
        (0, 0),
        (None, None),
        (6, 24),
        ({"cron": "0 2 * * *"}, 1),
        (24, {"cron": "0 2 * * *"}),
        (-1, 24),
        (True, 1),
        ({"intervalHours": 24, "hourOfDay": 2}, {"intervalHours": 24, "hourOfDay": 14}),
    ],
)
def test_any_other_change_is_not_more_frequent(before: object, after: object) -> None:
    assert more_frequent(shown(every(before)), shown(every(after))) == ()


def test_a_new_data_type_became_more_frequent_unless_it_is_off() -> None:
    assert more_frequent(shown(), shown(every(720), every(0, "bills"))) == ("invoices",)


def test_the_most_frequent_comes_first_and_each_once() -> None:
    after = shown(every(168, "items"), every(24, "bills"), every(1), every(24, "payments"), every(1))
    assert more_frequent(shown(), after) == ("invoices", "bills", "payments", "items")


@settings(deadline=None, max_examples=30)
@given(before=st.sampled_from(Dialect).flatmap(answers), after=st.sampled_from(Dialect).flatmap(answers))
def test_a_data_type_that_became_more_frequent_differs_in_its_schedule(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    old, new = SyncSettings.model_validate(before), SyncSettings.model_validate(after)
    changed = {each.data_type for each in differences(old, new) if each.field == "sync_schedule"}
    assert set(more_frequent(old, new)) <= changed
