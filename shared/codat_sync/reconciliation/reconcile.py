"""Reconciles all companies: a run that finds those whose settings at Codat have drifted from their presets.

A run only reads at Codat. A company that has drifted is handed over to a queue, and processed as any event is.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from codat_sync.codat.errors import CodatError
from codat_sync.companies.records import CompanyPage, CompanyPlan
from codat_sync.deadline import Deadline, OutOfTime, PacedDeadline, Turns
from codat_sync.events.requests import ReconciliationRequest
from codat_sync.observability import count_companies, count_reconciled, logger
from codat_sync.reconciliation._progress import by_data_type, is_whole, progress
from codat_sync.reconciliation.check import KEEPS_DRIFTING, Checked, CompanyCheck
from codat_sync.reconciliation.findings import DRIFTED, Drift, Finding
from codat_sync.reconciliation.pace import Quota
from codat_sync.reconciliation.queue import CompanyRequest
from codat_sync.reconciliation.runs import Run

PAGE: Final = 100
"""How many companies are checked before the run's progress is noted. A crash costs no more than that."""
ANOTHER_AT_WORK: Final = timedelta(minutes=15)
"""How long to wait where another invocation or another run is at work."""
LOST: Final = timedelta(hours=13)
"""A run without progress for so long has lost its message: no wait for a new quota is as long."""
FEW: Final = 5
"""Up to so many companies without an answer may have a problem of their own. Where all of more have none, a call that
concerns no company shows whether Codat answers at all."""


class Records(Protocol):
    """The table of all companies, as far as a run needs it."""

    def page(self, after: str | None, limit: int) -> CompanyPage:
        """Return some companies, from where the previous page ended."""


class Runs(Protocol):
    """The store of a run's progress. ``begin`` and ``advance`` compare and set: None where another was faster."""

    def newest(self) -> Run | None:
        """Return the newest run, finished or not."""

    def begin(
        self, request: ReconciliationRequest, *, in_place_of: Run | None, at: datetime, presets: str | None = None
    ) -> Run | None:
        """Begin a new run with the presets of this fingerprint."""

    def advance(self, run: Run, to: Run) -> Run | None:
        """Note the run's progress."""


class ReconciliationQueue(Protocol):
    """The queue of the companies that are to be converged."""

    def send(self, requests: Sequence[CompanyRequest]) -> None:
        """Send the requests. They are safe there once this returns."""


class DriftAnnouncer(Protocol):
    """A receiver of what has drifted."""

    def announce_drift(self, drifts: Sequence[Drift]) -> None:
        """Pass it on. Nothing depends on it."""


@dataclass(frozen=True)
class ReconciliationLimits:
    """How much of Codat, and how many threads, a run may use. Each call needs one of each of ``turns``."""

    turns: Sequence[Turns]
    quota: Quota
    max_concurrent_companies: int
    page_size: int = PAGE


class Reconciliation:
    """The use case on all companies. Holds no state between calls: a run's state is in the table."""

    def __init__(
        self,
        company_check: CompanyCheck,
        records: Records,
        runs: Runs,
        queue: ReconciliationQueue,
        announcer: DriftAnnouncer,
        limits: ReconciliationLimits,
        now: Callable[[], datetime],
        *,
        presets: str,
        ask_account: Callable[[], object],
    ) -> None:
        """``presets`` is the fingerprint of those that ``company_check`` works with.

        ``ask_account`` makes a call to Codat that concerns no company. It raises ``CodatError`` where Codat refuses it.
        """
        self._company_check = company_check
        self._records = records
        self._runs = runs
        self._queue = queue
        self._announcer = announcer
        self._limits = limits
        self._now = now
        self._presets = presets
        self._ask_account = ask_account

    def carry_out(self, request: ReconciliationRequest, deadline: Deadline) -> timedelta | None:
        """Go on with the run until the deadline. Return None once all companies were checked since the request.

        An unfinished run of the same mode is continued, whoever asked for it; one of the other mode is waited for. One
        with other presets is begun anew: a deployment has replaced them. Each company is checked once, and at most
        once more for each time that the run is cut off.

        A company that Codat refuses or does not answer for is noted and passed by. Raise what concerns all companies
        alike, once what was done before is safe: a refusal that is confirmed for the whole account, an unusable API
        key, a Codat that does not answer at all, what DynamoDB and SQS raise.
        """
        logger()  # Made here: the threads would race to make it.
        run = self._runs.newest()
        if run is not None and run.presets == self._presets and run.satisfies(request):
            return None
        if run is None or not self._can_continue(run, request):
            if run is not None and self._waits_for(run, request):
                return ANOTHER_AT_WORK
            run = self._runs.begin(request, in_place_of=run, at=self._now(), presets=self._presets)
            if run is None:
                return ANOTHER_AT_WORK
            logger().info("reconciliation_began", run_id=run.run_id, report_only=run.report_only)
        return self._continue(run, request, deadline)

    def _can_continue(self, run: Run, request: ReconciliationRequest) -> bool:
        same_kind = run.report_only is request.report_only and run.presets == self._presets
        return same_kind and run.finished_at is None

    def _waits_for(self, run: Run, request: ReconciliationRequest) -> bool:
        """Return whether a run of the other mode is in progress."""
        is_in_progress = run.finished_at is None and self._now() - run.progress_at < LOST
        return is_in_progress and run.report_only is not request.report_only

    def _continue(self, run: Run, request: ReconciliationRequest, deadline: Deadline) -> timedelta | None:
        while deadline.seconds_to_start >= 0:
            page = self._records.page(run.cursor, self._limits.page_size)
            checked, stopped_by = self._check(page.companies, run, deadline)
            if checked or stopped_by is None:
                advanced = self._act(run, page, checked)
                if advanced is None:
                    return ANOTHER_AT_WORK
                run = advanced
            if isinstance(stopped_by, OutOfTime):
                break
            if stopped_by is not None:
                raise stopped_by
            if run.finished_at is not None:
                _report(run)
                return None if run.satisfies(request) else timedelta(0)
            wait = self._limits.quota.wait()
            if wait is not None:
                logger().info("reconciliation_waits_for_quota", run_id=run.run_id, seconds=wait.total_seconds())
                return wait
        return timedelta(0)

    def _check(
        self, companies: Sequence[CompanyPlan], run: Run, deadline: Deadline
    ) -> tuple[list[Checked], Exception | None]:
        """Check companies in order until an error concerns all of them. Return the results and that error, if any."""
        stopped_by: list[Exception] = []
        paced = PacedDeadline(deadline, *self._limits.turns)

        def check(company: CompanyPlan) -> Checked | None:
            if stopped_by:
                return None
            try:
                return self._company_check.check(company, run, paced)
            except Exception as error:  # noqa: BLE001  # Raised again once what was done before is safe.
                stopped_by.append(error)
                return None

        checked: list[Checked] = []
        with ThreadPoolExecutor(self._limits.max_concurrent_companies) as threads:
            for each in threads.map(check, companies):
                if each is None:
                    break
                checked.append(each)
        if _answers_nobody(checked):
            try:
                paced.check()
                self._ask_account()
            except (CodatError, OutOfTime) as error:
                return [], error
        return checked, stopped_by[0] if stopped_by else None

    def _act(self, run: Run, page: CompanyPage, checked: Sequence[Checked]) -> Run | None:
        """Announce what has drifted, hand it over, then note the run's progress. Return None if another was faster.

        A crash in between makes the next invocation repeat these steps, which is harmless.
        """
        drifts = [drift for each in checked if (drift := each.drift(run))]
        for drift in drifts:
            _log(drift)
        self._announcer.announce_drift(drifts)
        now = self._now()
        to_do = [] if run.report_only else [each.company.company_id for each in checked if each.needs_action]
        self._queue.send([CompanyRequest(run.event_id(each), each, now, presets=run.presets) for each in to_do])
        for key in page.unreadable if is_whole(page, checked) else ():
            logger().error("record_unreadable", key=key)
        advanced = self._runs.advance(run, progress(run, page, checked, drifts, len(to_do), now))
        if advanced is not None:
            count_reconciled(
                len(checked),
                sum(each.finding in DRIFTED for each in checked),
                sum(each.keeps_drifting for each in checked),
                by_data_type(drifts),
            )
        return advanced


def _answers_nobody(checked: Sequence[Checked]) -> bool:
    """Return whether Codat shows none of the companies that it was asked about, and not just a few."""
    asked = [each for each in checked if each.finding not in {Finding.WAITING, Finding.UNKNOWN_PLAN}]
    return len(asked) > FEW and all(each.finding is Finding.UNANSWERED for each in asked)


def _log(drift: Drift) -> None:
    fields = {
        "company_id": str(drift.company_id),
        "plan": drift.plan,
        "cause": drift.cause.value,
        "differences": [str(each) for each in drift.differences],
        "believed_since": drift.believed_since and drift.believed_since.isoformat(),
        "times_in_a_row": drift.times_in_a_row,
        "will_be_repaired": drift.will_be_repaired,
    }
    logger().info("company_drifted", extra=fields)
    if drift.times_in_a_row >= KEEPS_DRIFTING:
        logger().warning("company_keeps_drifting", extra=fields)


def _report(run: Run) -> None:
    """Log the finished run. The outcomes of the companies handed over last are not known yet."""
    logger().info(
        "reconciliation_done",
        extra={
            "run_id": run.run_id,
            "report_only": run.report_only,
            "started_at": run.started_at.isoformat(),
            **run.counts,
            "by_data_type": run.by_data_type,
            "by_plan": run.by_plan,
            "keeps_drifting": dict(run.keeps_drifting),
            "outcomes_so_far": run.outcomes,
        },
    )
    count_companies(run.by_plan)
