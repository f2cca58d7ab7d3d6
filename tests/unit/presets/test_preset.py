"""How a preset merges over what Codat shows, its fallback, and its fingerprint."""

from dataclasses import replace
from datetime import date, datetime
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codat_sync.codat.differences import differences
from codat_sync.codat.models import (
    DATA_TYPES,
    REPORT_DATA_TYPES,
    Dialect,
    Frequency,
    SyncSchedule,
    SyncSetting,
    SyncSettings,
)
from codat_sync.presets.preset import CompanyPreset, PresetSetting, moment_of
from tests.unit.json_strategies import ANY_NAMES, HOURS, answers
from tests.unit.presets.one_plan import by_type, frequencies, preset, setting, shown

# --- Merged over what Codat shows -----------------------------------------------------------------------------------


def test_settings_are_matched_by_data_type() -> None:
    merged = preset('frequency = "daily"\ndata_types.bills = "hourly"').over(
        shown(setting("invoices"), setting("bills"))
    )
    assert frequencies(merged) == {"invoices": "daily", "bills": "hourly"}


def test_merged_settings_override_the_accounts() -> None:
    assert preset('frequency = "daily"').over(SyncSettings(settings=(setting("bills"),))).overrides_defaults


def test_the_whole_list_is_kept_in_its_order_with_fields_that_are_not_known() -> None:
    current = shown(setting("zeta", 6, newField={"a": 1}), setting("bills", syncOrder=7), setting("alpha"))
    merged = preset('data_types.bills = "daily"').over(current)
    assert [each.data_type for each in merged.settings] == ["zeta", "bills", "alpha"]
    assert merged.settings[0] == current.settings[0]
    assert merged.on_the_wire(Dialect.HOURS)[1] == {"dataType": "bills", "syncSchedule": 24, "syncOrder": 7}
    assert merged.settings[2] == current.settings[2]


def test_unknown_fields_of_a_schedule_are_kept() -> None:
    current = shown(setting("bills", {"intervalHours": 720, "hourOfDay": 1, "timeZone": "UTC"}))
    merged = preset('frequency = "daily"\nhour_of_day = 5').over(current)
    assert merged.on_the_wire(Dialect.OBJECT)[0]["syncSchedule"] == {
        "intervalHours": 24,
        "hourOfDay": 5,
        "timeZone": "UTC",
    }


def test_an_unknown_data_type_gets_the_plans_default() -> None:
    assert frequencies(preset('frequency = "daily"').over(shown(setting("brandNew")))) == {"brandNew": "daily"}


def test_an_interval_that_codat_does_not_document_is_replaced_where_the_preset_sets_one() -> None:
    assert frequencies(preset('frequency = "daily"').over(shown(setting("bills", 6)))) == {"bills": "daily"}


def test_a_data_type_that_the_preset_names_and_codat_does_not_show_is_added() -> None:
    merged = preset('frequency = "weekly"\ndata_types.bills = "daily"').over(shown(setting("invoices")))
    assert frequencies(merged) == {"invoices": "weekly", "bills": "daily"}
    assert by_type(merged)["bills"].fetch_on_first_link is True


def test_where_codat_shows_nothing_every_documented_data_type_is_set() -> None:
    merged = preset('frequency = "daily"\ndata_types.bills = "hourly"').over(SyncSettings())
    assert frequencies(merged) == dict.fromkeys(DATA_TYPES, "daily") | {"bills": "hourly"}
    assert [each.data_type for each in merged.settings] == sorted(DATA_TYPES)


def test_a_locked_data_type_is_never_changed() -> None:
    locked = setting("bills", isLocked=True, fetchOnFirstLink=True)
    merged = preset('frequency = "hourly"\nfetch_on_first_link = false\nsync_from_window = 600').over(shown(locked))
    assert merged.settings == (locked,)


@pytest.mark.parametrize("is_locked", [False, None])
def test_a_data_type_that_is_not_locked_is_changed(is_locked: bool | None) -> None:  # noqa: FBT001
    merged = preset('frequency = "hourly"').over(shown(setting("bills", isLocked=is_locked)))
    assert frequencies(merged) == {"bills": "hourly"}


def test_fields_that_the_preset_does_not_mention_are_kept() -> None:
    current = shown(setting("bills", 6, fetchOnFirstLink=False, syncFromWindow=3, monthsToSync=4))
    merged = preset("fetch_on_first_link = true").over(current)
    assert merged.settings == (current.settings[0].model_copy(update={"fetch_on_first_link": True}),)


def test_an_empty_plan_only_takes_the_company_off_the_accounts_defaults() -> None:
    current = SyncSettings(settings=(setting("bills"),))
    assert preset("").over(current) == current.model_copy(update={"overrides_defaults": True})


def test_account_defaults_apply_again_and_the_list_is_kept() -> None:
    current = shown(setting("bills"), setting("invoices", 1))
    merged = preset("use_account_defaults = true").over(current)
    assert merged == current.model_copy(update={"overrides_defaults": False})
    assert [str(each) for each in differences(current, merged)] == ["overrides_defaults: yes → no"]


# --- History ----------------------------------------------------------------------------------------------------------

WIDER = [
    ("bills", "sync_from_window = 24", {"syncFromWindow": 12}, {"sync_from_window": 24}),
    ("bills", "sync_from_window = 12", {"syncFromWindow": 12}, {"sync_from_window": 12}),
    (
        "bills",
        'sync_from_utc = "2023-01-01"',
        {"syncFromUtc": "2024-01-01"},
        {"sync_from_utc": "2023-01-01T00:00:00Z"},
    ),
    ("balanceSheet", "months_to_sync = 36", {"monthsToSync": 24}, {"months_to_sync": 36}),
    ("balanceSheet", "months_to_sync = 25", {}, {"months_to_sync": 25}),
    ("balanceSheet", "months_to_sync = 24", {}, {"months_to_sync": 24}),
    ("cashFlowStatement", "months_to_sync = 36", {"monthsToSync": None}, {"months_to_sync": 36}),
]
NARROWER = [
    ("bills", "sync_from_window = 6", {"syncFromWindow": 12}, {"sync_from_window": 6}),
    ("bills", "sync_from_window = 600", {}, {"sync_from_window": 600}),
    (
        "bills",
        "sync_from_window = 600",
        {"syncFromUtc": "2024-01-01"},
        {"sync_from_window": 600, "sync_from_utc": None},
    ),
    (
        "bills",
        'sync_from_utc = "2025-01-01"',
        {"syncFromUtc": "2024-01-01T00:00:00Z"},
        {"sync_from_utc": "2025-01-01T00:00:00Z"},
    ),
    ("bills", 'sync_from_utc = "2025-01-01"', {}, {"sync_from_utc": "2025-01-01T00:00:00Z"}),
    ("bills", 'sync_from_utc = "2025-01-01"', {"syncFromUtc": "?"}, {"sync_from_utc": "2025-01-01T00:00:00Z"}),
    (
        "bills",
        'sync_from_utc = "2001-01-01"',
        {"syncFromWindow": 12},
        {"sync_from_utc": "2001-01-01T00:00:00Z", "sync_from_window": None},
    ),
    ("profitAndLoss", "months_to_sync = 12", {"monthsToSync": 24}, {"months_to_sync": 12}),
    ("profitAndLoss", "months_to_sync = 23", {}, {"months_to_sync": 23}),
]


def history(merged: SyncSetting) -> dict[str, object]:
    return {name: getattr(merged, name) for name in ("sync_from_window", "sync_from_utc", "months_to_sync")}


@pytest.mark.parametrize(("name", "plan", "current", "wanted"), WIDER)
@pytest.mark.parametrize("allowed", ["true", "false"])
def test_history_that_grows_is_set(
    name: str, plan: str, current: dict[str, Any], wanted: dict[str, Any], allowed: str
) -> None:
    read = preset(f"{plan}\nallow_history_narrowing = {allowed}")
    before = shown(setting(name, **current))
    assert history(read.over(before).settings[0]).items() >= wanted.items()
    assert read.refused_narrowing(before) == ()


@pytest.mark.parametrize(("name", "plan", "current", "wanted"), NARROWER)
def test_history_is_not_cut_short_unless_the_preset_says_so(
    name: str, plan: str, current: dict[str, Any], wanted: dict[str, Any]
) -> None:
    del wanted
    read = preset(f'frequency = "daily"\n{plan}')
    before = shown(setting(name, **current))
    merged = read.over(before)
    assert history(merged.settings[0]) == history(before.settings[0])
    assert frequencies(merged) == {name: "daily"}
    assert read.refused_narrowing(before) == (name,)


@pytest.mark.parametrize(("name", "plan", "current", "wanted"), NARROWER)
def test_history_is_cut_short_where_the_preset_says_so(
    name: str, plan: str, current: dict[str, Any], wanted: dict[str, Any]
) -> None:
    read = preset(f"{plan}\nallow_history_narrowing = true")
    before = shown(setting(name, **current))
    assert history(read.over(before).settings[0]).items() >= wanted.items()
    assert read.refused_narrowing(before) == ()


def test_the_same_moment_in_another_form_is_left_as_codat_wrote_it() -> None:
    before = shown(setting("bills", syncFromUtc="2024-01-31T02:00:00+02:00"))
    read = preset('sync_from_utc = "2024-01-31"')
    assert read.over(before) == before
    assert read.refused_narrowing(before) == ()


NO_WINDOW = [None, 0, -1, -(2**63)]
NO_DATE = [None, "", "  ", "0001-01-01T00:00:00", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00.0000000+14:00"]


@pytest.mark.parametrize("window", NO_WINDOW)
def test_a_window_of_zero_or_less_is_none_and_is_not_narrowed(window: int | None) -> None:
    before = shown(setting("invoices", syncFromWindow=window))
    read = preset("sync_from_window = 12")
    assert read.over(before) == before
    assert read.refused_narrowing(before) == ("invoices",)


@pytest.mark.parametrize("months", NO_WINDOW)
def test_months_of_zero_or_less_are_those_that_codat_keeps_without_a_setting(months: int | None) -> None:
    before = shown(setting("balanceSheet", monthsToSync=months))
    assert preset("months_to_sync = 23").over(before) == before
    assert preset("months_to_sync = 23").refused_narrowing(before) == ("balanceSheet",)
    assert preset("months_to_sync = 24").over(before).settings[0].months_to_sync == 24


@pytest.mark.parametrize("date", NO_DATE)
def test_an_unset_date_is_none_and_is_not_narrowed(date: str | None) -> None:
    before = shown(setting("invoices", syncFromUtc=date))
    for plan in ('sync_from_utc = "2001-01-01"', "sync_from_window = 1200"):
        assert preset(plan).over(before) == before
        assert preset(plan).refused_narrowing(before) == ("invoices",)


@pytest.mark.parametrize("date", NO_DATE)
@pytest.mark.parametrize("window", NO_WINDOW)
def test_what_is_unset_needs_no_clearing_beside_its_alternative(date: str | None, window: int | None) -> None:
    """Codat would show zero again, and the difference would come back every night."""
    before = shown(setting("invoices", syncFromUtc=date, syncFromWindow=window))
    for plan, name in (
        ('sync_from_utc = "2001-01-01"', "sync_from_utc"),
        ("sync_from_window = 12", "sync_from_window"),
    ):
        changed = differences(before, preset(f"{plan}\nallow_history_narrowing = true").over(before))
        assert [each.field for each in changed] == [name]


@given(
    asked=st.integers(1, 1200),
    window=st.none() | st.integers(-(2**63), 2**63),
    kind=st.sampled_from([("invoices", "sync_from_window", 10**30), ("balanceSheet", "months_to_sync", 24)]),
)
def test_without_leave_no_history_gets_shorter(asked: int, window: int | None, kind: tuple[str, str, int]) -> None:
    data_type, field, without_a_window = kind
    before = shown(SyncSetting.model_validate({"data_type": data_type, field: window}))
    after = preset(f"{field} = {asked}").over(before)
    months = [getattr(each.settings[0], field) for each in (before, after)]
    length_before, length_after = (without_a_window if each is None or each <= 0 else each for each in months)
    assert length_before <= length_after


@given(asked=st.dates(date(1970, 1, 1), date(2100, 1, 1)), moment=st.none() | st.datetimes(timezones=st.timezones()))
def test_without_leave_no_history_begins_later(asked: date, moment: datetime | None) -> None:
    before = shown(setting("invoices", syncFromUtc=moment and moment.isoformat()))
    after = preset(f'sync_from_utc = "{asked}"').over(before).settings[0].sync_from_utc
    if after != before.settings[0].sync_from_utc:
        later = moment_of(after)
        assert moment is not None
        assert later is not None
        assert later <= moment


def test_a_locked_data_types_history_is_neither_changed_nor_refused() -> None:
    before = shown(setting("bills", isLocked=True, syncFromWindow=12))
    assert preset("sync_from_window = 6").refused_narrowing(before) == ()


@pytest.mark.parametrize("name", sorted(REPORT_DATA_TYPES))
def test_a_report_has_months_and_no_window(name: str) -> None:
    read = preset("sync_from_window = 60\nmonths_to_sync = 36\nallow_history_narrowing = true")
    assert history(read.over(shown(setting(name))).settings[0]) == {
        "sync_from_window": None,
        "sync_from_utc": None,
        "months_to_sync": 36,
    }


def test_any_other_data_type_has_a_window_and_no_months() -> None:
    read = preset("sync_from_window = 60\nmonths_to_sync = 36\nallow_history_narrowing = true")
    assert history(read.over(shown(setting("bills"))).settings[0])["months_to_sync"] is None


def test_the_accounts_defaults_cut_nothing_short() -> None:
    assert preset("use_account_defaults = true").refused_narrowing(shown(setting("bills"))) == ()


def test_a_window_that_is_not_set_for_a_new_data_type_is_named() -> None:
    read = preset("data_types.bills = { sync_from_window = 12 }")
    current = shown(setting("invoices"))
    assert by_type(read.over(current))["bills"].sync_from_window is None
    assert read.refused_narrowing(current) == ("bills",)


# --- Degraded ---------------------------------------------------------------------------------------------------------


def test_a_preset_without_a_fallback_has_no_degraded_form() -> None:
    assert preset('frequency = "hourly"').degraded() is None


@pytest.mark.parametrize("fallback", ["daily", "weekly", "monthly"])
def test_the_fallback_takes_the_place_of_hourly_and_of_nothing_else(fallback: str) -> None:
    read = preset(
        f"""
        frequency = "hourly"
        hour_of_day = 3
        on_payment_required = "{fallback}"
        data_types.bills = "hourly"
        data_types.company = "weekly"
        data_types.invoices = {{ fetch_on_first_link = false }}
        """
    )
    degraded = read.degraded()
    assert degraded is not None
    fallback_schedule = SyncSchedule(interval_hours=Frequency[fallback.upper()], hour_of_day=3)
    assert degraded.default == replace(read.default, schedule=fallback_schedule)
    assert degraded.exceptions["bills"].schedule == fallback_schedule
    assert degraded.exceptions["company"] == read.exceptions["company"]
    assert degraded.exceptions["invoices"] == replace(read.exceptions["invoices"], schedule=fallback_schedule)
    assert degraded.plan == read.plan


def test_a_degraded_preset_has_the_fingerprint_of_the_same_settings_written_out() -> None:
    hourly = preset('frequency = "hourly"\non_payment_required = "daily"')
    degraded = hourly.degraded()
    assert degraded is not None
    assert degraded.fingerprint != hourly.fingerprint
    assert degraded.fingerprint == preset('frequency = "daily"').fingerprint


# --- Fingerprints -----------------------------------------------------------------------------------------------------


def test_a_fingerprint_stays_as_it_is_over_all_releases() -> None:
    """Another one for the same settings would cost calls to Codat for each company."""
    read = preset(
        'frequency = "daily"\nhour_of_day = 2\ndata_types.bills = { frequency = "hourly", sync_from_window = 9 }'
    )
    assert read.fingerprint == "20d10c115c06c69d"


def test_the_order_of_the_file_is_in_no_fingerprint() -> None:
    one = preset('frequency = "daily"\ndata_types.bills = "weekly"\ndata_types.invoices = "hourly"')
    other = preset('data_types.invoices = "hourly"\ndata_types.bills = "weekly"\nfrequency = "daily"')
    assert one.fingerprint == other.fingerprint


def test_the_name_of_a_plan_is_in_no_fingerprint() -> None:
    read = preset('frequency = "daily"')
    assert read.fingerprint == replace(read, plan="renamed").fingerprint


def test_a_refresh_is_in_no_fingerprint() -> None:
    read = preset('frequency = "daily"\nrefresh_on_upgrade = true')
    assert read.refresh_on_upgrade
    assert read.fingerprint == preset('frequency = "daily"').fingerprint


# --- Properties -------------------------------------------------------------------------------------------------------


def schedule_of(frequency: Frequency, hour: int) -> SyncSchedule:
    return SyncSchedule(interval_hours=frequency, hour_of_day=hour if frequency >= Frequency.DAILY else 0)


PRESET_SETTINGS = st.builds(
    lambda frequency, hour, start, **more: PresetSetting(
        schedule=None if frequency is None else schedule_of(frequency, hour), hour_of_day=hour, **start, **more
    ),
    frequency=st.none() | st.sampled_from(Frequency),
    hour=HOURS,
    start=st.just({})
    | st.fixed_dictionaries({"sync_from_window": st.integers(1, 1200)})
    | st.fixed_dictionaries({"sync_from_utc": st.sampled_from(["2023-01-01T00:00:00Z", "2024-06-30T12:00:00Z"])}),
    fetch_on_first_link=st.none() | st.booleans(),
    months_to_sync=st.none() | st.integers(1, 1200),
)

COMPANY_PRESETS = st.builds(
    CompanyPreset,
    plan=st.just("a"),
    use_account_defaults=st.booleans(),
    default=PRESET_SETTINGS,
    exceptions=st.dictionaries(ANY_NAMES.filter(bool), PRESET_SETTINGS, max_size=3),
    fallback=st.none() | st.sampled_from([Frequency.DAILY, Frequency.WEEKLY]),
    allow_history_narrowing=st.booleans(),
)

SHOWN = st.sampled_from(Dialect).flatmap(answers).map(SyncSettings.model_validate)


@settings(deadline=None, max_examples=30)
@given(asked=COMPANY_PRESETS, current=SHOWN)
def test_a_preset_over_itself_changes_nothing_more(asked: CompanyPreset, current: SyncSettings) -> None:
    once = asked.over(current)
    assert asked.over(once) == once
    assert differences(once, asked.over(once)) == ()


@settings(deadline=None, max_examples=30)
@given(asked=COMPANY_PRESETS, current=SHOWN, dialect=st.sampled_from(Dialect))
def test_written_settings_need_no_second_write_in_either_dialect(
    asked: CompanyPreset, current: SyncSettings, dialect: Dialect
) -> None:
    written = asked.over(current)
    seen = SyncSettings.model_validate(
        {
            "settings": written.on_the_wire(dialect),
            "overridesDefaults": written.overrides_defaults,
        }
    )
    assert differences(seen, asked.over(seen)) == ()


@settings(deadline=None, max_examples=30)
@given(asked=COMPANY_PRESETS, current=SHOWN)
def test_nothing_is_dropped_reordered_or_unlocked(asked: CompanyPreset, current: SyncSettings) -> None:
    merged = asked.over(current)
    assert [each.data_type for each in merged.settings][: len(current.settings)] == [
        each.data_type for each in current.settings
    ]
    for before, after in zip(current.settings, merged.settings, strict=False):
        assert after.model_extra == before.model_extra
        assert after.is_locked == before.is_locked
        if before.is_locked:
            assert after is before


@settings(deadline=None, max_examples=30)
@given(asked=COMPANY_PRESETS, current=SHOWN)
def test_a_degraded_preset_is_never_hourly(asked: CompanyPreset, current: SyncSettings) -> None:
    degraded = asked.degraded()
    if degraded is None:
        assert asked.fallback is None
        return
    assert degraded.degraded() == degraded
    schedules = [each.schedule for each in (degraded.default, *degraded.exceptions.values()) if each.schedule]
    assert all(each.interval_hours is not Frequency.HOURLY for each in schedules)
    kept_hourly = {name for name, word in frequencies(current).items() if word == "hourly"}
    assert {name for name, word in frequencies(degraded.over(current)).items() if word == "hourly"} <= kept_hourly


@settings(deadline=None, max_examples=30)
@given(asked=COMPANY_PRESETS, current=SHOWN)
def test_each_history_that_is_not_narrowed_is_named(asked: CompanyPreset, current: SyncSettings) -> None:
    named = asked.refused_narrowing(current)
    allowed = by_type(replace(asked, allow_history_narrowing=True).over(current))
    merged = by_type(asked.over(current))
    withheld = [each.data_type for each in current.settings if merged[each.data_type] != allowed[each.data_type]]
    assert set(withheld) <= set(named)


def meaning(preset: CompanyPreset) -> object:
    """Return what a preset asks for, without the hour that only a fallback would use."""
    exceptions = {name: replace(each, hour_of_day=0) for name, each in preset.exceptions.items()}
    default = replace(preset.default, hour_of_day=0)
    return (preset.use_account_defaults, preset.allow_history_narrowing, default, exceptions)


def test_fingerprints_are_equal_where_settings_are_and_only_there() -> None:
    daily, weekly = PresetSetting(schedule_of(Frequency.DAILY, 2)), PresetSetting(schedule_of(Frequency.WEEKLY, 2))
    defaults = [
        PresetSetting(),
        daily,
        weekly,
        PresetSetting(schedule_of(Frequency.DAILY, 3)),
        PresetSetting(schedule_of(Frequency.HOURLY, 2)),
        PresetSetting(schedule_of(Frequency.HOURLY, 3), hour_of_day=3),
        PresetSetting(schedule_of(Frequency.OFF, 0)),
        replace(daily, fetch_on_first_link=True),
        replace(daily, fetch_on_first_link=False),
        replace(daily, months_to_sync=12),
        replace(daily, sync_from_window=12),
        replace(daily, sync_from_utc="2024-01-31T00:00:00Z"),
    ]
    exceptions: list[dict[str, PresetSetting]] = [
        {},
        {"bills": daily},
        {"invoices": daily},
        {"bills": weekly, "invoices": daily},
    ]
    some = [
        CompanyPreset("a", False, default, own, None, narrowing)  # noqa: FBT003
        for default, own, narrowing in product(defaults, exceptions, [True, False])
    ]
    some.append(replace(some[0], use_account_defaults=True))
    known = [(each.fingerprint, meaning(each)) for each in some]
    for (fingerprint, asked_of_one), (other, asked_of_other) in product(known, known):
        assert (fingerprint == other) == (asked_of_one == asked_of_other)
