"""The parts of a function are put together with clients that give up in time."""

from typing import Any

from codat_sync import wiring
from codat_sync.aws.clients import TIMEOUTS
from codat_sync.config import Config
from tests.fakes.clock import NOW


def test_every_client_of_a_function_gives_up_within_its_reserved_time() -> None:
    queues = ("FAILED_EVENTS_QUEUE_URL", "PAYMENT_REQUIRED_QUEUE_URL", "SOURCE_QUEUE_URL")
    names = (
        "CODAT_API_KEY_SECRET_NAME",
        "COMPANY_PLANS_TABLE_NAME",
        "EVENT_BUS_NAME",
        "POWERTOOLS_METRICS_NAMESPACE",
    )
    config = Config.from_env({"CODAT_BASE_URL": "https://api.codat.io", **dict.fromkeys([*queues, *names], "x")})
    parts = wiring._Parts(config, lambda: NOW)
    secrets: Any = parts.codat._api_key
    clients: list[Any] = [parts.sqs, parts.dynamodb, parts.announcements._events, secrets._secrets.client]
    for each in clients:
        timeouts = each.meta.config
        assert (timeouts.connect_timeout, timeouts.read_timeout) == (TIMEOUTS.connect_seconds, TIMEOUTS.read_seconds)
        assert timeouts.retries == {"total_max_attempts": TIMEOUTS.attempts, "mode": "standard"}
