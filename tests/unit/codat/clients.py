"""Clients of Codat for the tests, and the request that each of their methods makes."""

import base64
import json
from collections.abc import Callable
from typing import Any

import responses

from codat_sync.codat.client import (
    CodatClient,
)
from codat_sync.codat.models import Dialect, Frequency, SyncSchedule, SyncSetting, SyncSettings
from tests.fakes.clock import NOW
from tests.fakes.companies import COMPANY

URL = "https://api.codat.io"
SETTINGS_URL = f"{URL}/companies/{COMPANY}/syncSettings"
KEY = "WDEUmQPlTuMF2vpYDSyTMWAdbKvOkk0fhmXcShQV"
OTHER_KEY = "gTNThSHL4vfTMdd2EDTgiTiwAZ4cPTJeWZ1hEUsv"
OBJECT_FORM = {"settings": [{"dataType": "invoices", "syncSchedule": {"intervalHours": 24, "hourOfDay": 2}}]}
HOURS_FORM = {"settings": [{"dataType": "invoices", "syncSchedule": 24, "syncOrder": 0}]}
NO_SETTINGS: dict[str, object] = {"settings": [], "overridesDefaults": False}
WANTED = SyncSettings(
    settings=(SyncSetting(data_type="invoices", sync_schedule=SyncSchedule(interval_hours=Frequency.DAILY)),),
    overrides_defaults=True,
)


class Keys:
    """A source of API keys: the next one replaces a rejected one, as long as there is another."""

    def __init__(self, *keys: str) -> None:
        self._keys = list(keys)
        self.rejected: list[str] = []

    def __call__(self, *, rejected: str | None = None) -> str:
        if rejected is not None:
            self.rejected.append(rejected)
            if rejected == self._keys[0] and len(self._keys) > 1:
                self._keys.pop(0)
        return self._keys[0]


def client_of(url: str = URL, *keys: str, dialect: Dialect | None = None) -> CodatClient:
    return CodatClient(url, Keys(*keys or (KEY,)), dialect=dialect, now=lambda: NOW)


def basic(key: str) -> str:
    return "Basic " + base64.b64encode(key.encode()).decode()


CALLS: dict[str, tuple[str, Callable[[CodatClient], object]]] = {
    "get_sync_settings": (
        f"GET /companies/{COMPANY}/syncSettings",
        lambda codat: codat.get_sync_settings(COMPANY),
    ),
    "get_account_sync_settings": ("GET /profile/syncSettings", lambda codat: codat.get_account_sync_settings()),
    "update_sync_settings": (
        f"POST /companies/{COMPANY}/syncSettings",
        lambda codat: codat.update_sync_settings(COMPANY, WANTED),
    ),
    "get_company": (f"GET /companies/{COMPANY}", lambda codat: codat.get_company(COMPANY)),
    "list_companies": ("GET /companies", lambda codat: list(codat.list_companies())),
    "list_connections": (
        f"GET /companies/{COMPANY}/connections",
        lambda codat: list(codat.list_connections(COMPANY)),
    ),
    "queue_refresh": (f"POST /companies/{COMPANY}/data/all", lambda codat: codat.queue_refresh(COMPANY)),
}


def sent_json(http: responses.RequestsMock) -> list[Any]:
    """Return the bodies of all POSTs."""
    return [json.loads(call.request.body or b"") for call in http.calls if call.request.method == "POST"]
