"""The messages that the functions process, in the form in which Lambda receives them from SQS."""

import json
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import zip_longest
from typing import TYPE_CHECKING, Any
from uuid import UUID

from codat_sync.outcomes.deferral import SQS_BATCH

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


def sqs_event(bodies: Sequence[str], receipt_handles: Sequence[str] = ()) -> dict[str, Any]:
    """Return Lambda's event for a batch of new messages. A message without a receipt handle cannot be deferred."""
    sent = str(int(time.time() * 1000))
    return {
        "Records": [
            {
                "messageId": f"message-{number}",
                "receiptHandle": receipt_handle,
                "body": body,
                "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": sent},
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:source",
                "awsRegion": "us-east-1",
            }
            for number, (body, receipt_handle) in enumerate(zip_longest(bodies, receipt_handles, fillvalue="none"))
        ]
    }


def batches(bodies: Sequence[str]) -> list[dict[str, Any]]:
    """Return Lambda's events for so many messages, each of one batch."""
    return [sqs_event(bodies[start : start + SQS_BATCH]) for start in range(0, len(bodies), SQS_BATCH)]


def received_batches(sqs: "SQSClient", queue: str) -> Iterator[dict[str, Any]]:
    """Yield all messages of a queue, batch by batch. A batch is deleted when the next one is asked for."""
    while received := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=SQS_BATCH).get("Messages"):
        yield sqs_event([each["Body"] for each in received], [each["ReceiptHandle"] for each in received])
        sqs.delete_message_batch(
            QueueUrl=queue,
            Entries=[{"Id": each["MessageId"], "ReceiptHandle": each["ReceiptHandle"]} for each in received],
        )


def plan_changed(company_id: UUID, plan: str, event_id: str, occurred_at: datetime) -> str:
    """Return an event from billing, as EventBridge puts it on a queue."""
    moment = occurred_at.isoformat()
    return json.dumps(
        {
            "version": "0",
            "id": event_id,
            "detail-type": "Company Changed Plan",
            "source": "billing",
            "account": "123456789012",
            "time": moment,
            "region": "us-east-1",
            "resources": [],
            "detail": {"companyId": str(company_id), "plan": plan, "occurredAt": moment},
        }
    )
