"""The functions of the model: what each process is made of, and how its messages end."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from random import Random
from typing import Final

from codat_sync.codat.rate_limits import RateLimit
from codat_sync.companies.converge import Convergence
from codat_sync.companies.records import CompanyPlans
from codat_sync.consuming.consume import START_SECONDS, Announcer, Consumer, ConsumerSettings, Consuming, ReadEvent
from codat_sync.consuming.duties import DutyConsumer
from codat_sync.deadline import Deadline
from codat_sync.events.company_events import read_connection_event, read_plan_event
from codat_sync.events.requests import read_reconciliation_request
from codat_sync.outcomes.dead_letters import DeadLetters
from codat_sync.outcomes.deferral import SourceQueue
from codat_sync.outcomes.triage import Outcome
from codat_sync.reconciliation.check import CompanyCheck
from codat_sync.reconciliation.findings import Drift
from codat_sync.reconciliation.pace import Quota
from codat_sync.reconciliation.queue import CompanyReconciliations, ReadCompanyRequest, fingerprint
from codat_sync.reconciliation.reconcile import Reconciliation, ReconciliationLimits
from codat_sync.reconciliation.runs import ReconciliationRuns, Tally
from codat_sync.reconciliation.verification import Verification
from tests.model.process import Process
from tests.model.sqs import (
    BILLING,
    FAILED,
    ONBOARDING,
    PAYMENT_REQUIRED,
    RECONCILE_COMPANIES,
    RECONCILE_COMPANY,
    Message,
)
from tests.model.watched import WatchedPlans, WatchedSettlement

DLQS: Final = {
    Outcome.DEGRADED: PAYMENT_REQUIRED,
    Outcome.PARKED_PAYMENT_REQUIRED: PAYMENT_REQUIRED,
    Outcome.PARKED_FAILED: FAILED,
}
GIVEN_UP: Final = frozenset({Outcome.PARKED_PAYMENT_REQUIRED, Outcome.PARKED_FAILED, "moved_by_sqs"})
PAGE: Final = 2
"""So small that a run over the companies of the model has several pages."""


class EventWorker(Process):
    """A function that consumes events of companies."""

    def _wire(self) -> Consuming:
        plans = WatchedPlans(self._dynamodb, "table", self)
        convergence = Convergence(self._codat, plans, self.presets, self.world.now)
        return Consumer(
            self._read(),
            convergence,
            WatchedSettlement(DeadLetters(self._sqs, DLQS, self.world.now), self, self.world.now),
            SourceQueue(self._sqs, self.queue),
            # A single thread runs at a time: the test decides which process moves.
            ConsumerSettings(self.world.patience, max_concurrent_companies=1),
            now=self.world.now,
            random=Random(0),  # noqa: S311  # Jitter that a test can repeat.
            announcers=self._announcers(convergence, plans),
        )

    def _read(self) -> ReadEvent:
        return read_plan_event if self.queue == BILLING else partial(read_connection_event, plan_tag="plan")

    def _announcers(self, _convergence: Convergence, _plans: CompanyPlans) -> Sequence[Announcer]:
        return ()

    def _settle(self, stays: set[str]) -> None:
        """Do what Lambda's poller does with the answer: delete each message that did not fail. Check its outcome."""
        assert self.attempt is not None
        copies = list(self.attempt.parked)
        for message, receipt_handle in self.attempt.batch:
            outcomes = self.attempt.outcomes.get(message.id, [])
            if len(outcomes) != 1:
                self.world.violated(f"{message.id} has the outcomes {outcomes} from one attempt")
                continue
            (outcome,) = outcomes
            if (outcome is Outcome.DEFERRED) != (message.id in stays):
                self.world.violated(f"{message.id} is {outcome}, and {'stays' if message.id in stays else 'goes'}")
            if message.id not in stays and self._is_safe(message, outcome, copies):
                self.world.queues.delete(message, receipt_handle)
        if copies:
            self.world.violated(f"{copies[0].id} is in a DLQ, and no message has that outcome")

    def _is_safe(self, message: Message, outcome: Outcome, copies: list[Message]) -> bool:
        """Return whether the message may be deleted. Take the copy of a parked one from those that are in a DLQ."""
        if outcome is not Outcome.DEGRADED and outcome not in GIVEN_UP:
            return True
        copy = next((each for each in copies if each.body == message.body), None)
        if copy is None:
            self.world.violated(f"{message.id} is {outcome}, is about to be deleted, and is in no DLQ")
            return False
        copies.remove(copy)
        copy.ended = outcome
        if outcome in GIVEN_UP:
            copy.wrote_under = message.wrote_under
        return True


class CompanyWorker(EventWorker):
    """The function that reconciles one company, which a run has handed over."""

    def _read(self) -> ReadEvent:
        return ReadCompanyRequest(self.presets)

    def _announcers(self, convergence: Convergence, plans: CompanyPlans) -> Sequence[Announcer]:
        verification = Verification(
            convergence,
            self.presets,
            plans,
            Unannounced(),
            lambda: Deadline.of(self, seconds_for_a_call=START_SECONDS),
            self.world.now,
        )
        return [Tally(ReconciliationRuns(self._dynamodb, "table")), verification]


class RunWorker(Process):
    """The function that reconciles all companies: it starts a run, hands companies over, and finishes the run."""

    TIMEOUT = timedelta(seconds=900)
    BATCH = 1

    def _wire(self) -> Consuming:
        now = self.world.now
        plans = CompanyPlans(self._dynamodb, "table")
        convergence = Convergence(self._codat, plans, self.presets, now)
        reconciliation = Reconciliation(
            CompanyCheck(convergence, self.presets, plans, now),
            plans,
            ReconciliationRuns(self._dynamodb, "table"),
            CompanyReconciliations(self._sqs, RECONCILE_COMPANY),
            Unannounced(),
            ReconciliationLimits([], Quota(RateLimit, share=50, now=now), max_concurrent_companies=1, page_size=PAGE),
            now,
            presets=fingerprint(self.presets),
            ask_account=self._codat.get_account_sync_settings,
        )
        dead_letters, source = DeadLetters(self._sqs, DLQS, now), SourceQueue(self._sqs, self.queue)
        return DutyConsumer(read_reconciliation_request, reconciliation, dead_letters, source, now)

    def _settle(self, stays: set[str]) -> None:
        assert self.attempt is not None
        for message, receipt_handle in self.attempt.batch:
            if message.id not in stays:
                for copy in self.attempt.parked:
                    copy.ended = Outcome.PARKED_FAILED
                for rule in self.world.rules if not self.attempt.parked else ():
                    rule.carried_out(message)
                self.world.queues.delete(message, receipt_handle)


class Unannounced:
    """The event bus, of which nothing depends."""

    def announce_drift(self, drifts: Sequence[Drift]) -> None:
        """Keep nothing."""


WORKERS: Final[Mapping[str, type[Process]]] = {
    BILLING: EventWorker,
    ONBOARDING: EventWorker,
    RECONCILE_COMPANY: CompanyWorker,
    RECONCILE_COMPANIES: RunWorker,
}
"""The function of each queue."""
