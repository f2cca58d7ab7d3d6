"""The producers of a storm. They send most events through the bus, as billing and onboarding do."""

import json
import queue
import threading
from collections.abc import Sequence
from typing import Final, Self

from botocore.exceptions import BotoCoreError, ClientError

from local.aws.processes import StackError
from local.aws.stack import LocalStack
from local.chaos.storm import SOURCE_QUEUES, StormEvent

SENDERS: Final = 4
BATCH: Final = 10


def send_all(stack: LocalStack, url: str, bodies: Sequence[str]) -> None:
    """Send up to ten messages; raise StackError unless SQS accepts all of them."""
    answer = stack.aws.sqs.send_message_batch(
        QueueUrl=url,
        Entries=[{"Id": str(number), "MessageBody": body} for number, body in enumerate(bodies)],
    )
    if answer.get("Failed"):
        raise StackError(f"SQS refused {len(answer['Failed'])} messages: {answer['Failed'][0]['Code']}")


class Producers:
    """Threads that send the events while the block runs."""

    def __init__(self, stack: LocalStack, events: Sequence[StormEvent]) -> None:
        self._stack = stack
        self._chunks: queue.SimpleQueue[Sequence[StormEvent]] = queue.SimpleQueue()
        for start in range(0, len(events), BATCH):
            self._chunks.put(events[start : start + BATCH])
        self._open = threading.Event()
        self.sent = 0
        self.failed: list[Exception] = []
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._run, name="producer", daemon=True) for _ in range(SENDERS)]

    def __enter__(self) -> Self:
        self._open.set()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._open.set()
        for thread in self._threads:
            thread.join()

    @property
    def done(self) -> bool:
        """Whether all events are sent, or a thread has failed."""
        return not any(thread.is_alive() for thread in self._threads)

    def throttle(self, *, on: bool) -> None:
        """Stop sending while the throttle is on."""
        if on:
            self._open.clear()
        else:
            self._open.set()

    def _run(self) -> None:
        again: list[StormEvent] = []
        try:
            while not self._ended.is_set():
                self._open.wait()
                try:
                    chunk = self._chunks.get_nowait()
                except queue.Empty:
                    break
                self._put_events([event for event in chunk if not event.direct])
                self._send([event for event in chunk if event.direct])
                # Some time later, so that the first delivery may be over, in flight or still to come.
                again += [event for event in chunk if event.repeated]
                while len(again) > 2 * BATCH:
                    self._send([again.pop(0) for _ in range(BATCH)])
                with self._lock:
                    self.sent += len(chunk)
            self._send(again)
        except (BotoCoreError, ClientError, StackError) as error:
            self.failed.append(error)

    def _put_events(self, events: Sequence[StormEvent]) -> None:
        if not events:
            return
        answer = self._stack.aws.events.put_events(
            Entries=[
                {
                    "EventBusName": self._stack.outputs["EventBusName"],
                    "Source": event.source,
                    "DetailType": event.detail_type,
                    "Detail": json.dumps(event.detail),
                    "Time": event.time,
                }
                for event in events
            ]
        )
        if answer["FailedEntryCount"]:
            raise StackError(f"the bus refused {answer['FailedEntryCount']} events")
        for event, entry in zip(events, answer["Entries"], strict=True):
            event.event_id = entry["EventId"]
            event.deliveries += 1

    def _send(self, events: Sequence[StormEvent]) -> None:
        for output in SOURCE_QUEUES:
            of_queue = [event for event in events if event.queue == output]
            for start in range(0, len(of_queue), BATCH):
                chunk = of_queue[start : start + BATCH]
                send_all(self._stack, self._stack.outputs[output], [event.body for event in chunk])
                for event in chunk:
                    event.deliveries += 1
