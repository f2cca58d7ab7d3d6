"""A deployed stack on Moto, and a simulated Codat."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import boto3
import pytest
from moto import mock_aws

from codat_sync.companies.records import CompanyPlans
from codat_sync.outcomes import parked_events
from local.codat_simulator.running import RunningSimulator, running_simulator
from ops.errors import StackNotFound
from ops.stack import Aws, Stack
from tests.ops.appconfig import IDS, FakeAppConfig
from tests.ops.on_call import ARN, BUS, KEY, QUEUES, TABLE, OnCall


class KeepingSession(boto3.Session):
    """A session that creates each client once, since that takes longer than most tests."""

    @cache  # noqa: B019  # There is one session, for all tests.
    def client(self, service: Any, **_: Any) -> Any:  # noqa: ANN401
        return super().client(service)


@pytest.fixture(scope="session")
def session() -> boto3.Session:
    return KeepingSession("testing", "testing", region_name="eu-west-2")


@pytest.fixture(scope="session")
def codat() -> Iterator[RunningSimulator]:
    with running_simulator(api_key=KEY) as simulator:
        yield simulator


@pytest.fixture
def on_call(session: boto3.Session, codat: RunningSimulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[OnCall]:
    monkeypatch.setattr(parked_events, "LONG_POLL_SECONDS", 0)
    monkeypatch.setattr(time, "sleep", lambda _: pytest.fail("nothing sleeps"))
    codat.account.reset()
    with mock_aws():
        sqs, dynamodb, events = session.client("sqs"), session.client("dynamodb"), session.client("events")
        urls = {name: sqs.create_queue(QueueName=queue)["QueueUrl"] for name, queue in QUEUES.items()}
        dynamodb.create_table(
            TableName=TABLE,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "companyId", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "companyId", "AttributeType": "S"}],
        )
        events.create_event_bus(Name=BUS)
        events.put_rule(Name="all", EventBusName=BUS, EventPattern=json.dumps({"account": ["123456789012"]}))
        events.put_targets(Rule="all", EventBusName=BUS, Targets=[{"Id": "bus", "Arn": f"{ARN}{QUEUES['bus']}"}])
        session.client("secretsmanager").create_secret(Name="codat-sync/api-key", SecretString=KEY)
        stack = Stack(
            name="codat-sync",
            outputs={"EventBusName": BUS, "CompanyPlansTableName": TABLE, **urls},
            parameters={
                "CodatBaseUrl": codat.url,
                "CodatApiKeySecretName": "codat-sync/api-key",
                "CompanyPlanTag": "plan",
                "ReconcileCallsPerMinute": "300",
                "ReconcileQuotaShare": "50",
            },
            aws=Aws(session),
        )

        def find(name: str) -> Stack:
            if name != stack.name:
                raise StackNotFound(f"there is no stack {name!r}", hint="name another")
            return stack

        monkeypatch.setattr(Stack, "find", find)
        caller = OnCall(codat.account, sqs, CompanyPlans(dynamodb, TABLE), urls, stack)
        yield caller
        # No command of any test has shown the API key.
        assert [result.output for result in caller.results if KEY in result.output] == []


@pytest.fixture
def appconfig(on_call: OnCall, monkeypatch: pytest.MonkeyPatch) -> FakeAppConfig:
    """Give the stack its presets in AppConfig."""
    fake, session = FakeAppConfig(), on_call.stack.aws.session

    class Session:
        def client(self, service: str, **connection: Any) -> Any:  # noqa: ANN401
            known: Any = session
            return fake if service.startswith("appconfig") else known.client(service, **connection)

    aws: Any = Session()
    stack = replace(
        on_call.stack,
        outputs={**on_call.stack.outputs, **IDS},
        parameters={**on_call.stack.parameters, "PresetsFromAppConfig": "true"},
        aws=Aws(aws),
    )
    monkeypatch.setattr("ops.stack.Stack.find", lambda _: stack)
    on_call.stack = stack
    return fake
