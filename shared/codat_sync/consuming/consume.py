"""A batch of SQS messages: each event gets its outcome, and stays on its queue until that outcome is safe."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from random import Random
from typing import TYPE_CHECKING, Any, Final, Protocol
from uuid import UUID

from aws_lambda_powertools.utilities.data_classes import SQSEvent
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from botocore.exceptions import BotoCoreError, ClientError

from codat_sync.codat.client import REQUEST_SECONDS
from codat_sync.codat.differences import Difference
from codat_sync.companies.converge import Converged, Convergence
from codat_sync.companies.records import CompanyPlan, DesiredPlan
from codat_sync.events.company_events import CompanyEvent, MalformedEvent
from codat_sync.observability import count_lost_announcements, count_outcomes, logger
from codat_sync.outcomes.dead_letters import ReceivedEvent
from codat_sync.outcomes.deferral import deferral_seconds
from codat_sync.outcomes.triage import PARKED, Failure, Outcome, OutOfTime, triage

if TYPE_CHECKING:  # At run time its package would load every parser of Powertools.
    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse

RESERVE_SECONDS: Final = 14
"""What is kept for what comes after a call to Codat: 11 for announcing at its slowest, and 3 for DynamoDB, for parking
and deferring, and for answering, which take a fraction of one. What is cut off nevertheless is healed by redelivery."""
START_SECONDS: Final = REQUEST_SECONDS + RESERVE_SECONDS
"""The time that must be left for another request to Codat at its slowest. The functions' timeout is well above it."""


class ReadEvent(Protocol):
    """From the body of a message to an event."""

    def __call__(self, body: str, *, now: datetime) -> CompanyEvent:
        """Raises ``MalformedEvent``."""


class Invocation(Protocol):
    """The part of Lambda's context that a consumer needs."""

    def get_remaining_time_in_millis(self) -> int:
        """Until the function is cut off."""


class Consuming(Protocol):
    """One function's way through what its queue brings."""

    def consume(self, event: dict[str, Any], context: Invocation) -> "PartialItemFailureResponse":
        """The messages that are returned come back."""


class Parking(Protocol):
    """The DLQs, as far as a consumer needs them."""

    def park(self, event: ReceivedEvent, outcome: Outcome, failure: Failure) -> None:
        """The event is safe in its DLQ once this returns."""


class Deferring(Protocol):
    """The source queue, as far as a consumer needs it."""

    def defer(self, seconds_by_receipt_handle: Mapping[str, int]) -> None:
        """Hide each message for its own time."""


@dataclass(frozen=True)
class Delivery:
    """One message, the event in it, and what the event asks for."""

    record: SQSRecord
    event: CompanyEvent
    desired: DesiredPlan

    @property
    def received(self) -> ReceivedEvent:
        """What replay and triage need to know of it."""
        return ReceivedEvent(
            body=self.record.body,
            source_queue=self.record.event_source_arn,
            event_id=self.event.event_id,
            company_id=str(self.event.company_id),
            plan=self.desired.plan,
        )

    @property
    def is_repeated(self) -> bool:
        """Whether an earlier attempt may have done part of the work, or have been cut off after it reached Codat.

        Such a delivery trusts no record: it looks at Codat. It is what heals a crash between Codat and the record.
        """
        return _receive_count(self.record) > 1 or "parkedAt" in (self.record.get("messageAttributes") or {})

    def is_current(self, company: CompanyPlan) -> bool:
        """Whether nothing newer has come in. A connection is never old news: the company is to be looked at."""
        return self.event.connected or self.desired.order == company.desired.order

    def needs_convergence(self, company: CompanyPlan, *, in_force: bool) -> bool:
        """Whether Codat must be looked at, for all that we believe to be in force there."""
        if self.is_repeated:
            return True
        if self.event.connected:
            already_seen_to = company.applied is not None and company.applied.event_id == self.event.event_id
            return not (in_force and already_seen_to)
        return self.is_current(company) and not in_force


@dataclass(frozen=True)
class Settled:
    """One message and its outcome. None: nobody could tell.

    ``plan`` is the one that the event asks for, ``company`` the record as it was left. The one event of a company that
    carries what was done has the ``differences`` that were written to Codat, and the data types to be pulled at once.
    """

    record: SQSRecord
    outcome: Outcome
    event_id: str | None = None
    company_id: str | None = None
    plan: str | None = None
    failure: Failure | None = None
    company: CompanyPlan | None = None
    differences: tuple[Difference, ...] = ()
    to_refresh: tuple[str, ...] = ()


class Announcing(Protocol):
    """Somebody who wants to know how events ended."""

    def announce(self, settled: Sequence[Settled]) -> None:
        """Pass it on. How they ended is safe already, and nothing that happens here changes it."""


class Consumer:
    """One function's way through a batch."""

    def __init__(
        self,
        read: ReadEvent,
        convergence: Convergence,
        dead_letters: Parking,
        queue: Deferring,
        *,
        first_deferral_seconds: int,
        max_concurrent_companies: int,
        max_receive_count: int,
        now: Callable[[], datetime],
        random: Random,
        announcing: Sequence[Announcing] = (),
        write_metrics: Callable[[], None] = lambda: None,
    ) -> None:
        """``write_metrics`` has the batch's last word: it writes what was gathered while it went on."""
        self._read = read
        self._convergence = convergence
        self._dead_letters = dead_letters
        self._queue = queue
        self._first_deferral_seconds = first_deferral_seconds
        self._max_concurrent_companies = max_concurrent_companies
        self._max_receive_count = max_receive_count
        self._now = now
        self._random = random
        self._announcing = announcing
        self._write_metrics = write_metrics

    def consume(self, event: dict[str, Any], context: Invocation) -> "PartialItemFailureResponse":
        """Settle every message, those of different companies side by side; the ones to be seen again are returned.

        Ends before the function's deadline: what there is no time for is deferred. The answer is what
        ReportBatchItemFailures takes: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
        """
        logger()  # Made here: the threads of a first batch would race to make it.
        received_with = context.get_remaining_time_in_millis()

        def may_call() -> None:
            if context.get_remaining_time_in_millis() < START_SECONDS * 1000:
                raise OutOfTime("the function's time does not allow another request to Codat")

        unread: list[Settled] = []
        by_company: dict[UUID, list[Delivery]] = {}
        for record in SQSEvent(event).records:
            delivery = self._read_record(record)
            if isinstance(delivery, Settled):
                unread.append(delivery)
            else:
                by_company.setdefault(delivery.event.company_id, []).append(delivery)

        with ThreadPoolExecutor(self._max_concurrent_companies) as companies:
            groups = companies.map(lambda deliveries: self._settle_company(deliveries, may_call), by_company.values())
            settled = [each for group in groups for each in group]

            deferred = [each for each in unread + settled if each.outcome is Outcome.DEFERRED]
            self._defer(deferred, since_receipt=(received_with - context.get_remaining_time_in_millis()) / 1000)
            # A plan that was not understood is whatever the producer wrote: it must not become a metric's dimension.
            count_outcomes(
                [(each.outcome, None) for each in unread] + [(each.outcome, each.plan) for each in settled],
                [each.failure.reason for each in unread + settled if each.failure],
            )
            self._announce(unread + settled)
            # Last, so that it takes no other company's time.
            upgraded = [(each, each.company) for each in settled if each.company and each.to_refresh]
            list(companies.map(lambda each: self._refresh(each[0], each[1], may_call), upgraded))
        self._write_metrics()
        return {"batchItemFailures": [{"itemIdentifier": each.record.message_id} for each in deferred]}

    def _read_record(self, record: SQSRecord) -> Delivery | Settled:
        received = ReceivedEvent(record.body, record.event_source_arn)
        try:
            event = self._read(record.body, now=self._now())
            received = replace(received, event_id=event.event_id, company_id=str(event.company_id), plan=event.plan)
            return Delivery(record, event, self._convergence.desired_by(event))
        except Exception as error:  # noqa: BLE001  # Triage names an outcome for whatever it is; nothing is lost.
            if isinstance(error, MalformedEvent):
                received = replace(received, event_id=error.event_id)
            return self._settle_failure(record, received, error)

    def _settle_company(self, deliveries: Sequence[Delivery], may_call: Callable[[], None]) -> list[Settled]:
        """Record all events of one company, converge once, and give each event its own outcome."""
        try:
            may_call()
            # The last answer is the newest record: it holds what all the events before it have left there.
            company = [self._convergence.record(each.event.company_id, each.desired) for each in deliveries][-1]
            in_force = self._convergence.in_force(company)
        except Exception as error:  # noqa: BLE001  # As above.
            return [self._settle_company_failure(each, error) for each in deliveries]

        waiting = [each for each in deliveries if each.needs_convergence(company, in_force=in_force)]
        converged, failed = Converged(company), None
        if waiting:
            try:
                converged = self._convergence.converge(company, waiting[-1].event.event_id, may_call)
            except Exception as error:  # noqa: BLE001  # As above.
                failed = error
        # One event of a company carries what was done; for the others of the batch there was nothing left to do. Where
        # none is current, an old one carries a repair, and a degradation: parked, it is what brings hourly back later.
        current = (each for each in deliveries if each.is_current(converged.company))
        carrier = next(current, deliveries[0])
        return [
            self._settle_company_failure(each, failed, company)
            if failed and each in waiting
            else self._settle_success(each, converged, carries=each is carrier)
            for each in deliveries
        ]

    def _settle_success(self, delivery: Delivery, converged: Converged, *, carries: bool) -> Settled:
        failure: Failure | None = None
        outcome = Outcome.UNCHANGED
        if carries and converged.degraded_by is not None:
            outcome = Outcome.DEGRADED
            failure = replace(triage(converged.degraded_by), outcome=outcome)
        elif not delivery.is_current(converged.company):
            outcome = Outcome.STALE
        elif carries and converged.differences:
            outcome = Outcome.APPLIED
        settled = self._settle(
            delivery.record,
            delivery.received,
            outcome,
            failure,
            differences=[str(difference) for difference in converged.differences] if carries else [],
            refused_narrowing=converged.refused_narrowing if carries else (),
        )
        return replace(
            settled,
            company=converged.company,
            differences=converged.differences if carries else (),
            # A source that was just connected is pulled by Codat itself.
            to_refresh=converged.to_refresh if carries and not delivery.event.connected else (),
        )

    def _settle_company_failure(
        self, delivery: Delivery, error: Exception, company: CompanyPlan | None = None
    ) -> Settled:
        failure = triage(error)
        try:
            self._convergence.note_failure(
                delivery.event.company_id, delivery.event.event_id, f"{failure.reason}: {failure.words}"
            )
        except (BotoCoreError, ClientError) as lost:
            logger().error("note_failed", exc_info=lost)
        return replace(self._settle_failure(delivery.record, delivery.received, error), company=company)

    def _settle_failure(self, record: SQSRecord, received: ReceivedEvent, error: Exception) -> Settled:
        failure = triage(error)
        if failure.unexpected:
            logger().error("unexpected_error", exc_info=error)
        outcome = failure.outcome
        if outcome is Outcome.DEFERRED and _receive_count(record) >= self._max_receive_count:
            outcome = Outcome.PARKED_FAILED  # Before SQS moves it there without a reason.
        return self._settle(record, received, outcome, failure)

    def _settle(
        self, record: SQSRecord, received: ReceivedEvent, outcome: Outcome, failure: Failure | None, **more: object
    ) -> Settled:
        """The one place where an outcome is made safe, and the one where it is logged."""
        if outcome in PARKED and failure is not None:
            try:
                self._dead_letters.park(received, outcome, failure)
            except Exception as error:  # noqa: BLE001  # Whatever keeps it from its DLQ, it stays on its queue.
                logger().error("park_failed", exc_info=error)
                outcome = Outcome.DEFERRED
        said: dict[str, object] = {
            "outcome": outcome.value,
            "correlation_id": received.event_id,
            "company_id": received.company_id,
            "plan": received.plan,
            "receive_count": _receive_count(record),
            **(_explanation(failure) if failure else {}),
            **more,
        }
        logger().info("event_settled", extra={name: value for name, value in said.items() if value})
        return Settled(record, outcome, received.event_id, received.company_id, received.plan, failure)

    def _defer(self, deferred: Iterable[Settled], *, since_receipt: float) -> None:
        """Say when each is to be seen again. Without that the queue's own visibility timeout holds: never a loss."""
        waits = {
            each.record.receipt_handle: deferral_seconds(
                _receive_count(each.record),
                each.failure.retry_after if each.failure else None,
                first_ceiling=self._first_deferral_seconds,
                since_receipt=since_receipt,
                random=self._random,
            )
            for each in deferred
        }
        try:
            self._queue.defer(waits)
        except (BotoCoreError, ClientError) as error:
            logger().error("deferral_failed", exc_info=error)

    def _announce(self, settled: Sequence[Settled]) -> None:
        for each in self._announcing:
            try:
                each.announce(settled)
            except Exception as error:  # noqa: BLE001  # Whatever it is, the events ended as they did.
                logger().error("announcement_lost", exc_info=error)
                count_lost_announcements(1)

    def _refresh(self, settled: Settled, company: CompanyPlan, may_call: Callable[[], None]) -> None:
        """Have Codat pull at once what an upgrade made more frequent. Best effort: it comes by its schedule anyway."""
        said = {"correlation_id": settled.event_id, "company_id": settled.company_id}
        queued = 0
        try:
            for _ in self._convergence.refresh(company.company_id, settled.to_refresh, may_call):
                queued += 1
        except Exception as error:  # noqa: BLE001  # Whatever it is, the event ended as it did.
            why = triage(error)
            said |= {"reason": why.reason, "words": why.words}
            logger().warning("refresh_failed", extra=said | {"queued": queued}, exc_info=why.unexpected)
        else:
            logger().info("refresh_queued", extra=said | {"queued": queued})


def _receive_count(record: SQSRecord) -> int:
    return int(record.attributes.approximate_receive_count or 1)


def _explanation(failure: Failure) -> dict[str, object]:
    return {
        "reason": failure.reason,
        "words": failure.words,
        "status": failure.status,
        "codat_correlation_id": failure.correlation_id,
        "retry_after_seconds": failure.retry_after.total_seconds() if failure.retry_after else None,
    }
