"""Redrive: events that wait for Codat's bill go back from the payment-required DLQ to their queues once it is paid.

No event says reliably that the bill is paid. So some companies of each kind of 402 are probes: they are converged to
their newest plans. Only where Codat accepts one, all others of the kind are moved, and processed as any event is. A
company that Codat refuses for ever, or never answers for, does not decide for its kind.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from typing import Final, Protocol
from uuid import UUID

from codat_sync.announcements import Announcement, PresetInForce, SettingDifference, SyncSettingsApplied
from codat_sync.codat.differences import Difference
from codat_sync.codat.errors import (
    CodatRefused,
    CodatUnavailable,
    Conflict,
    NotFound,
    PaymentRequired,
    PaymentRequiredKind,
)
from codat_sync.codat.models import Frequency
from codat_sync.companies.converge import Converged, Convergence, PlanKeepsChanging
from codat_sync.companies.pause import CACHE, PauseRecord
from codat_sync.companies.records import CompanyPlan, RecordGone
from codat_sync.consuming.duties import AFTER_A_FAILURE
from codat_sync.deadline import Deadline, OutOfTime, PacedDeadline, Turns
from codat_sync.events.requests import RedriveRequest
from codat_sync.observability import count_redrive, logger
from codat_sync.outcomes.deferral import SQS_BATCH
from codat_sync.outcomes.parked_events import DeadLetterQueue, ParkedEvent
from codat_sync.outcomes.triage import triage
from codat_sync.presets.preset import UnknownPlan
from codat_sync.redrive._findings import Findings
from codat_sync.redrive._turns import SAMPLE, in_turn

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
        ask_account: Callable[[], object],
        now: Callable[[], datetime],
        sleep: Callable[[float], None],
        turns: Sequence[Turns] = (),
    ) -> None:
        """``convergence`` calls Codat itself: a pause for an expired account must not answer in its place.

        ``pace`` counts events that are probed or moved, and each call to Codat needs one of each of ``turns``.
        ``ask_account`` makes a call that concerns no company, and raises ``CodatError`` where Codat refuses it.
        """
        self._parked = parked
        self._convergence = convergence
        self._records = records
        self._pause = pause
        self._pace = pace
        self._announcements = announcements
        self._ask_account = ask_account
        self._now = now
        self._sleep = sleep
        self._turns = turns

    def carry_out(self, request: RedriveRequest, deadline: Deadline) -> timedelta | None:
        """Probe each kind, and move the events that the request asks for of each kind that is paid.

        While nothing is paid, it costs ``PROBES`` convergences for each kind at most: of a degraded company that is
        one write to Codat. Raise ``CodatUnavailable`` where Codat answers neither a probe nor a call that concerns no
        company. Events that were not asked for, that a probe refused, or that were cut off are visible in the DLQ again
        by the time it goes on.
        """
        pause = self._pause.read()
        if pause is not None and pause.reason != PaymentRequiredKind.ACCOUNT_EXPIRED and pause.until > self._now():
            return pause.until - self._now()
        others_hold_some = self._parked.in_flight() > 0
        findings = Findings()
        try:
            self._go_through(request, findings, deadline)
        except OutOfTime:
            return timedelta(seconds=max(deadline.seconds_left, 0) + 1)  # By then no message is hidden any more.
        finally:
            _report(request, findings)
        if findings.failed or (others_hold_some and not findings.refused):
            return AFTER_A_FAILURE
        return None

    def _go_through(self, request: RedriveRequest, findings: Findings, deadline: Deadline) -> None:
        """Go through the DLQ once. Raise ``OutOfTime`` where events may be left for want of time."""
        paced, calling = PacedDeadline(deadline, self._pace), PacedDeadline(deadline, *self._turns)
        kinds = request.reasons or frozenset(PaymentRequiredKind)
        with closing(self._parked.read(deadline, first=SAMPLE)) as batches:
            for batch in _in_turn(batches, request):
                going: list[ParkedEvent] = []
                try:
                    for event in batch:
                        if not _is_asked_for(event, request, kinds - findings.closed):
                            continue
                        if event.company_id in findings.stay.get(PaymentRequiredKind(str(event.reason)), ()):
                            continue
                        paced.check()
                        if event.reason in findings.paid or self._probe(event, request, findings, calling):
                            going.append(event)
                finally:
                    self._put_back(going, findings)
                if findings.closed >= kinds:
                    break
        deadline.check()  # Without time left, the DLQ may hold more.
        findings.complete = True

    def _probe(self, event: ParkedEvent, request: RedriveRequest, findings: Findings, deadline: Deadline) -> bool:
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
            _log_undecided(event, error)
            return True
        except CodatUnavailable as error:
            _log_undecided(event, error)
            deadline.check()
            self._ask_account()  # It raises unless the trouble is this company's alone.
            findings.tried(PaymentRequiredKind(str(event.reason)), event.company_id)
            return False
        if refusal is not None and refusal.kind is PaymentRequiredKind.ACCOUNT_EXPIRED:
            deadline.check()
            self._note_account(event, refusal, findings)
        return self._conclude(event, findings, refusal, differences)

    def _note_account(self, event: ParkedEvent, refusal: PaymentRequired, findings: Findings) -> None:
        """Find out whether the account is expired, or refused for one company alone. Raise ``CodatUnavailable``."""
        if findings.account_expired is not None:
            return
        try:
            self._ask_account()
        except CodatRefused as error:
            expired = isinstance(error, PaymentRequired) and error.kind is PaymentRequiredKind.ACCOUNT_EXPIRED
            findings.account_expired = expired
        else:
            findings.account_expired = False
            self._open(PaymentRequiredKind.ACCOUNT_EXPIRED, event, findings)
        if findings.account_expired:
            findings.refused = dict.fromkeys(PaymentRequiredKind, str(refusal))

    def _conclude(
        self,
        event: ParkedEvent,
        findings: Findings,
        refusal: PaymentRequired | None,
        differences: Iterable[Difference],
    ) -> bool:
        """Note what the probe's answer says of its kind; return whether the event itself may go back."""
        kind = PaymentRequiredKind(str(event.reason))
        is_refused = refusal is not None and refusal.kind is kind
        if findings.account_expired:
            _log_refused(event, refusal)
            return False
        if not is_refused and _proves_paid(kind, differences):
            self._open(kind, event, findings)
        elif refusal is not None:
            _log_refused(event, refusal)
            findings.tried(kind, event.company_id, str(refusal))
            # Refused by another 402 than the one it is parked for, it goes back to be parked under that one.
            return not is_refused
        return True

    def _open(self, kind: PaymentRequiredKind, event: ParkedEvent, findings: Findings) -> None:
        findings.open(kind)
        logger().info("redrive_opened", kind=kind.value, company_id=event.company_id)
        self._lift_pause()

    def _record_of(self, event: ParkedEvent) -> CompanyPlan | None:
        try:
            company_id = UUID(event.company_id)
        except (TypeError, ValueError):
            return None
        return self._records.get(company_id)

    def _lift_pause(self) -> None:
        """Lift a pause for the expired account, and wait until no function still has it cached.

        An event that reached its consumer sooner would be parked again because of the pause.
        """
        while (pause := self._pause.read()) is not None and pause.reason == PaymentRequiredKind.ACCOUNT_EXPIRED:
            if self._pause.swap(pause, None):
                logger().info("pause_lifted", reason=pause.reason)
                self._sleep(CACHE.total_seconds())

    def _put_back(self, going: Iterable[ParkedEvent], findings: Findings) -> None:
        result = self._parked.put_back(going)
        findings.moved.update(str(each.reason) for each in result.moved)
        findings.homeless.update(str(each.source_queue) for each, _ in result.homeless)
        findings.failed.update(why for _, why in result.failed)


def _in_turn(batches: Iterable[list[ParkedEvent]], request: RedriveRequest) -> Iterator[list[ParkedEvent]]:
    """Yield the events, up to ten at a time, in each batch those first whose companies are to be tried."""
    for batch in batches:
        ordered = in_turn(batch, request.requested_at)
        for start in range(0, len(ordered), SQS_BATCH):
            yield ordered[start : start + SQS_BATCH]


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


def _log_undecided(event: ParkedEvent, error: Exception) -> None:
    failure = triage(error)
    logger().info("redrive_probe_undecided", reason=failure.reason, words=failure.words, company_id=event.company_id)


def _log_refused(event: ParkedEvent, refusal: PaymentRequired | None) -> None:
    logger().warning(
        "redrive_refused",
        kind=event.reason,
        reason=refusal and refusal.reason,
        words=str(refusal),
        status=refusal and refusal.status,
        codat_correlation_id=refusal and refusal.correlation_id,
        company_id=event.company_id,
    )


def _report(request: RedriveRequest, findings: Findings) -> None:
    logger().info(
        "redrive_done" if findings.complete else "redrive_goes_on",
        request_id=request.request_id,
        moved=dict(findings.moved),
        refused=dict(findings.refused),
        unknown_sources=dict(findings.homeless),
        failed=dict(findings.failed),
    )
    count_redrive(findings.moved, findings.refused)
