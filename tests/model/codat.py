"""A Codat account in memory: paid, free, expired or out of quota, as a test decides."""

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from codat_sync.codat.errors import PaymentRequired, PaymentRequiredKind, RateLimited
from codat_sync.codat.models import Frequency, SyncSettings
from tests.fakes.codat import hourly_types, setting, settings

ACCOUNT_SETTINGS: Final = settings(setting("invoices", Frequency.OFF), setting("bills", Frequency.OFF)).model_copy(
    update={"overrides_defaults": False}
)
"""No preset has these settings."""


class Account(StrEnum):
    """The state of the account's bill."""

    PAID = "paid"
    FREE = "free"
    """Codat allows no hourly schedule."""
    EXPIRED = "expired"
    """Codat refuses every call."""


class ModelCodat:
    """The settings of companies as Codat keeps them: a write replaces all of them, and the last writer wins."""

    def __init__(self, now: Callable[[], datetime], shows_nothing_for: UUID) -> None:
        self._now = now
        self._shows_nothing_for = shows_nothing_for
        self.account = Account.PAID
        self.no_quota_until: datetime | None = None
        self.edited: set[UUID] = set()
        """The companies whose settings were changed in Codat's Portal since they were last written."""
        self._own: dict[UUID, SyncSettings] = {}

    def get_sync_settings(self, company_id: UUID) -> SyncSettings:
        """Return a company's settings; without any of its own, those of the account, or an empty list."""
        self._refuse()
        if company_id not in self._own and company_id == self._shows_nothing_for:
            return SyncSettings()
        return self.in_force(company_id)

    def get_account_sync_settings(self) -> SyncSettings:
        self._refuse()
        return ACCOUNT_SETTINGS

    def update_sync_settings(self, company_id: UUID, settings: SyncSettings) -> None:
        self._refuse()
        if self.account is Account.FREE and settings.overrides_defaults and hourly_types(settings):
            raise PaymentRequired("Sync schedule not allowed", kind=PaymentRequiredKind.HOURLY_NOT_ALLOWED)
        self.edited.discard(company_id)
        self._put(company_id, settings)

    def edit(self, company_id: UUID, settings: SyncSettings) -> None:
        """Change a company's settings as in Codat's Portal, behind the back of all functions."""
        self.edited.add(company_id)
        self._put(company_id, settings)

    def queue_refresh(self, company_id: UUID, data_type: str) -> bool:
        """Return whether the company has the data type: the pull itself ends at once."""
        self._refuse()
        return any(each.data_type == data_type for each in self.in_force(company_id).settings)

    def in_force(self, company_id: UUID) -> SyncSettings:
        """Return the settings that apply to a company."""
        return self._own.get(company_id, ACCOUNT_SETTINGS)

    def _put(self, company_id: UUID, settings: SyncSettings) -> None:
        if settings.overrides_defaults:
            self._own[company_id] = settings
        else:
            self._own.pop(company_id, None)

    def _refuse(self) -> None:
        now = self._now()
        if self.account is Account.EXPIRED:
            raise PaymentRequired("Account expired", kind=PaymentRequiredKind.ACCOUNT_EXPIRED)
        if self.no_quota_until is not None and now < self.no_quota_until:
            raise RateLimited("quota used up", retry_after=self.no_quota_until - now)
