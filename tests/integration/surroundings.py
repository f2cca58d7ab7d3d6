"""AWS around the functions, in Moto: queues, the event bus and a subscriber, the API key, the table."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import boto3
from moto import mock_aws

from tests.fakes.aws import create_company_plans_table

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient

URL = "https://api.codat.io"
SECRET = "codat-sync/api-key"  # noqa: S105  # A name.


@dataclass(frozen=True)
class Clients:
    """The clients with which tests look at AWS. All tests share them: a client keeps no state, and Moto answers it.

    The functions under test make clients of their own.
    """

    sqs: "SQSClient"
    dynamodb: "DynamoDBClient"
    events: "EventBridgeClient"
    secrets: "SecretsManagerClient"

    @classmethod
    def of_moto(cls) -> Self:
        """Return clients with credentials of their own, whatever the environment has when they are made."""
        session = boto3.session.Session("testing", "testing", region_name="eu-west-2")
        return cls(
            session.client("sqs"),
            session.client("dynamodb"),
            session.client("events"),
            session.client("secretsmanager"),
        )


@contextmanager
def surroundings(clients: Clients, *queues: str) -> Iterator[dict[str, str]]:
    """Set up AWS in Moto, and an environment that leads there. Yield the URLs of the queues by name.

    There are two DLQs beside the queues that are asked for, and ``subscriber``, which gets all announcements.
    """
    with mock_aws():
        names = (*queues, "payment-required", "failed-events", "subscriber")
        urls = {name: clients.sqs.create_queue(QueueName=name)["QueueUrl"] for name in names}
        clients.events.create_event_bus(Name="the-bus")
        clients.events.put_rule(Name="subscriber", EventBusName="the-bus", EventPattern='{"source": ["codat-sync"]}')
        clients.events.put_targets(
            Rule="subscriber", EventBusName="the-bus", Targets=[{"Id": "queue", "Arn": arn("subscriber")}]
        )
        clients.secrets.create_secret(Name=SECRET, SecretString="an-api-key")
        create_company_plans_table(clients.dynamodb)
        os.environ.update(
            CODAT_API_KEY_SECRET_NAME=SECRET,
            CODAT_BASE_URL=URL,
            COMPANY_PLANS_TABLE_NAME="company-plans",
            EVENT_BUS_NAME="the-bus",
            FAILED_EVENTS_QUEUE_URL=urls["failed-events"],
            PAYMENT_REQUIRED_QUEUE_URL=urls["payment-required"],
        )
        yield urls


def arn(queue: str) -> str:
    """Return the ARN of a queue in Moto."""
    return f"arn:aws:sqs:eu-west-2:123456789012:{queue}"


def record(message: Any, queue: str) -> dict[str, Any]:  # noqa: ANN401  # As boto3 gives it.
    """Return a received message as Lambda hands it to a function."""
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
        "messageAttributes": {
            name: {"dataType": value["DataType"], "stringValue": value["StringValue"]}
            for name, value in message.get("MessageAttributes", {}).items()
        },
        "eventSource": "aws:sqs",
        "eventSourceARN": arn(queue),
        "awsRegion": "eu-west-2",
    }
