"""The parts of a function are put together with clients that give up in time."""

from typing import Any

from codat_sync import wiring
from codat_sync.announcements import ATTEMPTS, CONNECT_SECONDS, READ_SECONDS
from codat_sync.config import Config
from tests.fakes.clock import NOW


def test_the_client_of_the_event_bus_gives_up_within_its_reserved_time() -> None:
    queues = ("FAILED_EVENTS_QUEUE_URL", "PAYMENT_REQUIRED_QUEUE_URL", "SOURCE_QUEUE_URL")
    names = (
        "CODAT_API_KEY_SECRET_NAME",
        "COMPANY_PLANS_TABLE_NAME",
        "EVENT_BUS_NAME",
        "POWERTOOLS_METRICS_NAMESPACE",
    )
    config = Config.from_env({"CODAT_BASE_URL": "https://api.codat.io", **dict.fromkeys([*queues, *names], "x")})
    client = wiring._Parts(config, lambda: NOW).announcements._events
    settings_of_client: Any = client.meta.config
    assert (settings_of_client.connect_timeout, settings_of_client.read_timeout) == (CONNECT_SECONDS, READ_SECONDS)
    assert settings_of_client.retries == {"total_max_attempts": ATTEMPTS, "mode": "standard"}
