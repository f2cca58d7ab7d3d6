"""The differences between two states of a company's sync settings, as data and as text."""

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import JsonValue

from codat_sync.codat.models import Frequency, SyncSchedule, SyncSetting, SyncSettings

_HISTORY = ("months_to_sync", "sync_from_window", "sync_from_utc")


@dataclass(frozen=True)
class Difference:
    """One change. ``data_type`` is None where it concerns the settings as a whole.

    As text it reads "invoices: daily → hourly" or "invoices fetch_on_first_link: yes → no".
    """

    data_type: str | None
    field: str
    before: str
    after: str

    def __str__(self) -> str:
        subject = " ".join(filter(None, (self.data_type, self.field if self.field != "sync_schedule" else None)))
        return f"{subject}: {self.before} → {self.after}"


def differences(before: SyncSettings, after: SyncSettings) -> tuple[Difference, ...]:
    """Return every change, in the order of ``after``; empty where writing ``after`` would change nothing.

    An hour of day counts only where both sides show one and the interval gives it a meaning. Data types are matched by
    name; where one is listed twice, in order.
    """
    return tuple(_differences(before, after))


def more_frequent(before: SyncSettings, after: SyncSettings) -> tuple[str, ...]:
    """Return the data types that ``after`` pulls more often than ``before``, the most frequent first; each once.

    A data type that was off, unset or absent was never pulled. Schedules that Codat does not document are skipped.
    """
    hours: dict[str, int] = {}
    for old, setting in _matched(before, after):
        then, now = _hours(old.sync_schedule if old else None), _hours(setting.sync_schedule)
        if then is not None and now and (then == Frequency.OFF or now < then):
            hours[setting.data_type] = now
    return tuple(sorted(hours, key=hours.__getitem__))


def _differences(before: SyncSettings, after: SyncSettings) -> Iterator[Difference]:
    if before.overrides_defaults != after.overrides_defaults:
        yield Difference(None, "overrides_defaults", _text(before.overrides_defaults), _text(after.overrides_defaults))
    for old, setting in _matched(before, after):
        if old is not setting:  # Most of the settings of a merge are those that were there.
            yield from _setting_differences(old, setting)


def _matched(before: SyncSettings, after: SyncSettings) -> Iterator[tuple[SyncSetting | None, SyncSetting]]:
    """Yield each setting of ``after``, and what it was before."""
    known: dict[str, list[SyncSetting]] = {}
    for setting in before.settings:
        known.setdefault(setting.data_type, []).append(setting)
    for setting in after.settings:
        same_type = known.get(setting.data_type)
        yield same_type.pop(0) if same_type else None, setting


def _setting_differences(before: SyncSetting | None, after: SyncSetting) -> Iterator[Difference]:
    old_schedule = before.sync_schedule if before else None
    if not _same_schedule(old_schedule, after.sync_schedule):
        yield Difference(after.data_type, "sync_schedule", _text(old_schedule), _text(after.sync_schedule))
    for field in ("fetch_on_first_link", *_HISTORY):
        old, new = getattr(before, field, None), getattr(after, field)
        if old != new:
            yield Difference(after.data_type, field, _text(old, "{} months"), _text(new, "{} months"))


def _same_schedule(before: SyncSchedule | JsonValue, after: SyncSchedule | JsonValue) -> bool:
    if not isinstance(before, SyncSchedule) or not isinstance(after, SyncSchedule):
        return before == after
    if before.interval_hours != after.interval_hours:
        return False
    hours = {before.hour_of_day, after.hour_of_day}
    return None in hours or len(hours) == 1 or not after.has_hour


def _hours(schedule: SyncSchedule | JsonValue) -> int | None:
    """Return the hours between two pulls, 0 for never; None for a schedule that cannot be read."""
    if isinstance(schedule, SyncSchedule):
        return schedule.interval_hours
    if schedule is None:
        return Frequency.OFF
    return schedule if type(schedule) is int and schedule > 0 else None


def _text(value: SyncSchedule | JsonValue, number: str = "every {} hours") -> str:
    if value is None:
        return "unset"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return number.format(value)
    return str(value)
