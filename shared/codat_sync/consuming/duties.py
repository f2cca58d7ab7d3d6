"""Consumes the requests for a duty: work on all companies, asked for by one message that stays on its queue meanwhile.

No invocation has to finish what it began. The message is delivered again, and the duty continues where it stopped. A
function that is cut off or killed loses only the work since it last noted its progress.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar

from aws_lambda_powertools.utilities.data_classes import SQSEvent
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from botocore.exceptions import BotoCoreError, ClientError

from codat_sync.consuming.consume import START_SECONDS, Deferring
from codat_sync.consuming.settle import Parking
from codat_sync.deadline import Deadline, Invocation
from codat_sync.events.envelope import MalformedEvent
from codat_sync.observability import logger
from codat_sync.outcomes.dead_letters import ReceivedEvent
from codat_sync.outcomes.deferral import longest_wait
from codat_sync.outcomes.triage import Outcome, in_words, triage

if TYPE_CHECKING:  # At run time its package would load every parser of Powertools.
    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse

AFTER_A_FAILURE: Final = timedelta(minutes=5)
"""How long a duty waits after it met something that it cannot go on without: Codat, the table, a queue."""
PATIENCE: Final = timedelta(days=3)
"""How old a request may be when its duty fails once more: then it is parked with the reason. Until then it is received
less often than SQS allows, and the longest wait after that ends before its queue's retention. What a request has begun
is not lost: the next one continues it."""

_Request = TypeVar("_Request")
_Request_contra = TypeVar("_Request_contra", contravariant=True)


class ReadRequest(Protocol[_Request]):  # type: ignore[misc]  # It is only returned.
    """Reads a message's body as a request."""

    def __call__(self, body: str, *, sent_at: datetime) -> _Request:
        """Return the request. Raise ``MalformedEvent``."""


class Duty(Protocol[_Request_contra]):
    """The work itself."""

    def carry_out(self, request: _Request_contra, deadline: Deadline) -> timedelta | None:
        """Work until the deadline. Return None once all is done, else how long to wait before going on.

        Starts nothing that the deadline does not allow. After an exception the duty is tried again a little later, for
        as long as ``PATIENCE``.
        """


class DutyConsumer(Generic[_Request]):
    """One function's handling of the requests on its queue."""

    def __init__(
        self,
        read: ReadRequest[_Request],
        duty: Duty[_Request],
        dead_letters: Parking,
        queue: Deferring,
        now: Callable[[], datetime],
        write_metrics: Callable[[], None] = lambda: None,
    ) -> None:
        """``write_metrics`` is called last in each invocation: it writes what was gathered meanwhile."""
        self._read = read
        self._duty = duty
        self._dead_letters = dead_letters
        self._queue = queue
        self._now = now
        self._write_metrics = write_metrics

    def consume(self, event: dict[str, Any], context: Invocation) -> "PartialItemFailureResponse":
        """Go on with each request; return those that are not done, which are delivered again when it is time.

        The answer is what ReportBatchItemFailures takes:
        https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
        """
        deadline = Deadline.of(context, seconds_for_a_call=START_SECONDS)
        began_with = deadline.seconds_left
        waits = {}
        for record in SQSEvent(event).records:
            wait = self._go_on(record, deadline)
            if wait is not None:
                waits[record.message_id] = (record.receipt_handle, wait)
        since_start = began_with - deadline.seconds_left
        try:
            self._queue.defer(
                {
                    handle: max(1, min(ceil(wait.total_seconds()), longest_wait(since_start)))
                    for handle, wait in waits.values()
                }
            )
        except (BotoCoreError, ClientError) as error:
            logger().error("deferral_failed", **in_words(error))  # The queue's own visibility timeout holds.
        self._write_metrics()
        return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in waits]}

    def _go_on(self, record: SQSRecord, deadline: Deadline) -> timedelta | None:
        sent_at = datetime.fromtimestamp(int(record.attributes.sent_timestamp) / 1000, UTC)
        try:
            request = self._read(record.body, sent_at=sent_at)
        except MalformedEvent as error:
            return self._park(record, error, error.event_id)
        try:
            wait = self._duty.carry_out(request, deadline)
        except Exception as error:  # noqa: BLE001  # Whatever the error, the request is not lost.
            logger().error("duty_failed", **in_words(error))
            if self._now() - sent_at >= PATIENCE:
                return self._park(record, error)
            return triage(error).retry_after or AFTER_A_FAILURE
        logger().info("duty_done" if wait is None else "duty_goes_on", request=request)
        return wait

    def _park(self, record: SQSRecord, error: Exception, request_id: str | None = None) -> timedelta | None:
        received = ReceivedEvent(record.body, record.event_source_arn, request_id)
        failure = triage(error)
        try:
            self._dead_letters.park(received, Outcome.PARKED_FAILED, failure)
        except (BotoCoreError, ClientError) as lost:
            logger().error("park_failed", **in_words(lost))
            return AFTER_A_FAILURE
        logger().warning("request_parked", reason=failure.reason, words=failure.words)
        return None
