"""The command ``preview``: a plan, its changes for one company, and the changes of new presets for all."""

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from codat_sync.presets.file import Presets
from tests.ops.on_call import COMPANY, OnCall

AT_LARGE = 'default_plan = "one"\non_cancelled = "one"\n[plans.one]\n'


# --- A plan ---------------------------------------------------------------------------------------------------------


def test_a_plan_is_described_without_a_stack(on_call: OnCall) -> None:
    result = on_call("preview", "scale", "--stack", "absent")
    assert result.exit_code == 0
    assert "hourly" in result.stdout
    assert "daily at the company's own hour" in result.stdout
    assert "daily, while the Codat account does not allow hourly syncs" in result.stdout
    listed = on_call.json("preview", "scale")
    assert listed["data_types"]["hourly"][-1] == "payments"
    assert list(listed["data_types"]) == [
        "hourly",
        "daily at the company's own hour",
        "weekly at the company's own hour",
    ]
    assert sum(len(names) for names in listed["data_types"].values()) == 43


def test_a_plan_that_uses_the_settings_of_the_account(on_call: OnCall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Presets, "packaged", lambda: Presets.parse((AT_LARGE + "use_account_defaults = true").encode()))
    assert "the Codat account's own settings" in on_call("preview", "one").stdout
    assert on_call.json("preview", "one")["data_types"] == {}


def test_an_unknown_plan_is_bad_input(on_call: OnCall) -> None:
    result = on_call("preview", "platinum")
    assert result.exit_code == 2
    assert result.stderr == "error: unknown plan 'platinum': the presets know free, starter, growth, scale\n"


@pytest.mark.parametrize("arguments", [[], ["growth", "--presets", __file__], ["growth", "Kew-Cafe"]])
def test_it_needs_either_a_plan_or_a_file(on_call: OnCall, arguments: list[str]) -> None:
    assert on_call("preview", *arguments).exit_code == 2


# --- A company ------------------------------------------------------------------------------------------------------


def test_what_would_change_for_a_company(on_call: OnCall) -> None:
    on_call.add_company(plan="growth", locked=["items"])
    result = on_call("preview", "scale", COMPANY)
    assert result.exit_code == 0
    assert (
        "~ bankTransactions, banking-transactions, billPayments, bills, creditNotes, invoices, payments"
        in result.stdout
    )
    assert "daily → hourly" in result.stdout
    assert "locked by Codat, and stay: items" in result.stdout
    assert result.stdout.endswith("7 would change, 36 stay as they are.\n")
    assert on_call.account.companies[str(COMPANY)].write_count == 0
    found = on_call.json("preview", "scale", COMPANY)["differences"]
    assert {difference["after"] for difference in found} == {"hourly"}


def test_a_history_that_the_preset_may_not_narrow_is_named(on_call: OnCall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Presets, "packaged", lambda: Presets.parse((AT_LARGE + "sync_from_window = 1").encode()))
    settings = [
        {"dataType": "bills", "fetchOnFirstLink": True, "syncSchedule": 24, "syncOrder": 0, "syncFromWindow": 12}
    ]
    on_call.account.add_company(str(COMPANY), settings=settings)
    assert on_call.json("preview", "one", COMPANY)["refused_narrowing"] == ["bills"]
    result = on_call("preview", "one", COMPANY)
    assert "history is kept, because the preset may not narrow it: bills" in result.stdout
    assert result.stdout.endswith("0 would change, 1 stay as they are.\n")


@pytest.mark.parametrize("flags", [{"expired": True}, {"api_key": "rotated"}, {}])
def test_a_company_that_codat_does_not_show(on_call: OnCall, flags: dict[str, Any]) -> None:
    for name, value in flags.items():
        setattr(on_call.account.flags, name, value)
    result = on_call("preview", "scale", COMPANY)
    assert result.exit_code == 3
    assert result.stderr.startswith("error: Codat: ")
    assert result.stdout == ""


# --- New presets ----------------------------------------------------------------------------------------------------


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


def test_it_shows_how_many_companies_change_in_what_and_the_cost(on_call: OnCall, new: Path) -> None:
    fill(on_call)
    result = on_call("preview", "--presets", new)
    assert result.exit_code == 0
    assert "accountTransactions, balanceSheet, bankAccounts and 36 more: daily → weekly (2)" in result.stdout
    assert "2 of 3 companies would change." in result.stdout
    assert (
        "A reconciliation run makes 7 calls to Codat and takes 1 s at 300 a minute, "
        "which is within its share, 50 % of the daily quota of 100,000,000." in " ".join(result.stdout.split())
    )
    answer = on_call.json("preview", "--presets", new)
    assert (answer["impact"]["changed"], answer["cost"]["calls"], answer["cost"]["days"]) == (2, 7, 1)


def test_no_company_costs_a_call(on_call: OnCall, new: Path) -> None:
    fill(on_call)
    on_call("preview", "--presets", new)
    assert [call.path for call in on_call.account.calls.select()] == ["/profile/syncSettings"]


def test_a_table_of_many_pages(on_call: OnCall, new: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.preset_impact.TABLE_PAGE", 2)
    fill(on_call, 7)
    assert on_call.json("preview", "--presets", new)["impact"]["companies"] == 7


def test_a_cost_that_exceeds_the_quota_is_an_exit_code(on_call: OnCall, new: Path) -> None:
    fill(on_call)
    on_call.account.quota.limit = 10
    result = on_call("preview", "--presets", new)
    assert result.exit_code == 1
    assert "It needs 2 days, because it exceeds its share, 50 % of the daily quota of 10." in " ".join(
        result.stdout.split()
    )


def test_a_plan_that_the_new_presets_lack_is_an_exit_code(on_call: OnCall, new: Path) -> None:
    fill(on_call)
    on_call.record(UUID(int=99), "platinum")
    result = on_call("preview", "--presets", new)
    assert result.exit_code == 1
    assert "the new presets lack this plan" in result.stdout


def test_without_an_answer_of_codat_the_quota_is_unknown(on_call: OnCall, new: Path) -> None:
    fill(on_call)
    on_call.account.flags.expired = True
    result = on_call("preview", "--presets", new)
    assert result.exit_code == 0
    assert "Codat's daily quota is unknown: " in result.stdout


def test_a_bad_file_names_every_problem(on_call: OnCall, tmp_path: Path) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text(AT_LARGE + '[plans.one.data_types]\ninvoice = "hourlyish"')
    result = on_call("preview", "--presets", bad)
    assert result.exit_code == 2
    assert 'plan one, invoice, frequency: "hourlyish" is not a frequency' in result.stderr
    assert "plan one, invoice: not a data type that Codat documents; did you mean invoices?" in result.stderr
    assert result.stdout == ""
    bad.write_bytes(b"\xff")
    assert on_call("preview", "--presets", bad).exit_code == 2
    assert on_call("preview", "--presets", tmp_path / "absent.toml").exit_code == 2
