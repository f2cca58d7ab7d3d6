"""What a plan's preset asks of one company, and how it merges over the settings that Codat shows."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import MINYEAR, UTC, datetime
from functools import cached_property
from typing import Any, Final, Self
from uuid import UUID

from codat_sync.codat.models import DATA_TYPES, REPORT_DATA_TYPES, Frequency, SyncSchedule, SyncSetting, SyncSettings
from codat_sync.errors import PermanentError

_REPORT_MONTHS: Final = 24
"""The months of reports that Codat fetches unless a setting says otherwise."""


class UnknownPlan(PermanentError):
    """No preset has this plan's name: the producer misspelt it, or a deploy removed the plan."""

    reason = "unknown_plan"


@dataclass(frozen=True)
class PresetSetting:
    """What a preset asks of one data type. None keeps what Codat shows."""

    schedule: SyncSchedule | None = None
    hour_of_day: int = 0
    fetch_on_first_link: bool | None = None
    months_to_sync: int | None = None
    sync_from_window: int | None = None
    sync_from_utc: str | None = None


@dataclass(frozen=True)
class CompanyPreset:
    """A plan's preset for one company, with the company's hour of day filled in."""

    plan: str
    use_account_defaults: bool
    default: PresetSetting
    exceptions: Mapping[str, PresetSetting]
    fallback: Frequency | None
    allow_history_narrowing: bool
    refresh_on_upgrade: bool = False

    @cached_property
    def fingerprint(self) -> str:
        """The same text for equal settings, another one for others, across releases and versions of the libraries.

        ``refresh_on_upgrade`` has no part in it: a refresh is an action, not a setting.
        """
        settings = {"": self.default, **self.exceptions}
        content = {
            "accountDefaults": self.use_account_defaults,
            "narrowing": self.allow_history_narrowing,
            # The key keeps its name: another one would change every stored fingerprint.
            "wishes": {name: _plain(setting) for name, setting in settings.items()},
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]

    def degraded(self) -> Self | None:
        """Return the preset with its fallback frequency in place of hourly, or None where it names no fallback."""
        if self.fallback is None:
            return None
        return replace(
            self,
            default=_without_hourly(self.default, self.fallback),
            exceptions={name: _without_hourly(setting, self.fallback) for name, setting in self.exceptions.items()},
        )

    def over(self, current: SyncSettings) -> SyncSettings:
        """Merge the preset over the current settings at Codat and return the whole list.

        Settings are matched by data type. The result keeps what the preset does not mention, data types that Codat
        locks, and each history window that the preset must not narrow (``refused_narrowing`` names those).
        """
        if self.use_account_defaults:
            return current.model_copy(update={"overrides_defaults": False})
        settings = tuple(self._merged(setting) for setting in self._listed(current))
        return current.model_copy(update={"overrides_defaults": True, "settings": settings})

    def refused_narrowing(self, current: SyncSettings) -> tuple[str, ...]:
        """Return the data types whose history the preset would cut short if it were allowed to.

        Codat deletes or archives the records outside a window that is set after a sync:
        https://docs.codat.io/knowledge-base/advanced-sync-settings
        """
        if self.allow_history_narrowing or self.use_account_defaults:
            return ()
        return tuple(
            setting.data_type
            for setting in self._listed(current)
            if not setting.is_locked and _narrows(setting, self._asked_of(setting.data_type))
        )

    def _listed(self, current: SyncSettings) -> list[SyncSetting]:
        """List what Codat shows, then what the preset names beyond that.

        Where Codat shows nothing, the list has every data type that Codat documents.
        """
        present = {setting.data_type for setting in current.settings}
        absent = sorted((set(self.exceptions) if present else DATA_TYPES | set(self.exceptions)) - present)
        return [*current.settings, *(SyncSetting(data_type=name, fetch_on_first_link=True) for name in absent)]

    def _asked_of(self, data_type: str) -> PresetSetting:
        return self.exceptions.get(data_type, self.default)

    def _merged(self, setting: SyncSetting) -> SyncSetting:
        if setting.is_locked:
            return setting
        asked = self._asked_of(setting.data_type)
        update: dict[str, Any] = {}
        if asked.schedule is not None:
            update["sync_schedule"] = _schedule_over(setting, asked.schedule)
        if asked.fetch_on_first_link is not None:
            update["fetch_on_first_link"] = asked.fetch_on_first_link
        if self.allow_history_narrowing or not _narrows(setting, asked):
            update |= _history_over(setting, asked)
        changes = any(getattr(setting, name) != value for name, value in update.items())
        return setting.model_copy(update=update) if changes else setting


def spread_hour(company_id: UUID) -> int:
    """Return a stable hour (0 to 23) for the company, so that daily syncs do not all start at midnight."""
    return int.from_bytes(hashlib.sha256(company_id.bytes).digest()[:8]) % 24


def schedule_at(frequency: Frequency, hour_of_day: int) -> SyncSchedule:
    """Return the schedule with that hour of day, or with hour 0 where the frequency gives the hour no meaning.

    Codat's object form always has an hour.
    """
    return SyncSchedule(interval_hours=frequency, hour_of_day=hour_of_day if frequency >= Frequency.DAILY else 0)


def moment_of(text: str | None) -> datetime | None:
    """Read a date and time as Codat writes them. No offset means UTC. Return None for text that is not a date."""
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _schedule_over(setting: SyncSetting, asked: SyncSchedule) -> SyncSchedule:
    """Keep the schedule's fields that this project does not know."""
    current = setting.sync_schedule
    if not isinstance(current, SyncSchedule) or not current.model_extra:
        return asked
    return current.model_copy(update={"interval_hours": asked.interval_hours, "hour_of_day": asked.hour_of_day})


def _history_over(setting: SyncSetting, asked: PresetSetting) -> dict[str, int | str | None]:
    """Return the history fields to set. A window and a date exclude each other, so setting one clears the other."""
    if setting.data_type in REPORT_DATA_TYPES:
        return {} if asked.months_to_sync is None else {"months_to_sync": asked.months_to_sync}
    if asked.sync_from_window is not None:
        cleared: dict[str, int | str | None] = {} if _is_unset(setting.sync_from_utc) else {"sync_from_utc": None}
        return {"sync_from_window": asked.sync_from_window, **cleared}
    if asked.sync_from_utc is None or moment_of(asked.sync_from_utc) == moment_of(setting.sync_from_utc):
        return {}
    cleared = {} if _months(setting.sync_from_window) is None else {"sync_from_window": None}
    return {"sync_from_utc": asked.sync_from_utc, **cleared}


def _narrows(setting: SyncSetting, asked: PresetSetting) -> bool:
    """Tell whether the preset would cut history short.

    Without a window Codat keeps the whole history of a data type, and 24 months of a report.
    """
    if setting.data_type in REPORT_DATA_TYPES:
        months = _months(setting.months_to_sync) or _REPORT_MONTHS
        return asked.months_to_sync is not None and asked.months_to_sync < months
    if asked.sync_from_window is not None:
        window = _months(setting.sync_from_window)
        return window is None or asked.sync_from_window < window
    if asked.sync_from_utc is not None:
        start = moment_of(asked.sync_from_utc)
        current = None if _is_unset(setting.sync_from_utc) else moment_of(setting.sync_from_utc)
        return start is None or current is None or start > current
    return False


def _months(shown: int | None) -> int | None:
    """Return the months of a window. None: Codat shows no window, be it as null, as zero or as less."""
    return shown if shown is not None and shown > 0 else None


def _is_unset(shown: str | None) -> bool:
    """Tell whether Codat shows no date: null, blank, or the year 1, which is the unset date of .NET and of Go."""
    moment = moment_of((shown or "").strip())
    return not (shown or "").strip() or (moment is not None and moment.year == MINYEAR)


def _without_hourly(setting: PresetSetting, fallback: Frequency) -> PresetSetting:
    if setting.schedule is None or setting.schedule.interval_hours is not Frequency.HOURLY:
        return setting
    return replace(setting, schedule=schedule_at(fallback, setting.hour_of_day))


def _plain(setting: PresetSetting) -> list[object]:
    schedule = setting.schedule and [int(setting.schedule.interval_hours), setting.schedule.hour_of_day]
    return [
        schedule,
        setting.fetch_on_first_link,
        setting.months_to_sync,
        setting.sync_from_window,
        setting.sync_from_utc,
    ]
