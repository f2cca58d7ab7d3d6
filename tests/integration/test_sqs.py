"""What we take for granted of SQS, seen in a second emulator: the local stack's storm stands on the same.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from moto import mock_aws
from mypy_boto3_sqs import SQSClient

from codat_sync.outcomes.dead_letters import DeadLetters, ReceivedEvent
from codat_sync.outcomes.deferral import SourceQueue
from codat_sync.outcomes.triage import Failure, Outcome

MAX_RECEIVES = 3


@dataclass
class Queues:
    """A source queue with its DLQ."""

    sqs: SQSClient
    source: str
    dlq: str

    def receive(self, url: str) -> list[Any]:
        """At most one message, as Lambda's poller would get it."""
        answer = self.sqs.receive_message(
            QueueUrl=url, MessageSystemAttributeNames=["All"], MessageAttributeNames=["All"], WaitTimeSeconds=0
        )
        return answer.get("Messages", [])


@pytest.fixture
def queues() -> Iterator[Queues]:
    with mock_aws():
        sqs = boto3.client("sqs")
        dlq = sqs.create_queue(QueueName="failed-events")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=dlq, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        redrive = {"deadLetterTargetArn": arn, "maxReceiveCount": MAX_RECEIVES}
        source = sqs.create_queue(
            QueueName="source", Attributes={"VisibilityTimeout": "360", "RedrivePolicy": json.dumps(redrive)}
        )["QueueUrl"]
        yield Queues(sqs, source, dlq)


def test_a_received_message_is_hidden_and_not_gone(queues: Queues) -> None:
    queues.sqs.send_message(QueueUrl=queues.source, MessageBody="event")
    assert len(queues.receive(queues.source)) == 1
    assert queues.receive(queues.source) == []


def test_a_deferred_message_comes_back_and_counts_each_receive(queues: Queues) -> None:
    queues.sqs.send_message(QueueUrl=queues.source, MessageBody="event")
    for count in range(1, MAX_RECEIVES + 1):
        (message,) = queues.receive(queues.source)
        assert message["Attributes"]["ApproximateReceiveCount"] == str(count)
        SourceQueue(queues.sqs, queues.source).defer({message["ReceiptHandle"]: 0})


def test_a_message_that_is_deferred_for_hours_stays_hidden(queues: Queues) -> None:
    queues.sqs.send_message(QueueUrl=queues.source, MessageBody="event")
    (message,) = queues.receive(queues.source)
    SourceQueue(queues.sqs, queues.source).defer({message["ReceiptHandle"]: 6 * 60 * 60})
    assert queues.receive(queues.source) == []


def test_one_message_more_than_sqs_takes_in_a_batch_is_deferred_all_the_same(queues: Queues) -> None:
    for number in range(11):
        queues.sqs.send_message(QueueUrl=queues.source, MessageBody=f"event {number}")
    handles = [message["ReceiptHandle"] for _ in range(11) for message in queues.receive(queues.source)]
    SourceQueue(queues.sqs, queues.source).defer(dict.fromkeys(handles, 0))
    assert sum(len(queues.receive(queues.source)) for _ in range(11)) == 11


def test_a_message_that_was_received_too_often_is_moved_whole_and_without_a_reason(queues: Queues) -> None:
    """Why the last receive parks an event itself."""
    queues.sqs.send_message(QueueUrl=queues.source, MessageBody="event")
    for _ in range(MAX_RECEIVES):
        (message,) = queues.receive(queues.source)
        SourceQueue(queues.sqs, queues.source).defer({message["ReceiptHandle"]: 0})
    assert queues.receive(queues.source) == []
    (moved,) = queues.receive(queues.dlq)
    assert moved["Body"] == "event"
    assert "MessageAttributes" not in moved


def test_a_parked_message_and_the_one_on_its_queue_are_two(queues: Queues) -> None:
    """So an event is safe from the moment it is parked, and a crash before its deletion makes a copy and no loss."""
    queues.sqs.send_message(QueueUrl=queues.source, MessageBody="event")
    (message,) = queues.receive(queues.source)
    dead_letters = DeadLetters(queues.sqs, {Outcome.PARKED_FAILED: queues.dlq}, lambda: datetime.now(UTC))
    failure = Failure(Outcome.PARKED_FAILED, "malformed_event", "no")
    dead_letters.park(ReceivedEvent(message["Body"], "arn:aws:sqs:::source"), Outcome.PARKED_FAILED, failure)
    SourceQueue(queues.sqs, queues.source).defer({message["ReceiptHandle"]: 0})
    assert len(queues.receive(queues.dlq)) == 1
    (again,) = queues.receive(queues.source)
    queues.sqs.delete_message(QueueUrl=queues.source, ReceiptHandle=again["ReceiptHandle"])
    assert queues.receive(queues.source) == []
