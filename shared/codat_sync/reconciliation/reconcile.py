"""A walk over all companies that finds those whose settings at Codat are not their preset's.

It only reads there. Who is elsewhere than they should be is handed over to a queue, and goes the way of every event.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Protocol
from uuid import UUID

from codat_sync.codat.differences import Difference
from codat_sync.companies.converge import Convergence
from codat_sync.companies.records import CompanyPage, CompanyPlan
from codat_sync.consuming.consume import START_SECONDS
from codat_sync.events.company_events import ReconciliationRequest
from codat_sync.observability import count_companies, count_reconciled, logger
from codat_sync.outcomes.triage import OutOfTime, triage
from codat_sync.presets.file import Presets
from codat_sync.reconciliation.findings import DRIFTED, TO_BE_CONVERGED, Drift, Finding, belief, finding_of, is_parked
from codat_sync.reconciliation.pace import Pace, Quota
from codat_sync.reconciliation.queue import CompanyRequest
from codat_sync.reconciliation.runs import Run

PAGE: Final = 100
"""How many companies are looked at before that is noted. It is what a crash costs at most."""
SOMEBODY_ELSE: Final = timedelta(minutes=15)
"""How long to stand back where another is at work on the same thing."""
LOST: Final = timedelta(hours=13)
"""A run that has made no progress for so long has lost its message: no wait for a new quota is as long."""
KEEPS_DRIFTING: Final = 3
"""From so many drifts in a row on, somebody is changing the company's settings again and again."""
NAMED: Final = 50
"""How many companies that keep drifting a run names."""
FEW: Final = 5
"""So many companies without an answer may have only themselves to blame. Where all of more have none, Codat is away."""


class Records(Protocol):
    """The table of all companies, as far as a reconciliation needs it."""

    def page(self, after: str | None, limit: int) -> CompanyPage:
        """Some companies, from where the page before ended."""

    def get(self, company_id: UUID) -> CompanyPlan | None:
        """One company, as it is now."""

    def note_drift(self, company_id: UUID, times: int, *, at: datetime) -> None:
        """Note how often in a row its settings were found changed at Codat."""

    def note_in_step(self, company_id: UUID) -> None:
        """Note that they were not."""


class Runs(Protocol):
    """Where a run's progress is kept. ``begin`` and ``advance`` compare and set: None where somebody was faster."""

    def newest(self) -> Run | None:
        """The newest run, finished or not."""

    def begin(self, request: ReconciliationRequest, *, in_place_of: Run | None, at: datetime) -> Run | None:
        """A new run."""

    def advance(self, run: Run, to: Run) -> Run | None:
        """The run, further on."""


class HandingOver(Protocol):
    """The queue of the companies that something is to be done about."""

    def send(self, requests: Sequence[CompanyRequest]) -> None:
        """They are safe there once this returns."""


class AnnouncingDrift(Protocol):
    """Somebody who wants to know of drift."""

    def announce_drift(self, drifts: Sequence[Drift]) -> None:
        """Pass it on. Nothing depends on it."""


@dataclass(frozen=True)
class Checked:
    """One company, and what was found of it. ``error`` is what kept Codat from showing more."""

    company: CompanyPlan
    finding: Finding
    differences: tuple[Difference, ...] = ()
    times_in_a_row: int = 0
    error: Exception | None = None
    needs_no_action: bool = False

    @property
    def needs_action(self) -> bool:
        """Whether it is to be handed over."""
        return self.finding in TO_BE_CONVERGED and not self.needs_no_action

    @property
    def keeps_drifting(self) -> bool:
        """Whether somebody is changing its settings again and again."""
        return self.times_in_a_row >= KEEPS_DRIFTING

    def drift(self, run: Run) -> Drift | None:
        """What there is to say of it, if anything differs."""
        if self.finding not in DRIFTED or not self.differences:
            return None
        return Drift(
            run_id=run.run_id,
            company_id=self.company.company_id,
            plan=self.company.desired.plan,
            applied=self.company.applied,
            cause=self.finding,
            differences=self.differences,
            believed_since=None if self.finding is Finding.NOT_APPLIED else self.company.applied_at,
            times_in_a_row=self.times_in_a_row,
            will_be_repaired=not run.report_only,
        )


class Reconciliation:
    """The use case on all companies. Holds no state between calls: that of a run is in the table."""

    def __init__(
        self,
        convergence: Convergence,
        presets: Presets,
        records: Records,
        runs: Runs,
        queue: HandingOver,
        announcing: AnnouncingDrift,
        *,
        pace: Pace,
        quota: Quota,
        max_concurrent_companies: int,
        now: Callable[[], datetime],
        page_size: int = PAGE,
    ) -> None:
        self._convergence = convergence
        self._presets = presets
        self._records = records
        self._runs = runs
        self._queue = queue
        self._announcing = announcing
        self._pace = pace
        self._quota = quota
        self._max_concurrent_companies = max_concurrent_companies
        self._now = now
        self._page_size = page_size

    def carry_out(self, request: ReconciliationRequest, seconds_left: Callable[[], float]) -> timedelta | None:
        """Walk on as long as there is time. None once all companies have been looked at since the request was made.

        A run of the same mode that is under way is continued, whoever asked for it; one of the other mode is waited
        for. Each company is looked at once, and once more at most for each time that a walk is cut off.

        Raises what concerns all companies alike, once what was done before is safe: ``RateLimited``, ``Unauthorized``,
        an expired account, an unusable API key, a Codat that answers nobody, what DynamoDB and SQS raise.
        """
        logger()  # Made here: the threads would race to make it.
        run = self._runs.newest()
        if run is not None and run.satisfies(request):
            return None
        if run is None or run.finished_at is not None or run.report_only is not request.report_only:
            if run is not None and run.finished_at is None and self._now() - run.progress_at < LOST:
                return SOMEBODY_ELSE
            run = self._runs.begin(request, in_place_of=run, at=self._now())
            if run is None:
                return SOMEBODY_ELSE
            logger().info("reconciliation_began", run_id=run.run_id, report_only=run.report_only)
        return self._walk(run, request, seconds_left)

    def _walk(self, run: Run, request: ReconciliationRequest, seconds_left: Callable[[], float]) -> timedelta | None:
        while seconds_left() >= START_SECONDS:
            page = self._records.page(run.cursor, self._page_size)
            checked, stopped_by = self._check(page.companies, run, seconds_left)
            if checked or stopped_by is None:
                advanced = self._act(run, page, checked)
                if advanced is None:
                    return SOMEBODY_ELSE
                run = advanced
            if isinstance(stopped_by, OutOfTime):
                break
            if stopped_by is not None:
                raise stopped_by
            if run.finished_at is not None:
                _report(run)
                return None if run.satisfies(request) else timedelta(0)
            wait = self._quota.wait()
            if wait is not None:
                logger().info("reconciliation_waits_for_quota", run_id=run.run_id, seconds=wait.total_seconds())
                return wait
        return timedelta(0)

    def _check(
        self, companies: Sequence[CompanyPlan], run: Run, seconds_left: Callable[[], float]
    ) -> tuple[list[Checked], Exception | None]:
        """The first of these companies, all of them if nothing keeps us from it; and what did."""
        stopped_by: list[Exception] = []

        def may_call() -> None:
            if not self._pace.wait(within=seconds_left() - START_SECONDS):
                raise OutOfTime("the function's time does not allow another request to Codat")

        def check(company: CompanyPlan) -> Checked | None:
            if stopped_by:
                return None
            try:
                return self._check_company(company, run, may_call)
            except Exception as error:  # noqa: BLE001  # Raised again once what was done before is safe.
                stopped_by.append(error)
                return None

        checked: list[Checked] = []
        with ThreadPoolExecutor(self._max_concurrent_companies) as threads:
            for each in threads.map(check, companies):
                if each is None:
                    break
                checked.append(each)
        asked = [each for each in checked if each.finding not in {Finding.WAITING, Finding.UNKNOWN_PLAN}]
        if len(asked) > FEW and all(each.finding is Finding.UNANSWERED for each in asked):
            return [], asked[0].error
        return checked, stopped_by[0] if stopped_by else None

    def _check_company(self, company: CompanyPlan, run: Run, may_call: Callable[[], None]) -> Checked:
        """Raises what concerns all companies alike. Whatever concerns this one, it must not keep us from the others."""
        try:
            return self._compare(company, run, may_call)
        except Exception as error:
            finding = finding_of(error)
            if finding is None:
                raise
            failure = triage(error)
            logger().warning(
                "company_not_shown",
                company_id=str(company.company_id),
                finding=finding.value,
                reason=failure.reason,
                words=failure.words,
                exc_info=failure.unexpected,
            )
            # What lies in a DLQ for the same reason is not parked there again every night.
            parked = finding is not Finding.UNANSWERED and is_parked(company, [failure.reason], self._now())
            return Checked(company, finding, error=error, needs_no_action=parked)

    def _compare(self, company: CompanyPlan, run: Run, may_call: Callable[[], None]) -> Checked:
        preset = self._presets.for_company(company.desired.plan, company.company_id)
        finding, expected = belief(company, preset, self._now())
        if finding is Finding.WAITING:
            return Checked(company, finding)
        differences = self._convergence.drift(company.company_id, expected, may_call)
        if finding in DRIFTED:
            return Checked(company, finding, differences)
        if differences:
            return self._changed_at_codat(company, differences, run)
        # A drift that this very run has found, before it was cut off, stays noted: by now it may have been repaired.
        drifted_before = company.drifted_at is not None and company.drifted_at < run.started_at
        if company.times_drifted and drifted_before and not run.report_only:
            self._records.note_in_step(company.company_id)
        return Checked(company, finding)

    def _changed_at_codat(self, seen: CompanyPlan, differences: tuple[Difference, ...], run: Run) -> Checked:
        """Unless an event of the company was at work between our look at its record and the one at Codat."""
        company = self._records.get(seen.company_id)
        if company is None or company.applied_at is None or company.desired != seen.desired:
            return Checked(seen, Finding.WAITING)
        if company.applied_at != seen.applied_at:
            return Checked(seen, Finding.WAITING)
        # Where nothing was repaired since the last time, this is the same drift still.
        is_new = company.drifted_at is None or company.drifted_at < company.applied_at
        times = company.times_drifted + is_new
        if is_new and not run.report_only:
            self._records.note_drift(company.company_id, times, at=self._now())
        return Checked(company, Finding.CHANGED_AT_CODAT, differences, times)

    def _act(self, run: Run, page: CompanyPage, checked: Sequence[Checked]) -> Run | None:
        """Say what was found, hand over, and only then note how far the run has come. None where another was faster.

        What is cut off in between is done twice, and that does no harm.
        """
        drifts = [drift for each in checked if (drift := each.drift(run))]
        for drift in drifts:
            _log(drift)
        self._announcing.announce_drift(drifts)
        now = self._now()
        to_do = [] if run.report_only else [each.company.company_id for each in checked if each.needs_action]
        self._queue.send([CompanyRequest(run.event_id(each), each, now) for each in to_do])

        is_whole = len(checked) == len(page.companies)
        for key in page.unreadable if is_whole else ():
            logger().error("record_unreadable", key=key)
        found = Counter(each.finding.value for each in checked)
        found["checked"] = len(checked)
        found["drifted"] = sum(found[each] for each in DRIFTED)
        found["handed_over"] = len(to_do)
        found["unreadable"] = len(page.unreadable) if is_whole else 0
        by_data_type = Counter(name for drift in drifts for name in _data_types(drift))
        keep_drifting = tuple(
            (str(each.company.company_id), each.times_in_a_row) for each in checked if each.keeps_drifting
        )
        to = replace(
            run,
            progress_at=now,
            finished_at=now if is_whole and page.last is None else None,
            cursor=page.last or run.cursor if is_whole else str(checked[-1].company.company_id),
            counts=_sum(run.counts, found),
            by_data_type=_sum(run.by_data_type, by_data_type),
            by_plan=_sum(run.by_plan, Counter(each.company.desired.plan for each in checked)),
            keeps_drifting=(*run.keeps_drifting, *keep_drifting)[:NAMED],
        )
        advanced = self._runs.advance(run, to)
        if advanced is not None:
            count_reconciled(found["checked"], found["drifted"], len(keep_drifting), by_data_type)
        return advanced


def _sum(one: Mapping[str, int], other: Mapping[str, int]) -> Counter[str]:
    return Counter(one) + Counter(other)


def _data_types(drift: Drift) -> set[str]:
    """What concerns the settings as a whole stands under the name of its field."""
    return {each.data_type or each.field for each in drift.differences}


def _log(drift: Drift) -> None:
    said = {
        "company_id": str(drift.company_id),
        "plan": drift.plan,
        "cause": drift.cause.value,
        "differences": [str(each) for each in drift.differences],
        "believed_since": drift.believed_since and drift.believed_since.isoformat(),
        "times_in_a_row": drift.times_in_a_row,
        "will_be_repaired": drift.will_be_repaired,
    }
    logger().info("company_drifted", extra=said)
    if drift.times_in_a_row >= KEEPS_DRIFTING:
        logger().warning("company_keeps_drifting", extra=said)


def _report(run: Run) -> None:
    """What became of the companies that were handed over last is yet to be seen."""
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
