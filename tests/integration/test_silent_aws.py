"""Parts of AWS that accept a connection and never answer: the batch ends in time, and no message is lost.

Real sockets, and a real consumer in front of Moto for the other parts. The numbers are those of the functions at a
smaller scale.
"""

import json
import os
import re
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import pytest
import responses
from botocore.retries import standard

from codat_sync.aws import clients as aws
from codat_sync.aws.clients import AwsClients, Timeouts
from codat_sync.config import Config
from codat_sync.consuming import consume
from codat_sync.events.company_events import read_plan_event
from codat_sync.wiring import wire_consumer
from tests.fakes.events import plan_event
from tests.fakes.lambda_ import sqs_event
from tests.integration.surroundings import URL, Clients, arn, surroundings

FUNCTION_SECONDS: Final = 3.0
TIMEOUTS: Final = Timeouts(connect_seconds=0.1, read_seconds=0.15, backoff_seconds=0.05)
START_SECONDS: Final = 1.0 + 2 * TIMEOUTS.slowest_seconds
MESSAGES: Final = 10
ALL: Final = ("DYNAMODB", "SQS", "SECRETS_MANAGER", "EVENTBRIDGE")
SETTINGS: Final = {"overridesDefaults": True, "settings": [{"dataType": "invoices", "syncSchedule": 720}]}


@dataclass
class RunningOut:
    """A context whose time passes as it does."""

    ends: float = field(default_factory=lambda: time.monotonic() + FUNCTION_SECONDS)

    def get_remaining_time_in_millis(self) -> int:
        return int(1000 * (self.ends - time.monotonic()))


@pytest.fixture
def silent() -> Iterator[str]:
    """Listen on a port whose connections are accepted by the operating system, and answered by no one."""
    with socket.create_server(("127.0.0.1", 0), backlog=256) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def urls(monkeypatch: pytest.MonkeyPatch, clients: Clients) -> Iterator[dict[str, str]]:
    monkeypatch.setattr(aws, "ENDING_SECONDS", 0.2)
    monkeypatch.setattr(consume, "START_SECONDS", START_SECONDS)
    monkeypatch.setattr(standard.ExponentialBackoff, "delay_amount", lambda *_: TIMEOUTS.backoff_seconds)
    with surroundings(clients, "source") as urls:
        yield urls


@pytest.fixture(autouse=True)
def codat(urls: dict[str, str]) -> Iterator[responses.RequestsMock]:  # noqa: ARG001  # Inside of Moto's own mocks.
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mocked:
        settings = re.compile(f"{URL}/companies/.*/syncSettings")
        mocked.get(settings, json=SETTINGS)
        mocked.post(settings, status=204)
        yield mocked


def handle(*bodies: str, waited_hours: float = 0) -> set[str]:
    """Return which messages stay on the queue. Fail where the function would have been cut off."""
    consumer = wire_consumer(Config.from_env(os.environ), read_plan_event, clients=AwsClients(TIMEOUTS))
    batch = sqs_event(*bodies)
    for each in batch["Records"]:
        each["attributes"]["SentTimestamp"] = str(int(1000 * (time.time() - 3600 * waited_hours)))
        each["eventSourceARN"] = arn("source")
    context = RunningOut()
    answer = consumer.consume(batch, context)
    assert context.get_remaining_time_in_millis() > 0, "the batch ended after the function"
    return {str(each["itemIdentifier"]) for each in answer["batchItemFailures"]}


def silence(monkeypatch: pytest.MonkeyPatch, url: str, urls: dict[str, str], *services: str) -> None:
    """Lead the clients of these services to a port that does not answer."""
    os.environ["SOURCE_QUEUE_URL"] = urls["source"]
    for service in services:
        monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", url)
    if "SQS" in services:  # botocore sends a request of SQS to its queue's own URL.
        for name in ("SOURCE_QUEUE_URL", "FAILED_EVENTS_QUEUE_URL", "PAYMENT_REQUIRED_QUEUE_URL"):
            monkeypatch.setenv(name, f"{url}/123456789012/queue")


def companies(count: int = MESSAGES) -> list[str]:
    return [plan_event("growth", company=UUID(int=number + 1)) for number in range(count)]


EVERY_MESSAGE: Final = {f"m{number}" for number in range(MESSAGES)}


@pytest.mark.parametrize(
    ("services", "threads"),
    [(("DYNAMODB",), "4"), (("SECRETS_MANAGER",), "4"), (ALL, "1"), (ALL, "10")],
    ids=["table", "secret", "all, one thread", "all, ten threads"],
)
def test_ten_companies_stay_on_their_queue(
    monkeypatch: pytest.MonkeyPatch, silent: str, urls: dict[str, str], services: tuple[str, ...], threads: str
) -> None:
    silence(monkeypatch, silent, urls, *services)
    monkeypatch.setenv("MAX_CONCURRENT_COMPANIES", threads)
    assert handle(*companies()) == EVERY_MESSAGE


@pytest.mark.parametrize("waited_hours", [0, 200], ids=["to be deferred", "to be parked"])
def test_ten_events_of_one_company_stay_on_their_queue(
    monkeypatch: pytest.MonkeyPatch, silent: str, urls: dict[str, str], waited_hours: int
) -> None:
    silence(monkeypatch, silent, urls, *ALL)
    bodies = [plan_event("growth", minutes=number) for number in range(MESSAGES)]
    assert handle(*bodies, waited_hours=waited_hours) == EVERY_MESSAGE


def test_what_cannot_be_parked_stays_on_its_queue(
    monkeypatch: pytest.MonkeyPatch, silent: str, urls: dict[str, str]
) -> None:
    silence(monkeypatch, silent, urls, "SQS")
    assert handle(*["not an event"] * MESSAGES) == EVERY_MESSAGE


def test_what_cannot_be_deferred_waits_for_its_queues_own_time(
    monkeypatch: pytest.MonkeyPatch, silent: str, urls: dict[str, str], codat: responses.RequestsMock
) -> None:
    silence(monkeypatch, silent, urls, "SQS")
    codat.replace(responses.GET, re.compile(f"{URL}/companies/.*/syncSettings"), status=500)
    assert handle(*companies()) == EVERY_MESSAGE


def test_a_silent_bus_keeps_no_event_from_its_outcome(
    monkeypatch: pytest.MonkeyPatch, silent: str, urls: dict[str, str], clients: Clients
) -> None:
    silence(monkeypatch, silent, urls, "EVENTBRIDGE")
    assert handle(*companies(3)) == set()
    assert clients.dynamodb.scan(TableName="company-plans")["Count"] == 3


@pytest.mark.parametrize("service", ["DYNAMODB", "SECRETS_MANAGER"])
def test_the_log_names_the_host_that_is_silent_without_a_trace(
    monkeypatch: pytest.MonkeyPatch, silent: str, urls: dict[str, str], caplog: pytest.LogCaptureFixture, service: str
) -> None:
    silence(monkeypatch, silent, urls, service)
    caplog.set_level("INFO")
    handle(*companies(1))
    (settled,) = [vars(each) for each in caplog.records if each.msg == "event_settled"]
    assert settled["reason"] == "aws_unavailable"
    assert silent in settled["words"]
    assert not [each for each in caplog.records if each.exc_info]


def test_the_wait_counts_no_unexpected_error(
    monkeypatch: pytest.MonkeyPatch, silent: str, urls: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    silence(monkeypatch, silent, urls, "DYNAMODB")
    handle(*companies(1))
    metrics = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith('{"_aws"')]
    assert [each["reason"] for each in metrics if "Failures" in each] == ["aws_unavailable"]
