"""Lambda: polls a queue, starts environments, and invokes the function on batches of messages."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from codat_sync.consuming.consume import Consuming
from local.simulation.sqs import Message, Queue
from local.simulation.template import Polling
from local.simulation.virtual_time import Clock, CutOff, Process

POLL_SECONDS: Final = 0.05
"""From the receipt of a batch to the start of the function."""
INIT_SECONDS: Final = 1.5
"""The start of a new environment."""
IDLE_SECONDS: Final = 600
"""After so long without a batch, Lambda ends an environment, and what it held in memory."""
THROTTLED_SECONDS: Final = 1
"""How long a poller waits before its next batch where Lambda did not start the function."""


class Context:
    """The part of Lambda's context that tells the time left."""

    def __init__(self, clock: Clock, process: Process) -> None:
        self._clock = clock
        self._process = process

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int(1000 * (self._process.ends_at - self._clock.now)))


@dataclass(frozen=True)
class Function:
    """A function and its event source mapping. ``wire`` is what its handler calls in a new environment.

    ``throttled`` is the probability, at a moment, that Lambda does not start it.
    """

    wire: Callable[[], Consuming]
    queue: Queue
    polling: Polling
    throttled: Callable[[float], float] = lambda _: 0.0


class Lambda:
    """The service. ``invocations``, ``killed`` and ``throttled`` count."""

    def __init__(self, clock: Clock, random: Random) -> None:
        self._clock = clock
        self._random = random
        self.invocations = 0
        self.killed = 0
        self.throttled = 0

    def run(self, function: Function) -> None:
        """Poll the function's queue from now on, with as many environments as it may have."""
        for _ in range(function.polling.concurrency):
            self._clock.spawn(lambda: self._environment(function))

    def _environment(self, function: Function) -> None:
        consumer: Consuming | None = None
        idle_since = self._clock.now
        while True:
            batch = function.queue.receive(function.polling.batch_size)
            if not batch:
                function.queue.await_message()
                continue
            if self._random.random() < function.throttled(self._clock.now):
                self.throttled += 1
                self._clock.sleep(THROTTLED_SECONDS)
                continue
            self._clock.sleep(POLL_SECONDS)
            if consumer is None or self._clock.now - idle_since > IDLE_SECONDS:
                self._clock.sleep(INIT_SECONDS)
                consumer = function.wire()
            try:
                self._invoke(consumer, function, batch)
            except CutOff:
                self.killed += 1
                consumer = None
            idle_since = self._clock.now

    def _invoke(self, consumer: Consuming, function: Function, batch: Sequence[Message]) -> None:
        self.invocations += 1
        process = Process(self._clock.now + function.polling.timeout)
        event = {"Records": [_record(each, function.queue.url) for each in batch]}
        answer = self._clock.within(process, lambda: consumer.consume(event, Context(self._clock, process)))
        kept = {each["itemIdentifier"] for each in answer["batchItemFailures"]}
        for message, record in zip(batch, event["Records"], strict=True):
            if message.message_id not in kept:
                function.queue.delete(record["receiptHandle"])


def _record(message: Message, queue: str) -> dict[str, Any]:
    """Return a message as Lambda hands it over."""
    return {
        "messageId": message.message_id,
        "receiptHandle": message.receipt,
        "body": message.body,
        "attributes": {
            "ApproximateReceiveCount": str(message.receives),
            "SentTimestamp": str(int(message.sent_at * 1000)),
        },
        "messageAttributes": {
            name: {"dataType": each["DataType"], "stringValue": each["StringValue"]}
            for name, each in message.attributes.items()
        },
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:eu-west-2:123456789012:{queue}",
        "awsRegion": "eu-west-2",
    }
