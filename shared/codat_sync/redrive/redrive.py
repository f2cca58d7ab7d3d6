"""Redrive: events that wait for Codat's bill go back from the payment-required DLQ to their queues once it is paid.

No event says reliably that the bill is paid. So one event of each kind of 402 is the probe: its company is converged to
its newest plan. Only where Codat accepts that, all others of the kind are moved, and each is processed as any event is.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol
from uuid import UUID

from codat_sync.announcements import Announcement, PresetInForce, SettingDifference, SyncSettingsApplied
from codat_sync.codat.differences import Difference
from codat_sync.codat.errors import CodatRefused, Conflict, NotFound, PaymentRequired, PaymentRequiredKind
from codat_sync.codat.models import Frequency
from codat_sync.companies.converge import Converged, Convergence, PlanKeepsChanging
from codat_sync.companies.pause import CACHE, PauseRecord
from codat_sync.companies.records import CompanyPlan, RecordGone
from codat_sync.consuming.duties import AFTER_A_FAILURE
from codat_sync.deadline import Deadline, OutOfTime, PacedDeadline, Turns
from codat_sync.events.requests import RedriveRequest
from codat_sync.observability import count_redrive, logger
from codat_sync.outcomes.parked_events import DeadLetterQueue, ParkedEvent
from codat_sync.presets.preset import UnknownPlan

_SAYS_NOTHING_OF_THE_BILL: Final = (CodatRefused, NotFound, Conflict, RecordGone, UnknownPlan, PlanKeepsChanging)
"""Errors that concern the probe's company alone."""


class Records(Protocol):
    """The companies' records, as far as a probe needs them."""

    def get(self, company_id: UUID) -> CompanyPlan | None:
        """Return a company's record, consistent with every earlier write; None where there is none."""


class Announcer(Protocol):
    """The event bus, as far as a redrive needs it."""

    def say(self, announcements: Sequence[Announcement]) -> None:
        """Put the announcements on the bus. Raise nothing where that fails."""


@dataclass
class _Findings:
    """What one invocation has found and done. Nothing of it outlives the invocation."""

    paid: set[PaymentRequiredKind] = field(default_factory=set)
    refused: dict[PaymentRequiredKind, str] = field(default_factory=dict)
    """In Codat's words."""
    moved: Counter[str] = field(default_factory=Counter)
    """By kind."""
    homeless: Counter[str] = field(default_factory=Counter)
    """By the source queue, which is unknown or not named."""
    failed: Counter[str] = field(default_factory=Counter)
    """By SQS's error."""
    complete: bool = False


class Redrive:
    """The duty. Holds no state between invocations."""

    def __init__(
        self,
        parked: DeadLetterQueue,
        convergence: Convergence,
        records: Records,
        pause: PauseRecord,
        pace: Turns,
        announcements: Announcer,
        *,
        now: Callable[[], datetime],
        sleep: Callable[[float], None],
        turns: Sequence[Turns] = (),
    ) -> None:
        """``convergence`` calls Codat itself: a pause for an expired account must not answer in its place.

        ``pace`` counts events that are probed or moved. Each call to Codat needs one of each of ``turns``.
        """
        self._parked = parked
        self._convergence = convergence
        self._records = records
        self._pause = pause
        self._pace = pace
        self._announcements = announcements
        self._now = now
        self._sleep = sleep
        self._turns = turns

    def carry_out(self, request: RedriveRequest, deadline: Deadline) -> timedelta | None:
        """Probe each kind, and move the events that the request asks for of each kind that is paid.

        While nothing is paid, it costs one convergence for each kind: of a degraded company that is one write to
        Codat. Raise ``CodatUnavailable`` where Codat does not answer a probe. Events that were not asked for, that a
        probe refused, or that were cut off are visible in the DLQ again by the time it goes on.
        """
        pause = self._pause.read()
        if pause is not None and pause.reason != PaymentRequiredKind.ACCOUNT_EXPIRED and pause.until > self._now():
            return pause.until - self._now()
        others_hold_some = self._parked.in_flight() > 0
        findings = _Findings()
        try:
            self._go_through(request, findings, deadline)
        except OutOfTime:
            return timedelta(seconds=max(deadline.seconds_left, 0) + 1)  # By then no message is hidden any more.
        finally:
            _report(request, findings)
        if findings.failed or (others_hold_some and not findings.refused):
            return AFTER_A_FAILURE
        return None

    def _go_through(self, request: RedriveRequest, findings: _Findings, deadline: Deadline) -> None:
        """Go through the DLQ once. Raise ``OutOfTime`` where events may be left for want of time."""
        paced, calling = PacedDeadline(deadline, self._pace), PacedDeadline(deadline, *self._turns)
        kinds = request.reasons or frozenset(PaymentRequiredKind)
        with closing(self._parked.read(deadline)) as batches:
            for batch in batches:
                going: list[ParkedEvent] = []
                try:
                    for event in batch:
                        if not _is_asked_for(event, request, kinds - findings.refused.keys()):
                            continue
                        paced.check()
                        if event.reason in findings.paid or self._probe(event, request, findings, calling):
                            going.append(event)
                finally:
                    self._put_back(going, findings)
                if findings.refused.keys() >= kinds:
                    break
        deadline.check()  # Without time left, the DLQ may hold more.
        findings.complete = True

    def _probe(self, event: ParkedEvent, request: RedriveRequest, findings: _Findings, deadline: Deadline) -> bool:
        """Find out by this event's company whether its kind is paid; return whether the event itself may go back.

        It may also go back where its company says nothing about the bill: its consumer gives it its outcome, and the
        next event is the probe.
        """
        company = self._record_of(event)
        if company is None:
            return True
        refusal: PaymentRequired | None = None
        differences: Iterable[Difference] = ()
        try:
            converged = self._convergence.converge(company, request.request_id, deadline)
            refusal, differences = converged.degraded_by, converged.differences
            if differences and refusal is None:  # The event itself will find nothing to do, and announce nothing.
                self._announcements.say([_applied(converged, event, at=self._now())])
        except PaymentRequired as error:
            refusal = error
        except _SAYS_NOTHING_OF_THE_BILL as error:
            logger().info("redrive_probe_undecided", reason=error.reason, words=str(error), company_id=event.company_id)
            return True
        return self._conclude(event, findings, refusal, differences)

    def _conclude(
        self,
        event: ParkedEvent,
        findings: _Findings,
        refusal: PaymentRequired | None,
        differences: Iterable[Difference],
    ) -> bool:
        """Note what the probe's answer says of its kind; return whether the event itself may go back."""
        if refusal is not None and refusal.kind is PaymentRequiredKind.ACCOUNT_EXPIRED:
            self._refuse(PaymentRequiredKind, refusal, event, findings)
            return False
        kind = PaymentRequiredKind(str(event.reason))
        if _proves_paid(kind, differences):
            findings.paid.add(kind)
            logger().info("redrive_opened", kind=kind.value, company_id=event.company_id)
            self._lift_pause()
        elif refusal is not None:
            self._refuse([kind], refusal, event, findings)
            # Refused by another 402 than the one it is parked for, it goes back to be parked under that one.
            return refusal.kind is not kind
        return True

    def _record_of(self, event: ParkedEvent) -> CompanyPlan | None:
        try:
            company_id = UUID(event.company_id)
        except (TypeError, ValueError):
            return None
        return self._records.get(company_id)

    def _refuse(
        self,
        kinds: Iterable[PaymentRequiredKind],
        refusal: PaymentRequired,
        event: ParkedEvent,
        findings: _Findings,
    ) -> None:
        for kind in kinds:
            findings.refused[kind] = str(refusal)
        logger().warning(
            "redrive_refused",
            kind=event.reason,
            reason=refusal.reason,
            words=str(refusal),
            status=refusal.status,
            codat_correlation_id=refusal.correlation_id,
            company_id=event.company_id,
        )

    def _lift_pause(self) -> None:
        """Lift a pause for the expired account, and wait until no function still has it cached.

        An event that reached its consumer sooner would be parked again because of the pause.
        """
        while (pause := self._pause.read()) is not None and pause.reason == PaymentRequiredKind.ACCOUNT_EXPIRED:
            if self._pause.swap(pause, None):
                logger().info("pause_lifted", reason=pause.reason)
                self._sleep(CACHE.total_seconds())

    def _put_back(self, going: Iterable[ParkedEvent], findings: _Findings) -> None:
        result = self._parked.put_back(going)
        findings.moved.update(str(each.reason) for each in result.moved)
        findings.homeless.update(str(each.source_queue) for each, _ in result.homeless)
        findings.failed.update(why for _, why in result.failed)


def _is_asked_for(event: ParkedEvent, request: RedriveRequest, kinds: Collection[PaymentRequiredKind]) -> bool:
    """Return whether to move the event. One that was parked after the request is not moved in circles."""
    if event.reason not in kinds or event.parked_at >= request.requested_at:
        return False
    return request.company_id is None or event.company_id == str(request.company_id)


def _proves_paid(kind: PaymentRequiredKind, differences: Iterable[Difference]) -> bool:
    """Return whether an answer that did not refuse the kind shows that no event of it would be refused.

    An expired account refuses everything. The other 402s are met by writes only, and the one for hourly only by writes
    that ask for hourly.
    """
    match kind:
        case PaymentRequiredKind.ACCOUNT_EXPIRED:
            return True
        case PaymentRequiredKind.HOURLY_NOT_ALLOWED:
            return any(each.field == "sync_schedule" and each.after == str(Frequency.HOURLY) for each in differences)
        case _:
            return any(differences)


def _applied(converged: Converged, event: ParkedEvent, *, at: datetime) -> Announcement:
    company = converged.company
    return SyncSettingsApplied(
        company_id=company.company_id,
        plan=company.desired.plan,
        preset=PresetInForce.of(company.applied),
        differences=tuple(map(SettingDifference.of, converged.differences)),
        caused_by=event.event_id,
        occurred_at=at,
    )


def _report(request: RedriveRequest, findings: _Findings) -> None:
    logger().info(
        "redrive_done" if findings.complete else "redrive_goes_on",
        request_id=request.request_id,
        moved=dict(findings.moved),
        refused=dict(findings.refused),
        unknown_sources=dict(findings.homeless),
        failed=dict(findings.failed),
    )
    count_redrive(findings.moved, findings.refused)
