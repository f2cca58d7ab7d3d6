"""What a presets file may say, and how the presets answer for a plan."""

import unicodedata
from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from codat_sync.codat.models import Frequency, SyncSchedule
from codat_sync.errors import PermanentError, TransientError
from codat_sync.presets.file import InvalidPresets, Presets, decode, packaged_file, validate
from codat_sync.presets.preset import PresetSetting, UnknownPlan
from tests.unit.presets.one_plan import COMPANY, frequencies, preset, presets, setting, shown

TOML = b'default_plan = "free"\non_cancelled = "free"\n[plans.free]\nfrequency = "monthly"\n'
OTHER = TOML.replace(b"monthly", b"weekly")


def named(*plans: str) -> Presets:
    """Parse presets with these plans, of which the first is the default."""
    tables = "\n".join(f'[plans."{plan}"]' for plan in plans)
    return Presets.parse(f'default_plan = "{plans[0]}"\non_cancelled = "{plans[0]}"\n{tables}'.encode())


# --- What the file may say --------------------------------------------------------------------------------------------


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
    assert read.exceptions["bills"] == PresetSetting(
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
def test_a_date_is_a_toml_date_or_text(toml: str, utc: str) -> None:
    assert preset(f'frequency = "daily"\nsync_from_utc = {toml}').default.sync_from_utc == utc


def test_a_new_data_type_of_codats_can_be_named() -> None:
    read = preset('frequency = "daily"\ndata_types.expenses = "weekly"', head='additional_data_types = ["expenses"]')
    assert set(read.exceptions) == {"expenses"}


def test_all_types_off_is_allowed_where_the_plan_insists() -> None:
    assert frequencies(preset('frequency = "off"\nallow_all_off = true').over(shown(setting("bills")))) == {
        "bills": "off"
    }


@pytest.mark.parametrize("plan", ['frequency = "off"\ndata_types.company = "monthly"', 'frequency = "monthly"'])
def test_one_type_that_is_not_off_keeps_connections_alive(plan: str) -> None:
    assert preset(plan).plan == "a"


# --- Its bytes ------------------------------------------------------------------------------------------------------


def test_a_byte_order_mark_is_fine() -> None:
    assert Presets.parse(b"\xef\xbb\xbf" + TOML) == Presets.parse(TOML)


def test_windows_line_ends_are_fine() -> None:
    assert Presets.parse(TOML.replace(b"\n", b"\r\n")) == Presets.parse(TOML)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"\xff\xfea\x00", "line 1: not UTF-8: byte 0xff; save the file as UTF-8"),
        (TOML + "# Größe".encode("latin-1"), "line 5: not UTF-8: byte 0xf6; save the file as UTF-8"),
    ],
)
def test_another_encoding_is_named_with_its_line_and_byte(content: bytes, problem: str) -> None:
    with pytest.raises(InvalidPresets) as raised:
        decode(content)
    assert str(raised.value) == problem


# --- Names of plans -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "plan", ["Größe_2.0-x", "Pro +", "Growth (2024), yearly", "Старт", "スタンダード", "50 €/Monat", "a", "x" * 64]
)
def test_a_plan_has_the_name_that_billing_gives_it(plan: str) -> None:
    assert named(plan).for_company(plan, COMPANY).plan == plan


@pytest.mark.parametrize("in_the_file", ["NFC", "NFD"])
@pytest.mark.parametrize("in_the_event", ["NFC", "NFD"])
def test_unicodes_two_forms_of_a_name_are_one_plan(in_the_file: str, in_the_event: str) -> None:
    read = named(unicodedata.normalize(in_the_file, "Größe"))  # type: ignore[arg-type]
    plan = unicodedata.normalize(in_the_event, "Größe")  # type: ignore[arg-type]
    assert read.knows(plan)
    assert read.for_company(plan, COMPANY).plan == read.default_plan == unicodedata.normalize("NFC", "Größe")


def test_a_name_in_another_case_is_another_plan() -> None:
    assert not named("growth").knows("Growth")


# --- A plan without a preset ----------------------------------------------------------------------------------------


def unknown(plan: str, *known: str) -> str:
    with pytest.raises(UnknownPlan) as raised:
        named(*known).for_company(plan, COMPANY)
    return str(raised.value)


@pytest.mark.parametrize("plan", ["grwoth", "Growth", "GROWTH", "growth ", "growht", "growth+"])
def test_an_unknown_plan_is_answered_with_the_nearest_name(plan: str) -> None:
    words = f"unknown plan {plan!r}: did you mean 'growth'? The presets know free, growth, scale"
    assert unknown(plan, "free", "growth", "scale") == words


def test_an_unknown_plan_that_resembles_none_is_answered_with_those_that_there_are() -> None:
    assert unknown("gold", "free", "growth") == "unknown plan 'gold': the presets know free, growth"


def test_a_name_in_another_form_and_case_is_near() -> None:
    assert "did you mean 'Größe L'?" in unknown(unicodedata.normalize("NFD", "größe l"), "Größe L", "klein")


@pytest.mark.parametrize("plan", ["x" * 10_000, "plan" * 3_000, "\n" * 300])
def test_the_answer_to_an_unknown_plan_is_bounded_and_one_line(plan: str) -> None:
    words = unknown(plan, *(f"{number}{'y' * 60}" for number in range(1000)))
    assert words.endswith(" and 988 more")
    assert len(words) < 1200
    assert "\n" not in words


def test_an_unknown_plan_parks_its_event_and_invalid_presets_defer_it() -> None:
    assert issubclass(UnknownPlan, PermanentError)
    assert issubclass(InvalidPresets, TransientError)
    assert (UnknownPlan.reason, InvalidPresets.reason) == ("unknown_plan", "invalid_presets")


# --- What may go live without a deploy ------------------------------------------------------------------------------


def test_valid_presets_may_go_live() -> None:
    validate(OTHER, Presets.parse(TOML))


def test_a_new_plan_may_go_live() -> None:
    validate(TOML + b'[plans.new]\nfrequency = "daily"\n', Presets.parse(TOML))


def test_invalid_presets_are_refused_with_every_problem() -> None:
    bad = TOML.replace(b'"monthly"', b'"hourlyish"').replace(b'on_cancelled = "free"', b'on_cancelled = "none"')
    with pytest.raises(InvalidPresets) as refused:
        validate(bad, Presets.parse(TOML))
    assert 'plan free, frequency: "hourlyish" is not a frequency' in str(refused.value)
    assert 'on_cancelled: there is no plan "none"' in str(refused.value)


def test_a_plan_of_the_package_cannot_be_removed_without_a_deploy() -> None:
    more = TOML + b'[plans.scale]\nfrequency = "daily"\n[plans.growth]\nfrequency = "daily"\n'
    with pytest.raises(InvalidPresets) as refused:
        validate(TOML, Presets.parse(more))
    assert str(refused.value).splitlines() == [
        "plan growth: the deployed package has it; only a deploy can remove a plan",
        "plan scale: the deployed package has it; only a deploy can remove a plan",
    ]


# --- The packaged file ----------------------------------------------------------------------------------------------


def test_the_packaged_presets_are_those_of_the_packaged_file() -> None:
    assert Presets.packaged() == Presets.parse(packaged_file())
