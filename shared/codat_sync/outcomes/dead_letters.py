"""Parking: an event goes to a DLQ with the reason, on purpose."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from codat_sync.outcomes.triage import Failure, Outcome

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageAttributeValueTypeDef

_ATTRIBUTE_LENGTH: Final = 500
# SQS refuses a message that holds characters which XML 1.0 cannot carry.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
_NOT_FOR_SQS: Final = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class ReceivedEvent:
    """A message's body, and what replay and triage need to know about it. None: the message does not say.

    ``arrived_at`` is when SQS first got the event: among events of one moment, it decides which is the newest.
    """

    body: str
    source_queue: str
    event_id: str | None = None
    company_id: str | None = None
    plan: str | None = None
    arrived_at: datetime | None = None


class DeadLetters:
    """The DLQs in which events are parked."""

    def __init__(self, sqs: "SQSClient", queue_urls: Mapping[Outcome, str], now: Callable[[], datetime]) -> None:
        """``queue_urls`` has one URL for each outcome that parks."""
        self._sqs = sqs
        self._queue_urls = queue_urls
        self._now = now

    def park(self, event: ReceivedEvent, outcome: Outcome, failure: Failure) -> None:
        """Send the original body, byte for byte, with the reason in message attributes.

        The event is safe in the DLQ once this returns. Raise what SQS raises: then the event must stay on its queue.
        """
        attributes = {
            "reason": failure.reason,
            "words": failure.words,
            "status": failure.status and str(failure.status),
            "correlationId": failure.correlation_id,
            "companyId": event.company_id,
            "plan": event.plan,
            "eventId": event.event_id,
            "sourceQueue": event.source_queue,
            "parkedAt": self._now().isoformat(),
            "arrivedAt": event.arrived_at and event.arrived_at.isoformat(),
        }
        self._sqs.send_message(
            QueueUrl=self._queue_urls[outcome],
            MessageBody=event.body,
            MessageAttributes={name: _text(value) for name, value in attributes.items() if value},
        )


def _text(value: str) -> "MessageAttributeValueTypeDef":
    return {
        "DataType": "String",
        "StringValue": _NOT_FOR_SQS.sub("\N{REPLACEMENT CHARACTER}", value)[:_ATTRIBUTE_LENGTH],
    }
