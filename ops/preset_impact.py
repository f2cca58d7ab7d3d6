"""What new presets would change for the companies that we know, and what it would cost to bring them there.

Compares presets with presets: what somebody has changed at Codat meanwhile is not in it, and no company costs a call.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import ceil
from uuid import UUID

from codat_sync.api_key import ApiKeyUnusable
from codat_sync.codat.client import CodatClient
from codat_sync.codat.differences import Difference, differences
from codat_sync.codat.errors import CodatError
from codat_sync.codat.models import SyncSettings
from codat_sync.companies.records import CompanyPlan
from codat_sync.presets.file import Presets
from codat_sync.presets.preset import CompanyPreset, spread_hour


@dataclass(frozen=True)
class Change:
    """One thing that would change alike for some companies of a plan. ``data_type`` None: the settings as a whole."""

    plan: str
    data_type: str | None
    field: str
    before: str
    after: str
    companies: int


@dataclass(frozen=True)
class PlanCount:
    """The companies of one plan, and how many of them would change."""

    plan: str
    companies: int
    changed: int
    is_gone: bool
    """Whether the new presets no longer know the plan: then no event of these companies can be applied any more."""


@dataclass(frozen=True)
class Impact:
    """What new presets would change. ``stranded`` companies are on plans that are gone."""

    companies: int
    changed: int
    stranded: int
    plans: tuple[PlanCount, ...]
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class DailyQuota:
    """How many calls Codat allows this account in a day; None with the reason where Codat does not say."""

    limit: int | None
    unknown_because: str | None = None


@dataclass(frozen=True)
class Cost:
    """One reconciliation at Codat. ``quota_share`` is the percentage of a day's quota that it may use.

    ``days`` is how many days' shares it takes, None where the quota is not known.
    """

    calls: int
    calls_per_minute: int
    minutes: float
    quota: DailyQuota
    quota_share: int
    days: int | None


def impact(old: Presets, new: Presets, companies: Iterable[CompanyPlan]) -> Impact:
    """What differs between two presets for the companies as they are on their plans.

    A company that goes without hourly, since Codat's bill does not have it, is taken to go on without.
    """
    counts: Counter[tuple[str, bool, int]] = Counter()
    examples: dict[tuple[str, bool, int], UUID] = {}
    for company in companies:
        degraded = company.applied is not None and company.applied.degraded_to is not None
        # All that two companies of one plan can differ in.
        alike = (company.desired.plan, degraded, spread_hour(company.company_id))
        counts[alike] += 1
        examples.setdefault(alike, company.company_id)

    total: Counter[str] = Counter()
    changed: Counter[str] = Counter()
    changes: Counter[tuple[str, str | None, str, str, str]] = Counter()
    for (plan, degraded, hour), count in counts.items():
        total[plan] += count
        if plan not in new.plans:
            continue
        company_id = examples[plan, degraded, hour]
        found = differences(_settings(old, plan, company_id, degraded), _settings(new, plan, company_id, degraded))
        changed[plan] += count if found else 0
        for difference in found:
            changes[(plan, *_alike(difference))] += count
    plans = tuple(
        PlanCount(plan, total[plan], changed[plan], plan not in new.plans) for plan in _listed(old, new, total)
    )
    return Impact(
        companies=total.total(),
        changed=changed.total(),
        stranded=sum(plan.companies for plan in plans if plan.is_gone),
        plans=plans,
        changes=tuple(Change(*change, count) for change, count in changes.items()),
    )


def cost(of: Impact, calls_per_minute: int, quota: DailyQuota, quota_share: int) -> Cost:
    """Each company is read once; each that differs is read again by the function that brings it there, and written."""
    calls = of.companies - of.stranded + 2 * of.changed
    return Cost(
        calls=calls,
        calls_per_minute=calls_per_minute,
        minutes=calls / calls_per_minute,
        quota=quota,
        quota_share=quota_share,
        days=ceil(100 * calls / (quota_share * quota.limit)) if quota.limit else None,
    )


def daily_quota(codat: CodatClient) -> DailyQuota:
    """Asks Codat with one call."""
    try:
        codat.get_account_sync_settings()
    except (CodatError, ApiKeyUnusable) as error:
        return DailyQuota(None, str(error))
    limit = codat.rate_limit.limit
    return DailyQuota(limit, None if limit else "Codat's answer names none")


def _settings(presets: Presets, plan: str, company_id: UUID, degraded: bool) -> SyncSettings:  # noqa: FBT001
    """What a preset makes of a company of which Codat shows nothing."""
    if plan not in presets.plans:
        return SyncSettings()
    preset: CompanyPreset = presets.for_company(plan, company_id)
    return ((preset.degraded() if degraded else None) or preset).over(SyncSettings())


def _alike(difference: Difference) -> tuple[str | None, str, str, str]:
    """Without the hour of day, in which companies differ that change alike."""
    before, after = difference.before, difference.after
    if difference.field == "sync_schedule":
        before, after = before.partition(" at ")[0], after.partition(" at ")[0]
        after = f"{after} at another hour" if before == after else after
    return difference.data_type, difference.field, before, after


def _listed(old: Presets, new: Presets, plans: Iterable[str]) -> Iterator[str]:
    """As the files list them, and then what neither knows."""
    known = dict.fromkeys([*new.plans, *old.plans])
    there = set(plans)
    yield from (plan for plan in known if plan in there)
    yield from sorted(there - known.keys())
