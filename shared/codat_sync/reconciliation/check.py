"""Checks one company: whether Codat's settings are at its preset, and why not."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Protocol
from uuid import UUID

from codat_sync.codat.differences import Difference
from codat_sync.companies.converge import Convergence
from codat_sync.companies.records import CompanyPlan
from codat_sync.deadline import Deadline
from codat_sync.observability import logger
from codat_sync.outcomes.triage import triage
from codat_sync.presets.file import Presets
from codat_sync.reconciliation.findings import (
    DRIFTED,
    TO_BE_CONVERGED,
    Drift,
    Finding,
    expectation,
    finding_of,
    is_in_flight,
    is_not_taken,
    is_parked,
)
from codat_sync.reconciliation.runs import Run
from codat_sync.reconciliation.verification import log_not_taken

KEEPS_DRIFTING: Final = 3
"""So many drifts in a row mean that the company's settings are changed at Codat again and again."""


class DriftRecords(Protocol):
    """The table of all companies, as far as a check needs it."""

    def get(self, company_id: UUID) -> CompanyPlan | None:
        """Return one company's current record."""

    def note_drift(self, company_id: UUID, times: int, *, at: datetime) -> None:
        """Note how many runs in a row found its settings changed at Codat."""

    def note_in_step(self, company_id: UUID) -> None:
        """Note that its settings are those of the record."""


@dataclass(frozen=True)
class Checked:
    """One company and its finding.

    ``is_parked_already``: an event of the company waits in a DLQ for the same reason, or is still retried.
    """

    company: CompanyPlan
    finding: Finding
    differences: tuple[Difference, ...] = ()
    times_in_a_row: int = 0
    is_parked_already: bool = False

    @property
    def needs_action(self) -> bool:
        """Whether the company is to be handed over."""
        return self.finding in TO_BE_CONVERGED and not self.is_parked_already

    @property
    def keeps_drifting(self) -> bool:
        """Whether the company's settings are changed at Codat again and again."""
        return self.times_in_a_row >= KEEPS_DRIFTING

    def drift(self, run: Run) -> Drift | None:
        """Return what the run announces of the company, None where nothing differs."""
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


class CompanyCheck:
    """Compares a company's record, its preset and Codat's settings. Only reads at Codat. Holds no state."""

    def __init__(
        self, convergence: Convergence, presets: Presets, records: DriftRecords, now: Callable[[], datetime]
    ) -> None:
        self._convergence = convergence
        self._presets = presets
        self._records = records
        self._now = now

    def check(self, company: CompanyPlan, run: Run, deadline: Deadline) -> Checked:
        """Return the finding. Raise only errors that concern all companies alike."""
        try:
            return self._compare(company, run, deadline)
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
            # No night adds another copy of an event that is in flight or in a DLQ. Without an answer of Codat's, any
            # newest failure will do: tonight's answer may be another 5xx than last night's.
            noted = company.last_failure.reason if company.last_failure else ""
            reason = noted if finding is Finding.UNANSWERED else failure.reason
            parked = is_parked(company, [reason], self._now())
            return Checked(company, finding, is_parked_already=parked)

    def _compare(self, company: CompanyPlan, run: Run, deadline: Deadline) -> Checked:
        preset = self._presets.for_company(company.desired.plan, company.company_id)
        finding, expected = expectation(company, preset, self._now())
        if finding is Finding.WAITING:
            return Checked(company, finding)
        differences = self._convergence.drift(company.company_id, expected, deadline)
        in_flight = is_in_flight(company, self._now())
        if finding in DRIFTED:
            return Checked(company, finding, differences, is_parked_already=in_flight)
        if differences:
            return replace(self._changed_at_codat(company, differences, run), is_parked_already=in_flight)
        # A drift that this very run found before it was cut off stays noted: it may have been repaired by now.
        drifted_before = company.drifted_at is not None and company.drifted_at < run.started_at
        if company.times_drifted and drifted_before and not run.report_only:
            self._records.note_in_step(company.company_id)
        return Checked(company, finding)

    def _changed_at_codat(self, seen: CompanyPlan, differences: tuple[Difference, ...], run: Run) -> Checked:
        """Note the drift, unless an event of the company was processed between the two reads.

        What Codat did not take from the last repair is no drift: another repair would change nothing.
        """
        company = self._records.get(seen.company_id)
        if company is None or company.applied_at is None or company.desired != seen.desired:
            return Checked(seen, Finding.WAITING)
        if company.applied_at != seen.applied_at:
            return Checked(seen, Finding.WAITING)
        if is_not_taken(company, differences):
            log_not_taken(company, differences)
            return Checked(company, Finding.NOT_TAKEN, differences)
        # Where nothing was repaired since the last drift, this is the same one.
        is_new = company.drifted_at is None or company.drifted_at < company.applied_at
        times = company.times_drifted + is_new
        if is_new and not run.report_only:
            self._records.note_drift(company.company_id, times, at=self._now())
        return Checked(company, Finding.CHANGED_AT_CODAT, differences, times)
