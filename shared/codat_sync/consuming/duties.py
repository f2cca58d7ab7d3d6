"""A duty: work on all companies, asked for by one message that stays on its queue until all of it is done.

No invocation has to finish what it began. The message comes back, and the duty goes on where it stopped; so a function
that is cut off or killed loses nothing but the time since it last noted how far it had come.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar

from aws_lambda_powertools.utilities.data_classes import SQSEvent
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from botocore.exceptions import BotoCoreError, ClientError

from codat_sync.consuming.consume import Deferring, Invocation, Parking
from codat_sync.events.company_events import MalformedEvent
from codat_sync.observability import logger
from codat_sync.outcomes.dead_letters import ReceivedEvent
from codat_sync.outcomes.deferral import SQS_LONGEST_SECONDS
from codat_sync.outcomes.triage import Outcome, triage

if TYPE_CHECKING:  # At run time its package would load every parser of Powertools.
    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse

AFTER_A_FAILURE: Final = timedelta(minutes=5)
"""How long a duty rests that met what it cannot go on without: Codat, the table, a queue."""

_Request = TypeVar("_Request")
_Request_contra = TypeVar("_Request_contra", contravariant=True)


class ReadRequest(Protocol[_Request]):  # type: ignore[misc]  # It is only returned.
    """From the body of a message to a request."""

    def __call__(self, body: str, *, sent_at: datetime) -> _Request:
        """Raises ``MalformedEvent``."""


class Duty(Protocol[_Request_contra]):
    """The work itself."""

    def carry_out(self, request: _Request_contra, seconds_left: Callable[[], float]) -> timedelta | None:
        """Go on with it as long as there is time. None once all is done, else how long to wait before going on.

        Begins nothing that ``seconds_left`` does not allow for. What it raises has it begun anew a little later.
        """


class DutyConsumer(Generic[_Request]):
    """One function's way through the requests on its queue."""

    def __init__(
        self,
        read: ReadRequest[_Request],
        duty: Duty[_Request],
        dead_letters: Parking,
        queue: Deferring,
        write_metrics: Callable[[], None] = lambda: None,
    ) -> None:
        """``write_metrics`` has the last word of each invocation: it writes what was gathered while it went on."""
        self._read = read
        self._duty = duty
        self._dead_letters = dead_letters
        self._queue = queue
        self._write_metrics = write_metrics

    def consume(self, event: dict[str, Any], context: Invocation) -> "PartialItemFailureResponse":
        """Go on with each request; those that are not done are returned, and come back when it is time.

        The answer is what ReportBatchItemFailures takes:
        https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
        """

        def seconds_left() -> float:
            return context.get_remaining_time_in_millis() / 1000

        received_with = seconds_left()
        waits = {}
        for record in SQSEvent(event).records:
            wait = self._go_on(record, seconds_left)
            if wait is not None:
                waits[record.message_id] = (record.receipt_handle, wait)
        since_receipt = received_with - seconds_left()
        try:
            self._queue.defer(
                {
                    handle: max(1, min(ceil(wait.total_seconds()), int(SQS_LONGEST_SECONDS - since_receipt - 1)))
                    for handle, wait in waits.values()
                }
            )
        except (BotoCoreError, ClientError) as error:
            logger().error("deferral_failed", exc_info=error)  # The queue's own visibility timeout stands.
        self._write_metrics()
        return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in waits]}

    def _go_on(self, record: SQSRecord, seconds_left: Callable[[], float]) -> timedelta | None:
        sent_at = datetime.fromtimestamp(int(record.attributes.sent_timestamp) / 1000, UTC)
        try:
            request = self._read(record.body, sent_at=sent_at)
        except MalformedEvent as error:
            return self._park(record, error)
        try:
            wait = self._duty.carry_out(request, seconds_left)
        except Exception as error:  # noqa: BLE001  # Whatever it is, the request stays on its queue.
            failure = triage(error)
            logger().error("duty_failed", reason=failure.reason, words=failure.words, exc_info=failure.unexpected)
            return failure.retry_after or AFTER_A_FAILURE
        logger().info("duty_done" if wait is None else "duty_goes_on", request=request)
        return wait

    def _park(self, record: SQSRecord, error: MalformedEvent) -> timedelta | None:
        received = ReceivedEvent(record.body, record.event_source_arn, error.event_id)
        failure = triage(error)
        try:
            self._dead_letters.park(received, Outcome.PARKED_FAILED, failure)
        except (BotoCoreError, ClientError) as lost:
            logger().error("park_failed", exc_info=lost)
            return AFTER_A_FAILURE
        logger().warning("request_parked", reason=failure.reason, words=failure.words)
        return None
