"""What Lambda gives to a function: its context, its deadline, and a batch of messages."""

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

from codat_sync.consuming.consume import START_SECONDS
from codat_sync.deadline import Deadline
from codat_sync.outcomes.deferral import Patience
from tests.fakes.clock import NOW

PATIENCE = Patience(timedelta(hours=4), first_ceiling=60)
"""That of the functions under test."""


class FakeContext:
    """A context that gives these remaining times one after the other, and then the last one again and again."""

    def __init__(self, *remaining_seconds: float) -> None:
        self._answers = list(remaining_seconds) or [60.0]

    def get_remaining_time_in_millis(self) -> int:
        return int(1000 * (self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]))


def deadline(seconds: float | Callable[[], float] = 900.0) -> Deadline:
    """Return a deadline that allows calls to Codat for as long as that of the functions does."""
    return Deadline(seconds if callable(seconds) else lambda: seconds, seconds_for_a_call=START_SECONDS)


def sqs_event(
    *bodies: str, receive_count: int = 1, waited: timedelta = timedelta(0), attributes: Iterable[str] = ()
) -> dict[str, Any]:
    """Return the event of a batch of messages with the ids m0, m1, … Each message has all of the attributes.

    ``waited`` is how long before ``NOW`` each was sent.
    """
    sent_at = int((NOW - waited).timestamp() * 1000)
    return {
        "Records": [
            {
                "messageId": f"m{number}",
                "receiptHandle": f"handle-{number}",
                "body": body,
                "attributes": {"ApproximateReceiveCount": str(receive_count), "SentTimestamp": str(sent_at)},
                "messageAttributes": {name: {"dataType": "String", "stringValue": "x"} for name in attributes},
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:eu-west-2:123456789012:source",
                "awsRegion": "eu-west-2",
            }
            for number, body in enumerate(bodies)
        ]
    }
