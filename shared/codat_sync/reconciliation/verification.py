"""Verifies a repair: what Codat accepted and does not show right after that, it did not take.

Without this, a reconciliation run would find the same drift every night, repair it every night, and blame someone who
changes settings in Codat's Portal. The read costs one call for each repair of drift, and none for any other company.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from codat_sync.codat.differences import Difference
from codat_sync.companies.converge import Convergence
from codat_sync.companies.records import CompanyPlan
from codat_sync.consuming.deliveries import Settled
from codat_sync.deadline import Deadline
from codat_sync.observability import logger
from codat_sync.outcomes.triage import in_words
from codat_sync.presets.file import Presets
from codat_sync.reconciliation.findings import Drift, Finding, drift_fingerprint, expectation, is_not_taken


class VerifiedRecords(Protocol):
    """The table of all companies, as far as a verification needs it."""

    def note_not_taken(self, company_id: UUID, fingerprint: str) -> None:
        """Note what Codat shows otherwise although it accepted it."""

    def note_in_step(self, company_id: UUID) -> None:
        """Note that Codat's settings are those of the record."""


class DriftAnnouncer(Protocol):
    """A receiver of what Codat did not take."""

    def announce_drift(self, drifts: Sequence[Drift]) -> None:
        """Pass it on. Nothing depends on it."""


class Verification:
    """Reads Codat's settings once more after each repair of drift in a batch. Holds no state between batches."""

    def __init__(
        self,
        convergence: Convergence,
        presets: Presets,
        records: VerifiedRecords,
        announcer: DriftAnnouncer,
        deadline: Callable[[], Deadline],
        now: Callable[[], datetime],
    ) -> None:
        """``deadline`` returns that of the current invocation."""
        self._convergence = convergence
        self._presets = presets
        self._records = records
        self._announcer = announcer
        self._deadline = deadline
        self._now = now

    def announce(self, settled: Iterable[Settled]) -> None:
        """Verify the repairs among these outcomes. Where Codat or the table fails, the next repair is verified."""
        deadline = self._deadline()
        for each in settled:
            if each.company is None or not each.differences or not each.company.times_drifted:
                continue
            try:
                self._verify(each.company, str(each.event_id), deadline)
            except Exception as error:  # noqa: BLE001  # Whatever the error, the repair was made and confirmed.
                logger().warning("repair_not_verified", company_id=str(each.company.company_id), **in_words(error))

    def _verify(self, company: CompanyPlan, event_id: str, deadline: Deadline) -> None:
        preset = self._presets.for_company(company.desired.plan, company.company_id)
        finding, expected = expectation(company, preset, self._now())
        if finding not in {Finding.IN_STEP, Finding.DEGRADED}:
            return
        differences = self._convergence.drift(company.company_id, expected, deadline)
        if not differences:
            if company.not_taken is not None:
                self._records.note_in_step(company.company_id)
            return
        self._records.note_not_taken(company.company_id, drift_fingerprint(differences))
        if is_not_taken(company, differences):
            return  # Known, and announced before.
        log_not_taken(company, differences)
        self._announcer.announce_drift([_not_taken(company, differences, event_id)])


def log_not_taken(company: CompanyPlan, differences: Iterable[Difference]) -> None:
    """Log what Codat does not show of a company although it accepted it."""
    logger().warning(
        "settings_not_taken",
        company_id=str(company.company_id),
        plan=company.desired.plan,
        differences=[str(each) for each in differences],
    )


def _not_taken(company: CompanyPlan, differences: tuple[Difference, ...], event_id: str) -> Drift:
    return Drift(
        run_id=event_id.rpartition("/")[0] or event_id,
        company_id=company.company_id,
        plan=company.desired.plan,
        applied=company.applied,
        cause=Finding.NOT_TAKEN,
        differences=differences,
        believed_since=company.applied_at,
        times_in_a_row=company.times_drifted,
        will_be_repaired=False,
    )
