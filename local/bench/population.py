"""The companies of the benchmark. Each is known by its number, so that every process has them without being told."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from uuid import NAMESPACE_URL, UUID, uuid5

from codat_sync.reconciliation.findings import Finding
from local.presets import local_presets

DRIFTED: Final = 100
"""One in so many is elsewhere than its preset."""
FEW: Final = 5
"""So many are unknown to Codat, and for so many it has no answer. Never a whole page of them: that is another story."""


@dataclass(frozen=True)
class Company:
    """One company, the plan that was put in force for it, and what a reconciliation has to find."""

    company_id: UUID
    plan: str
    finding: Finding


@dataclass(frozen=True)
class Population:
    """So many companies, of all plans alike, those that have drifted among them."""

    companies: int

    def __iter__(self) -> Iterator[Company]:
        """All of them, always the same; by their ids they are in no order."""
        plans = list(local_presets().plans)
        for number in range(self.companies):
            plan = plans[(number + number // DRIFTED) % len(plans)]
            yield Company(uuid5(NAMESPACE_URL, f"company-{number}"), plan, _finding(number))

    @property
    def findings(self) -> Counter[Finding]:
        """How many there are of each."""
        return Counter(_finding(number) for number in range(self.companies))


def _finding(number: int) -> Finding:
    if number < FEW:
        return Finding.GONE
    if number < 2 * FEW:
        return Finding.UNANSWERED
    return Finding.CHANGED_AT_CODAT if number % DRIFTED == DRIFTED // 2 else Finding.IN_STEP
