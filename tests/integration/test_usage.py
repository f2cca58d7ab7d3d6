"""What a live event uses of AWS and Codat is what the table of costs in docs/deploy.md reckons with."""

import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
import responses

from codat_sync.observability import logger
from local.cost.usage import APPLIED, LAMBDA_LINES_BYTES
from local.dashboard.recorder import EVENT_BYTES, embedded
from local.dashboard.recording import Metric
from tests.integration.surroundings import Clients, surroundings
from tests.integration.test_outcomes import SETTINGS, SHOWN, Deployed, event

QUOTA = {"X-Rate-Limit-Limit": "1000", "X-Rate-Limit-Remaining": "7"}


@dataclass(frozen=True)
class Used:
    """What one applied event used. A line of the log is charged with its own bytes and some more."""

    requests: Counter[str]
    codat_calls: int
    lines: list[str]

    @property
    def metrics(self) -> set[Metric]:
        return {metric for line in self.lines for metric, _, _ in embedded(line)}


@pytest.fixture
def used(
    clients: Clients,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Used]:
    """Have the function apply one event, in a process without a logger, as Lambda starts it."""
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", request.node.name)
    monkeypatch.setenv("DETAILED_METRICS", getattr(request, "param", "false"))
    logger.cache_clear()
    requests: Counter[str] = Counter()

    def count(model: Any, **_: object) -> None:  # noqa: ANN401  # botocore's.
        requests[f"{model.service_model.service_name}.{model.name}"] += 1

    with surroundings(clients, "source") as urls, responses.RequestsMock() as codat:
        os.environ["SOURCE_QUEUE_URL"] = urls["source"]
        codat.get(SETTINGS, json=SHOWN, headers=QUOTA)
        codat.post(SETTINGS, status=204, headers=QUOTA)
        boto3.setup_default_session()  # Of the function. The test's own clients have another one.
        boto3._get_default_session().events.register("after-call", count)
        stack = Deployed(clients, urls["source"], urls["payment-required"], urls["failed-events"], urls["subscriber"])
        assert stack.deliver(event("starter")) == []
        yield Used(requests, len(codat.calls), capsys.readouterr().out.splitlines())
    logger.cache_clear()


def test_an_applied_event_makes_the_requests_that_the_costs_reckon_with(used: Used) -> None:
    assert used.requests == {
        "dynamodb.UpdateItem": APPLIED.dynamodb_writes,
        "dynamodb.GetItem": APPLIED.dynamodb_reads,
        "secretsmanager.GetSecretValue": APPLIED.secret_reads,
        "events.PutEvents": APPLIED.bus_events - 1,  # The other one is the producer's.
    }
    assert used.codat_calls == APPLIED.codat_calls


def test_an_applied_event_has_the_metrics_that_the_costs_reckon_with(used: Used) -> None:
    assert len(used.metrics) == APPLIED.metrics


@pytest.mark.parametrize("used", ["true"], indirect=True, ids=["DetailedMetrics"])
def test_in_detail_an_applied_event_has_as_many_more_as_the_costs_reckon_with(used: Used) -> None:
    assert len(used.metrics) == APPLIED.metrics + APPLIED.detailed_metrics


def test_an_applied_event_logs_no_more_than_the_costs_reckon_with(used: Used) -> None:
    (settled,) = [line for line in used.lines if "event_settled" in line]
    assert json.loads(settled)["outcome"] == "applied"
    logged = sum(len(line.encode()) + EVENT_BYTES for line in used.lines)
    assert APPLIED.logged_bytes / 2 < logged + LAMBDA_LINES_BYTES <= APPLIED.logged_bytes
