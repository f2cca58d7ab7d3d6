"""The impact of new presets on all companies, and its cost, without a call to Codat for any company."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from codat_sync.companies.desired import DesiredPlan
from codat_sync.companies.records import AppliedPreset, CompanyPlan
from codat_sync.presets.file import Presets
from ops.preset_impact import Change, DailyQuota, cost, impact

NOW = datetime(2026, 2, 1, 12, 0, tzinfo=UTC)
OLD = """
default_plan = "free"
on_cancelled = "free"
[plans.free]
frequency = "monthly"
[plans.paid]
frequency = "daily"
on_payment_required = "daily"
[plans.paid.data_types]
invoices = "hourly"
"""


def read(toml: str) -> Presets:
    return Presets.parse(toml.encode())


def company(number: int, plan: str, degraded_to: str | None = None) -> CompanyPlan:
    applied = AppliedPreset(plan, "fingerprint", "e1", "order", degraded_to)
    return CompanyPlan(UUID(int=number), DesiredPlan.assumed(plan, "e1"), NOW, applied, NOW)


def compared(new: str, *companies: CompanyPlan) -> list[Change]:
    return list(impact(read(OLD), read(new), companies).changes)


def test_the_same_presets_change_nothing() -> None:
    same = impact(read(OLD), read(OLD), [company(1, "free"), company(2, "paid")])
    assert (same.companies, same.changed, same.changes) == (2, 0, ())


def test_a_change_is_counted_by_plan_and_data_type() -> None:
    new = OLD.replace('invoices = "hourly"', 'invoices = "weekly"')
    companies = [company(number, "paid") for number in range(100)] + [company(100, "free")]
    assert compared(new, *companies) == [Change("paid", "invoices", "sync_schedule", "hourly", "weekly", 100)]


def test_companies_of_all_hours_change_alike() -> None:
    new = OLD.replace('frequency = "monthly"', 'frequency = "weekly"')
    (change, *_) = compared(new, *(company(number, "free") for number in range(100)))
    assert (change.before, change.after, change.companies) == ("monthly", "weekly", 100)


def test_another_hour_is_a_change_too() -> None:
    new = OLD.replace('frequency = "monthly"', 'frequency = "monthly"\nhour_of_day = 2')
    found = compared(new, *(company(number, "free") for number in range(100)))
    assert {(change.before, change.after) for change in found} == {("monthly", "monthly at another hour")}
    assert {change.companies for change in found} < set(range(85, 100))  # For some it is the hour that they had.


def test_a_degraded_company_is_compared_as_degraded() -> None:
    new = OLD.replace('invoices = "hourly"', 'invoices = "daily"')
    assert compared(new, company(1, "paid", degraded_to="daily")) == []
    assert len(compared(new, company(1, "paid"))) == 1


def test_a_plan_that_loses_its_fallback() -> None:
    new = OLD.replace('on_payment_required = "daily"\n', "")
    (change,) = compared(new, company(1, "paid", degraded_to="daily"))
    assert (change.before, change.after) == ("daily", "hourly")


def test_a_plan_that_is_new() -> None:
    new = f'{OLD}[plans.new]\nfrequency = "daily"'
    found = impact(read(OLD), read(new), [company(1, "new")])
    assert found.changed == 1
    assert {change.before for change in found.changes} == {"unset", "no"}


def test_a_company_whose_plan_is_gone_is_stranded() -> None:
    new = 'default_plan = "free"\non_cancelled = "free"\n[plans.free]\nfrequency = "monthly"'
    found = impact(read(OLD), read(new), [company(1, "paid"), company(2, "free"), company(3, "lost")])
    assert (found.companies, found.changed, found.stranded) == (3, 0, 2)
    assert [(plan.plan, plan.is_gone) for plan in found.plans] == [("free", False), ("paid", True), ("lost", True)]
    assert cost(found, 300, DailyQuota(None), 50).calls == 1


@pytest.mark.parametrize(("limit", "days"), [(1_000_000, 1), (600, 1), (599, 2), (100, 6), (None, None), (0, None)])
def test_a_reconciliation_has_to_fit_its_share_of_the_quota(limit: int | None, days: int | None) -> None:
    new = OLD.replace('invoices = "hourly"', 'invoices = "weekly"')
    found = impact(read(OLD), read(new), [company(number, "paid") for number in range(100)])
    price = cost(found, 60, DailyQuota(limit), 50)
    assert (price.calls, price.minutes, price.days) == (300, 5.0, days)
