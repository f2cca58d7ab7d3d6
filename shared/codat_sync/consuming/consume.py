"""Consumes a batch of SQS messages: each event gets its outcome, and stays on its queue until that outcome is safe."""

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

from codat_sync.aws.clients import TIMEOUTS
from codat_sync.aws.errors import trouble_of_aws
from codat_sync.codat.client import REQUEST_SECONDS
from codat_sync.companies.converge import Converged, Convergence
from codat_sync.companies.records import CompanyPlan
from codat_sync.consuming._alone import HandledAlone, divide, refuse_never_settled
from codat_sync.consuming.deliveries import Delivery, Settled, arrived_at, waited
from codat_sync.consuming.settle import Settlement
from codat_sync.deadline import Deadline, Invocation, PacedDeadline, Turns
from codat_sync.events.company_events import CompanyEvent, Ignored
from codat_sync.events.envelope import MalformedEvent
from codat_sync.observability import count_lost_announcements, count_outcomes, logger
from codat_sync.outcomes.dead_letters import ReceivedEvent
from codat_sync.outcomes.deferral import Patience
from codat_sync.outcomes.triage import Failure, Outcome, in_words, triage
from codat_sync.presets.preset import UnknownPlan

if TYPE_CHECKING:  # At run time its package would load every parser of Powertools.
    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse

RESERVE_SECONDS: Final = 2 * TIMEOUTS.slowest_seconds
"""Kept for what follows a call to Codat, where one part of AWS does not answer: no more than two calls to the same one
come after each other (confirming and noting a failure, parking and deferring, announcing). Where several do not answer,
the clients start no call that would outlast the function: that step is left out, and its message stays on the queue.
"""
START_SECONDS: Final = REQUEST_SECONDS + RESERVE_SECONDS
"""The time that must be left to start a request to Codat: one at its slowest, and what follows it. The functions'
timeout is well above."""


class ReadEvent(Protocol):
    """Reads a message's body as an event."""

    def __call__(self, body: str, *, now: datetime) -> CompanyEvent | Ignored:
        """Return the event, or that it changes no plan. Raise ``MalformedEvent``."""


class Consuming(Protocol):
    """One function's handling of the messages on its queue."""

    def consume(self, event: dict[str, Any], context: Invocation) -> "PartialItemFailureResponse":
        """Settle the messages. Those in the answer stay on the queue and are delivered again."""


class Deferring(Protocol):
    """The source queue, as far as a consumer needs it."""

    def defer(self, seconds_by_receipt_handle: Mapping[str, int]) -> None:
        """Hide each message for its own time."""


class Announcer(Protocol):
    """A receiver of how events ended."""

    def announce(self, settled: Sequence[Settled]) -> None:
        """Pass it on. The outcomes are safe already, and nothing that happens here changes them."""


@dataclass(frozen=True)
class ConsumerSettings:
    """What a consumer is configured with.

    ``max_concurrent_companies`` is how many companies are converged at the same time.
    """

    patience: Patience
    max_concurrent_companies: int


class Consumer:
    """The use case on one batch. Holds no state between batches."""

    def __init__(
        self,
        read: ReadEvent,
        convergence: Convergence,
        settlement: Settlement,
        queue: Deferring,
        settings: ConsumerSettings,
        *,
        now: Callable[[], datetime],
        random: Random,
        announcers: Sequence[Announcer] = (),
        turns: Sequence[Turns] = (),
        write_metrics: Callable[[], None] = lambda: None,
    ) -> None:
        """Each call to Codat waits for one of each of ``turns``, for as long as the function's time allows.

        ``write_metrics`` is called last in each batch: it writes what was gathered meanwhile.
        """
        self._read = read
        self._convergence = convergence
        self._settlement = settlement
        self._queue = queue
        self._settings = settings
        self._now = now
        self._random = random
        self._announcers = announcers
        self._turns = turns
        self._write_metrics = write_metrics

    def consume(self, event: dict[str, Any], context: Invocation) -> "PartialItemFailureResponse":
        """Settle every message, those of different companies side by side; return the ones to be delivered again.

        Ends before the function's deadline: messages without time left are deferred. The answer is what
        ReportBatchItemFailures takes: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
        """
        logger()  # Made here: the threads of a first batch would race to make it.
        deadline = Deadline.of(context, seconds_for_a_call=START_SECONDS)
        began_with = deadline.seconds_left
        to_handle, suspects = divide(list(SQSEvent(event).records), self._settings.patience, self._now())
        set_aside = self._set_aside(suspects)
        unread, by_company = self._read_all(to_handle)

        with ThreadPoolExecutor(self._settings.max_concurrent_companies) as companies:
            groups = companies.map(lambda deliveries: self._settle_company(deliveries, deadline), by_company.values())
            settled = [each for group in groups for each in group]
            deferred = [each for each in unread + settled if each.outcome is Outcome.DEFERRED]
            self._defer(deferred, since_start=began_with - deadline.seconds_left)
            _count(unread + set_aside, settled)
            self._announce(unread + settled)
            # Last, so that it takes no other company's time.
            upgraded = [(each, each.company) for each in settled if each.company and each.to_refresh]
            list(companies.map(lambda each: self._refresh(each[0], each[1], deadline), upgraded))
        self._write_metrics()
        return {"batchItemFailures": [{"itemIdentifier": each.record.message_id} for each in deferred + set_aside]}

    def _set_aside(self, suspects: Sequence[SQSRecord]) -> list[Settled]:
        """Hide suspects at once: once the one that is handled has killed the function, nobody would."""
        if not suspects:
            return []
        longest = self._settings.patience.first_ceiling
        self._hide({each.receipt_handle: self._random.randint(1, longest) for each in suspects})
        failure = triage(HandledAlone("the message was received more often than its deferrals explain"))
        return [
            self._settlement.settle(each, ReceivedEvent(each.body, each.event_source_arn), Outcome.DEFERRED, failure)
            for each in suspects
        ]

    def _read_all(self, records: Iterable[SQSRecord]) -> tuple[list[Settled], dict[UUID, list[Delivery]]]:
        """Read each message: those that could not be read, settled already, and the others by company, in order."""
        unread: list[Settled] = []
        by_company: dict[UUID, list[Delivery]] = {}
        for record in records:
            delivery = self._read_record(record)
            if isinstance(delivery, Settled):
                unread.append(delivery)
            else:
                by_company.setdefault(delivery.event.company_id, []).append(delivery)
        return unread, by_company

    def _read_record(self, record: SQSRecord) -> Delivery | Settled:
        arrival = arrived_at(record)
        received = ReceivedEvent(record.body, record.event_source_arn, arrived_at=arrival)
        try:
            event = self._read(record.body, now=self._now())
            if isinstance(event, Ignored):
                received = replace(received, event_id=event.event_id)
                ignored = f"source {event.source}: {event.because}"
                return self._settlement.settle(record, received, Outcome.UNCHANGED, ignored=ignored)
            received = replace(received, event_id=event.event_id, company_id=str(event.company_id), plan=event.plan)
            refuse_never_settled(record, self._settings.patience, self._now())
            if event.products:
                fields = {"correlation_id": event.event_id, "company_id": received.company_id}
                logger().warning("company_has_products", extra=fields | {"products": event.products})
            return Delivery(record, event, self._convergence.desired_by(event, arrival))
        except Exception as error:  # noqa: BLE001  # Triage names an outcome for any error; no message is lost.
            if isinstance(error, MalformedEvent):
                received = replace(received, event_id=error.event_id)
            return self._settlement.settle_failure(record, received, error)

    def _settle_company(self, deliveries: Sequence[Delivery], deadline: Deadline) -> list[Settled]:
        """Record all events of one company, converge once, and give each event its own outcome."""
        try:
            deliveries, refused, company = self._record(deliveries, deadline)
            in_force = company is not None and self._convergence.in_force(company)
        except Exception as error:  # noqa: BLE001  # As above.
            return [self._settle_company_failure(each, error) for each in deliveries]
        unknown = [self._settlement.settle_failure(each.record, each.received, error) for each, error in refused]
        if company is None:
            return unknown

        waiting = [each for each in deliveries if each.needs_convergence(company, in_force=in_force)]
        converged, failed = Converged(company), None
        if waiting:
            try:
                converged = self._convergence.converge(company, waiting[-1].event.event_id, self._paced(deadline))
            except Exception as error:  # noqa: BLE001  # As above.
                failed = error
        # One event of a company carries what was done; for the others of the batch there was nothing left to do. Where
        # none is current, an old one carries a repair, and a degradation: parked, it is what brings hourly back later.
        current = (each for each in deliveries if each.is_current(converged.company))
        carrier = next(current, deliveries[0])
        return unknown + [
            self._settle_company_failure(each, failed, company)
            if failed and each in waiting
            else self._settle_success(each, converged, carries=each is carrier)
            for each in deliveries
        ]

    def _record(
        self, deliveries: Sequence[Delivery], deadline: Deadline
    ) -> tuple[list[Delivery], list[tuple[Delivery, UnknownPlan]], CompanyPlan | None]:
        """Record all events of one company; return them, those whose tag names no plan, and the record afterwards."""
        recorded, refused, company = [], [], None
        # Tags that name no plan come last: where a greater authority stands by then, they do not count anyway.
        for each in sorted(deliveries, key=lambda each: not self._convergence.knows(each.desired.plan)):
            deadline.check()
            try:
                company = self._convergence.record(each.event.company_id, each.desired)
            except UnknownPlan as error:
                refused.append((each, error))
                continue
            known = self._convergence.knows(each.desired.plan)
            recorded.append(
                replace(each, desired=each.desired if known else company.desired, promoted=company.promoted)
            )
            same_id = company.desired.event_id == each.event.event_id
            if same_id and each.event.plan and company.desired.plan != each.desired.plan:
                fields = {"correlation_id": each.event.event_id, "company_id": each.received.company_id}
                logger().warning("event_id_reused", extra=fields | {"plan": each.desired.plan})
        return recorded, refused, company

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
        settled = self._settlement.settle(
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
        if trouble_of_aws(error) is None:  # A table in trouble is not to be called for each event that meets it.
            self._note_failure(delivery.event, triage(error))
        settled = self._settlement.settle_failure(delivery.record, delivery.received, error)
        return replace(settled, company=company)

    def _paced(self, deadline: Deadline) -> Deadline:
        """Return the deadline for calls to Codat. Any other check of the time takes no turn."""
        return PacedDeadline(deadline, *self._turns)

    def _note_failure(self, event: CompanyEvent, failure: Failure) -> None:
        try:
            self._convergence.note_failure(event.company_id, event.event_id, f"{failure.reason}: {failure.words}")
        except (BotoCoreError, ClientError) as error:
            logger().error("note_failed", **in_words(error))

    def _defer(self, deferred: Iterable[Settled], *, since_start: float) -> None:
        """Say when each is to be delivered again."""
        patience, now = self._settings.patience, self._now()
        self._hide(
            {
                each.record.receipt_handle: patience.wait(
                    waited(each.record, now),
                    each.failure.retry_after if each.failure else None,
                    since_start=since_start,
                    random=self._random,
                )
                for each in deferred
            }
        )

    def _hide(self, waits: Mapping[str, int]) -> None:
        """Hide each message for its own time. Where SQS refuses, the queue's own visibility timeout holds."""
        try:
            self._queue.defer(waits)
        except (BotoCoreError, ClientError) as error:
            logger().error("deferral_failed", **in_words(error))

    def _announce(self, settled: Sequence[Settled]) -> None:
        for each in self._announcers:
            try:
                each.announce(settled)
            except Exception as error:  # noqa: BLE001  # Whatever the error, the events ended as they did.
                logger().error("announcement_lost", **in_words(error))
                count_lost_announcements(1)

    def _refresh(self, settled: Settled, company: CompanyPlan, deadline: Deadline) -> None:
        """Make Codat pull at once what an upgrade made more frequent. Best effort: the schedule pulls it anyway."""
        fields = {"correlation_id": settled.event_id, "company_id": settled.company_id}
        queued = 0
        try:
            for _ in self._convergence.refresh(company.company_id, settled.to_refresh, self._paced(deadline)):
                queued += 1
        except Exception as error:  # noqa: BLE001  # Whatever the error, the event ended as it did.
            logger().warning("refresh_failed", extra=fields | {"queued": queued}, **in_words(error))
        else:
            logger().info("refresh_queued", extra=fields | {"queued": queued})


def _count(unread: Sequence[Settled], settled: Sequence[Settled]) -> None:
    # A plan that was not understood is whatever the producer wrote: it must not become a metric's dimension.
    unknown = [each for each in settled if each.failure and each.failure.reason == UnknownPlan.reason]
    understood = [each for each in settled if each not in unknown]
    count_outcomes(
        [(each.outcome, None) for each in [*unread, *unknown]] + [(each.outcome, each.plan) for each in understood],
        [each.failure.reason for each in [*unread, *settled] if each.failure],
    )
