"""What each plan stands for: data from a TOML file, and pure functions on it."""

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from difflib import get_close_matches
from importlib.resources import files
from typing import Annotated, Any, Final, Self
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from codat_sync.codat.models import DATA_TYPES, REPORT_DATA_TYPES, Frequency, SyncSchedule, SyncSetting, SyncSettings
from codat_sync.errors import PermanentError, TransientError

_REPORT_MONTHS: Final = 24  # What Codat fetches of reports unless told otherwise.


class InvalidPresets(TransientError):
    """The presets cannot be used. The text has a line for each problem: the plan, the data type, what is wrong."""

    reason = "invalid_presets"


class PresetsUnusable(TransientError):
    """Nobody can tell which presets are live. Where they are kept has to be put right, or answers again by itself."""

    reason = "presets_unusable"


class UnknownPlan(PermanentError):
    """No preset has this plan's name: a mistake of the producer's, or a plan that a deploy removed."""

    reason = "unknown_plan"


@dataclass(frozen=True)
class Wish:
    """What a preset wants of one data type. None: leave it as it is."""

    schedule: SyncSchedule | None = None
    hour_of_day: int = 0
    fetch_on_first_link: bool | None = None
    months_to_sync: int | None = None
    sync_from_window: int | None = None
    sync_from_utc: str | None = None


@dataclass(frozen=True)
class CompanyPreset:
    """A plan's preset for one company, with its hour of day filled in."""

    plan: str
    use_account_defaults: bool
    default: Wish
    exceptions: Mapping[str, Wish]
    fallback: Frequency | None
    allow_history_narrowing: bool
    refresh_on_upgrade: bool = False

    @property
    def fingerprint(self) -> str:
        """The same for the same settings, another for others. Independent of the version of this code's libraries.

        What is done beside setting them is not in it.
        """
        wishes = {"": self.default, **self.exceptions}
        content = {
            "accountDefaults": self.use_account_defaults,
            "narrowing": self.allow_history_narrowing,
            "wishes": {name: _plain(wish) for name, wish in wishes.items()},
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]

    def degraded(self) -> Self | None:
        """The same with the fallback frequency in the place of hourly; None where the preset names no fallback."""
        if self.fallback is None:
            return None
        return replace(
            self,
            default=_without_hourly(self.default, self.fallback),
            exceptions={name: _without_hourly(wish, self.fallback) for name, wish in self.exceptions.items()},
        )

    def over(self, current: SyncSettings) -> SyncSettings:
        """The preset merged over what is at Codat, always as the whole list.

        Matched by data type. Kept as they are: what the preset does not speak of, locked data types, and a history
        window that the preset would narrow without being allowed to (``refused_narrowing`` tells which).
        """
        if self.use_account_defaults:
            return current.model_copy(update={"overrides_defaults": False})
        settings = tuple(self._merged(setting) for setting in self._listed(current))
        return current.model_copy(update={"overrides_defaults": True, "settings": settings})

    def refused_narrowing(self, current: SyncSettings) -> tuple[str, ...]:
        """The data types whose history the preset would cut short, were it allowed to.

        Codat deletes or archives the records outside a window that is brought in after a sync:
        https://docs.codat.io/knowledge-base/advanced-sync-settings
        """
        if self.allow_history_narrowing or self.use_account_defaults:
            return ()
        return tuple(
            setting.data_type
            for setting in self._listed(current)
            if not setting.is_locked and _narrows(setting, self._wish(setting.data_type))
        )

    def _listed(self, current: SyncSettings) -> list[SyncSetting]:
        """What Codat shows, and what the preset names beside it. Where Codat shows nothing, all that it documents."""
        present = {setting.data_type for setting in current.settings}
        absent = sorted((set(self.exceptions) if present else DATA_TYPES | set(self.exceptions)) - present)
        return [*current.settings, *(SyncSetting(data_type=name, fetch_on_first_link=True) for name in absent)]

    def _wish(self, data_type: str) -> Wish:
        return self.exceptions.get(data_type, self.default)

    def _merged(self, setting: SyncSetting) -> SyncSetting:
        if setting.is_locked:
            return setting
        wish = self._wish(setting.data_type)
        wanted: dict[str, Any] = {}
        if wish.schedule is not None:
            wanted["sync_schedule"] = _schedule_over(setting, wish.schedule)
        if wish.fetch_on_first_link is not None:
            wanted["fetch_on_first_link"] = wish.fetch_on_first_link
        if self.allow_history_narrowing or not _narrows(setting, wish):
            wanted |= _history_over(setting, wish)
        return setting.model_copy(update=wanted)


def _schedule_over(setting: SyncSetting, wanted: SyncSchedule) -> SyncSchedule:
    """Keeps what else Codat said of the schedule."""
    current = setting.sync_schedule
    if not isinstance(current, SyncSchedule):
        return wanted
    return current.model_copy(update={"interval_hours": wanted.interval_hours, "hour_of_day": wanted.hour_of_day})


def _history_over(setting: SyncSetting, wish: Wish) -> dict[str, int | str | None]:
    """The history fields to set. A window and a date exclude each other, so one clears the other."""
    if setting.data_type in REPORT_DATA_TYPES:
        return {} if wish.months_to_sync is None else {"months_to_sync": wish.months_to_sync}
    if wish.sync_from_window is not None:
        cleared: dict[str, int | str | None] = {} if setting.sync_from_utc is None else {"sync_from_utc": None}
        return {"sync_from_window": wish.sync_from_window, **cleared}
    if wish.sync_from_utc is None or _moment(wish.sync_from_utc) == _moment(setting.sync_from_utc):
        return {}
    cleared = {} if setting.sync_from_window is None else {"sync_from_window": None}
    return {"sync_from_utc": wish.sync_from_utc, **cleared}


def _narrows(setting: SyncSetting, wish: Wish) -> bool:
    """Whether the wish cuts history short. Without a window Codat keeps everything; of reports, 24 months."""
    if setting.data_type in REPORT_DATA_TYPES:
        return wish.months_to_sync is not None and wish.months_to_sync < (setting.months_to_sync or _REPORT_MONTHS)
    if wish.sync_from_window is not None:
        return setting.sync_from_window is None or wish.sync_from_window < setting.sync_from_window
    if wish.sync_from_utc is not None:
        wanted, current = _moment(wish.sync_from_utc), _moment(setting.sync_from_utc)
        return wanted is None or current is None or wanted > current
    return False


def _moment(text: str | None) -> datetime | None:
    """None for what Codat may show and this cannot read; no offset means UTC."""
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _without_hourly(wish: Wish, fallback: Frequency) -> Wish:
    if wish.schedule is None or wish.schedule.interval_hours is not Frequency.HOURLY:
        return wish
    return replace(wish, schedule=_schedule(fallback, wish.hour_of_day))


def _schedule(frequency: Frequency, hour_of_day: int) -> SyncSchedule:
    """An hour of day where the interval gives it a meaning; else 0, since Codat's object always has one."""
    return SyncSchedule(interval_hours=frequency, hour_of_day=hour_of_day if frequency >= Frequency.DAILY else 0)


def _plain(wish: Wish) -> list[object]:
    schedule = wish.schedule and [int(wish.schedule.interval_hours), wish.schedule.hour_of_day]
    return [schedule, wish.fetch_on_first_link, wish.months_to_sync, wish.sync_from_window, wish.sync_from_utc]


def _frequency(word: object) -> Frequency:
    words = {str(frequency): frequency for frequency in Frequency}
    if not isinstance(word, str) or word not in words:
        raise ValueError(f"{word!r} is not a frequency: {', '.join(words)}")
    return words[word]


def _hour_of_day(value: object) -> int | None:
    """None stands for "spread", which is also what holds where a preset says nothing."""
    if value == "spread":
        return None
    if type(value) is not int or value not in range(24):
        raise ValueError(f'{value!r} is not an hour of day: 0 to 23, or "spread"')
    return value


def _utc(value: object) -> str:
    """TOML has dates of its own; a string is welcome too. No offset means UTC."""
    text = value.isoformat() if isinstance(value, date) else value
    moment = _moment(text) if isinstance(text, str) else None
    try:
        if moment is not None:
            return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
    except OverflowError:
        pass  # At the edge of the calendar: no date for a history to start.
    raise ValueError(f"{value!r} is not a date, such as 2024-01-31 or 2024-01-31T12:00:00Z")


_FrequencyWord = Annotated[Frequency, BeforeValidator(_frequency)]
_Flag = Annotated[bool, Field(strict=True)]
_Months = Annotated[int, Field(strict=True, ge=1, le=1200)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _WishTable(_Table):
    """What can be said for a plan as a whole, and again for one data type."""

    frequency: _FrequencyWord | None = None
    hour_of_day: Annotated[int | None, BeforeValidator(_hour_of_day)] = None
    fetch_on_first_link: _Flag | None = None
    months_to_sync: _Months | None = None
    sync_from_window: _Months | None = None
    sync_from_utc: Annotated[str, BeforeValidator(_utc)] | None = None

    @model_validator(mode="after")
    def _one_start_of_history(self) -> Self:
        if self.sync_from_window is not None and self.sync_from_utc is not None:
            raise ValueError("sync_from_window and sync_from_utc exclude each other")
        return self

    def wish(self, company_id: UUID) -> Wish:
        hour = spread_hour(company_id) if self.hour_of_day is None else self.hour_of_day
        return Wish(
            schedule=None if self.frequency is None else _schedule(self.frequency, hour),
            hour_of_day=hour,
            fetch_on_first_link=self.fetch_on_first_link,
            months_to_sync=self.months_to_sync,
            sync_from_window=self.sync_from_window,
            sync_from_utc=self.sync_from_utc,
        )


def spread_hour(company_id: UUID) -> int:
    """A stable hour for each company, so that 50,000 daily syncs do not start at midnight together."""
    return int.from_bytes(hashlib.sha256(company_id.bytes).digest()[:8]) % 24


def _word_is_a_table(value: object) -> object:
    return {"frequency": value} if isinstance(value, str) else value


class _PlanTable(_WishTable):
    data_types: dict[str, Annotated[_WishTable, BeforeValidator(_word_is_a_table)]] = Field(default_factory=dict)
    use_account_defaults: _Flag = False
    on_payment_required: _FrequencyWord | None = None
    refresh_on_upgrade: _Flag = False
    allow_history_narrowing: _Flag = False
    allow_all_off: _Flag = False

    @model_validator(mode="after")
    def _is_safe(self) -> Self:
        wishes: list[_WishTable] = [self, *self.data_types.values()]
        if self.on_payment_required is Frequency.HOURLY:
            raise ValueError("on_payment_required must be less frequent than hourly")
        if self.use_account_defaults and any(wish.model_fields_set - _PLAN_FLAGS for wish in wishes):
            raise ValueError("use_account_defaults leaves nothing else to say: Codat's account settings apply")
        if not self.allow_all_off and self._leaves_nothing_on():
            raise ValueError("every data type is off, which lets connections expire; allow_all_off = true insists")
        return self

    def _leaves_nothing_on(self) -> bool:
        """Also counting what hourly falls back to. A plan without a frequency leaves other types as they are."""
        off = {Frequency.OFF} | ({Frequency.HOURLY} if self.on_payment_required is Frequency.OFF else set())
        return self.frequency in off and all(table.frequency in {None, *off} for table in self.data_types.values())

    def for_company(self, plan: str, company_id: UUID) -> CompanyPreset:
        own = {name: getattr(self, name) for name in _WishTable.model_fields if name in self.model_fields_set}
        exceptions = {name: _inheriting(own, table) for name, table in self.data_types.items()}
        return CompanyPreset(
            plan=plan,
            use_account_defaults=self.use_account_defaults,
            default=self.wish(company_id),
            exceptions={name: table.wish(company_id) for name, table in exceptions.items()},
            fallback=self.on_payment_required,
            allow_history_narrowing=self.allow_history_narrowing,
            refresh_on_upgrade=self.refresh_on_upgrade,
        )


def _inheriting(plan: dict[str, Any], table: _WishTable) -> _WishTable:
    """What the table says, and for the rest what the plan says. Only one of the two starts of history can hold."""
    said = {name: getattr(table, name) for name in table.model_fields_set}
    inherited = {name: value for name, value in plan.items() if not (_STARTS & said.keys() and name in _STARTS)}
    return _WishTable.model_construct(**inherited | said)


_STARTS = {"sync_from_window", "sync_from_utc"}
_PLAN_FLAGS = {"use_account_defaults", "on_payment_required", "allow_history_narrowing", "allow_all_off"}


def packaged_file() -> bytes:
    """Return the file of presets that was deployed with this package. It belongs to whoever deploys."""
    return files("codat_sync.presets").joinpath("presets.toml").read_bytes()


class Presets(_Table):
    """Every plan's preset. Valid as a whole, or not there at all."""

    default_plan: str
    on_cancelled: str
    additional_data_types: frozenset[str] = frozenset()
    plans: Annotated[dict[Annotated[str, Field(pattern=r"^[\w.-]{1,64}$")], _PlanTable], Field(min_length=1)]

    @classmethod
    def packaged(cls) -> Self:
        """The presets that were deployed with this package."""
        return cls.parse(packaged_file().decode())

    @classmethod
    def parse(cls, text: str) -> Self:
        """Presets from TOML. Raises ``InvalidPresets`` with every problem, in words."""
        try:
            raw = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise InvalidPresets(f"not TOML: {error}") from error
        problems = _unknown_names(raw)
        try:
            presets = cls.model_validate(raw)
        except ValidationError as error:
            raise InvalidPresets("\n".join([*map(_in_words, error.errors()), *problems])) from error
        if problems:
            raise InvalidPresets("\n".join(problems))
        return presets

    def for_company(self, plan: str, company_id: UUID) -> CompanyPreset:
        """The plan's preset for one company. Raises ``UnknownPlan``."""
        if plan not in self.plans:
            raise UnknownPlan(f"unknown plan {plan!r}: the presets know {', '.join(self.plans)}")
        return self.plans[plan].for_company(plan, company_id)


def _unknown_names(raw: dict[str, Any]) -> list[str]:
    """Plans and data types that are named and not known, in a file of whatever shape."""
    plans = raw["plans"] if isinstance(raw.get("plans"), dict) else {}
    problems = [
        f"{key}: there is no plan {raw[key]!r}"
        for key in ("default_plan", "on_cancelled")
        if isinstance(raw.get(key), str) and raw[key] not in plans
    ]
    additional = raw.get("additional_data_types")
    known = (
        DATA_TYPES | {name for name in additional if isinstance(name, str)}
        if isinstance(additional, list)
        else DATA_TYPES
    )
    for plan, table in plans.items():
        named = table.get("data_types") if isinstance(table, dict) else None
        for name in sorted((named if isinstance(named, dict) else {}).keys() - known):
            meant = get_close_matches(name, known, n=1)
            hint = f"did you mean {meant[0]}?" if meant else "additional_data_types takes new ones"
            problems.append(f"plan {plan}, {name}: not a data type that Codat documents; {hint}")
    return problems


def _in_words(error: ErrorDetails) -> str:
    """Where and what, such as "plan growth, invoices, frequency: 'dayly' is not a frequency: …"."""
    path = [str(part) for part in error["loc"] if part not in ("data_types", "[key]")]
    if path[:1] == ["plans"] and len(path) > 1:
        path = [f"plan {path[1]}", *path[2:]]
    problem = "should be a table" if error["type"] == "model_type" else error["msg"].removeprefix("Value error, ")
    return f"{', '.join(path)}: {problem}" if path else problem
