"""SQS: visibility, receipts, retention, dead-letter queues, and the client of boto3 as far as the functions call it."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from math import inf
from typing import Any, Final

from local.simulation.client import Client
from local.simulation.virtual_time import Clock, Wait

LONGEST_INVISIBILITY: Final = 12 * 60 * 60
"""From the receipt. https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html"""


@dataclass(eq=False, slots=True)
class Message:
    """A message. Moments are in seconds of the clock. ``receipt`` is the newest one."""

    message_id: str
    body: str
    attributes: Mapping[str, Any]
    sent_at: float
    visible_at: float
    receives: int = 0
    received_at: float = 0.0
    receipt: str = ""
    is_on_queue: bool = True


@dataclass(eq=False)
class Queue:
    """A standard queue. ``url`` is also its name. Durations are in seconds.

    ``expired`` are the messages that reached the queue's retention, and ``moved`` those that were received too often.
    ``most_receives`` is that of the message that was received most often, ``refused_waits`` how often a message was not
    hidden for as long as a function asked.
    """

    url: str
    clock: Clock
    visibility_timeout: float = 360
    retention: float = 864_000
    max_receives: int = 1000
    dead_letters: "Queue | None" = None
    expired: list[Message] = field(default_factory=list)
    moved: list[Message] = field(default_factory=list)
    most_receives: int = 0
    refused_waits: int = 0
    _messages: dict[str, Message] = field(default_factory=dict)
    _by_receipt: dict[str, Message] = field(default_factory=dict)
    _order: count = field(default_factory=count)  # type: ignore[type-arg]  # It counts in int.
    _due: list[tuple[float, int, Message]] = field(default_factory=list)
    _pollers: deque[Wait] = field(default_factory=deque)

    def messages(self) -> list[Message]:
        """Return all messages, those in flight included, except those that are older than the retention."""
        self._expire()
        return list(self._messages.values())

    def send(self, body: str, attributes: Mapping[str, Any], delay: float = 0.0) -> Message:
        now = self.clock.now
        message = Message(f"{self.url}-{next(self._order)}", body, attributes, now, now + delay)
        self._put(message)
        return message

    def receive(self, most: int) -> list[Message]:
        """Return up to so many visible messages, none where there are none; they are in flight from now on."""
        now, received = self.clock.now, list[Message]()
        while self._due and self._due[0][0] <= now and len(received) < most:
            at, _, message = heappop(self._due)
            if not message.is_on_queue or message.visible_at != at:
                continue
            if now - message.sent_at > self.retention:
                self._drop(message, self.expired)
            elif message.receives >= self.max_receives:
                self._drop(message, self.moved)
                if self.dead_letters is not None:
                    self.dead_letters.send(message.body, message.attributes)
            else:
                self._hold(message)
                received.append(message)
        return received

    def await_message(self) -> None:
        """Wait until a message may be visible."""
        self.clock.wait(self._due[0][0] if self._due else inf, self._pollers.append)

    def hide(self, receipt: str, seconds: float) -> bool:
        """Change when the message is visible again. Return False where SQS would refuse."""
        message, now = self._by_receipt.get(receipt), self.clock.now
        if message is None or message.visible_at <= now:
            return False
        if now + seconds > message.received_at + LONGEST_INVISIBILITY:
            return False
        self._show(message, now + seconds)
        return True

    def delete(self, receipt: str) -> None:
        """Delete the message. A receipt is good until the message is received anew."""
        message = self._by_receipt.get(receipt)
        if message is not None:
            self._drop(message)

    def _hold(self, message: Message) -> None:
        self._by_receipt.pop(message.receipt, None)
        message.receives += 1
        message.received_at = self.clock.now
        message.receipt = f"{message.message_id}#{message.receives}"
        self._by_receipt[message.receipt] = message
        self.most_receives = max(self.most_receives, message.receives)
        self._show(message, self.clock.now + self.visibility_timeout)

    def _put(self, message: Message) -> None:
        self._messages[message.message_id] = message
        self._show(message, message.visible_at)

    def _show(self, message: Message, at: float) -> None:
        message.visible_at = at
        heappush(self._due, (at, next(self._order), message))
        # A poller that waits for a later message looks anew.
        while self._pollers and self._due[0][2] is message:
            poller = self._pollers.popleft()
            if not poller.is_over:
                self.clock.end(poller)
                break

    def _drop(self, message: Message, where: list[Message] | None = None) -> None:
        message.is_on_queue = False
        self._messages.pop(message.message_id, None)
        self._by_receipt.pop(message.receipt, None)
        if where is not None:
            where.append(message)

    def _expire(self) -> None:
        for message in list(self._messages.values()):
            if self.clock.now - message.sent_at > self.retention:
                self._drop(message, self.expired)


class SqsClient(Client):
    """The client of all queues."""

    service_id = "SQS"

    def __init__(self, clock: Clock, queues: Mapping[str, Queue]) -> None:
        super().__init__(clock)
        self._queues = queues

    def send_message(self, **said: Any) -> dict[str, Any]:  # noqa: ANN401  # The arguments of boto3.
        self._request("SendMessage")
        queue = self._queues[said["QueueUrl"]]
        message = queue.send(said["MessageBody"], said.get("MessageAttributes", {}), said.get("DelaySeconds", 0))
        return {"MessageId": message.message_id}

    def send_message_batch(self, **said: Any) -> dict[str, Any]:  # noqa: ANN401
        self._request("SendMessageBatch")
        queue = self._queues[said["QueueUrl"]]
        for each in said["Entries"]:
            queue.send(each["MessageBody"], each.get("MessageAttributes", {}), each.get("DelaySeconds", 0))
        return {"Successful": [{"Id": each["Id"]} for each in said["Entries"]]}

    def change_message_visibility_batch(self, **said: Any) -> dict[str, Any]:  # noqa: ANN401
        self._request("ChangeMessageVisibilityBatch")
        queue = self._queues[said["QueueUrl"]]
        refused = [
            each["Id"] for each in said["Entries"] if not queue.hide(each["ReceiptHandle"], each["VisibilityTimeout"])
        ]
        queue.refused_waits += len(refused)
        failed = [{"Id": each, "Code": "InvalidParameterValue", "SenderFault": True} for each in refused]
        return {"Failed": failed} if failed else {}
