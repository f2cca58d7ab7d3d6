"""The companies of the benchmark. Each is derived from its number, so every process has the same ones."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from uuid import NAMESPACE_URL, UUID, uuid5

from codat_sync.reconciliation.findings import Finding
from local.presets import local_presets

DRIFT_INTERVAL: Final = 100
"""One company in so many has drifted."""
GONE: Final = 5
"""So many companies are unknown to Codat."""
UNANSWERED: Final = 5
"""For so many, Codat answers 503. They never fill a page of a run, since that would end the run."""


@dataclass(frozen=True)
class Company:
    """A company, the plan that is in force for it, and what a reconciliation run must find."""

    company_id: UUID
    plan: str
    finding: Finding


@dataclass(frozen=True)
class Population:
    """So many companies, spread evenly over all plans, as are those that have drifted."""

    companies: int

    def __iter__(self) -> Iterator[Company]:
        """Yield the companies, always the same ones. Their ids have no order."""
        plans = list(local_presets().plans)
        for number in range(self.companies):
            plan = plans[(number + number // DRIFT_INTERVAL) % len(plans)]
            yield Company(uuid5(NAMESPACE_URL, f"company-{number}"), plan, _finding(number))

    @property
    def findings(self) -> Counter[Finding]:
        """The number of companies for each finding."""
        return Counter(_finding(number) for number in range(self.companies))


def _finding(number: int) -> Finding:
    if number < GONE:
        return Finding.GONE
    if number < GONE + UNANSWERED:
        return Finding.UNANSWERED
    return Finding.CHANGED_AT_CODAT if number % DRIFT_INTERVAL == DRIFT_INTERVAL // 2 else Finding.IN_STEP
