"""One company that is answered badly costs its own event: nine of ten are applied, in time, with little memory.

The function, AWS (Moto) and Codat (the simulator) are processes of their own, or nearly so, and speak over sockets. The
client's constants in seconds are scaled down; the mechanism is the one that runs in Lambda.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any
from uuid import UUID

import boto3
import pytest
from botocore.config import Config

from local.bench.aws import aws
from local.bench.messages import plan_changed, sqs_event
from local.bench.population import Population
from local.bench.subprocesses import Subprocess, subprocess_of
from local.codat_simulator.account import Account
from local.codat_simulator.faults import Fault
from local.codat_simulator.running import running_simulator
from tests.wire.function import Invocation, function

KEY = "simulated-codat-api-key"
SCALED = {"CONNECT_SECONDS": 1.0, "READ_SECONDS": 0.5, "BACKOFF_SECONDS": 0.01, "REQUEST_SECONDS": 0.8}
BETWEEN_BYTES = 0.1
LAMBDA_SECONDS = 60.0
LAMBDA_BYTES = 256 * 1024 * 1024
IN_TIME = 10.0
"""Seconds: one for a request, and much for a busy machine. With a wait without an end the function would be killed."""
TEN = [UUID(int=number) for number in range(1, 11)]
VICTIM = str(TEN[4])


@dataclass
class Deployed:
    """The function, its queue, and the Codat that it calls."""

    function: Subprocess
    account: Account
    sqs: Any
    queue: str
    received: list[str] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def change_plans(self) -> dict[str, Any]:
        """Send a plan change for each of ten companies, and return the batch that Lambda receives."""
        for receipt in self.received:  # What an earlier test left on the queue would come back some time.
            self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=receipt)
        number = next(self.numbers)
        plan = ("growth", "starter")[number % 2]
        for company_id in TEN:
            body = plan_changed(company_id, plan, f"event-{number}/{company_id}", datetime.now(UTC))
            self.sqs.send_message(QueueUrl=self.queue, MessageBody=body)
        received = self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10)["Messages"]
        self.received = [each["ReceiptHandle"] for each in received]
        return sqs_event([each["Body"] for each in received], self.received)

    def invoke(self, event: dict[str, Any]) -> Invocation:
        invocation: Invocation = self.function.call("invoke", event, LAMBDA_SECONDS)
        return invocation

    def writes(self) -> dict[str, int]:
        return {company_id: company.write_count for company_id, company in self.account.companies.items()}


@pytest.fixture(scope="module")
def running() -> Iterator[Deployed]:
    """Run all parts once for this module: a warm function, whose memory would show what it keeps."""
    with ExitStack() as stack:
        simulator = stack.enter_context(running_simulator(api_key=KEY))
        moto = stack.enter_context(subprocess_of(aws, Population(0), KEY))
        moto.wait_until_ready()
        environment: Mapping[str, str] = moto.call("environment")
        environment = {**environment, "CODAT_BASE_URL": simulator.url, "MAX_CONCURRENT_COMPANIES": "4"}
        lambda_ = stack.enter_context(subprocess_of(function, environment, SCALED))
        lambda_.wait_until_ready()
        sqs = boto3.client(
            "sqs",
            endpoint_url=environment["AWS_ENDPOINT_URL"],
            region_name=environment["AWS_DEFAULT_REGION"],
            aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
            config=Config(proxies={}),
        )
        for company_id in TEN:
            simulator.account.add_company(str(company_id))
        yield Deployed(lambda_, simulator.account, sqs, environment["SOURCE_QUEUE_URL"])


@pytest.fixture
def deployed(running: Deployed) -> Iterator[Deployed]:
    yield running
    running.account.faults.clear()


UNREACHABLE, UNEXPECTED, NOT_CODAT = "unreachable", "unexpected_answer", "not_codat"


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"wire": "drip-headers"}, UNREACHABLE),
        ({"wire": "drip-body"}, UNREACHABLE),
        ({"wire": "drip-chunks"}, UNREACHABLE),
        ({"wire": "drip-headers", "method": "POST", "moment": "after"}, UNREACHABLE),
        ({"wire": "endless-body"}, UNREACHABLE),
        ({"wire": "endless-chunks"}, UNREACHABLE),
        ({"wire": "bomb"}, UNREACHABLE),
        ({"wire": "bomb", "method": "POST"}, UNREACHABLE),
        ({"wire": "cut"}, UNREACHABLE),
        ({"wire": "reset"}, UNREACHABLE),
        ({"wire": "reset", "method": "POST", "moment": "after"}, UNREACHABLE),
        ({"wire": "other-company"}, UNEXPECTED),
        ({"wire": "other-company", "method": "POST"}, UNEXPECTED),
        ({"status": 403, "body": "html"}, NOT_CODAT),
        ({"status": 503, "body": "empty", "holdSeconds": 0.1}, "server_error"),
    ],
    ids=lambda value: "-".join(str(each) for each in value.values()) if isinstance(value, dict) else str(value),
)
def test_nine_of_ten_are_applied_in_time_and_the_tenth_once_it_is_answered(
    deployed: Deployed, fault: dict[str, object], reason: str
) -> None:
    batch, before = deployed.change_plans(), deployed.writes()
    (message,) = [each for each in batch["Records"] if json.loads(each["body"])["detail"]["companyId"] == VICTIM]
    deployed.account.faults.add(
        Fault.model_validate({"method": "GET", "companyId": VICTIM, "dripSeconds": BETWEEN_BYTES, **fault})
    )

    invocation = deployed.invoke(batch)
    assert invocation.failed == [message["messageId"]]
    assert invocation.reasons == {VICTIM: reason}
    others = {company_id: writes for company_id, writes in deployed.writes().items() if company_id != VICTIM}
    assert others == {company_id: before[company_id] + 1 for company_id in others}
    assert invocation.seconds < IN_TIME
    assert invocation.peak_bytes < LAMBDA_BYTES

    deployed.account.faults.clear()
    message["attributes"]["ApproximateReceiveCount"] = "2"
    assert deployed.invoke({"Records": [message]}).failed == []
    assert deployed.writes()[VICTIM] > before[VICTIM]


def test_ten_of_ten_that_explode_fit_into_lambdas_memory(deployed: Deployed) -> None:
    deployed.account.faults.add(Fault(wire="bomb"))
    invocation = deployed.invoke(deployed.change_plans())
    assert len(invocation.failed) == 10
    assert invocation.peak_bytes < LAMBDA_BYTES
