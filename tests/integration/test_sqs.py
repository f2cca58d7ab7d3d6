"""The behaviour of SQS that this project relies on, as Moto shows it. The local stack shows it with another emulator.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from moto import mock_aws
from mypy_boto3_sqs import SQSClient

from codat_sync.outcomes.dead_letters import DeadLetters, ReceivedEvent
from codat_sync.outcomes.deferral import SourceQueue
from codat_sync.outcomes.triage import Failure, Outcome
from tests.integration.surroundings import Clients

MAX_RECEIVES = 3


@dataclass
class Queues:
    """A source queue with its DLQ."""

    sqs: SQSClient
    source: str
    dlq: str

    def receive(self, url: str) -> list[Any]:
        """Receive at most one message, as Lambda's poller does."""
        answer = self.sqs.receive_message(
            QueueUrl=url, MessageSystemAttributeNames=["All"], MessageAttributeNames=["All"], WaitTimeSeconds=0
        )
        return answer.get("Messages", [])


@pytest.fixture
def queues(clients: Clients) -> Iterator[Queues]:
    with mock_aws():
        sqs = clients.sqs
        dlq = sqs.create_queue(QueueName="failed-events")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=dlq, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        redrive = {"deadLetterTargetArn": arn, "maxReceiveCount": MAX_RECEIVES}
        source = sqs.create_queue(
            QueueName="source", Attributes={"VisibilityTimeout": "720", "RedrivePolicy": json.dumps(redrive)}
        )["QueueUrl"]
        yield Queues(sqs, source, dlq)


def test_a_received_message_is_hidden(queues: Queues) -> None:
    queues.sqs.send_message(QueueUrl=queues.source, MessageBody="event")
    assert len(queues.receive(queues.source)) == 1
    assert queues.receive(queues.source) == []


def test_a_deferred_message_is_delivered_again_and_each_receive_is_counted(queues: Queues) -> None:
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


def test_more_messages_than_one_batch_of_sqs_are_all_deferred(queues: Queues) -> None:
    for number in range(11):
        queues.sqs.send_message(QueueUrl=queues.source, MessageBody=f"event {number}")
    handles = [message["ReceiptHandle"] for _ in range(11) for message in queues.receive(queues.source)]
    SourceQueue(queues.sqs, queues.source).defer(dict.fromkeys(handles, 0))
    assert sum(len(queues.receive(queues.source)) for _ in range(11)) == 11


def test_sqs_moves_a_message_that_was_received_too_often_without_a_reason(queues: Queues) -> None:
    """This is why the last receive parks an event itself."""
    queues.sqs.send_message(QueueUrl=queues.source, MessageBody="event")
    for _ in range(MAX_RECEIVES):
        (message,) = queues.receive(queues.source)
        SourceQueue(queues.sqs, queues.source).defer({message["ReceiptHandle"]: 0})
    assert queues.receive(queues.source) == []
    (moved,) = queues.receive(queues.dlq)
    assert moved["Body"] == "event"
    assert "MessageAttributes" not in moved


def test_a_parked_message_and_the_one_on_its_queue_are_two(queues: Queues) -> None:
    """So a crash after parking and before deleting leaves a copy, and loses nothing."""
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
