"""Gives a message its outcome: parked where that is the outcome, then logged."""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from codat_sync.consuming.deliveries import Settled, receive_count, waited
from codat_sync.observability import logger
from codat_sync.outcomes.dead_letters import ReceivedEvent
from codat_sync.outcomes.deferral import Patience
from codat_sync.outcomes.triage import PARKED, Failure, Outcome, in_words, triage


class Parking(Protocol):
    """The DLQs, as far as a consumer needs them."""

    def park(self, event: ReceivedEvent, outcome: Outcome, failure: Failure) -> None:
        """Send the event to its DLQ. The event is safe there once this returns."""


class Settlement:
    """The one place where an outcome becomes safe and is logged. Safe to share between threads."""

    def __init__(self, dead_letters: Parking, patience: Patience, now: Callable[[], datetime]) -> None:
        self._dead_letters = dead_letters
        self._patience = patience
        self._now = now

    def settle(
        self,
        record: SQSRecord,
        received: ReceivedEvent,
        outcome: Outcome,
        failure: Failure | None = None,
        **more: object,
    ) -> Settled:
        """Park the event where the outcome says so, log ``event_settled`` with ``more`` fields, and return both.

        Where parking fails, the outcome is deferred: the message stays on its queue.
        """
        if outcome in PARKED and failure is not None:
            try:
                self._dead_letters.park(received, outcome, failure)
            except Exception as error:  # noqa: BLE001  # Whatever the reason, the message stays on its queue.
                logger().error("park_failed", **in_words(error))
                outcome = Outcome.DEFERRED
        fields: dict[str, object] = {
            "outcome": outcome.value,
            "correlation_id": received.event_id,
            "company_id": received.company_id,
            "plan": received.plan,
            "receive_count": receive_count(record),
            "waited_seconds": round(waited(record, self._now())),
            **(_explanation(failure) if failure else {}),
            **more,
        }
        logger().info("event_settled", extra={name: value for name, value in fields.items() if value})
        return Settled(record, outcome, received.event_id, received.company_id, received.plan, failure)

    def settle_failure(self, record: SQSRecord, received: ReceivedEvent, error: Exception) -> Settled:
        """Give the message the outcome that the error leads to. An error that was not planned for is logged whole.

        An event is deferred until its patience ends, and then parked with its last reason.
        """
        failure = triage(error)
        if failure.unexpected:
            logger().error("unexpected_error", exc_info=error)
        outcome = failure.outcome
        if outcome is Outcome.DEFERRED and self._patience.is_over(waited(record, self._now())):
            outcome = Outcome.PARKED_FAILED
        return self.settle(record, received, outcome, failure)


def _explanation(failure: Failure) -> dict[str, object]:
    return {
        "reason": failure.reason,
        "words": failure.words,
        "status": failure.status,
        "codat_correlation_id": failure.correlation_id,
        "retry_after_seconds": failure.retry_after.total_seconds() if failure.retry_after else None,
    }
