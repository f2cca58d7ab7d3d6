"""The tables of a presets file: their keys, and the values that each key takes.

What concerns several keys at once is in ``_rules``.
"""

from datetime import UTC, date
from typing import Annotated, Any, Final
from unicodedata import normalize

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from codat_sync.codat.models import Frequency
from codat_sync.presets._words import nearest, shown_value
from codat_sync.presets.preset import CompanyPreset, PresetSetting, moment_of, schedule_at

FREQUENCIES: Final = {str(frequency): frequency for frequency in Frequency}
PLAN_NAME_CHARACTERS: Final = 64
"""The longest plan name, as in an event."""
MOST_MONTHS: Final = 1200

_HISTORY_STARTS: Final = {"sync_from_window", "sync_from_utc"}


class Unfit(ValueError):
    """A value that its key does not take. ``nearest`` is the value that may have been meant."""

    def __init__(self, message: str, nearest: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.nearest = nearest


def normalized(plan: str) -> str:
    """Return the one spelling by which plan names are compared: Unicode's NFC."""
    return normalize("NFC", plan)


def _frequency(value: object) -> Frequency:
    if isinstance(value, str) and value in FREQUENCIES:
        return FREQUENCIES[value]
    message = f"{shown_value(value)} is not a frequency: {', '.join(FREQUENCIES)}"
    raise Unfit(message, _nearest_frequency(value))


def _nearest_frequency(value: object) -> str | None:
    if isinstance(value, str):
        return nearest(value, FREQUENCIES)
    return str(Frequency(value)) if type(value) is int and value in set(Frequency) else None


def _fallback(value: object) -> Frequency:
    frequency = _frequency(value)
    if frequency is Frequency.HOURLY:
        raise Unfit("should be less frequent than hourly", str(Frequency.DAILY))
    return frequency


def _hour_of_day(value: object) -> int | None:
    """Return None for "spread", which is also what holds where a preset has no hour."""
    if value == "spread":
        return None
    if type(value) is not int or value not in range(24):
        meant = nearest(value, ["spread"]) if isinstance(value, str) else None
        raise Unfit(f'{shown_value(value)} is not an hour of day: 0 to 23, or "spread"', meant)
    return value


def _utc(value: object) -> str:
    """Read TOML's own dates and text. No offset means UTC."""
    text = value.isoformat() if isinstance(value, date) else value
    moment = moment_of(text) if isinstance(text, str) else None
    try:
        if moment is not None:
            return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
    except OverflowError:
        pass  # The offset leads out of the calendar.
    raise Unfit(f"{shown_value(value)} is not a date, such as 2024-01-31 or 2024-01-31T12:00:00Z")


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        meant = {"true": "true", "yes": "true", "false": "false", "no": "false"}.get(str(value).lower())
        raise Unfit(f"should be true or false, not {shown_value(value)}", meant)
    return value


def _months(value: object) -> int:
    if type(value) is not int or not 1 <= value <= MOST_MONTHS:
        raise Unfit(f"should be a whole number from 1 to {MOST_MONTHS}, not {shown_value(value)}")
    return value


def _plan_name(value: object) -> str:
    """Read the name of a plan as billing calls it."""
    name = normalized(str(value))
    if not name or len(name) > PLAN_NAME_CHARACTERS:
        raise Unfit(f"a plan's name has 1 to {PLAN_NAME_CHARACTERS} characters, not {len(name)}")
    if name != name.strip():
        raise Unfit("a plan's name has no blank at its start or end")
    if not name.isprintable():
        raise Unfit("a plan's name has no control characters, and no blanks but the ordinary space")
    return name


def _named_plan(value: object) -> str:
    if not isinstance(value, str):
        raise Unfit(f"should be the name of a plan, not {shown_value(value)}")
    return normalized(value)


def _names(value: object) -> frozenset[str]:
    if not isinstance(value, list):
        raise Unfit(f"should be a list of names, not {shown_value(value)}")
    for each in value:
        if not isinstance(each, str):
            raise Unfit(f"should be a list of names, but has {shown_value(each)}")
    return frozenset(value)


def _table(value: object) -> object:
    if not isinstance(value, dict):
        raise Unfit(f"should be a table, not {shown_value(value)}")
    return value


def _exception(value: object) -> object:
    """Read a frequency as a table that has a frequency alone."""
    if isinstance(value, str):
        return {"frequency": value}
    if not isinstance(value, dict):
        message = f"should be a frequency ({', '.join(FREQUENCIES)}) or a table, not {shown_value(value)}"
        raise Unfit(message, _nearest_frequency(value))
    return value


_FrequencyWord = Annotated[Frequency, BeforeValidator(_frequency)]
_Flag = Annotated[bool, BeforeValidator(_flag)]
_Months = Annotated[int, BeforeValidator(_months)]


class Table(BaseModel):
    """A table that takes its own keys alone."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SettingTable(Table):
    """The keys that apply to a plan as a whole, and again to one data type."""

    frequency: _FrequencyWord | None = None
    hour_of_day: Annotated[int | None, BeforeValidator(_hour_of_day)] = None
    fetch_on_first_link: _Flag | None = None
    months_to_sync: _Months | None = None
    sync_from_window: _Months | None = None
    sync_from_utc: Annotated[str, BeforeValidator(_utc)] | None = None

    def at(self, spread_hour: int) -> PresetSetting:
        hour = spread_hour if self.hour_of_day is None else self.hour_of_day
        return PresetSetting(
            schedule=None if self.frequency is None else schedule_at(self.frequency, hour),
            hour_of_day=hour,
            fetch_on_first_link=self.fetch_on_first_link,
            months_to_sync=self.months_to_sync,
            sync_from_window=self.sync_from_window,
            sync_from_utc=self.sync_from_utc,
        )


class PlanTable(SettingTable):
    """A plan's preset."""

    data_types: Annotated[dict[str, Annotated[SettingTable, BeforeValidator(_exception)]], BeforeValidator(_table)] = (
        Field(default_factory=dict)
    )
    use_account_defaults: _Flag = False
    on_payment_required: Annotated[Frequency, BeforeValidator(_fallback)] | None = None
    refresh_on_upgrade: _Flag = False
    allow_history_narrowing: _Flag = False
    allow_all_off: _Flag = False

    def preset(self, plan: str, spread_hour: int) -> CompanyPreset:
        """Return the preset for companies of this hour of day."""
        own = {name: getattr(self, name) for name in SettingTable.model_fields if name in self.model_fields_set}
        exceptions = {name: _inheriting(own, table) for name, table in self.data_types.items()}
        return CompanyPreset(
            plan=plan,
            use_account_defaults=self.use_account_defaults,
            default=self.at(spread_hour),
            exceptions={name: table.at(spread_hour) for name, table in exceptions.items()},
            fallback=self.on_payment_required,
            allow_history_narrowing=self.allow_history_narrowing,
            refresh_on_upgrade=self.refresh_on_upgrade,
        )


def _inheriting(plan: dict[str, Any], table: SettingTable) -> SettingTable:
    """Return the data type's own values over the plan's. Only one of the two starts of history can hold."""
    own = {name: getattr(table, name) for name in table.model_fields_set}
    inherited = {
        name: value for name, value in plan.items() if not (_HISTORY_STARTS & own.keys() and name in _HISTORY_STARTS)
    }
    return SettingTable.model_construct(**inherited | own)


Plans = Annotated[
    dict[Annotated[str, BeforeValidator(_plan_name)], Annotated[PlanTable, BeforeValidator(_table)]],
    BeforeValidator(_table),
]
NamedPlan = Annotated[str, BeforeValidator(_named_plan)]
DataTypeNames = Annotated[frozenset[str], BeforeValidator(_names)]
