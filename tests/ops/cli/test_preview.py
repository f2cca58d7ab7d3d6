"""What a plan stands for, and what it would change for a company: like a plan before an apply."""

from typing import Any
from uuid import UUID

import pytest

from codat_sync.presets.file import Presets, spread_hour
from ops.preview import in_words
from tests.ops.on_call import COMPANY, OnCall

AT_LARGE = 'default_plan = "one"\non_cancelled = "one"\n[plans.one]\n'


def words(toml: str) -> dict[str, tuple[str, ...]]:
    return dict(in_words(Presets.parse(AT_LARGE + toml), "one").data_types)


# --- A plan ---------------------------------------------------------------------------------------------------------


def test_a_plan_in_words_asks_nobody(on_call: OnCall) -> None:
    result = on_call("preview", "scale", "--stack", "nobodys")
    assert result.exit_code == 0
    assert "hourly" in result.stdout
    assert "daily at the company's own hour" in result.stdout
    assert "where Codat's bill has none, daily stands in for it" in result.stdout
    listed = on_call.json("preview", "scale")
    assert listed["data_types"]["hourly"][-1] == "payments"
    assert list(listed["data_types"]) == [
        "hourly",
        "daily at the company's own hour",
        "weekly at the company's own hour",
    ]
    assert sum(len(names) for names in listed["data_types"].values()) == 43


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ('frequency = "off"\nallow_all_off = true', "off"),
        ('frequency = "daily"\nhour_of_day = 2', "daily at 02:00"),
        ('frequency = "hourly"\nhour_of_day = 2', "hourly"),
        ('frequency = "hourly"', "hourly"),
        ("fetch_on_first_link = true", "as it is, fetched at first link"),
        ('frequency = "hourly"\nfetch_on_first_link = false', "hourly, not fetched at first link"),
        (
            'frequency = "hourly"\nmonths_to_sync = 24\nsync_from_window = 12',
            "hourly, 24 months of reports, 12 months of history",
        ),
        ('frequency = "hourly"\nsync_from_utc = "2024-01-31"', "hourly, history from 2024-01-31T00:00:00Z"),
    ],
)
def test_a_preset_is_said_in_words(toml: str, said: str) -> None:
    assert list(words(toml)) == [said]


def test_the_most_frequent_comes_first() -> None:
    exceptions = '[plans.one.data_types]\nbills = "hourly"\nitems = "off"\ninvoices = "daily"'
    listed = words(f'frequency = "weekly"\nhour_of_day = 3\n{exceptions}')
    assert list(listed) == ["hourly", "daily at 03:00", "weekly at 03:00", "off"]
    assert listed["hourly"] == ("bills",)


def test_the_two_companies_tell_a_spread_hour_from_a_fixed_one() -> None:
    assert spread_hour(UUID(int=0)) != spread_hour(UUID(int=1))


def test_a_plan_that_leaves_all_to_the_account(on_call: OnCall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Presets, "packaged", lambda: Presets.parse(AT_LARGE + "use_account_defaults = true"))
    assert "the Codat account's own settings apply" in on_call("preview", "one").stdout
    assert on_call.json("preview", "one")["data_types"] == {}


def test_a_plan_that_there_is_not(on_call: OnCall) -> None:
    result = on_call("preview", "platinum")
    assert result.exit_code == 2
    assert result.stderr == "unknown plan 'platinum': the presets know free, starter, growth, scale\n"


@pytest.mark.parametrize("arguments", [[], ["growth", "--presets", __file__], ["growth", "Kew-Cafe"]])
def test_it_has_to_be_told_of_what(on_call: OnCall, arguments: list[str]) -> None:
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


def test_a_history_that_would_become_narrower_is_named(on_call: OnCall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Presets, "packaged", lambda: Presets.parse(AT_LARGE + "sync_from_window = 1"))
    settings = [
        {"dataType": "bills", "fetchOnFirstLink": True, "syncSchedule": 24, "syncOrder": 0, "syncFromWindow": 12}
    ]
    on_call.account.add_company(str(COMPANY), settings=settings)
    assert on_call.json("preview", "one", COMPANY)["refused_narrowing"] == ["bills"]
    result = on_call("preview", "one", COMPANY)
    assert "history would become narrower, and stays: bills" in result.stdout
    assert result.stdout.endswith("0 would change, 1 stay as they are.\n")


@pytest.mark.parametrize("flags", [{"expired": True}, {"api_key": "rotated"}, {}])
def test_a_company_that_codat_does_not_show(on_call: OnCall, flags: dict[str, Any]) -> None:
    for name, value in flags.items():
        setattr(on_call.account.flags, name, value)
    result = on_call("preview", "scale", COMPANY)
    assert result.exit_code == 3
    assert result.stderr.startswith("Codat: ")
    assert result.stdout == ""
