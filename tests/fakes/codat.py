"""Fakes of the room ``codat``: an account that remembers, and settings as Codat shows them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from codat_sync.codat.client import ApiKey
from codat_sync.codat.errors import PaymentRequired, PaymentRequiredKind
from codat_sync.codat.models import Frequency, SyncSchedule, SyncSetting, SyncSettings


def fixed_key(key: str) -> ApiKey:
    """Return a source of one API key, which never fetches another."""

    def answer(*, rejected: str | None = None) -> str:
        return rejected or key

    return answer


def setting(data_type: str, frequency: Frequency = Frequency.MONTHLY, **more: Any) -> SyncSetting:  # noqa: ANN401
    """Return a setting as Codat shows it in the hours dialect."""
    schedule = SyncSchedule(interval_hours=frequency)
    return SyncSetting(data_type=data_type, fetch_on_first_link=True, sync_schedule=schedule, **more)


def settings(*listed: SyncSetting) -> SyncSettings:
    """Return a company's settings, which override the account's."""
    return SyncSettings(settings=listed, overrides_defaults=True)


def hourly_types(shown: SyncSettings) -> set[str]:
    """Return the data types that are pulled every hour."""
    return {
        each.data_type
        for each in shown.settings
        if isinstance(each.sync_schedule, SyncSchedule) and each.sync_schedule.interval_hours is Frequency.HOURLY
    }


@dataclass
class FakeCodat:
    """Codat with a memory. ``failures`` are raised by the next calls, one each; None lets a call pass."""

    companies: dict[UUID, SyncSettings] = field(default_factory=dict)
    defaults: SyncSettings = field(default_factory=SyncSettings)
    has_hourly: bool = True
    failures: list[Exception | None] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    before_write: Callable[[], None] = lambda: None

    def get_sync_settings(self, company_id: UUID) -> SyncSettings:
        self._answer("get")
        return self.companies.setdefault(company_id, settings(setting("invoices"), setting("company")))

    def get_account_sync_settings(self) -> SyncSettings:
        self._answer("get account")
        return self.defaults

    def update_sync_settings(self, company_id: UUID, settings: SyncSettings) -> None:
        self.before_write()
        self._answer("update")
        if not self.has_hourly and hourly_types(settings):
            raise PaymentRequired("Sync schedule not allowed", kind=PaymentRequiredKind.HOURLY_NOT_ALLOWED)
        self.companies[company_id] = settings

    def queue_refresh(self, company_id: UUID, data_type: str) -> bool:
        self._answer(f"refresh {data_type}")
        return company_id in self.companies

    def frequency(self, company_id: UUID, data_type: str) -> Frequency:
        """Return the frequency that is in force for one data type."""
        (shown,) = (each for each in self.companies[company_id].settings if each.data_type == data_type)
        assert isinstance(shown.sync_schedule, SyncSchedule)
        return shown.sync_schedule.interval_hours

    def _answer(self, call: str) -> None:
        self.calls.append(call)
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None:
            raise failure
