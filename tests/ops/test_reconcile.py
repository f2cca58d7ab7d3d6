"""A reconciliation as a use case: what a run leaves open, and when a company's attempt has ended."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from codat_sync.companies.desired import DesiredPlan
from codat_sync.companies.records import AppliedPreset, CompanyPlan, NotedFailure
from codat_sync.reconciliation.runs import Run
from ops.reconcile import POLL_SECONDS, Reconciled, left_open, still_open, wait_for_companies

NOW = datetime(2026, 2, 1, 12, 0, tzinfo=UTC)
EARLIER, LATER = NOW - timedelta(hours=1), NOW + timedelta(hours=1)
COMPANY = UUID(int=1)
DESIRED = DesiredPlan.assumed("growth", "e1")
APPLIED = AppliedPreset("growth", "fingerprint", "e1", DESIRED.order)


def run(outcomes: dict[str, int], *, report_only: bool = False) -> Run:
    counts = {"checked": 10, "drifted": 3, "handed_over": 4}
    return Run("night", report_only, NOW, NOW, NOW, counts=counts, outcomes=outcomes)


@pytest.mark.parametrize(
    ("outcomes", "waiting", "left"),
    [
        ({}, 4, 4),
        ({"repaired": 3}, 1, 1),
        ({"repaired": 4}, 0, 0),
        ({"repaired": 2, "unchanged": 2}, 0, 0),
        ({"repaired": 3, "degraded": 1}, 0, 1),
        ({"repaired": 2, "parkedFailed": 1, "parkedPaymentRequired": 1}, 0, 2),
        ({"repaired": 5}, 0, 0),  # A company that is delivered twice is counted twice.
    ],
)
def test_a_run_leaves_open_what_is_parked_or_has_no_outcome(outcomes: dict[str, int], waiting: int, left: int) -> None:
    assert (still_open(run(outcomes)), left_open(run(outcomes))) == (waiting, left)


def test_a_report_leaves_open_what_drifted() -> None:
    assert left_open(run({}, report_only=True)) == 3


def record(applied_at: datetime | None, failed_at: datetime | None) -> CompanyPlan:
    failure = NotedFailure("forbidden", "No", "e1", failed_at) if failed_at else None
    return CompanyPlan(COMPANY, DESIRED, EARLIER, APPLIED, applied_at, failure)


class FakePlans:
    """The table, with one record after the other for the same company."""

    def __init__(self, *records: CompanyPlan | None) -> None:
        self.records = list(records)

    def get(self, _: UUID) -> CompanyPlan | None:
        return self.records.pop(0)


@pytest.mark.parametrize(
    ("ended", "failed"),
    [
        (record(LATER, None), None),
        (record(NOW, None), None),
        (record(EARLIER, LATER), "forbidden: No"),
        (record(LATER, EARLIER), None),
        (record(LATER, LATER), "forbidden: No"),
    ],
)
def test_an_attempt_has_ended_once_it_is_confirmed_or_has_failed_since(ended: CompanyPlan, failed: str | None) -> None:
    slept: list[float] = []
    plans: Any = FakePlans(None, record(None, None), record(EARLIER, EARLIER), ended)
    done = wait_for_companies(plans, [COMPANY], since=NOW, sleep=slept.append)
    assert done == [Reconciled(COMPANY, "growth", failed)]
    assert slept == [POLL_SECONDS] * 3
