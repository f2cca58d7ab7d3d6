"""SQS as far as this project calls it, with its limits: a request that exceeds one is a violation."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any, Final

BILLING: Final = "company-plan-changed"
ONBOARDING: Final = "new-connection"
RECONCILE_COMPANY: Final = "reconcile-company"
RECONCILE_COMPANIES: Final = "reconcile-companies"
PAYMENT_REQUIRED: Final = "payment-required"
FAILED: Final = "failed-events"

VISIBILITY: Final = timedelta(seconds=720)
LONGEST_INVISIBILITY: Final = timedelta(hours=12)
"""Counted from the receive, whatever was asked for meanwhile.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibility.html"""
MOST_ENTRIES: Final = 10
"""https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html"""
MOST_ATTRIBUTES: Final = 10
"""https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html"""


@dataclass(frozen=True)
class QueueSettings:
    """The settings of the queues, as a template would have them."""

    max_receive_count: int
    retention: timedelta
    visibility: Mapping[str, timedelta] = field(default_factory=dict)
    """By queue, where it is another than ``VISIBILITY``."""


@dataclass(eq=False)
class Message:
    """A message on a queue or in a DLQ, and what only the model knows of it.

    ``wrote_under``: the ids of the events that named the newest plan whenever an attempt at the message wrote to Codat,
    or that became the newest because this one turned out to be older. A copy that was parked or redriven shares them,
    since a write may take effect late.
    ``sent_at``: when SQS got this message. ``first_arrived``: when SQS first got the event, in any copy.
    ``ended``: the outcome with which the message got into its DLQ, ``moved_by_sqs`` where SQS moved it, None where an
    attempt that was cut off left a copy there.
    """

    id: str
    body: str
    queue: str
    visible_at: datetime
    sent_at: datetime
    first_arrived: datetime
    attributes: dict[str, dict[str, str]] = field(default_factory=dict)
    receive_count: int = 0
    receipt_handle: str = ""
    received_at: datetime | None = None
    wrote_under: set[str] = field(default_factory=set)
    ended: str | None = None

    @property
    def event_id(self) -> str:
        """The id of the event in the message, empty where it is no event."""
        return str(json.loads(self.body)["id"]) if self.body != "{" else ""

    def as_lambda_gets_it(self) -> dict[str, Any]:
        """Return the message as a record of Lambda's event."""
        return {
            "messageId": self.id,
            "receiptHandle": self.receipt_handle,
            "body": self.body,
            "attributes": {
                "ApproximateReceiveCount": str(self.receive_count),
                "SentTimestamp": str(int(self.sent_at.timestamp() * 1000)),
            },
            "messageAttributes": {
                name: {"dataType": value["DataType"], "stringValue": value["StringValue"]}
                for name, value in self.attributes.items()
            },
            "eventSource": "aws:sqs",
            "eventSourceARN": self.queue,
            "awsRegion": "eu-west-2",
        }


class Queues:
    """All queues and DLQs. A received message is hidden; SQS moves one that was received too often.

    ``violated`` is told of each request beyond SQS's limits, and of each message that outlived its queue's retention.
    """

    def __init__(self, now: Callable[[], datetime], settings: QueueSettings, violated: Callable[[str], None]) -> None:
        self._now = now
        self._settings = settings
        self._violated = violated
        self._numbers = count(1)
        self.messages: list[Message] = []
        self.dead_letters: list[Message] = []

    # The methods of boto3's client.

    def send_message(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401
        """Send a message to a DLQ: the code under test sends to other queues in batches only."""
        attributes = request["MessageAttributes"]
        if len(attributes) > MOST_ATTRIBUTES:
            self._violated(f"a message with {len(attributes)} attributes: SQS takes {MOST_ATTRIBUTES}")
        parked = self._message(request["MessageBody"], request["QueueUrl"], attributes)
        self.dead_letters.append(parked)
        return {"MessageId": parked.id}

    def send_message_batch(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401
        """Send messages to a source queue."""
        self._check_batch(request["Entries"])
        for entry in request["Entries"]:
            self.send(entry["MessageBody"], request["QueueUrl"])
        return {"Successful": [{"Id": entry["Id"]} for entry in request["Entries"]]}

    def change_message_visibility_batch(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401
        """Hide messages. Only the newest receipt handle of each is valid."""
        self._check_batch(request["Entries"])
        by_handle = {message.receipt_handle: message for message in self.messages}
        answer: dict[str, Any] = {"Successful": [], "Failed": []}
        for entry in request["Entries"]:
            message = by_handle.get(entry["ReceiptHandle"])
            code = "ReceiptHandleIsInvalid" if message is None else self._hide(message, entry["VisibilityTimeout"])
            if code is None:
                answer["Successful"].append({"Id": entry["Id"]})
            else:
                answer["Failed"].append({"Id": entry["Id"], "Code": code, "SenderFault": True})
        return answer

    # The actions of producers, of Lambda's poller and of operators.

    def send(self, body: str, queue: str) -> None:
        """Send an event, as a producer does."""
        self.messages.append(self._message(body, queue, {}))

    def expire(self) -> None:
        """Delete what has outlived its retention. It counts from when a message was first sent, hidden or not.

        https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html
        """
        for lost in [each for each in self.messages if self._now() - each.sent_at >= self._settings.retention]:
            self.messages.remove(lost)
            self._violated(f"{lost.id} is lost: it outlived its retention after {lost.receive_count} receives")

    def visible(self, queue: str) -> list[Message]:
        """Return the messages that may be received. Move those that were received too often to the DLQ."""
        due = [each for each in self.messages if each.queue == queue and each.visible_at <= self._now()]
        for spent in [each for each in due if each.receive_count >= self._settings.max_receive_count]:
            spent.ended = "moved_by_sqs"
            self.messages.remove(spent)
            self.dead_letters.append(spent)
        return [each for each in due if each in self.messages]

    def receive(self, message: Message) -> None:
        """Hide the message, and count the receive."""
        message.receive_count += 1
        message.receipt_handle = f"{message.id}-{message.receive_count}"
        message.received_at = self._now()
        message.visible_at = self._now() + self._settings.visibility.get(message.queue, VISIBILITY)

    def delete(self, message: Message, receipt_handle: str) -> None:
        """Delete by the newest receipt handle. With an older one SQS may delete; not to delete is the harder case."""
        if message.receipt_handle == receipt_handle and message in self.messages:
            self.messages.remove(message)

    def redrive(self, dead: Message, *, marked: bool = True) -> None:
        """Move a message to its source queue, as a new message. ``marked``: with attributes, as this project does."""
        self.dead_letters.remove(dead)
        source = dead.attributes.get("sourceQueue", {}).get("StringValue", dead.queue)
        marks = {"parkedAt": "?", "arrivedAt": dead.sent_at.isoformat()} if marked else {}
        own = {name: {"DataType": "String", "StringValue": text} for name, text in marks.items()}
        again = self._message(dead.body, source, dead.attributes or own)
        again.wrote_under = dead.wrote_under
        if again.attributes:
            again.first_arrived = dead.first_arrived
        self.messages.append(again)

    def _check_batch(self, entries: Sequence[Mapping[str, Any]]) -> None:
        if not 1 <= len(entries) <= MOST_ENTRIES or len({entry["Id"] for entry in entries}) < len(entries):
            self._violated(f"SQS takes 1 to {MOST_ENTRIES} entries with ids of their own, and got {entries}")

    def _hide(self, message: Message, seconds: int) -> str | None:
        """Hide a message for longer. Return SQS's code where it refuses to."""
        assert message.received_at is not None
        until = self._now() + timedelta(seconds=seconds)
        if until - message.received_at > LONGEST_INVISIBILITY:
            since = (self._now() - message.received_at).total_seconds()
            self._violated(f"{message.id} is to be hidden for {seconds} s more, {since} s after its receive")
            return "InvalidParameterValue"
        message.visible_at = until
        return None

    def _message(self, body: str, queue: str, attributes: dict[str, dict[str, str]]) -> Message:
        """Return a new message. Now and then, two in a row arrive in the same millisecond."""
        number = next(self._numbers)
        sent_at = self._now() + timedelta(milliseconds=number // 2)
        return Message(f"message {number}", body, queue, self._now(), sent_at, sent_at, attributes)
