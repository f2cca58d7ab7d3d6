"""A client of the simulator, and the settings, clock and assertions that its tests share."""

import base64
import re
from datetime import UTC, datetime
from typing import Any

import requests

from local.codat_simulator.account import Account
from local.codat_simulator.running import RunningSimulator

COMPANY = "8a210b68-6988-11ed-a1eb-0242ac120002"
OTHER = "846ed55c-974b-4392-a1f1-87b6fdbf3c5e"
SETTINGS = f"/companies/{COMPANY}/syncSettings"
SETTINGS_ROUTE = "/companies/{companyId}/syncSettings"
NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class Clock:
    """A clock that only a test moves."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


class Holds:
    """Replaces waiting: records for how long, and how often COMPANY was written by then."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.writes_by_then: list[int] = []
        self.account: Account | None = None

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        company = self.account.companies.get(COMPANY) if self.account else None
        self.writes_by_then.append(company.write_count if company else 0)


class Codat:
    """A client of the simulator that adds only the API key to a request."""

    def __init__(self, simulator: RunningSimulator) -> None:
        self._simulator = simulator
        self.session = requests.Session()
        self.session.trust_env = False

    def __call__(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        timeout: float = 10,
        stream: bool = False,
        **headers: str,
    ) -> requests.Response:
        key = base64.b64encode(self._simulator.api_key.encode()).decode()
        return self.session.request(
            method,
            self._simulator.url + path,
            headers={"Authorization": f"Basic {key}"} | headers,
            json=body,
            timeout=timeout,
            stream=stream,
        )

    def set(self, *settings: dict[str, object], overrides: bool = True) -> requests.Response:
        return self(
            "POST",
            SETTINGS,
            {"companyId": COMPANY, "settings": list(settings), "overridesDefaults": overrides},
        )

    def settings(self) -> dict[str, dict[str, Any]]:
        body = self("GET", SETTINGS).json()
        return {setting["dataType"]: setting for setting in body["settings"]}


def in_hours(data_type: str = "invoices", hours: object = 24, **fields: object) -> dict[str, object]:
    return {"dataType": data_type, "fetchOnFirstLink": True, "syncSchedule": hours, "syncOrder": 3, **fields}


def as_object(data_type: str = "invoices", hours: object = 24, hour: object = 2, **fields: object) -> dict[str, object]:
    schedule = {"intervalHours": hours, "hourOfDay": hour}
    return {"dataType": data_type, "fetchOnFirstLink": True, "syncSchedule": schedule, **fields}


def assert_refused(answer: requests.Response, status: int, error: str, service: str = "PublicApi") -> dict[str, Any]:
    body: dict[str, Any] = answer.json()
    assert answer.status_code == status
    assert body["statusCode"] == status
    assert body["error"] == error
    assert body["service"] == service
    assert body["canBeRetried"] == "Unknown"
    assert body["detailedErrorCode"] == 0
    assert re.fullmatch("[0-9a-f]{32}", body["correlationId"])
    return body


NOT_VALID = "Error processing request - not valid."
