"""Sync settings, companies and connections as Codat shows them.

Data types and fields that this project does not know survive a round trip: Codat adds them without notice
(https://docs.codat.io/using-the-api/change-policy).
"""

from collections.abc import Mapping
from enum import IntEnum, StrEnum
from typing import Annotated, Any, Final, Generic, Self, TypeVar
from uuid import UUID

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    ModelWrapValidatorHandler,
    PrivateAttr,
    StrictInt,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.alias_generators import to_camel

DATA_TYPES = frozenset(
    """
    accountTransactions balanceSheet bankAccounts bankTransactions billCreditNotes billPayments bills
    cashFlowStatement chartOfAccounts company creditNotes customers directCosts directIncomes invoices itemReceipts
    items journalEntries journals paymentMethods payments profitAndLoss purchaseOrders salesOrders suppliers taxRates
    trackingCategories transfers
    banking-accountBalances banking-accounts banking-transactionCategories banking-transactions
    commerce-companyInfo commerce-customers commerce-disputes commerce-locations commerce-orders
    commerce-paymentMethods commerce-payments commerce-productCategories commerce-products commerce-taxComponents
    commerce-transactions
    """.split()
)
"""The data types of Codat's OpenAPI 3.0.0. Codat may add more at any time."""

REPORT_DATA_TYPES = frozenset({"balanceSheet", "profitAndLoss", "cashFlowStatement"})
"""The data types whose history is set by ``monthsToSync``; all others by ``syncFromWindow`` or ``syncFromUtc``.
https://docs.codat.io/knowledge-base/advanced-sync-settings"""


class Frequency(IntEnum):
    """How often Codat pulls a data type: the hours between two pulls, 0 for never."""

    OFF = 0
    HOURLY = 1
    DAILY = 24
    WEEKLY = 168
    MONTHLY = 720

    def __str__(self) -> str:
        return self.name.lower()


class Dialect(StrEnum):
    """The two published forms of ``syncSchedule``: ``{"intervalHours": 24, "hourOfDay": 2}``, or ``24``."""

    OBJECT = "object"
    HOURS = "hours"


class _CodatModel(BaseModel):
    model_config = ConfigDict(
        frozen=True, alias_generator=to_camel, validate_by_name=True, validate_by_alias=True, extra="allow"
    )


class SyncSchedule(_CodatModel):
    """An interval that Codat offers and, where the dialect has a place for it, the hour of day (UTC, 0 to 23)."""

    interval_hours: Frequency
    hour_of_day: Annotated[StrictInt, Field(ge=0, le=23)] | None = None

    @field_validator("interval_hours", mode="before")
    @classmethod
    def _no_number_in_disguise(cls, value: object) -> object:
        """Refuse true and "24", which a lenient parser takes for 1 and 24: Codat sends neither."""
        if type(value) is not int and not isinstance(value, Frequency):
            raise ValueError("an interval is a whole number of hours")
        return value

    @property
    def has_hour(self) -> bool:
        """Whether the hour of day has a meaning at this interval."""
        return self.interval_hours >= Frequency.DAILY

    def __str__(self) -> str:
        if self.has_hour and self.hour_of_day is not None:
            return f"{self.interval_hours} at {self.hour_of_day:02}:00"
        return str(self.interval_hours)


class SyncSetting(_CodatModel):
    """How often, and how far back, Codat pulls one data type.

    ``sync_schedule`` is the JSON as it came where Codat does not document such a schedule; it is sent back unchanged.
    """

    data_type: str
    fetch_on_first_link: bool | None = None
    sync_schedule: Annotated[SyncSchedule | JsonValue, Field(union_mode="left_to_right")] = None
    sync_from_utc: str | None = None
    sync_from_window: int | None = None
    months_to_sync: int | None = None
    is_locked: bool | None = None

    @field_validator("sync_schedule", mode="before")
    @classmethod
    def _from_hours(cls, value: object) -> object:
        return _BY_HOURS.get(value, value) if type(value) is int else value


_BY_HOURS: Final = {int(frequency): SyncSchedule(interval_hours=frequency) for frequency in Frequency}


class SyncSettings(_CodatModel):
    """The settings of a company, or of the account. Codat promises none of the fields in an answer."""

    settings: tuple[SyncSetting, ...] = ()
    overrides_defaults: bool = False
    _dialect: Dialect | None = PrivateAttr(default=None)

    @property
    def dialect(self) -> Dialect | None:
        """The dialect of Codat's answer, None where it showed no schedule."""
        return self._dialect

    def on_the_wire(self, dialect: Dialect) -> list[dict[str, JsonValue]]:
        """Return the settings in the form that Codat accepts, with all the fields that Codat sent, known here or not.

        The ``hours`` dialect has no place for the hour of day.
        """
        shown = self.model_dump(mode="json", by_alias=True, exclude_unset=True).get("settings", [])
        if dialect is Dialect.HOURS:
            for setting, fields in zip(self.settings, shown, strict=True):
                if isinstance(setting.sync_schedule, SyncSchedule):
                    fields["syncSchedule"] = int(setting.sync_schedule.interval_hours)
                fields.setdefault("syncOrder", 0)
        return list(shown)

    @model_validator(mode="wrap")
    @classmethod
    def _note_dialect(cls, answer: object, read: ModelWrapValidatorHandler[Self]) -> Self:
        settings = read(answer)
        if isinstance(answer, Mapping):
            settings._dialect = _dialect_of(answer)  # noqa: SLF001  # The class's own.
        return settings

    @field_validator("settings", "overrides_defaults", mode="before")
    @classmethod
    def _null_is_absent(cls, value: object, info: ValidationInfo) -> object:
        return cls.model_fields[str(info.field_name)].default if value is None else value


def _dialect_of(answer: Mapping[str, Any]) -> Dialect | None:
    """Return the dialect of an answer, None where it shows no schedule."""
    for setting in answer.get("settings") or ():
        schedule = setting.get("syncSchedule") if isinstance(setting, Mapping) else None
        if isinstance(schedule, Mapping):
            return Dialect.OBJECT
        if type(schedule) is int:
            return Dialect.HOURS
    return None


class Connection(_CodatModel):
    """A data source that a company has linked, or has yet to link."""

    id: UUID
    status: str
    platform_name: str | None = None
    integration_key: str | None = None
    source_type: str | None = None
    last_sync: str | None = None


class Company(_CodatModel):
    """A company at Codat. ``tags`` may carry its plan."""

    id: UUID
    name: str | None = None
    tags: dict[str, JsonValue] = Field(default_factory=dict)
    products: tuple[str, ...] = ()
    created: str | None = None
    last_sync: str | None = None

    @field_validator("tags", mode="before")
    @classmethod
    def _no_tags(cls, value: object) -> object:
        return {} if value is None else value

    @field_validator("products", mode="before")
    @classmethod
    def _no_products(cls, value: object) -> object:
        return () if value is None else value


_Item = TypeVar("_Item", bound=BaseModel)


class _Links(BaseModel):
    next: JsonValue = None


class Page(BaseModel, Generic[_Item]):
    """One page of a list. https://docs.codat.io/using-the-api/paging"""

    results: tuple[_Item, ...] | None = None
    links: Annotated[_Links | None, Field(alias="_links")] = None

    @property
    def has_next(self) -> bool:
        """Whether Codat links to another page. An empty page ends a list whatever it links to."""
        return bool(self.results and self.links and self.links.next)
