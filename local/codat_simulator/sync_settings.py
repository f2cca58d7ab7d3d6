"""Codat's sync settings and the two published forms of ``syncSchedule``, here called dialects.

``hours`` is that of Codat's OpenAPI: ``syncSchedule`` is a number of hours, and ``syncOrder`` is required. ``object``
is ``{"intervalHours": 24, "hourOfDay": 2}``. ``both`` accepts either and answers in the object form.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    JsonValue,
    Tag,
    TypeAdapter,
)
from pydantic.alias_generators import to_camel

Dialect = Literal["hours", "object", "both"]

DATA_TYPES: Final = (
    "accountTransactions",
    "balanceSheet",
    "bankAccounts",
    "bankTransactions",
    "billCreditNotes",
    "billPayments",
    "bills",
    "cashFlowStatement",
    "chartOfAccounts",
    "company",
    "creditNotes",
    "customers",
    "directCosts",
    "directIncomes",
    "invoices",
    "itemReceipts",
    "items",
    "journalEntries",
    "journals",
    "paymentMethods",
    "payments",
    "profitAndLoss",
    "purchaseOrders",
    "salesOrders",
    "suppliers",
    "taxRates",
    "trackingCategories",
    "transfers",
    "banking-accountBalances",
    "banking-accounts",
    "banking-transactionCategories",
    "banking-transactions",
    "commerce-companyInfo",
    "commerce-customers",
    "commerce-disputes",
    "commerce-locations",
    "commerce-orders",
    "commerce-paymentMethods",
    "commerce-payments",
    "commerce-productCategories",
    "commerce-products",
    "commerce-taxComponents",
    "commerce-transactions",
)
"""The enum of the OpenAPI, in its order. Other types are stored too: Codat calls a new one a non-breaking change."""
OBJECT_INTERVALS: Final = (0, 1, 24, 168, 720)
"""Off, hourly, daily, weekly and monthly: the intervals of the object form."""
_REPORTS: Final = {"balanceSheet", "cashFlowStatement", "profitAndLoss"}


@dataclass(frozen=True, slots=True)
class SyncSetting:
    """The setting of one data type, in no dialect. ``fields`` are the other fields as posted, without ``isLocked``."""

    data_type: str
    interval_hours: int
    hour_of_day: int
    fields: Mapping[str, JsonValue]

    @property
    def fetch_on_first_link(self) -> bool:
        return self.fields["fetchOnFirstLink"] is True

    def in_dialect(self, dialect: Dialect, *, locked: bool) -> dict[str, JsonValue]:
        """Return the setting as a GET answers it. The hours dialect has no place for the hour of day."""
        schedule: JsonValue = self.interval_hours
        if dialect != "hours":
            schedule = {"intervalHours": self.interval_hours, "hourOfDay": self.hour_of_day}
        return {
            "dataType": self.data_type,
            "syncSchedule": schedule,
            "syncOrder": 0,
            **self.fields,
            "isLocked": locked,
        }


Settings = Mapping[str, SyncSetting]
"""By data type, in the order in which they were posted."""


def built_in_settings() -> Settings:
    """Return the settings of a new account: every type is fetched at first link, and none has a schedule.

    Source: Codat's page on data type settings. Its defaults are no schedule, and 24 months for reports.
    """
    return {
        data_type: SyncSetting(
            data_type,
            interval_hours=0,
            hour_of_day=0,
            fields={"fetchOnFirstLink": True, "syncOrder": order}
            | ({"monthsToSync": 24} if data_type in _REPORTS else {}),
        )
        for order, data_type in enumerate(DATA_TYPES)
    }


def _date_time(text: str) -> str:
    datetime.fromisoformat(text)
    return text


def _frequency(hours: int) -> int:
    if hours not in OBJECT_INTERVALS:
        raise ValueError(f"should be one of {', '.join(map(str, OBJECT_INTERVALS))}")
    return hours


class _Setting(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="allow", strict=True)

    data_type: Annotated[str, Field(min_length=1)]
    fetch_on_first_link: bool
    sync_from_utc: Annotated[str, AfterValidator(_date_time)] | None = None
    sync_from_window: int | None = None
    months_to_sync: int | None = None
    is_locked: bool | None = None


class _SettingInHours(_Setting):
    sync_schedule: Annotated[int, Field(ge=0)]
    sync_order: int


class _Schedule(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, strict=True)

    # A validated int, since a Literal would take JSON's true for 1.
    interval_hours: Annotated[int, AfterValidator(_frequency)]
    hour_of_day: Annotated[int, Field(ge=0, le=23)] = 0


class _SettingAsObject(_Setting):
    sync_schedule: _Schedule
    sync_order: int | None = None


def _form(setting: object) -> str:
    return "object" if isinstance(setting, dict) and isinstance(setting.get("syncSchedule"), dict) else "hours"


_SettingInEither = Annotated[
    Annotated[_SettingInHours, Tag("hours")] | Annotated[_SettingAsObject, Tag("object")],
    Discriminator(_form),
]
# TypeAdapter[Any], since mypy has no common type for the adapters of a model and of a tagged union.
_ADAPTERS: dict[Dialect, TypeAdapter[Any]] = {
    "hours": TypeAdapter(list[_SettingInHours]),
    "object": TypeAdapter(list[_SettingAsObject]),
    "both": TypeAdapter(list[_SettingInEither]),
}
_NOT_KEPT = {"dataType", "syncSchedule", "isLocked"}
_NULL_IS_ABSENT = {"syncFromUtc", "syncFromWindow", "monthsToSync", "syncOrder"}


# Companies of one plan get the same list. It is validated once, and they share one object in memory.
@lru_cache(maxsize=4096)
def parsed_settings(settings_json: str, dialect: Dialect) -> Settings:
    """Parse the settings of a POST. Of two settings for one data type, the last one wins.

    ``isLocked`` is ignored, since a POST cannot lock. Unknown fields are kept. Raise ``pydantic.ValidationError`` with
    every problem if the list is not in the dialect.
    """
    posted = json.loads(settings_json)
    _ADAPTERS[dialect].validate_python(posted)
    return {setting["dataType"]: _parsed(setting) for setting in posted}


def _parsed(setting: dict[str, Any]) -> SyncSetting:
    schedule = setting["syncSchedule"]
    interval, hour = (
        (schedule["intervalHours"], schedule.get("hourOfDay", 0)) if isinstance(schedule, dict) else (schedule, 0)
    )
    fields = {
        name: value
        for name, value in setting.items()
        if name not in _NOT_KEPT and not (value is None and name in _NULL_IS_ABSENT)
    }
    return SyncSetting(setting["dataType"], interval, hour, fields)
