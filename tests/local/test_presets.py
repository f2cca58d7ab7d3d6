"""The presets of the demo, the benchmarks and the tests: what docs/presets.md tells of the four plans."""

from uuid import UUID

import pytest

from codat_sync.codat.models import DATA_TYPES, SyncSchedule, SyncSetting, SyncSettings
from local.presets import local_presets

COMPANY = UUID("8a210b68-6988-4001-a1eb-0242ac120001")


def hours(plan: str, *, is_degraded: bool = False) -> dict[str, int]:
    """Return the hours between two pulls of each data type, for a company for which Codat shows nothing yet."""
    preset = local_presets().for_company(plan, COMPANY)
    merged = (preset.degraded() or preset if is_degraded else preset).over(SyncSettings())
    return {
        each.data_type: each.sync_schedule.interval_hours
        for each in merged.settings
        if isinstance(each.sync_schedule, SyncSchedule)
    }


def test_there_are_four_plans() -> None:
    assert list(local_presets().plans) == ["free", "starter", "growth", "scale"]
    assert (local_presets().default_plan, local_presets().on_cancelled) == ("free", "free")


@pytest.mark.parametrize("plan", local_presets().plans)
def test_each_plan_keeps_connections_alive(plan: str) -> None:
    assert hours(plan).keys() >= DATA_TYPES
    assert any(hours(plan).values())


def test_each_plan_is_at_least_as_frequent_as_the_one_below() -> None:
    for lower, upper in (("free", "starter"), ("starter", "growth"), ("growth", "scale")):
        for data_type in DATA_TYPES:
            assert hours(upper)[data_type] <= hours(lower)[data_type], (upper, data_type)


def test_scale_is_hourly_for_money_owed_and_paid_and_falls_back_to_daily() -> None:
    assert hours("scale")["invoices"] == 1
    assert set(hours("scale", is_degraded=True).values()) == {24, 168}


def test_an_upgrade_to_scale_alone_is_pulled_at_once() -> None:
    refreshed = {
        plan for plan in local_presets().plans if local_presets().for_company(plan, COMPANY).refresh_on_upgrade
    }
    assert refreshed == {"scale"}


@pytest.mark.parametrize("plan", local_presets().plans)
def test_no_plan_cuts_history(plan: str) -> None:
    listed = tuple(SyncSetting(data_type=name, months_to_sync=1, sync_from_window=1) for name in sorted(DATA_TYPES))
    merged = local_presets().for_company(plan, COMPANY).over(SyncSettings(settings=listed, overrides_defaults=True))
    assert all((each.months_to_sync, each.sync_from_window) == (1, 1) for each in merged.settings)
