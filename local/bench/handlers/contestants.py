"""The handlers that are compared. Each consumes Lambda's events and knows its own CPU time."""

import base64
import json
import os
from collections.abc import Mapping
from typing import Any, Final, Protocol

import requests

from codat_sync.codat.models import Dialect, SyncSettings
from codat_sync.config import Config
from codat_sync.events.company_events import read_plan_event
from codat_sync.wiring import wire_consumer
from local.bench.handlers.aws import ENVIRONMENT, InProcessAws
from local.bench.handlers.presets import ANY_COMPANY
from local.bench.handlers.sdk import SdkHandler
from local.presets import local_presets


class Contestant(Protocol):
    """A handler of plan changes."""

    def consume(self, event: dict[str, Any]) -> None:
        """Handle a batch."""

    @property
    def seconds_of_others(self) -> float:
        """The CPU time in this process that is not the handler's."""


class _NoEnd:
    def get_remaining_time_in_millis(self) -> int:
        return 900_000


class ThisProject:
    """The handler of this project, wired as in Lambda."""

    def __init__(self, codat_url: str, api_key: str, companies_at_a_time: int) -> None:
        self._aws = InProcessAws(api_key)
        at_codat = {"CODAT_BASE_URL": codat_url, "MAX_CONCURRENT_COMPANIES": str(companies_at_a_time)}
        self._consumer = wire_consumer(Config.from_env({**os.environ, **ENVIRONMENT, **at_codat}), read_plan_event)

    def consume(self, event: dict[str, Any]) -> None:
        left = self._consumer.consume(event, _NoEnd())["batchItemFailures"]
        if left:
            raise RuntimeError(f"{len(left)} events were deferred")

    @property
    def seconds_of_others(self) -> float:
        return self._aws.own_seconds


class ApiDestination:
    """What an API destination of EventBridge does: one call for each event, with a body made of it, and no look."""

    def __init__(self, codat_url: str, api_key: str, _companies_at_a_time: int) -> None:
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["Authorization"] = f"Basic {base64.b64encode(api_key.encode()).decode()}"
        self._url = codat_url
        self._settings = {
            plan: local_presets().for_company(plan, ANY_COMPANY).over(SyncSettings()).on_the_wire(Dialect.HOURS)
            for plan in local_presets().plans
        }

    seconds_of_others = 0.0

    def consume(self, event: dict[str, Any]) -> None:
        for record in event["Records"]:
            detail = json.loads(record["body"])["detail"]
            company = detail["companyId"]
            body = {"companyId": company, "overridesDefaults": True, "settings": self._settings[detail["plan"]]}
            answer = self._session.post(f"{self._url}/companies/{company}/syncSettings", json=body, timeout=10)
            answer.raise_for_status()


CONTESTANTS: Final[Mapping[str, type[ThisProject | SdkHandler | ApiDestination]]] = {
    "this project": ThisProject,
    "SDK handler": SdkHandler,
    "API destination": ApiDestination,
}
