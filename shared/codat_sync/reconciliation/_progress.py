"""How far a run has come after one more page: a pure function on what was found."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from codat_sync.companies.records import CompanyPage
from codat_sync.reconciliation.check import Checked
from codat_sync.reconciliation.findings import DRIFTED, Drift
from codat_sync.reconciliation.runs import Run

NAMED: Final = 50
"""How many companies that keep drifting a run names."""


def is_whole(page: CompanyPage, checked: Sequence[Checked]) -> bool:
    """Return whether every company of the page was checked."""
    return len(checked) == len(page.companies)


def progress(
    run: Run, page: CompanyPage, checked: Sequence[Checked], drifts: Sequence[Drift], handed_over: int, at: datetime
) -> Run:
    """Return the run after these companies of the page, of which ``handed_over`` were handed over."""
    whole = is_whole(page, checked)
    found = Counter(each.finding.value for each in checked)
    found["checked"] = len(checked)
    found["drifted"] = sum(found[each] for each in DRIFTED)
    found["handed_over"] = handed_over
    found["unreadable"] = len(page.unreadable) if whole else 0
    keep_drifting = [(str(each.company.company_id), each.times_in_a_row) for each in checked if each.keeps_drifting]
    return replace(
        run,
        progress_at=at,
        finished_at=at if whole and page.last is None else None,
        cursor=page.last or run.cursor if whole else str(checked[-1].company.company_id),
        counts=_sum(run.counts, found),
        by_data_type=_sum(run.by_data_type, by_data_type(drifts)),
        by_plan=_sum(run.by_plan, Counter(each.company.desired.plan for each in checked)),
        keeps_drifting=(*run.keeps_drifting, *keep_drifting)[:NAMED],
    )


def by_data_type(drifts: Sequence[Drift]) -> Counter[str]:
    """Count the companies that differ in each data type. One of the settings as a whole counts by its field."""
    return Counter(name for drift in drifts for name in {each.data_type or each.field for each in drift.differences})


def _sum(one: Mapping[str, int], other: Mapping[str, int]) -> Counter[str]:
    return Counter(one) + Counter(other)
