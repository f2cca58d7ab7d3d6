"""What the functions find around them, in memory: queues, the bus and who listens there, the key, the table."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from moto import mock_aws

URL = "https://api.codat.io"


@contextmanager
def surroundings(*queues: str) -> Iterator[dict[str, str]]:
    """AWS in memory, and an environment that leads there; the URLs of the queues, by name.

    To those that are asked for come both DLQs, and ``subscriber``, which gets all that this stack says on the bus.
    """
    with mock_aws():
        sqs, bus = boto3.client("sqs"), boto3.client("events")
        names = (*queues, "payment-required", "failed-events", "subscriber")
        urls = {name: sqs.create_queue(QueueName=name)["QueueUrl"] for name in names}
        bus.create_event_bus(Name="the-bus")
        bus.put_rule(Name="subscriber", EventBusName="the-bus", EventPattern='{"source": ["codat-sync"]}')
        bus.put_targets(Rule="subscriber", EventBusName="the-bus", Targets=[{"Id": "queue", "Arn": arn("subscriber")}])
        boto3.client("secretsmanager").create_secret(Name="codat-sync/api-key", SecretString="an-api-key")
        boto3.client("dynamodb").create_table(
            TableName="company-plans",
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "companyId", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "companyId", "AttributeType": "S"}],
        )
        os.environ.update(
            CODAT_API_KEY_SECRET_NAME="codat-sync/api-key",  # noqa: S106  # A name.
            CODAT_BASE_URL=URL,
            COMPANY_PLANS_TABLE_NAME="company-plans",
            EVENT_BUS_NAME="the-bus",
            FAILED_EVENTS_QUEUE_URL=urls["failed-events"],
            PAYMENT_REQUIRED_QUEUE_URL=urls["payment-required"],
        )
        yield urls


def arn(queue: str) -> str:
    """Of a queue in memory."""
    return f"arn:aws:sqs:eu-west-2:123456789012:{queue}"


def record(message: Any, queue: str) -> dict[str, Any]:  # noqa: ANN401  # As boto3 gives it.
    """A message as Lambda hands it to a function."""
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
