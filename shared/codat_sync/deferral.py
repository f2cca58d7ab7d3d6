"""Deferring: an event goes back on its queue, to be seen again later."""

from collections.abc import Mapping
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Final

from codat_sync.observability import logger

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

SHORTEST_SECONDS: Final = 5
"""Below this a batch of deferred events would come back before the cause could have gone."""
FIRST_CEILING_SECONDS: Final = 60
"""How long the first wait may be; each receive doubles it. Ten receives bridge about four hours on average."""
LONGEST_SECONDS: Final = 4 * 60 * 60
"""How long our own back-off may become."""
SQS_LONGEST_SECONDS: Final = 12 * 60 * 60
"""SQS's limit on a message's invisibility, counted from its receipt.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibility.html"""
SQS_BATCH: Final = 10


def deferral_seconds(receive_count: int, retry_after: timedelta | None, since_receipt: float, random: Random) -> int:
    """How long to wait: growing with each receive, with full jitter, and never less than Codat asked for.

    ``since_receipt``: seconds since the message was received, which SQS counts into its limit.
    """
    ceiling = min(FIRST_CEILING_SECONDS * 2 ** min(receive_count - 1, 16), LONGEST_SECONDS)
    wait = random.uniform(SHORTEST_SECONDS, ceiling)
    if retry_after is not None:
        # Jitter comes on top, so that all that waits for one moment does not come back in one moment.
        wait = retry_after.total_seconds() + random.uniform(SHORTEST_SECONDS, FIRST_CEILING_SECONDS)
    return int(min(wait, SQS_LONGEST_SECONDS - since_receipt - 1))


class SourceQueue:
    """The queue that a function's messages come from."""

    def __init__(self, sqs: "SQSClient", url: str) -> None:
        self._sqs = sqs
        self._url = url

    def defer(self, seconds_by_receipt_handle: Mapping[str, int]) -> None:
        """Hide each message for its own time. Where SQS refuses, the queue's own visibility timeout stands."""
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
