"""Redrive: what Codat's bill kept in the payment-required DLQ goes back to its queues once the bill is paid.

Nobody tells us reliably that it is. So one event of each kind of 402 is the probe: its company is converged to its
newest plan. Only where Codat takes that are all others of the kind moved, and each ends as any event does.
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
from codat_sync.consuming.consume import START_SECONDS
from codat_sync.consuming.duties import AFTER_A_FAILURE
from codat_sync.events.company_events import RedriveRequest
from codat_sync.observability import count_redrive, logger
from codat_sync.outcomes.parked_events import DeadLetterQueue, ParkedEvent
from codat_sync.outcomes.triage import OutOfTime
from codat_sync.presets.preset import UnknownPlan
from codat_sync.reconciliation.pace import Pace

_SAYS_NOTHING_OF_THE_BILL: Final = (CodatRefused, NotFound, Conflict, RecordGone, UnknownPlan, PlanKeepsChanging)
"""What concerns the probe's company alone."""


class Records(Protocol):
    """The companies' records, as far as a probe needs them."""

    def get(self, company_id: UUID) -> CompanyPlan | None:
        """A company's record, consistent with every write before; None where there is none."""


class Announcing(Protocol):
    """Our voice on the event bus."""

    def say(self, announcements: Sequence[Announcement]) -> None:
        """Nothing is raised where they do not get there."""


@dataclass
class _Findings:
    """What one invocation has come to know, and what it has done. Nothing of it outlives the invocation."""

    paid: set[PaymentRequiredKind] = field(default_factory=set)
    refused: dict[PaymentRequiredKind, str] = field(default_factory=dict)
    """In Codat's words."""
    moved: Counter[str] = field(default_factory=Counter)
    """By kind."""
    homeless: Counter[str] = field(default_factory=Counter)
    """By the source queue that nobody knows, or that nobody named."""
    failed: Counter[str] = field(default_factory=Counter)
    """By what SQS said."""
    complete: bool = False


class Redrive:
    """The duty. Holds no state between invocations."""

    def __init__(
        self,
        parked: DeadLetterQueue,
        convergence: Convergence,
        records: Records,
        pause: PauseRecord,
        pace: Pace,
        announcements: Announcing,
        *,
        now: Callable[[], datetime],
        sleep: Callable[[float], None],
    ) -> None:
        """``convergence`` speaks to Codat itself: a pause for an expired account must not answer in its place.

        ``pace`` counts events that are tried or moved.
        """
        self._parked = parked
        self._convergence = convergence
        self._records = records
        self._pause = pause
        self._pace = pace
        self._announcements = announcements
        self._now = now
        self._sleep = sleep

    def carry_out(self, request: RedriveRequest, seconds_left: Callable[[], float]) -> timedelta | None:
        """Probe, and move what the request asks for of each kind that is paid; what is not stays as it is.

        Costs, while nothing is paid, what one convergence costs for each kind: of a degraded company that is one write
        to Codat. Raises ``CodatUnavailable`` where Codat has no answer for a probe. What it was not told to touch,
        what a probe refused, and what was cut off can all be seen in the DLQ again by the time it goes on.
        """
        pause = self._pause.read()
        if pause is not None and pause.reason != PaymentRequiredKind.ACCOUNT_EXPIRED and pause.until > self._now():
            return pause.until - self._now()
        others_hold_some = self._parked.in_flight() > 0
        findings = _Findings()
        try:
            self._go_through(request, findings, seconds_left)
        except OutOfTime:
            return timedelta(seconds=max(seconds_left(), 0) + 1)  # By then nothing is hidden any more.
        finally:
            _report(request, findings)
        if findings.failed or (others_hold_some and not findings.refused):
            return AFTER_A_FAILURE
        return None

    def _go_through(self, request: RedriveRequest, findings: _Findings, seconds_left: Callable[[], float]) -> None:
        """One pass over the DLQ. Raises ``OutOfTime`` where something may be left for want of it."""

        def may_call() -> None:
            if seconds_left() < START_SECONDS:
                raise OutOfTime("the function's time does not allow another request to Codat")

        def wait_for_turn() -> None:
            if not self._pace.wait(within=seconds_left() - START_SECONDS):
                raise OutOfTime("the function's time does not allow another event")

        kinds = request.reasons or frozenset(PaymentRequiredKind)
        with closing(self._parked.read(seconds_left)) as batches:
            for batch in batches:
                going: list[ParkedEvent] = []
                try:
                    for event in batch:
                        if not _is_asked_for(event, request, kinds - findings.refused.keys()):
                            continue
                        wait_for_turn()
                        if event.reason in findings.paid or self._probe(event, request, findings, may_call):
                            going.append(event)
                finally:
                    self._put_back(going, findings)
                if findings.refused.keys() >= kinds:
                    break
        may_call()  # Without time left, nobody knows whether that was all.
        findings.complete = True

    def _probe(
        self, event: ParkedEvent, request: RedriveRequest, findings: _Findings, may_call: Callable[[], None]
    ) -> bool:
        """Find out by this event's company whether its kind is paid; whether the event itself may go back.

        It may, too, where it said nothing of the bill: its consumer gives it its outcome, and the next is the probe.
        """
        company = self._record_of(event)
        if company is None:
            return True
        refusal: PaymentRequired | None = None
        differences: Iterable[Difference] = ()
        try:
            converged = self._convergence.converge(company, request.request_id, may_call)
            refusal, differences = converged.degraded_by, converged.differences
            if differences and refusal is None:  # The event itself will find nothing to do, and nothing to say.
                self._announcements.say([_applied(converged, event, at=self._now())])
        except PaymentRequired as error:
            refusal = error
        except _SAYS_NOTHING_OF_THE_BILL as error:
            logger().info("redrive_probe_undecided", reason=error.reason, words=str(error), company_id=event.company_id)
            return True

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
            # By another 402 than it is parked for: it goes back to be parked under that one.
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
        """Take away a pause for the expired account, and wait until no function believes in it any more.

        What came to its consumer sooner would be parked again by the pause alone.
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
    """What is parked anew meanwhile is not moved in circles: it is younger than the request."""
    if event.reason not in kinds or event.parked_at >= request.requested_at:
        return False
    return request.company_id is None or event.company_id == str(request.company_id)


def _proves_paid(kind: PaymentRequiredKind, differences: Iterable[Difference]) -> bool:
    """Whether an answer that was no refusal for the kind shows that nothing of that kind would be refused.

    An expired account answers nothing at all. The other 402s are met by writes only, and the one for hourly only by
    writes that ask for hourly.
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
