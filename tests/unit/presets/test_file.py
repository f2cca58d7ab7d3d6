"""Plans as data: what the file may say, what it may not, and how a preset comes over what is at Codat."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from typing import Any
from uuid import UUID, uuid4

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
from codat_sync.presets.file import CompanyPreset, InvalidPresets, Presets, UnknownPlan, Wish
from local.presets import local_presets
from tests.unit.json_strategies import ANY_NAMES, HOURS, answers

COMPANY = UUID("8a210b68-6988-4001-a1eb-0242ac120001")


def presets(plan: str, *, head: str = "") -> Presets:
    """Presets with one plan, named a, of the given TOML."""
    return Presets.parse(f'default_plan = "a"\non_cancelled = "a"\n{head}\n[plans.a]\n{plan}')


def preset(plan: str, *, head: str = "", company: UUID = COMPANY) -> CompanyPreset:
    return presets(plan, head=head).for_company("a", company)


def problems(plan: str, *, head: str = "") -> list[str]:
    with pytest.raises(InvalidPresets) as raised:
        presets(plan, head=head)
    return str(raised.value).splitlines()


def setting(data_type: str, schedule: object = 720, **fields: Any) -> SyncSetting:  # noqa: ANN401
    return SyncSetting.model_validate({"dataType": data_type, "syncSchedule": schedule, **fields})


def shown(*listed: SyncSetting) -> SyncSettings:
    return SyncSettings(settings=listed, overrides_defaults=True)


def by_type(merged: SyncSettings) -> Mapping[str, SyncSetting]:
    return {each.data_type: each for each in merged.settings}


def frequencies(merged: SyncSettings) -> dict[str, str]:
    """The frequency of each data type, as a word."""
    return {
        each.data_type: str(each.sync_schedule.interval_hours)
        for each in merged.settings
        if isinstance(each.sync_schedule, SyncSchedule)
    }


# --- The packaged file ----------------------------------------------------------------------------------------------

PACKAGED = local_presets()


def test_the_packaged_presets_have_the_four_plans() -> None:
    assert set(PACKAGED.plans) == {"free", "starter", "growth", "scale"}
    assert (PACKAGED.default_plan, PACKAGED.on_cancelled) == ("free", "free")


@pytest.mark.parametrize("plan", PACKAGED.plans)
def test_each_packaged_plan_keeps_connections_alive(plan: str) -> None:
    merged = PACKAGED.for_company(plan, COMPANY).over(SyncSettings())
    assert set(frequencies(merged)) >= DATA_TYPES
    assert set(frequencies(merged).values()) & {"hourly", "daily", "weekly", "monthly"}


def test_each_packaged_plan_is_at_least_as_fresh_as_the_one_below() -> None:
    def hours(plan: str, data_type: str) -> int:
        schedule = by_type(PACKAGED.for_company(plan, COMPANY).over(SyncSettings()))[data_type].sync_schedule
        assert isinstance(schedule, SyncSchedule)
        return schedule.interval_hours

    for lower, upper in (("free", "starter"), ("starter", "growth"), ("growth", "scale")):
        for data_type in DATA_TYPES:
            assert hours(upper, data_type) <= hours(lower, data_type), (upper, data_type)


def test_scale_is_hourly_for_money_owed_and_paid_and_falls_back_to_daily() -> None:
    scale = PACKAGED.for_company("scale", COMPANY)
    assert frequencies(scale.over(SyncSettings()))["invoices"] == "hourly"
    degraded = scale.degraded()
    assert degraded is not None
    assert set(frequencies(degraded.over(SyncSettings())).values()) == {"daily", "weekly"}


def test_an_upgrade_to_scale_alone_is_pulled_at_once() -> None:
    refreshed = {plan for plan in PACKAGED.plans if PACKAGED.for_company(plan, COMPANY).refresh_on_upgrade}
    assert refreshed == {"scale"}


@pytest.mark.parametrize("plan", PACKAGED.plans)
def test_no_packaged_plan_cuts_history(plan: str) -> None:
    current = shown(*(setting(name, monthsToSync=1, syncFromWindow=1) for name in DATA_TYPES))
    merged = PACKAGED.for_company(plan, COMPANY).over(current)
    assert all((each.months_to_sync, each.sync_from_window) == (1, 1) for each in merged.settings)


# --- What the file may say ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("frequency", Frequency)
def test_a_frequency_is_a_word(frequency: Frequency) -> None:
    schedule = preset(f'frequency = "{frequency}"\nallow_all_off = true').default.schedule
    assert schedule is not None
    assert schedule.interval_hours is frequency


def test_an_exception_is_a_word_or_a_table() -> None:
    read = preset(
        """
        frequency = "daily"
        data_types.bills = "weekly"
        [plans.a.data_types.invoices]
        frequency = "hourly"
        fetch_on_first_link = false
        """
    )
    assert read.exceptions["bills"].schedule == SyncSchedule(
        interval_hours=Frequency.WEEKLY, hour_of_day=read.default.hour_of_day
    )
    assert read.exceptions["invoices"].fetch_on_first_link is False


def test_an_exception_says_only_what_is_different() -> None:
    read = preset(
        """
        frequency = "daily"
        hour_of_day = 3
        fetch_on_first_link = true
        months_to_sync = 36
        sync_from_window = 60
        data_types.bills = "weekly"
        data_types.balanceSheet = { months_to_sync = 48 }
        """
    )
    assert read.exceptions["bills"] == Wish(
        schedule=SyncSchedule(interval_hours=Frequency.WEEKLY, hour_of_day=3),
        hour_of_day=3,
        fetch_on_first_link=True,
        months_to_sync=36,
        sync_from_window=60,
    )
    assert read.exceptions["balanceSheet"] == replace(read.default, months_to_sync=48)


def test_an_exceptions_window_takes_the_place_of_the_plans_window() -> None:
    read = preset('frequency = "daily"\nsync_from_window = 12\ndata_types.bills = { sync_from_window = 24 }')
    assert read.exceptions["bills"].sync_from_window == 24


@pytest.mark.parametrize(
    ("plans", "own", "cleared"),
    [
        ("sync_from_window = 12", 'sync_from_utc = "2024-01-31"', "sync_from_window"),
        ('sync_from_utc = "2024-01-31"', "sync_from_window = 12", "sync_from_utc"),
    ],
)
def test_an_exceptions_start_of_history_takes_the_place_of_the_plans(plans: str, own: str, cleared: str) -> None:
    read = preset(f'frequency = "daily"\n{plans}\ndata_types.bills = {{ {own} }}')
    assert getattr(read.exceptions["bills"], cleared) is None


def test_the_hour_of_day_is_spread_where_nothing_is_said() -> None:
    assert preset('frequency = "daily"') == preset('frequency = "daily"\nhour_of_day = "spread"')


def test_the_spread_is_stable() -> None:
    assert {preset('frequency = "daily"').default.hour_of_day for _ in range(5)} == {
        preset('frequency = "daily"', company=UUID(str(COMPANY).upper())).default.hour_of_day
    }


def test_the_spread_stays_as_it_is_over_all_releases() -> None:
    """Another spread would be a write at Codat for each company."""
    spread = [preset('frequency = "daily"', company=UUID(int=number)).default.hour_of_day for number in range(8)]
    assert spread == [21, 19, 16, 22, 16, 2, 12, 2]


def test_the_spread_covers_the_day_evenly() -> None:
    read = presets('frequency = "daily"')
    hours = [read.for_company("a", uuid4()).default.hour_of_day for _ in range(2400)]
    assert all(50 < hours.count(hour) < 160 for hour in range(24))


def test_an_exception_may_be_spread_where_the_plan_is_not() -> None:
    spread = preset('frequency = "daily"').default.hour_of_day
    fixed = (spread + 1) % 24
    read = preset(f'frequency = "daily"\nhour_of_day = {fixed}\ndata_types.bills = {{ hour_of_day = "spread" }}')
    assert read.exceptions["bills"].hour_of_day == spread


@pytest.mark.parametrize("hour", [0, 23])
def test_an_hour_of_day_is_put_into_the_schedule(hour: int) -> None:
    schedule = preset(f'frequency = "daily"\nhour_of_day = {hour}').default.schedule
    assert schedule == SyncSchedule(interval_hours=Frequency.DAILY, hour_of_day=hour)


@pytest.mark.parametrize("frequency", ["hourly", "off"])
def test_an_hour_of_day_is_0_where_the_interval_gives_it_no_meaning(frequency: str) -> None:
    """Codat's object form always has one."""
    schedule = preset(f'frequency = "{frequency}"\nhour_of_day = 3\nallow_all_off = true').default.schedule
    assert schedule is not None
    assert schedule.hour_of_day == 0


@pytest.mark.parametrize(
    ("toml", "utc"),
    [
        ("2024-01-31", "2024-01-31T00:00:00Z"),
        ('"2024-01-31"', "2024-01-31T00:00:00Z"),
        ("2024-01-31T12:00:00", "2024-01-31T12:00:00Z"),
        ("2024-01-31T12:00:00Z", "2024-01-31T12:00:00Z"),
        ("2024-01-31T12:00:00+02:00", "2024-01-31T10:00:00Z"),
        ('"2024-01-31T12:00:00+02:00"', "2024-01-31T10:00:00Z"),
    ],
)
def test_a_date_is_tomls_own_or_a_text(toml: str, utc: str) -> None:
    assert preset(f'frequency = "daily"\nsync_from_utc = {toml}').default.sync_from_utc == utc


def test_a_new_data_type_of_codats_can_be_named() -> None:
    read = preset('frequency = "daily"\ndata_types.expenses = "weekly"', head='additional_data_types = ["expenses"]')
    assert set(read.exceptions) == {"expenses"}


def test_all_types_off_is_allowed_to_one_who_insists() -> None:
    assert frequencies(preset('frequency = "off"\nallow_all_off = true').over(shown(setting("bills")))) == {
        "bills": "off"
    }


@pytest.mark.parametrize("plan", ['frequency = "off"\ndata_types.company = "monthly"', 'frequency = "monthly"'])
def test_one_type_that_is_not_off_keeps_connections_alive(plan: str) -> None:
    assert preset(plan).plan == "a"


def test_a_plan_may_have_any_name_that_reads_well() -> None:
    read = Presets.parse(
        'default_plan = "Größe_2.0-x"\non_cancelled = "Größe_2.0-x"\n[plans."Größe_2.0-x"]\nfrequency = "daily"'
    )
    assert read.for_company("Größe_2.0-x", COMPANY).plan == "Größe_2.0-x"


# --- What it may not ------------------------------------------------------------------------------------------------

FREQUENCIES = "off, hourly, daily, weekly, monthly"


@pytest.mark.parametrize(
    ("plan", "problem"),
    [
        ('frequency = "dayly"', f"plan a, frequency: 'dayly' is not a frequency: {FREQUENCIES}"),
        ("frequency = 24", f"plan a, frequency: 24 is not a frequency: {FREQUENCIES}"),
        ('frequency = ""', f"plan a, frequency: '' is not a frequency: {FREQUENCIES}"),
        ('frequency = "Daily"', f"plan a, frequency: 'Daily' is not a frequency: {FREQUENCIES}"),
        (
            'data_types.invoices = "dayly"',
            f"plan a, invoices, frequency: 'dayly' is not a frequency: {FREQUENCIES}",
        ),
        (
            'data_types.invoices = { frequency = ["daily"] }',
            f"plan a, invoices, frequency: ['daily'] is not a frequency: {FREQUENCIES}",
        ),
        ("hour_of_day = 24", 'plan a, hour_of_day: 24 is not an hour of day: 0 to 23, or "spread"'),
        ("hour_of_day = -1", 'plan a, hour_of_day: -1 is not an hour of day: 0 to 23, or "spread"'),
        ("hour_of_day = true", 'plan a, hour_of_day: True is not an hour of day: 0 to 23, or "spread"'),
        ('hour_of_day = "2"', "plan a, hour_of_day: '2' is not an hour of day: 0 to 23, or \"spread\""),
        ("hour_of_day = 2.0", 'plan a, hour_of_day: 2.0 is not an hour of day: 0 to 23, or "spread"'),
        ("months_to_sync = 0", "plan a, months_to_sync: Input should be greater than or equal to 1"),
        ("months_to_sync = 1201", "plan a, months_to_sync: Input should be less than or equal to 1200"),
        ('months_to_sync = "24"', "plan a, months_to_sync: Input should be a valid integer"),
        ("sync_from_window = 1.5", "plan a, sync_from_window: Input should be a valid integer"),
        ("sync_from_window = true", "plan a, sync_from_window: Input should be a valid integer"),
        ('fetch_on_first_link = "yes"', "plan a, fetch_on_first_link: Input should be a valid boolean"),
        (
            'sync_from_utc = "31/01/2024"',
            "plan a, sync_from_utc: '31/01/2024' is not a date, such as 2024-01-31 or 2024-01-31T12:00:00Z",
        ),
        ("sync_from_utc = 1706659200", "plan a, sync_from_utc: 1706659200 is not a date"),
        ("sync_from_utc = 12:00:00", "plan a, sync_from_utc: datetime.time(12, 0) is not a date"),
        (
            'sync_from_window = 12\nsync_from_utc = "2024-01-31"',
            "plan a: sync_from_window and sync_from_utc exclude each other",
        ),
        (
            'data_types.bills = { sync_from_window = 12, sync_from_utc = "2024-01-31" }',
            "plan a, bills: sync_from_window and sync_from_utc exclude each other",
        ),
        ('frequenzy = "daily"', "plan a, frequenzy: Extra inputs are not permitted"),
        ('data_types.bills = { frequenzy = "daily" }', "plan a, bills, frequenzy: Extra inputs are not permitted"),
        (
            'frequency = "hourly"\non_payment_required = "hourly"',
            "plan a: on_payment_required must be less frequent than hourly",
        ),
        (
            'on_payment_required = "dayly"',
            f"plan a, on_payment_required: 'dayly' is not a frequency: {FREQUENCIES}",
        ),
        (
            'use_account_defaults = true\nfrequency = "daily"',
            "plan a: use_account_defaults leaves nothing else to say: Codat's account settings apply",
        ),
        (
            "use_account_defaults = true\nrefresh_on_upgrade = true",
            "plan a: use_account_defaults leaves nothing else to say: Codat's account settings apply",
        ),
        (
            'use_account_defaults = true\ndata_types.bills = "daily"',
            "plan a: use_account_defaults leaves nothing else to say: Codat's account settings apply",
        ),
        ('frequency = "off"', "plan a: every data type is off, which lets connections expire; allow_all_off = true"),
        ('frequency = "off"\ndata_types.bills = "off"', "plan a: every data type is off, which lets connections"),
        (
            'data_types.invoces = "daily"',
            "plan a, invoces: not a data type that Codat documents; did you mean invoices?",
        ),
        (
            'data_types.zzz = "daily"',
            "plan a, zzz: not a data type that Codat documents; additional_data_types takes new ones",
        ),
    ],
)
def test_a_problem_names_the_plan_the_data_type_and_what_is_wrong(plan: str, problem: str) -> None:
    (line,) = problems(plan)
    assert line.startswith(problem)


def test_every_problem_of_every_plan_is_named_at_once() -> None:
    toml = 'frequency = "dayly"\nhour_of_day = 24\ndata_types.bills = "wekly"\n[plans.b]\nmonths_to_sync = 0'
    assert [line.split(":")[0] for line in problems(toml)] == [
        "plan a, frequency",
        "plan a, hour_of_day",
        "plan a, bills, frequency",
        "plan b, months_to_sync",
    ]


def test_every_unknown_name_is_named_at_once() -> None:
    with pytest.raises(InvalidPresets) as raised:
        Presets.parse('default_plan = "x"\non_cancelled = "y"\n[plans.a.data_types]\ninvoces = "daily"\nbils = "daily"')
    assert [line.split(";")[0] for line in str(raised.value).splitlines()] == [
        "default_plan: there is no plan 'x'",
        "on_cancelled: there is no plan 'y'",
        "plan a, bils: not a data type that Codat documents",
        "plan a, invoces: not a data type that Codat documents",
    ]


def test_an_unknown_name_is_named_beside_the_other_problems() -> None:
    assert len(problems('frequency = "dayly"\n[plans.b]\ndata_types.invoces = "daily"')) == 2


@pytest.mark.parametrize(
    ("toml", "problem"),
    [
        ("", "default_plan: Field required"),
        ('default_plan = "a"\n[plans.a]\nfrequency = "daily"', "on_cancelled: Field required"),
        ('default_plan = "a"\non_cancelled = "a"\n[plans]', "plans: Dictionary should have at least 1 item"),
        ('default_plan = "a"\non_cancelled = "a"', "plans: Field required"),
        ('default_plan = "a"\non_cancelled = "a"\nplans = 3', "plans: Input should be a valid dictionary"),
        ("default_plan = ", "not TOML: "),
        ('[plans.a]\nfrequency = "daily"\nfrequency = "daily"', "not TOML: "),
        ('default_plan = 1\non_cancelled = "a"\n[plans.a]', "default_plan: Input should be a valid string"),
        (
            'default_plan = "a b"\non_cancelled = "a b"\n[plans."a b"]\nfrequency = "daily"',
            "plan a b: String should match pattern",
        ),
        ('colour = "red"\ndefault_plan = "a"\non_cancelled = "a"\n[plans.a]', "colour: Extra inputs"),
    ],
)
def test_a_file_of_another_shape_is_invalid(toml: str, problem: str) -> None:
    with pytest.raises(InvalidPresets) as raised:
        Presets.parse(toml)
    assert str(raised.value).startswith(problem)


@pytest.mark.parametrize(
    "toml", ["[plans.a]\ndata_types.invoices = 24", "[plans]\na = 3"], ids=["a data type", "a plan"]
)
def test_a_number_in_the_place_of_a_table_is_named_in_the_words_of_the_file(toml: str) -> None:
    with pytest.raises(InvalidPresets) as raised:
        Presets.parse(f'default_plan = "a"\non_cancelled = "a"\n{toml}')
    assert str(raised.value).endswith(": should be a table")


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00"])
def test_a_date_at_the_edge_of_the_calendar_is_a_problem_like_others(moment: str) -> None:
    assert "sync_from_utc" in problems(f'frequency = "daily"\nsync_from_utc = "{moment}"')[0]


@pytest.mark.parametrize(
    "flag", ["use_account_defaults", "allow_history_narrowing", "allow_all_off", "refresh_on_upgrade"]
)
@pytest.mark.parametrize("value", ['"yes"', "1"])
def test_a_flag_is_true_or_false_and_nothing_else(flag: str, value: str) -> None:
    assert problems(f"{flag} = {value}")


def test_a_plan_that_speaks_of_one_type_only_may_switch_it_off() -> None:
    assert set(preset('data_types.banking-accountBalances = "off"').exceptions) == {"banking-accountBalances"}


def test_a_fallback_that_switches_every_type_off_is_refused() -> None:
    assert "every data type is off" in problems('frequency = "hourly"\non_payment_required = "off"')[0]


@pytest.mark.parametrize(
    "plan",
    [
        'frequency = "hourly"\non_payment_required = "off"\ndata_types.bills = "off"',
        'frequency = "off"\non_payment_required = "off"\ndata_types.bills = "hourly"',
        'frequency = "off"\ndata_types.bills = { fetch_on_first_link = true }',
    ],
)
def test_what_is_off_in_one_way_or_another_is_refused(plan: str) -> None:
    assert "every data type is off" in problems(plan)[0]


def test_a_fallback_to_off_is_allowed_where_something_else_stays_on() -> None:
    assert preset('frequency = "hourly"\non_payment_required = "off"\ndata_types.bills = "weekly"').degraded()


@pytest.mark.parametrize(
    "head", ["additional_data_types = 3", "additional_data_types = [3]", 'additional_data_types = "bils"']
)
def test_additional_data_types_are_a_list_of_names(head: str) -> None:
    assert any(line.startswith("additional_data_types") for line in problems('data_types.bils = "daily"', head=head))


def test_a_plan_without_a_preset_is_unknown() -> None:
    with pytest.raises(UnknownPlan, match=r"^\"?unknown plan 'gold': the presets know a"):
        presets('frequency = "daily"').for_company("gold", COMPANY)


# --- Over what is at Codat ------------------------------------------------------------------------------------------


def test_a_preset_comes_over_each_data_type_by_name() -> None:
    merged = preset('frequency = "daily"\ndata_types.bills = "hourly"').over(
        shown(setting("invoices"), setting("bills"))
    )
    assert frequencies(merged) == {"invoices": "daily", "bills": "hourly"}


def test_the_settings_then_override_the_accounts() -> None:
    assert preset('frequency = "daily"').over(SyncSettings(settings=(setting("bills"),))).overrides_defaults


def test_the_whole_list_is_kept_in_its_order_with_what_is_not_known_of_it() -> None:
    current = shown(setting("zeta", 6, newField={"a": 1}), setting("bills", syncOrder=7), setting("alpha"))
    merged = preset('data_types.bills = "daily"').over(current)
    assert [each.data_type for each in merged.settings] == ["zeta", "bills", "alpha"]
    assert merged.settings[0] == current.settings[0]
    assert merged.settings[1].on_the_wire(Dialect.HOURS) == {"dataType": "bills", "syncSchedule": 24, "syncOrder": 7}
    assert merged.settings[2] == current.settings[2]


def test_what_else_codat_said_of_a_schedule_is_kept() -> None:
    current = shown(setting("bills", {"intervalHours": 720, "hourOfDay": 1, "timeZone": "UTC"}))
    merged = preset('frequency = "daily"\nhour_of_day = 5').over(current)
    assert merged.settings[0].on_the_wire(Dialect.OBJECT)["syncSchedule"] == {
        "intervalHours": 24,
        "hourOfDay": 5,
        "timeZone": "UTC",
    }


def test_an_unknown_data_type_gets_the_plans_default() -> None:
    assert frequencies(preset('frequency = "daily"').over(shown(setting("brandNew")))) == {"brandNew": "daily"}


def test_an_interval_that_codat_does_not_document_is_replaced_where_the_preset_speaks() -> None:
    assert frequencies(preset('frequency = "daily"').over(shown(setting("bills", 6)))) == {"bills": "daily"}


def test_a_data_type_that_the_preset_names_and_codat_does_not_show_is_added() -> None:
    merged = preset('frequency = "weekly"\ndata_types.bills = "daily"').over(shown(setting("invoices")))
    assert frequencies(merged) == {"invoices": "weekly", "bills": "daily"}
    assert by_type(merged)["bills"].fetch_on_first_link is True


def test_where_codat_shows_nothing_all_that_it_documents_is_set() -> None:
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


def test_what_the_preset_does_not_speak_of_stays() -> None:
    current = shown(setting("bills", 6, fetchOnFirstLink=False, syncFromWindow=3, monthsToSync=4))
    merged = preset("fetch_on_first_link = true").over(current)
    assert merged.settings == (current.settings[0].model_copy(update={"fetch_on_first_link": True}),)


def test_an_empty_plan_only_takes_the_company_off_the_accounts_defaults() -> None:
    current = SyncSettings(settings=(setting("bills"),))
    assert preset("").over(current) == current.model_copy(update={"overrides_defaults": True})


def test_the_accounts_defaults_come_back_with_the_list_as_it_is() -> None:
    current = shown(setting("bills"), setting("invoices", 1))
    merged = preset("use_account_defaults = true").over(current)
    assert merged == current.model_copy(update={"overrides_defaults": False})
    assert [str(each) for each in differences(current, merged)] == ["overrides_defaults: yes → no"]


# --- History --------------------------------------------------------------------------------------------------------

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


def test_a_locked_data_types_history_is_not_refused_for_it_is_not_touched() -> None:
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


def test_a_window_that_is_withheld_from_a_new_data_type_is_told() -> None:
    read = preset("data_types.bills = { sync_from_window = 12 }")
    current = shown(setting("invoices"))
    assert by_type(read.over(current))["bills"].sync_from_window is None
    assert read.refused_narrowing(current) == ("bills",)


# --- Degraded -------------------------------------------------------------------------------------------------------


def test_without_a_fallback_nothing_stands_in_for_hourly() -> None:
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
    stand_in = SyncSchedule(interval_hours=Frequency[fallback.upper()], hour_of_day=3)
    assert degraded.default == replace(read.default, schedule=stand_in)
    assert degraded.exceptions["bills"].schedule == stand_in
    assert degraded.exceptions["company"] == read.exceptions["company"]
    assert degraded.exceptions["invoices"] == replace(read.exceptions["invoices"], schedule=stand_in)
    assert degraded.plan == read.plan


def test_a_degraded_preset_is_another_and_the_same_as_one_written_so() -> None:
    hourly = preset('frequency = "hourly"\non_payment_required = "daily"')
    degraded = hourly.degraded()
    assert degraded is not None
    assert degraded.fingerprint != hourly.fingerprint
    assert degraded.fingerprint == preset('frequency = "daily"').fingerprint


# --- Fingerprints ---------------------------------------------------------------------------------------------------


def test_a_fingerprint_stays_as_it_is_over_all_releases() -> None:
    """Another one for the same settings would be a look at Codat for each company."""
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


def test_what_is_done_beside_the_settings_is_in_no_fingerprint() -> None:
    read = preset('frequency = "daily"\nrefresh_on_upgrade = true')
    assert read.refresh_on_upgrade
    assert read.fingerprint == preset('frequency = "daily"').fingerprint


# --- Properties -----------------------------------------------------------------------------------------------------


def schedule_of(frequency: Frequency, hour: int) -> SyncSchedule:
    return SyncSchedule(interval_hours=frequency, hour_of_day=hour if frequency >= Frequency.DAILY else 0)


WISHES = st.builds(
    lambda frequency, hour, start, **more: Wish(
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
    default=WISHES,
    exceptions=st.dictionaries(ANY_NAMES.filter(bool), WISHES, max_size=3),
    fallback=st.none() | st.sampled_from([Frequency.DAILY, Frequency.WEEKLY]),
    allow_history_narrowing=st.booleans(),
)

SHOWN = st.sampled_from(Dialect).flatmap(answers).map(SyncSettings.model_validate)


@settings(deadline=None, max_examples=30)
@given(wanted=COMPANY_PRESETS, current=SHOWN)
def test_a_preset_over_itself_changes_nothing_more(wanted: CompanyPreset, current: SyncSettings) -> None:
    once = wanted.over(current)
    assert wanted.over(once) == once
    assert differences(once, wanted.over(once)) == ()


@settings(deadline=None, max_examples=30)
@given(wanted=COMPANY_PRESETS, current=SHOWN, dialect=st.sampled_from(Dialect))
def test_what_was_written_needs_no_second_write_whichever_dialect_it_went_through(
    wanted: CompanyPreset, current: SyncSettings, dialect: Dialect
) -> None:
    written = wanted.over(current)
    seen = SyncSettings.model_validate(
        {
            "settings": [each.on_the_wire(dialect) for each in written.settings],
            "overridesDefaults": written.overrides_defaults,
        }
    )
    assert differences(seen, wanted.over(seen)) == ()


@settings(deadline=None, max_examples=30)
@given(wanted=COMPANY_PRESETS, current=SHOWN)
def test_nothing_is_dropped_reordered_or_unlocked(wanted: CompanyPreset, current: SyncSettings) -> None:
    merged = wanted.over(current)
    assert [each.data_type for each in merged.settings][: len(current.settings)] == [
        each.data_type for each in current.settings
    ]
    for before, after in zip(current.settings, merged.settings, strict=False):
        assert after.model_extra == before.model_extra
        assert after.is_locked == before.is_locked
        if before.is_locked:
            assert after is before


@settings(deadline=None, max_examples=30)
@given(wanted=COMPANY_PRESETS, current=SHOWN)
def test_a_degraded_preset_is_never_hourly(wanted: CompanyPreset, current: SyncSettings) -> None:
    degraded = wanted.degraded()
    if degraded is None:
        assert wanted.fallback is None
        return
    assert degraded.degraded() == degraded
    wishes = [degraded.default, *degraded.exceptions.values()]
    assert all(wish.schedule is None or wish.schedule.interval_hours is not Frequency.HOURLY for wish in wishes)
    kept_hourly = {name for name, word in frequencies(current).items() if word == "hourly"}
    assert {name for name, word in frequencies(degraded.over(current)).items() if word == "hourly"} <= kept_hourly


@settings(deadline=None, max_examples=30)
@given(wanted=COMPANY_PRESETS, current=SHOWN)
def test_each_history_that_is_withheld_is_told(wanted: CompanyPreset, current: SyncSettings) -> None:
    told = wanted.refused_narrowing(current)
    allowed = by_type(replace(wanted, allow_history_narrowing=True).over(current))
    merged = by_type(wanted.over(current))
    withheld = [each.data_type for each in current.settings if merged[each.data_type] != allowed[each.data_type]]
    assert set(withheld) <= set(told)


def meaning(wanted: CompanyPreset) -> object:
    """What a preset asks for, without the hour that only a fallback would use."""
    wishes = {name: replace(wish, hour_of_day=0) for name, wish in wanted.exceptions.items()}
    default = replace(wanted.default, hour_of_day=0)
    return (wanted.use_account_defaults, wanted.allow_history_narrowing, default, wishes)


def test_fingerprints_are_equal_where_wishes_are_and_only_there() -> None:
    daily, weekly = Wish(schedule_of(Frequency.DAILY, 2)), Wish(schedule_of(Frequency.WEEKLY, 2))
    wishes = [
        Wish(),
        daily,
        weekly,
        Wish(schedule_of(Frequency.DAILY, 3)),
        Wish(schedule_of(Frequency.HOURLY, 2)),
        Wish(schedule_of(Frequency.HOURLY, 3), hour_of_day=3),
        Wish(schedule_of(Frequency.OFF, 0)),
        replace(daily, fetch_on_first_link=True),
        replace(daily, fetch_on_first_link=False),
        replace(daily, months_to_sync=12),
        replace(daily, sync_from_window=12),
        replace(daily, sync_from_utc="2024-01-31T00:00:00Z"),
    ]
    exceptions: list[dict[str, Wish]] = [
        {},
        {"bills": daily},
        {"invoices": daily},
        {"bills": weekly, "invoices": daily},
    ]
    some = [
        CompanyPreset("a", False, default, own, None, narrowing)  # noqa: FBT003
        for default, own, narrowing in product(wishes, exceptions, [True, False])
    ]
    some.append(replace(some[0], use_account_defaults=True))
    known = [(each.fingerprint, meaning(each)) for each in some]
    for (fingerprint, wishes_of_one), (other, wishes_of_other) in product(known, known):
        assert (fingerprint == other) == (wishes_of_one == wishes_of_other)


@settings(deadline=None, max_examples=100)
@given(text=st.text() | st.text('=[]"{}.#\nabdefilnpstuy_01-', max_size=80))
def test_any_text_is_presets_or_invalid(text: str) -> None:
    with pytest.raises(InvalidPresets):
        Presets.parse(text)
