"""What new presets would change for the companies with a record, and how many calls to Codat that would cost.

Presets are compared with presets, so no company costs a call to Codat. Changes made in Codat's Portal are not seen.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Final
from uuid import UUID

from codat_sync.api_key import ApiKeyUnusable
from codat_sync.codat.client import CodatClient
from codat_sync.codat.differences import Difference, differences
from codat_sync.codat.errors import CodatError
from codat_sync.codat.models import SyncSettings
from codat_sync.companies.records import CompanyPlan, CompanyPlans
from codat_sync.presets.file import Presets
from codat_sync.presets.preset import CompanyPreset, spread_hour
from ops.stack import Stack

TABLE_PAGE: Final = 500
"""How many records one read of the table takes."""


@dataclass(frozen=True)
class Change:
    """One change that several companies of a plan have in common. ``data_type`` is None for the settings as a whole."""

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
    """True where the new presets lack the plan, so that no event of these companies can be applied."""


@dataclass(frozen=True)
class Impact:
    """What new presets would change. ``stranded`` counts the companies on plans that the new presets lack."""

    companies: int
    changed: int
    stranded: int
    plans: tuple[PlanCount, ...]
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class DailyQuota:
    """The calls that Codat allows this account in a day; None, with the reason, where Codat does not say."""

    limit: int | None
    unknown_because: str | None = None


@dataclass(frozen=True)
class Cost:
    """The calls to Codat of one reconciliation run. ``quota_share`` is the percentage of a day's quota it may use.

    ``days`` is the number of daily shares that it takes, None where the quota is unknown.
    """

    calls: int
    calls_per_minute: int
    minutes: float
    quota: DailyQuota
    quota_share: int
    days: int | None


@dataclass(frozen=True)
class Assessment:
    """What new presets would change, and the cost of the reconciliation run that applies them."""

    impact: Impact
    cost: Cost

    @property
    def needs_attention(self) -> bool:
        """True where the new presets lack the plan of a company, or one run needs more than a day's share."""
        return self.impact.stranded > 0 or (self.cost.days or 0) > 1


@dataclass(frozen=True)
class _Kind:
    """Everything in which two companies of one plan can differ, as far as presets are concerned."""

    plan: str
    degraded: bool
    hour: int

    @classmethod
    def of(cls, company: CompanyPlan) -> "_Kind":
        degraded = company.applied is not None and company.applied.degraded_to is not None
        return cls(company.desired.plan, degraded, spread_hour(company.company_id))


def assess(new: Presets, stack: Stack, on_read: Callable[[int], None]) -> Assessment:
    """Compare new presets with the live ones for every company of a stack, with one call to Codat for its quota.

    ``on_read`` is called with how many more companies were read.
    """
    found = impact(stack.presets, new, _companies(stack.plans, on_read))
    pace, share = int(stack.parameter("ReconcileCallsPerMinute")), int(stack.parameter("ReconcileQuotaShare"))
    return Assessment(found, cost(found, pace, daily_quota(stack.codat), share))


def impact(old: Presets, new: Presets, companies: Iterable[CompanyPlan]) -> Impact:
    """Compare two presets for companies on their present plans.

    A company that is degraded is compared as degraded: the Codat account is taken to allow hourly syncs no sooner.
    """
    counts: Counter[_Kind] = Counter()
    examples: dict[_Kind, UUID] = {}
    for company in companies:
        kind = _Kind.of(company)
        counts[kind] += 1
        examples.setdefault(kind, company.company_id)

    total: Counter[str] = Counter()
    changed: Counter[str] = Counter()
    changes: Counter[tuple[str, str | None, str, str, str]] = Counter()
    for kind, count in counts.items():
        total[kind.plan] += count
        found = _changes(old, new, kind, examples[kind])
        changed[kind.plan] += count if found else 0
        for difference in found:
            changes[(kind.plan, *_in_common(difference))] += count
    return _impact(_listed(old, new, total), total, changed, changes)


def cost(of: Impact, calls_per_minute: int, quota: DailyQuota, quota_share: int) -> Cost:
    """Count one read for each company, and one more read and a write for each that changes."""
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
    """Ask Codat for the daily quota, with one call. Codat's errors become the reason why it is unknown."""
    try:
        codat.get_account_sync_settings()
    except (CodatError, ApiKeyUnusable) as error:
        return DailyQuota(None, str(error))
    limit = codat.rate_limit.limit
    return DailyQuota(limit, None if limit else "Codat's answer names no limit")


def _companies(plans: CompanyPlans, on_read: Callable[[int], None]) -> Iterator[CompanyPlan]:
    after: str | None = None
    while True:
        page = plans.page(after, TABLE_PAGE)
        on_read(len(page.companies))
        yield from page.companies
        if page.last is None:
            return
        after = page.last


def _changes(old: Presets, new: Presets, kind: _Kind, example: UUID) -> tuple[Difference, ...]:
    if kind.plan not in new.plans:
        return ()
    return differences(_settings(old, kind, example), _settings(new, kind, example))


def _settings(presets: Presets, kind: _Kind, company_id: UUID) -> SyncSettings:
    """Return what a preset makes of a company of which Codat shows no settings."""
    if kind.plan not in presets.plans:
        return SyncSettings()
    preset: CompanyPreset = presets.for_company(kind.plan, company_id)
    return ((preset.degraded() if kind.degraded else None) or preset).over(SyncSettings())


def _in_common(difference: Difference) -> tuple[str | None, str, str, str]:
    """Return a difference without the hour of day, which differs between companies that change in the same way."""
    before, after = difference.before, difference.after
    if difference.field == "sync_schedule":
        before, after = before.partition(" at ")[0], after.partition(" at ")[0]
        after = f"{after} at another hour" if before == after else after
    return difference.data_type, difference.field, before, after


def _listed(old: Presets, new: Presets, plans: Iterable[str]) -> Iterator[tuple[str, bool]]:
    """Yield each plan that a company has, in the order of the files, and whether the new presets lack it."""
    known = dict.fromkeys([*new.plans, *old.plans])
    present = set(plans)
    for plan in [*(plan for plan in known if plan in present), *sorted(present - known.keys())]:
        yield plan, plan not in new.plans


def _impact(
    plans: Iterable[tuple[str, bool]],
    total: Counter[str],
    changed: Counter[str],
    changes: Mapping[tuple[str, str | None, str, str, str], int],
) -> Impact:
    counts = tuple(PlanCount(plan, total[plan], changed[plan], is_gone) for plan, is_gone in plans)
    return Impact(
        companies=total.total(),
        changed=changed.total(),
        stranded=sum(plan.companies for plan in counts if plan.is_gone),
        plans=counts,
        changes=tuple(Change(*change, count) for change, count in changes.items()),
    )
