"""Deferring: an event goes back on its queue, to be delivered again later."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from math import ceil, log, log1p
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
"""The jitter on a wait that Codat asked for, as a share of that wait."""
JITTER_SECONDS: Final = 3 * 60
"""The longest such jitter: what a quota has left may be used up by others minutes after its reset."""
LONG_ASKED_SECONDS: Final = 60 * 60
"""From here on, a wait that Codat asked for takes the place of an own back-off that is no longer than it."""
SQS_LONGEST_SECONDS: Final = 12 * 60 * 60
"""SQS's limit on a message's invisibility, counted from its receipt.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibility.html"""
RECEIPT_MARGIN_SECONDS: Final = 15 * 60
"""How long before the function's start its oldest message may have been received: Lambda polls, gathers a batch for up
to 300 s, and may start a new environment. SQS refuses a wait that is one second too long."""
GRACE: Final = timedelta(hours=1)
"""How long after the end of its patience an event's last attempt is due at the latest."""
SQS_BATCH: Final = 10


@dataclass(frozen=True)
class Patience:
    """How long an event may be deferred, and how its waits grow meanwhile. Time decides, never a number of receives.

    ``limit`` is counted from when the event was sent. ``first_ceiling`` is the ceiling of the first wait in seconds.
    """

    limit: timedelta
    first_ceiling: int

    def is_over(self, waited: float) -> bool:
        """Return whether an event that has waited for so many seconds is not to be deferred any more."""
        return waited >= self.limit.total_seconds()

    def wait(self, waited: float, asked: timedelta | None, *, since_start: float, random: Random) -> int:
        """Return the seconds until the next attempt: what Codat asked for, and an own back-off on top.

        The own back-off grows with the seconds that the event has ``waited``, with jitter. Where Codat asked for an
        hour or more, and for no less than that back-off, only a short jitter comes on top: what names its end so far
        ahead is a quota, and it is open at that moment. The last attempt comes when the patience ends. ``since_start``:
        seconds since the function began, which count towards SQS's limit.
        """
        grown = min(waited, LONGEST_SECONDS)
        own = random.uniform(max(SHORTEST * self.first_ceiling, grown / 2), max(self.first_ceiling, grown))
        seconds = 0.0 if asked is None else asked.total_seconds()
        # Jitter on the asked wait, too: events that wait for one moment must not all come back at that moment.
        jitter = random.uniform(0, min(SPREAD * seconds, JITTER_SECONDS))
        replaced = seconds >= max(own, LONG_ASKED_SECONDS)
        wait = seconds + jitter + (0 if replaced else own)
        until_the_end = max(self.limit.total_seconds() - waited, 0) + 1
        return max(1, ceil(min(wait, until_the_end, longest_wait(since_start))))

    def explained_receives(self, waited: float) -> int:
        """Return how many receives an event's deferrals can have led to at most, in the seconds that it has waited.

        Each own wait is at least half of what the event had waited before, up to ``LONGEST_SECONDS``. More receives
        mean that functions were killed or throttled while they held the event.
        """
        grown, longest = min(waited, LONGEST_SECONDS), LONGEST_SECONDS / 2
        growing = log1p(grown / (SHORTEST * self.first_ceiling)) / log(1.5)
        return 3 + ceil(growing + (waited - grown) / longest)


def longest_wait(since_start: float) -> int:
    """Return the longest wait in seconds that SQS is sure to accept, ``since_start`` seconds into the function."""
    return int(SQS_LONGEST_SECONDS - RECEIPT_MARGIN_SECONDS - since_start)


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
