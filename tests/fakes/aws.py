"""Fakes of AWS's clients, SQS and EventBridge, as far as this project calls them; and the set-up of Moto."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest import mock

from botocore.exceptions import ClientError
from botocore.loaders import create_loader

from tests.fakes.clock import NOW

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


@dataclass
class FakeMessage:
    """A message on a queue.

    ``handle`` is its receipt handle while a reader holds it, else None. ``receipt`` is the newest one: it deletes the
    message.
    """

    message_id: str
    body: str
    attributes: Mapping[str, Any]
    sent_at: datetime
    handle: str | None = None
    receipt: str | None = None


@dataclass
class FakeSqs:
    """SQS in memory: its queues by name, which is also their URL.

    ``before`` and ``after`` get the name of each call, and may raise. tests/unit/outcomes/test_parked_events.py holds
    this class and Moto's SQS to the same claims.
    """

    queues: dict[str, list[FakeMessage]]
    now: Callable[[], datetime] = lambda: NOW
    before: Callable[[str], None] = lambda _: None
    after: Callable[[str], None] = lambda _: None
    calls: list[str] = field(default_factory=list)
    exceptions: Any = field(default_factory=lambda: SimpleNamespace(OverLimit=type("OverLimit", (ClientError,), {})))
    sent: int = 0
    received: int = 0

    def bodies(self, name: str) -> list[str]:
        """Return the bodies of all messages of a queue, in flight or not."""
        return sorted(each.body for each in self.queues[name])

    def create_queue(self, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401
        self.queues[arguments["QueueName"]] = []
        return {"QueueUrl": arguments["QueueName"]}

    def send_message(self, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401
        return self._call("send_message", lambda: self._send(arguments["QueueUrl"], arguments))

    def send_message_batch(self, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401
        def send() -> None:
            for entry in arguments["Entries"]:
                self._send(arguments["QueueUrl"], entry)

        return self._call("send_message_batch", send)

    def receive_message(self, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401
        free = [each for each in self.queues[arguments["QueueUrl"]] if each.handle is None]
        shown = free[: arguments.get("MaxNumberOfMessages", 1)]

        def hold() -> None:
            for each in shown:
                self.received += 1
                each.handle = each.receipt = f"receipt {self.received} of {each.message_id}"

        self._call("receive_message", hold)
        return {"Messages": [_as_received(each) for each in shown]} if shown else {}

    def delete_message_batch(self, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401
        queue = self.queues[arguments["QueueUrl"]]

        def delete() -> None:
            handles = {entry["ReceiptHandle"] for entry in arguments["Entries"]}
            queue[:] = [each for each in queue if each.receipt not in handles]

        return self._call("delete_message_batch", delete)

    def change_message_visibility(self, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401
        return self._call("change_message_visibility", lambda: self._hide(arguments["QueueUrl"], arguments))

    def change_message_visibility_batch(self, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401
        failed: list[dict[str, Any]] = []

        def hide() -> None:
            failed.extend(
                {"Id": entry["Id"], "Code": "ReceiptHandleIsInvalid", "SenderFault": True}
                for entry in arguments["Entries"]
                if not self._hide(arguments["QueueUrl"], entry)
            )

        return self._call("change_message_visibility_batch", hide) | ({"Failed": failed} if failed else {})

    def get_queue_url(self, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401
        if arguments["QueueName"] not in self.queues:
            raise ClientError({"Error": {"Code": "NonExistentQueue", "Message": "no"}}, "GetQueueUrl")
        return {"QueueUrl": arguments["QueueName"]}

    def get_queue_attributes(self, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401
        name = arguments["QueueUrl"]
        held = sum(each.handle is not None for each in self.queues[name])
        arn = f"arn:aws:sqs:eu-west-2:123456789012:{name}"
        return {"Attributes": {"ApproximateNumberOfMessagesNotVisible": str(held), "QueueArn": arn}}

    def _send(self, name: str, entry: Mapping[str, Any]) -> None:
        self.sent += 1
        attributes = entry.get("MessageAttributes", {})
        self.queues[name].append(FakeMessage(f"m{self.sent}", entry["MessageBody"], attributes, self.now()))

    def _hide(self, name: str, entry: Mapping[str, Any]) -> bool:
        """Release the message where its new timeout is 0. Return False where the receipt handle is unknown."""
        messages = [each for each in self.queues[name] if each.handle == entry["ReceiptHandle"]]
        for each in messages:
            each.handle = each.handle if entry["VisibilityTimeout"] else None
        return bool(messages)

    def _call(self, name: str, effect: Callable[[], object]) -> dict[str, Any]:
        self.calls.append(name)
        self.before(name)
        effect()
        self.after(name)
        return {}


def _as_received(message: FakeMessage) -> dict[str, Any]:
    sent_at = str(int(message.sent_at.timestamp() * 1000))
    return {
        "MessageId": message.message_id,
        "ReceiptHandle": message.handle,
        "Body": message.body,
        "Attributes": {"SentTimestamp": sent_at},
        **({"MessageAttributes": message.attributes} if message.attributes else {}),
    }


@dataclass
class FakeEventBridge:
    """EventBridge's client. ``answers`` are those of the next calls; without one, all entries are accepted."""

    answers: list[dict[str, Any] | Exception] = field(default_factory=list)
    calls: list[list[dict[str, Any]]] = field(default_factory=list)

    def put_events(self, *, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803  # AWS's own name.
        self.calls.append(Entries)
        answer = self.answers.pop(0) if self.answers else {}
        if isinstance(answer, Exception):
            raise answer
        return {"FailedEntryCount": 0, "Entries": [{"EventId": str(n)} for n in range(len(Entries))]} | answer


@contextmanager
def botocore_data_read_once() -> Iterator[None]:
    """Share one loader among all sessions of botocore: it holds endpoints and service models, which no test changes.

    Moto gives each test a new session, and each session would parse 1.2 MB of endpoints anew.
    """
    with mock.patch("botocore.session.create_loader", cache(create_loader)):
        yield


def create_company_plans_table(dynamodb: "DynamoDBClient", name: str = "company-plans") -> None:
    """Create the companies' table as template.yaml does, without its backups."""
    dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "companyId", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "companyId", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
