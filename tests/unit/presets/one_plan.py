"""Presets with one plan, from the TOML of that plan, and settings as Codat shows them."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import pytest

from codat_sync.codat.models import SyncSchedule, SyncSetting, SyncSettings
from codat_sync.presets.file import InvalidPresets, Presets
from codat_sync.presets.preset import CompanyPreset

COMPANY = UUID("8a210b68-6988-4001-a1eb-0242ac120001")


def presets(plan: str, *, head: str = "") -> Presets:
    """Parse presets with one plan, named a, of the given TOML."""
    return Presets.parse(f'default_plan = "a"\non_cancelled = "a"\n{head}\n[plans.a]\n{plan}'.encode())


def preset(plan: str, *, head: str = "", company: UUID = COMPANY) -> CompanyPreset:
    return presets(plan, head=head).for_company("a", company)


def problems(plan: str, *, head: str = "") -> list[str]:
    """Return the lines of ``InvalidPresets`` for presets with that plan."""
    with pytest.raises(InvalidPresets) as raised:
        presets(plan, head=head)
    return str(raised.value).splitlines()


def setting(data_type: str, schedule: object = 720, **fields: Any) -> SyncSetting:  # noqa: ANN401  # Any JSON.
    return SyncSetting.model_validate({"dataType": data_type, "syncSchedule": schedule, **fields})


def shown(*listed: SyncSetting) -> SyncSettings:
    return SyncSettings(settings=listed, overrides_defaults=True)


def by_type(merged: SyncSettings) -> Mapping[str, SyncSetting]:
    return {each.data_type: each for each in merged.settings}


def frequencies(merged: SyncSettings) -> dict[str, str]:
    """Return the frequency of each data type, as a word."""
    return {
        each.data_type: str(each.sync_schedule.interval_hours)
        for each in merged.settings
        if isinstance(each.sync_schedule, SyncSchedule)
    }
