"""What new presets would change for everybody, before anybody deploys them."""

from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from codat_sync.companies.records import AppliedPreset, CompanyPlan, DesiredPlan
from codat_sync.presets.file import Presets
from ops.preset_impact import Change, DailyQuota, cost, impact
from tests.ops.on_call import OnCall

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


def test_a_company_that_goes_without_hourly_goes_on_without() -> None:
    new = OLD.replace('invoices = "hourly"', 'invoices = "daily"')
    assert compared(new, company(1, "paid", degraded_to="daily")) == []
    assert len(compared(new, company(1, "paid"))) == 1


def test_a_plan_without_a_fallback_any_more() -> None:
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


# --- The command ----------------------------------------------------------------------------------------------------


@pytest.fixture
def new(tmp_path: Path) -> Path:
    packaged = Path("local/presets.toml").read_text("utf-8")
    file = tmp_path / "new.toml"
    file.write_text(packaged.replace('[plans.growth]\nfrequency = "daily"', '[plans.growth]\nfrequency = "weekly"'))
    return file


def fill(on_call: OnCall, count: int = 3) -> None:
    for number in range(count):
        on_call.record(UUID(int=number + 1), "growth" if number else "free")
    on_call.stack.dynamodb.put_item(TableName="company-plans", Item={"companyId": {"S": "#pause"}})


def test_it_says_how_many_would_change_in_what_and_what_it_would_cost(on_call: OnCall, new: Path) -> None:
    fill(on_call)
    result = on_call("preview", "--presets", new)
    assert result.exit_code == 0
    assert "accountTransactions, balanceSheet, bankAccounts and 36 more: daily → weekly (2)" in result.stdout
    assert "2 of 3 companies would change." in result.stdout
    assert (
        "A reconciliation would make 7 calls to Codat, 1 s at 300 a minute; "
        "within the 50 % of the daily quota of 100,000,000 that it may use." in " ".join(result.stdout.split())
    )
    answer = on_call.json("preview", "--presets", new)
    assert (answer["impact"]["changed"], answer["cost"]["calls"], answer["cost"]["days"]) == (2, 7, 1)


def test_no_company_costs_a_call(on_call: OnCall, new: Path) -> None:
    fill(on_call)
    on_call("preview", "--presets", new)
    assert [call.path for call in on_call.account.calls.select()] == ["/profile/syncSettings"]


def test_a_table_of_many_pages(on_call: OnCall, new: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.cli.main.TABLE_PAGE", 2)
    fill(on_call, 7)
    assert on_call.json("preview", "--presets", new)["impact"]["companies"] == 7


def test_what_would_not_fit_the_quota_is_found(on_call: OnCall, new: Path) -> None:
    fill(on_call)
    on_call.account.quota.limit = 10
    result = on_call("preview", "--presets", new)
    assert result.exit_code == 1
    assert "2 days, since it is more than the 50 % of the daily quota of 10" in " ".join(result.stdout.split())


def test_a_plan_that_is_gone_is_found(on_call: OnCall, new: Path) -> None:
    fill(on_call)
    on_call.record(UUID(int=99), "platinum")
    result = on_call("preview", "--presets", new)
    assert result.exit_code == 1
    assert "the new presets know no such plan" in result.stdout


def test_codat_need_not_answer(on_call: OnCall, new: Path) -> None:
    fill(on_call)
    on_call.account.flags.expired = True
    result = on_call("preview", "--presets", new)
    assert result.exit_code == 0
    assert "Codat's daily quota is not known (" in result.stdout


def test_a_bad_file_names_every_problem(on_call: OnCall, tmp_path: Path) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text(OLD.replace('invoices = "hourly"', 'invoice = "hourlyish"'))
    result = on_call("preview", "--presets", bad)
    assert result.exit_code == 2
    assert 'plan paid, invoice, frequency: "hourlyish" is not a frequency' in result.stderr
    assert "plan paid, invoice: not a data type that Codat documents; did you mean invoices?" in result.stderr
    assert result.stdout == ""
    bad.write_bytes(b"\xff")
    assert on_call("preview", "--presets", bad).exit_code == 2
    assert on_call("preview", "--presets", tmp_path / "absent.toml").exit_code == 2
