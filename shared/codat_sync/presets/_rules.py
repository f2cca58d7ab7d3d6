"""The rules of a presets file: for each key by itself, and for several keys at once.

Every function takes TOML of any shape. What has the wrong shape for a rule is another rule's problem.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final, TypeAlias

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from codat_sync.codat.models import DATA_TYPES, Frequency
from codat_sync.presets._tables import FREQUENCIES, PlanTable, SettingTable, Table, Unfit, normalized
from codat_sync.presets._words import nearest, shown_name, shown_value
from codat_sync.presets.problem import PresetProblem

Toml: TypeAlias = Mapping[str, Any]

_MISSING: Final = {
    "default_plan": "missing: the plan of a company that no event has named a plan for",
    "on_cancelled": "missing: the plan that a cancelled plan leads to",
    "plans": "missing: at least one plan, [plans.NAME]",
}
_BESIDE_ACCOUNT_DEFAULTS: Final = frozenset(
    {"use_account_defaults", "on_payment_required", "allow_history_narrowing", "allow_all_off"}
)


def key_problems(raw: Toml, table: type[Table]) -> Iterator[PresetProblem]:
    """Find keys that the tables do not have, and values that their keys do not take."""
    try:
        table.model_validate(raw)
    except ValidationError as error:
        for each in error.errors(include_url=False):
            if each["type"] != "missing":
                yield _key_problem(each, table)


def missing_keys(raw: Toml) -> Iterator[PresetProblem]:
    """Find the keys that every file must have."""
    for key, message in _MISSING.items():
        if key not in raw or (key == "plans" and raw[key] == {}):
            yield PresetProblem(key=key, message=message)


def unknown_plans(raw: Toml) -> Iterator[PresetProblem]:
    """Find a ``default_plan`` or ``on_cancelled`` that has no preset."""
    if not isinstance(raw.get("plans"), dict):
        return
    plans = [normalized(name) for name in raw["plans"]]
    for key in ("default_plan", "on_cancelled"):
        plan = raw.get(key)
        if isinstance(plan, str) and normalized(plan) not in plans:
            message = f"there is no plan {shown_value(plan)}"
            yield PresetProblem(key=key, message=message, nearest=nearest(normalized(plan), plans))


def names_alike(raw: Toml) -> Iterator[PresetProblem]:
    """Find plans whose names differ from another plan's in case, or in Unicode's form, alone."""
    first_by_folded: dict[str, str] = {}
    for plan in _tables_in(raw, "plans"):
        first = first_by_folded.setdefault(normalized(normalized(plan).casefold()), plan)
        if first != plan:
            message = f"the name differs from that of plan {shown_name(first)} in case or Unicode form alone"
            yield PresetProblem(plan=plan, message=message)


def unknown_data_types(raw: Toml) -> Iterator[PresetProblem]:
    """Find exceptions for data types that neither Codat documents nor ``additional_data_types`` names."""
    additional = raw.get("additional_data_types")
    named = {name for name in additional if isinstance(name, str)} if isinstance(additional, list) else set[str]()
    known = DATA_TYPES | named
    for plan, table in _tables_in(raw, "plans").items():
        for data_type in _tables_in(table, "data_types"):
            if data_type not in known:
                meant = nearest(data_type, sorted(known))
                advice = "" if meant else "; additional_data_types takes new ones"
                message = f"not a data type that Codat documents{advice}"
                yield PresetProblem(plan=plan, data_type=data_type, message=message, nearest=meant)


def conflicting_keys(raw: Toml) -> Iterator[PresetProblem]:
    """Find keys of one table that exclude each other."""
    for plan, table in _tables_in(raw, "plans").items():
        for data_type, own in ((None, table), *_tables_in(table, "data_types").items()):
            if isinstance(own, dict) and {"sync_from_window", "sync_from_utc"} <= own.keys():
                message = "sync_from_window and sync_from_utc exclude each other"
                yield PresetProblem(plan=plan, data_type=data_type, key="sync_from_utc", message=message)
        if isinstance(table, dict) and table.get("use_account_defaults") is True:
            excluded = [key for key in table if key in PlanTable.model_fields.keys() - _BESIDE_ACCOUNT_DEFAULTS]
            if excluded:
                message = f"Codat's account settings apply, so nothing else can be set: {', '.join(excluded)}"
                yield PresetProblem(plan=plan, key="use_account_defaults", message=message)


def all_off(raw: Toml) -> Iterator[PresetProblem]:
    """Find plans that switch off every data type, at once or as hourly's fallback."""
    message = "every data type is off, which lets connections expire; allow_all_off = true insists"
    for plan, table in _tables_in(raw, "plans").items():
        if isinstance(table, dict) and not table.get("allow_all_off") and _leaves_nothing_on(table):
            yield PresetProblem(plan=plan, message=message)


def _leaves_nothing_on(plan: Toml) -> bool:
    """Tell whether no data type stays on. A plan without a frequency leaves the others as they are at Codat."""
    off = {Frequency.OFF}
    if _frequency(plan.get("on_payment_required")) is Frequency.OFF:
        off.add(Frequency.HOURLY)
    exceptions = [each for each in _tables_in(plan, "data_types").values() if _has_frequency(each)]
    return _frequency(plan.get("frequency")) in off and all(_frequency(each) in off for each in exceptions)


def _has_frequency(exception: object) -> bool:
    return not isinstance(exception, dict) or "frequency" in exception


def _frequency(value: object) -> Frequency | None:
    """Read a frequency, or the one in an exception's table. None for anything else."""
    word = value.get("frequency") if isinstance(value, dict) else value
    return FREQUENCIES.get(word) if isinstance(word, str) else None


def _tables_in(table: object, key: str) -> Toml:
    """Return what stands at the key, or an empty table where something else than a table does."""
    value = table.get(key) if isinstance(table, dict) else None
    return value if isinstance(value, dict) else {}


def _key_problem(error: ErrorDetails, file_table: type[Table]) -> PresetProblem:
    place = PresetProblem.at([str(part) for part in error["loc"] if part != "[key]"])
    unfit = error.get("ctx", {}).get("error")
    if isinstance(unfit, Unfit):
        return replace(place, message=unfit.message, nearest=unfit.nearest)
    table = file_table if place.plan is None else PlanTable if place.data_type is None else SettingTable
    key = str(place.key)
    meant = nearest(key, table.model_fields) or _nearest_table(key, error["input"], table)
    message = "unknown key" if meant else f"unknown key; this table takes {', '.join(table.model_fields)}"
    return replace(place, message=message, nearest=meant)


def _nearest_table(key: str, value: object, table: type[Table]) -> str | None:
    """Recognize a plan outside ``plans``, and a data type outside its plan's ``data_types``."""
    if table is PlanTable:
        data_type = nearest(key, sorted(DATA_TYPES))
        return data_type and f"data_types.{data_type}"
    return f"plans.{key}" if table is not SettingTable and isinstance(value, dict) else None
