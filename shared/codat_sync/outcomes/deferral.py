"""Deferring: an event goes back on its queue, to be delivered again later."""

from collections.abc import Mapping
from datetime import timedelta
from math import ceil
from random import Random
from typing import TYPE_CHECKING, Final

from codat_sync.observability import logger

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

SHORTEST: Final = 1 / 12
"""The shortest wait, as a share of the first ceiling: sooner, the cause could hardly have passed."""
LONGEST_SECONDS: Final = 4 * 60 * 60
"""The longest back-off of our own."""
SPREAD: Final = 0.05
"""The jitter on a wait that Codat asked for, as a share of that wait: 36 minutes after twelve hours."""
SQS_LONGEST_SECONDS: Final = 12 * 60 * 60
"""SQS's limit on a message's invisibility, counted from its receipt.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibility.html"""
SQS_BATCH: Final = 10


def deferral_seconds(
    receive_count: int, retry_after: timedelta | None, *, first_ceiling: int, since_receipt: float, random: Random
) -> int:
    """Return the seconds to wait: growing with each receive, with full jitter, and never less than Codat asked for.

    ``first_ceiling``: the ceiling of the first wait in seconds; each receive doubles it. ``since_receipt``: seconds
    since the message was received, which count towards SQS's limit.
    """
    shortest = SHORTEST * first_ceiling
    if retry_after is None:
        ceiling = min(first_ceiling * 2 ** min(receive_count - 1, 16), LONGEST_SECONDS)
        wait = random.uniform(shortest, ceiling)
    else:
        # Jitter comes on top, so that events that wait for one moment do not all come back at that moment.
        asked = retry_after.total_seconds()
        wait = asked + random.uniform(shortest, first_ceiling + SPREAD * asked)
    return max(1, min(ceil(wait), int(SQS_LONGEST_SECONDS - since_receipt - 1)))


class SourceQueue:
    """The queue that delivers a function's messages."""

    def __init__(self, sqs: "SQSClient", url: str) -> None:
        self._sqs = sqs
        self._url = url

    def defer(self, seconds_by_receipt_handle: Mapping[str, int]) -> None:
        """Hide each message for its own time. Where SQS refuses, the queue's own visibility timeout holds."""
        handles = list(seconds_by_receipt_handle)
        for start in range(0, len(handles), SQS_BATCH):
            chunk = handles[start : start + SQS_BATCH]
            answer = self._sqs.change_message_visibility_batch(
                QueueUrl=self._url,
                Entries=[
                    {
                        "Id": str(number),
                        "ReceiptHandle": handle,
                        "VisibilityTimeout": seconds_by_receipt_handle[handle],
                    }
                    for number, handle in enumerate(chunk)
                ],
            )
            for failed in answer.get("Failed", []):
                logger().warning("deferral_refused", code=failed["Code"], message_of_sqs=failed.get("Message"))
