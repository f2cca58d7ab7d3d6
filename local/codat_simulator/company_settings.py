"""Sync settings of simulated companies: those of a plan's preset, and those after a change made in Codat's Portal."""

from collections.abc import Mapping
from uuid import UUID

from pydantic import JsonValue

from codat_sync.codat.models import DATA_TYPES, Dialect, Frequency, SyncSchedule, SyncSetting, SyncSettings
from codat_sync.presets.file import Presets


def settings_at(
    presets: Presets, plan: str | None, company_id: UUID, dialect: Dialect
) -> list[dict[str, JsonValue]] | None:
    """Return the settings that Codat shows for a company with a plan's preset in force.

    None, for no plan, makes a company without settings of its own. Raise ``UnknownPlan``.
    """
    if plan is None:
        return None
    every = SyncSettings(
        settings=tuple(SyncSetting(data_type=each, fetch_on_first_link=True) for each in sorted(DATA_TYPES))
    )
    preset = presets.for_company(plan, company_id)
    return preset.over(every).on_the_wire(dialect)


def settings_with(
    shown: SyncSettings, frequencies: Mapping[str, Frequency], dialect: Dialect
) -> list[dict[str, JsonValue]]:
    """Return the settings that Codat shows for a company, with other frequencies for these data types."""
    changed = tuple(
        setting.model_copy(update={"sync_schedule": SyncSchedule(interval_hours=frequencies[setting.data_type])})
        if setting.data_type in frequencies
        else setting
        for setting in shown.settings
    )
    return shown.model_copy(update={"settings": changed}).on_the_wire(dialect)
