"""DynamoDB and SQS as far as this project calls them: the methods of their clients, with their conditions.

tests/unit shows with Moto that the expressions are valid. Here they are evaluated in memory, which is faster.
"""

import json
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from types import SimpleNamespace
from typing import Any, Final

from botocore.exceptions import ClientError

VISIBILITY: Final = timedelta(seconds=720)
MAX_RECEIVE_COUNT: Final = 2
"""The lowest number with a redelivery, so that messages soon reach their last receive."""

_OPERATORS: Final[Mapping[str, Callable[[str, str], bool]]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}

Item = dict[str, str]


class ConditionalCheckFailed(ClientError):
    """The condition did not hold. The current item is in the response."""

    def __init__(self, item: Item | None) -> None:
        super().__init__({"Error": {"Code": "ConditionalCheckFailedException", "Message": "no"}}, "UpdateItem")
        if item is not None:
            self.response["Item"] = _typed(item)  # type: ignore[typeddict-unknown-key]  # ALL_OLD puts it there.


class Table:
    """One table with the key ``companyId``, whose items hold only strings."""

    exceptions = SimpleNamespace(ConditionalCheckFailedException=ConditionalCheckFailed)

    def __init__(self) -> None:
        self.items: dict[str, Item] = {}

    def get_item(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401  # As boto3's own.
        item = self.items.get(request["Key"]["companyId"]["S"])
        return {} if item is None else {"Item": _typed(item)}

    def update_item(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401
        """Check the condition and update, in one atomic step. Raise ``ConditionalCheckFailed``."""
        key = request["Key"]["companyId"]["S"]
        values = {name: value["S"] for name, value in request["ExpressionAttributeValues"].items()}
        update, condition = request["UpdateExpression"], request["ConditionExpression"]
        for alias, name in request.get("ExpressionAttributeNames", {}).items():
            update, condition = update.replace(alias, name), condition.replace(alias, name)
        item = self.items.get(key)
        if not _holds(condition, item or {}, values):
            raise ConditionalCheckFailed(item)
        self.items[key] = _updated(update, item or {"companyId": key}, values)
        return {"Attributes": _typed(self.items[key])}


def _typed(item: Item) -> dict[str, dict[str, str]]:
    return {name: {"S": value} for name, value in item.items()}


def _holds(condition: str, item: Item, values: Item) -> bool:
    return any(
        all(_term_holds(term, item, values) for term in alternative.split(" AND "))
        for alternative in condition.split(" OR ")
    )


def _term_holds(term: str, item: Item, values: Item) -> bool:
    match term.replace("(", " ").replace(")", " ").split():
        case ["attribute_exists", name]:
            return name in item
        case ["attribute_not_exists", name]:
            return name not in item
        case [name, sign, value]:
            return name in item and _OPERATORS[sign](item[name], values[value])
    raise NotImplementedError(term)


def _updated(update: str, item: Item, values: Item) -> Item:
    to_set, _, to_remove = update.partition("REMOVE")
    assignments = [each.split() for each in to_set.removeprefix("SET").split(",") if each.strip()]
    removed = {name.strip() for name in to_remove.split(",")}
    assert all(len(each) == 3 for each in assignments), update
    new = {**item, **{name: values[value] for name, _, value in assignments}}
    return {name: value for name, value in new.items() if name not in removed}


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
    """All queues and DLQs. A received message is hidden, and SQS moves one that was received too often."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._numbers = count(1)
        self.messages: list[Message] = []
        self.dead_letters: list[Message] = []

    # The methods of boto3's client.

    def send_message(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401
        """Send a message to a DLQ: the code under test sends to no other queue."""
        parked = self._message(request["MessageBody"], request["QueueUrl"], request["MessageAttributes"])
        self.dead_letters.append(parked)
        return {"MessageId": parked.id}

    def change_message_visibility_batch(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401
        """Hide messages. Only the newest receipt handle of each is valid."""
        by_handle = {message.receipt_handle: message for message in self.messages}
        answer: dict[str, Any] = {"Successful": [], "Failed": []}
        for entry in request["Entries"]:
            message = by_handle.get(entry["ReceiptHandle"])
            if message is None:
                answer["Failed"].append({"Id": entry["Id"], "Code": "ReceiptHandleIsInvalid", "SenderFault": True})
            else:
                message.visible_at = self._now() + timedelta(seconds=entry["VisibilityTimeout"])
                answer["Successful"].append({"Id": entry["Id"]})
        return answer

    # The actions of producers, of Lambda's poller and of operators.

    def send(self, body: str, queue: str) -> None:
        """Send an event, as a producer does."""
        self.messages.append(self._message(body, queue, {}))

    def visible(self, queue: str) -> list[Message]:
        """Return the messages that may be received. Move those that were received too often to the DLQ."""
        due = [each for each in self.messages if each.queue == queue and each.visible_at <= self._now()]
        for spent in [each for each in due if each.receive_count >= MAX_RECEIVE_COUNT]:
            spent.ended = "moved_by_sqs"
            self.messages.remove(spent)
            self.dead_letters.append(spent)
        return [each for each in due if each in self.messages]

    def receive(self, message: Message) -> None:
        """Hide the message, and count the receive."""
        message.receive_count += 1
        message.receipt_handle = f"{message.id}-{message.receive_count}"
        message.visible_at = self._now() + VISIBILITY

    def delete(self, message: Message, receipt_handle: str) -> None:
        """Delete by the newest receipt handle. With an older one SQS may delete; not to delete is the harder case."""
        if message.receipt_handle == receipt_handle:
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

    def _message(self, body: str, queue: str, attributes: dict[str, dict[str, str]]) -> Message:
        """Return a new message. Now and then, two in a row arrive in the same millisecond."""
        number = next(self._numbers)
        sent_at = self._now() + timedelta(milliseconds=number // 2)
        return Message(f"message {number}", body, queue, self._now(), sent_at, sent_at, attributes)
