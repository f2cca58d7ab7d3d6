"""Fakes of the room ``reconciliation``: the progress of a run, and the queue of companies."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from codat_sync.events.requests import ReconciliationRequest
from codat_sync.reconciliation.queue import CompanyRequest
from codat_sync.reconciliation.runs import Run, run_id


@dataclass
class FakeRuns:
    """``ReconciliationRuns`` in memory. tests/unit/reconciliation/test_runs.py holds both to the same claims."""

    run: Run | None = None

    def newest(self) -> Run | None:
        return self.run

    def begin(
        self, request: ReconciliationRequest, *, in_place_of: Run | None, at: datetime, presets: str | None = None
    ) -> Run | None:
        if _version(in_place_of) != _version(self.run):
            return None
        self.run = Run(run_id(request), request.report_only, started_at=at, progress_at=at, presets=presets)
        return self.run

    def advance(self, run: Run, to: Run) -> Run | None:
        now = self.run
        if now is None or now.finished_at:
            return None
        if (now.run_id, now.started_at, now.cursor) != (run.run_id, run.started_at, run.cursor):
            return None
        self.run = replace(
            now,
            progress_at=to.progress_at,
            finished_at=to.finished_at,
            cursor=to.cursor or now.cursor,
            counts=to.counts,
            by_data_type=to.by_data_type,
            by_plan=to.by_plan,
            keeps_drifting=to.keeps_drifting,
        )
        return self.run

    def tally(self, run_id: str, outcomes: Mapping[str, int]) -> None:
        if self.run is not None and self.run.run_id == run_id:
            self.run = replace(self.run, outcomes=Counter(self.run.outcomes) + Counter(outcomes))


def _version(run: Run | None) -> tuple[str, datetime] | None:
    return None if run is None else (run.run_id, run.progress_at)


@dataclass
class FakeCompanyQueue:
    """``CompanyReconciliations`` that keeps the requests."""

    requests: list[CompanyRequest] = field(default_factory=list)

    def send(self, requests: Sequence[CompanyRequest]) -> None:
        self.requests += requests
