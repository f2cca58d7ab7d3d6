"""The simulator answers as Codat's OpenAPI and documentation say, and goes wrong as it is told to."""

import asyncio
import base64
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests

from local.codat_simulator.__main__ import main
from local.codat_simulator.account import Account, AccountFlags
from local.codat_simulator.company import NewConnection
from local.codat_simulator.faults import Fault
from local.codat_simulator.running import RunningSimulator, running_simulator
from local.codat_simulator.sync_settings import DATA_TYPES, Dialect

COMPANY = "8a210b68-6988-11ed-a1eb-0242ac120002"
OTHER = "846ed55c-974b-4392-a1f1-87b6fdbf3c5e"
SETTINGS = f"/companies/{COMPANY}/syncSettings"
SETTINGS_ROUTE = "/companies/{companyId}/syncSettings"
NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class Clock:
    """A clock that only a test moves."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


class Holds:
    """Takes the place of waiting: notes how long, and what was written by then."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.writes_by_then: list[int] = []
        self.account: Account | None = None

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        company = self.account.companies.get(COMPANY) if self.account else None
        self.writes_by_then.append(company.write_count if company else 0)


class Codat:
    """A client of the simulator that says nothing for its caller but the key."""

    def __init__(self, simulator: RunningSimulator) -> None:
        self._simulator = simulator
        self.session = requests.Session()
        self.session.trust_env = False

    def __call__(
        self, method: str, path: str, body: object = None, *, timeout: float = 10, **headers: str
    ) -> requests.Response:
        key = base64.b64encode(self._simulator.api_key.encode()).decode()
        return self.session.request(
            method,
            self._simulator.url + path,
            headers={"Authorization": f"Basic {key}"} | headers,
            json=body,
            timeout=timeout,
        )

    def set(self, *settings: dict[str, object], overrides: bool = True) -> requests.Response:
        return self(
            "POST",
            SETTINGS,
            {"companyId": COMPANY, "settings": list(settings), "overridesDefaults": overrides},
        )

    def settings(self) -> dict[str, dict[str, Any]]:
        body = self("GET", SETTINGS).json()
        return {setting["dataType"]: setting for setting in body["settings"]}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def holds() -> Holds:
    return Holds()


@pytest.fixture
def simulator(clock: Clock, holds: Holds) -> Iterator[RunningSimulator]:
    numbers = count(1)
    with running_simulator(clock=clock, hold=holds, ids=lambda: f"00000000-0000-4000-8000-{next(numbers):012d}") as it:
        holds.account = it.account
        it.account.add_company(COMPANY)
        yield it


@pytest.fixture
def account(simulator: RunningSimulator) -> Account:
    return simulator.account


@pytest.fixture
def codat(simulator: RunningSimulator) -> Iterator[Codat]:
    client = Codat(simulator)
    with client.session:
        yield client


def in_hours(data_type: str = "invoices", hours: object = 24, **fields: object) -> dict[str, object]:
    return {"dataType": data_type, "fetchOnFirstLink": True, "syncSchedule": hours, "syncOrder": 3, **fields}


def as_object(data_type: str = "invoices", hours: object = 24, hour: object = 2, **fields: object) -> dict[str, object]:
    schedule = {"intervalHours": hours, "hourOfDay": hour}
    return {"dataType": data_type, "fetchOnFirstLink": True, "syncSchedule": schedule, **fields}


def assert_refused(answer: requests.Response, status: int, error: str, service: str = "PublicApi") -> dict[str, Any]:
    body: dict[str, Any] = answer.json()
    assert answer.status_code == status
    assert body["statusCode"] == status
    assert body["error"] == error
    assert body["service"] == service
    assert body["canBeRetried"] == "Unknown"
    assert body["detailedErrorCode"] == 0
    assert re.fullmatch("[0-9a-f]{32}", body["correlationId"])
    return body


NOT_VALID = "Error processing request - not valid."


# --- the key


@pytest.mark.parametrize("suffix", ["", ":"], ids=["the key alone", "with a colon"])
def test_the_base64_of_the_key_is_let_in(codat: Codat, simulator: RunningSimulator, suffix: str) -> None:
    encoded = base64.b64encode(f"{simulator.api_key}{suffix}".encode()).decode()
    assert codat("GET", "/companies", Authorization=f"Basic {encoded}").status_code == 200


@pytest.mark.parametrize("header", ["", "Basic", "Basic d3Jvbmc=", "Bearer simulated-codat-api-key"])
def test_any_other_credentials_are_401(codat: Codat, header: str) -> None:
    assert_refused(codat("GET", "/companies", Authorization=header), 401, "Unauthorized")


def test_a_key_that_is_not_encoded_is_401(codat: Codat, simulator: RunningSimulator) -> None:
    assert codat("GET", "/companies", Authorization=f"Basic {simulator.api_key}").status_code == 401


def test_a_new_key_replaces_the_old_one(codat: Codat, account: Account) -> None:
    old = "Basic " + base64.b64encode(account.flags.api_key.encode()).decode()
    account.flags.api_key = "rotated"
    assert codat("GET", "/companies").status_code == 200
    assert codat("GET", "/companies", Authorization=old).status_code == 401


# --- sync settings of a company


def test_a_company_without_an_override_answers_the_accounts_defaults(codat: Codat) -> None:
    body = codat("GET", SETTINGS).json()
    assert body["companyId"] == COMPANY
    assert body["overridesDefaults"] is False
    assert [setting["dataType"] for setting in body["settings"]] == list(DATA_TYPES)
    assert body["settings"] == codat("GET", "/profile/syncSettings").json()["settings"]


def test_a_company_without_an_override_can_answer_nothing(codat: Codat, account: Account) -> None:
    account.flags.without_override = "nothing"
    assert codat("GET", SETTINGS).json() == {"companyId": COMPANY, "settings": [], "overridesDefaults": False}
    codat.set(in_hours())
    assert list(codat.settings()) == ["invoices"]


def test_set_settings_are_answered_with_204_and_kept(codat: Codat) -> None:
    posted = in_hours(hours=168, syncFromUtc="2020-01-01T12:00:00.000Z", syncFromWindow=24, monthsToSync=24)
    answer = codat.set(posted)
    assert (answer.status_code, answer.content) == (204, b"")
    assert codat("GET", SETTINGS).json() == {
        "companyId": COMPANY,
        "settings": [posted | {"isLocked": False}],
        "overridesDefaults": True,
    }


def test_omitted_data_types_are_dropped_unless_the_account_keeps_them(codat: Codat, account: Account) -> None:
    codat.set(in_hours("invoices"), in_hours("bills"))
    codat.set(in_hours("bills", 720))
    assert {name: it["syncSchedule"] for name, it in codat.settings().items()} == {"bills": 720}

    account.flags.omitted_types = "kept"
    codat.set(in_hours("customers"))
    assert {name: it["syncSchedule"] for name, it in codat.settings().items()} == {"bills": 720, "customers": 24}


def test_the_first_post_keeps_the_defaults_where_omitted_types_are_kept(codat: Codat, account: Account) -> None:
    account.flags.omitted_types = "kept"
    codat.set(in_hours("invoices", 720))
    settings = codat.settings()
    assert set(settings) == set(DATA_TYPES)
    assert settings["invoices"]["syncSchedule"] == 720


def test_overrides_defaults_false_takes_the_override_away(codat: Codat, account: Account) -> None:
    codat.set(in_hours())
    assert codat.set(overrides=False).status_code == 204
    assert account.companies[COMPANY].override is None
    assert codat("GET", SETTINGS).json()["overridesDefaults"] is False
    assert len(codat.settings()) == len(DATA_TYPES)


def test_unknown_fields_and_data_types_are_kept(codat: Codat) -> None:
    codat.set(in_hours("expense-claims", priority={"level": 1}, note=None))
    setting = codat.settings()["expense-claims"]
    assert setting["priority"] == {"level": 1}
    assert setting["note"] is None


def test_a_null_history_field_is_as_good_as_absent(codat: Codat) -> None:
    codat.set(in_hours(syncFromUtc=None, monthsToSync=None, syncFromWindow=6))
    assert codat.settings()["invoices"] == in_hours(syncFromWindow=6, isLocked=False)


def test_the_last_setting_of_a_data_type_wins(codat: Codat) -> None:
    codat.set(in_hours(hours=24), in_hours(hours=720))
    assert codat.settings()["invoices"]["syncSchedule"] == 720


def test_locked_settings_are_kept_whatever_a_post_says(codat: Codat, account: Account) -> None:
    company = account.companies[COMPANY]
    codat.set(in_hours("invoices", 24), in_hours("bills", 24))
    account.lock(company, "invoices")

    codat.set(in_hours("invoices", 720, isLocked=False), in_hours("bills", 720))
    assert codat.settings()["invoices"] == in_hours("invoices", 24, isLocked=True)
    assert codat.settings()["bills"]["syncSchedule"] == 720
    codat.set(in_hours("bills", 168))
    assert codat.settings()["invoices"]["syncSchedule"] == 24
    codat.set(overrides=False)
    assert codat.settings()["invoices"]["syncSchedule"] == 24


def test_a_post_cannot_lock(codat: Codat) -> None:
    codat.set(in_hours(isLocked=True))
    assert codat.settings()["invoices"]["isLocked"] is False


def test_what_the_account_locks_is_locked_for_its_companies(codat: Codat, account: Account) -> None:
    account.lock_defaults("company")
    codat.set(in_hours("company", 720))
    assert codat.settings()["company"]["syncSchedule"] == 0
    assert codat.settings()["company"]["isLocked"] is True


def test_every_accepted_write_of_a_company_is_remembered(codat: Codat, account: Account, clock: Clock) -> None:
    codat.set(in_hours(hours=24))
    clock.now += timedelta(minutes=1)
    codat.set(in_hours(hours=720))
    codat.set(in_hours(hours="weekly"))
    company = account.companies[COMPANY]
    assert company.write_count == 2
    assert [(write.at, write.settings["invoices"].interval_hours) for write in company.writes] == [
        (NOON, 24),
        (NOON + timedelta(minutes=1), 720),
    ]


# --- sync settings of the account


def test_the_profile_answers_the_client_id_and_what_was_set(codat: Codat, account: Account) -> None:
    client_id = account.flags.client_id
    body = {"clientId": client_id, "settings": [in_hours(isLocked=False)], "overridesDefaults": True}
    answer = codat("POST", "/profile/syncSettings", body)
    assert (answer.status_code, answer.content) == (204, b"")
    assert codat("GET", "/profile/syncSettings").json() == body


def test_the_profiles_settings_are_the_defaults_of_a_company(codat: Codat, account: Account) -> None:
    body = {"clientId": account.flags.client_id, "settings": [in_hours("bills", 168)], "overridesDefaults": True}
    codat("POST", "/profile/syncSettings", body)
    assert codat.settings() == {"bills": in_hours("bills", 168, isLocked=False)}

    codat("POST", "/profile/syncSettings", body | {"settings": [], "overridesDefaults": False})
    assert len(codat.settings()) == len(DATA_TYPES)


def test_a_profile_post_for_another_client_is_400(codat: Codat) -> None:
    body = {"clientId": OTHER, "settings": [], "overridesDefaults": True}
    assert_refused(codat("POST", "/profile/syncSettings", body), 400, NOT_VALID, "ClientsApi")


def test_locked_defaults_are_kept_whatever_a_post_says(codat: Codat, account: Account) -> None:
    account.lock_defaults("company")
    body = {"clientId": account.flags.client_id, "settings": [in_hours("company", 720)], "overridesDefaults": True}
    codat("POST", "/profile/syncSettings", body)
    assert codat("GET", "/profile/syncSettings").json()["settings"][0]["syncSchedule"] == 0


# --- dialects and validation


def test_the_hours_dialect_refuses_the_object_form(codat: Codat) -> None:
    body = assert_refused(codat.set(as_object(syncOrder=0)), 400, NOT_VALID, "ClientsApi")
    assert body["validation"]["errors"][0]["itemId"] == "settings[0].syncSchedule"
    assert body["validation"]["warnings"] == []


def test_the_object_dialect_refuses_the_hours_form(codat: Codat, account: Account) -> None:
    account.flags.dialect = "object"
    body = assert_refused(codat.set(in_hours()), 400, NOT_VALID, "ClientsApi")
    assert body["validation"]["errors"][0]["itemId"] == "settings[0].syncSchedule"


def test_the_object_dialect_speaks_the_object_form(codat: Codat, account: Account) -> None:
    account.flags.dialect = "object"
    assert codat.set(as_object()).status_code == 204
    assert codat.settings()["invoices"]["syncSchedule"] == {"intervalHours": 24, "hourOfDay": 2}


@pytest.mark.parametrize(("posted", "hour"), [(in_hours(), 0), (as_object(), 2)], ids=["hours", "object"])
def test_both_accepts_either_form_and_answers_the_object_form(
    codat: Codat, account: Account, posted: dict[str, object], hour: int
) -> None:
    account.flags.dialect = "both"
    assert codat.set(posted).status_code == 204
    assert codat.settings()["invoices"]["syncSchedule"] == {"intervalHours": 24, "hourOfDay": hour}


def test_an_account_that_changes_its_dialect_keeps_its_settings(codat: Codat, account: Account) -> None:
    account.flags.dialect = "object"
    codat.set(as_object())
    account.flags.dialect = "hours"
    assert codat.settings()["invoices"]["syncSchedule"] == 24
    assert codat.settings()["invoices"]["syncOrder"] == 0


def without(setting: dict[str, object], field: str) -> dict[str, object]:
    return {name: value for name, value in setting.items() if name != field}


@pytest.mark.parametrize(
    ("dialect", "setting", "item"),
    [
        ("hours", without(in_hours(), "syncOrder"), "settings[0].syncOrder"),
        ("hours", without(in_hours(), "dataType"), "settings[0].dataType"),
        ("hours", without(in_hours(), "fetchOnFirstLink"), "settings[0].fetchOnFirstLink"),
        ("hours", without(in_hours(), "syncSchedule"), "settings[0].syncSchedule"),
        ("hours", in_hours(hours=-1), "settings[0].syncSchedule"),
        ("hours", in_hours(hours=24.0), "settings[0].syncSchedule"),
        ("hours", in_hours(hours=True), "settings[0].syncSchedule"),
        ("hours", in_hours(hours="24"), "settings[0].syncSchedule"),
        ("hours", in_hours(fetchOnFirstLink="yes"), "settings[0].fetchOnFirstLink"),
        ("hours", in_hours(syncFromUtc="not-a-date"), "settings[0].syncFromUtc"),
        ("hours", in_hours(syncFromWindow="6"), "settings[0].syncFromWindow"),
        ("hours", in_hours(data_type=""), "settings[0].dataType"),
        ("object", as_object(hours=12), "settings[0].syncSchedule.intervalHours"),
        ("object", as_object(hours=True), "settings[0].syncSchedule.intervalHours"),
        ("object", as_object(hour=24), "settings[0].syncSchedule.hourOfDay"),
        ("object", as_object(hour=-1), "settings[0].syncSchedule.hourOfDay"),
        ("object", as_object(hour="2"), "settings[0].syncSchedule.hourOfDay"),
        ("both", without(in_hours(), "syncOrder"), "settings[0].hours.syncOrder"),
        ("both", as_object(hours=12), "settings[0].object.syncSchedule.intervalHours"),
    ],
)
def test_a_setting_that_is_not_in_the_dialect_is_400_and_changes_nothing(
    codat: Codat, account: Account, dialect: Dialect, setting: dict[str, object], item: str
) -> None:
    account.flags.dialect = dialect
    body = assert_refused(codat.set(setting), 400, NOT_VALID, "ClientsApi")
    assert [error["itemId"] for error in body["validation"]["errors"]] == [item]
    assert account.companies[COMPANY].override is None


@pytest.mark.parametrize("hours", [0, 1, 6, 24, 48, 168, 720, 5000])
def test_the_hours_dialect_takes_any_number_of_hours(codat: Codat, hours: int) -> None:
    assert codat.set(in_hours(hours=hours)).status_code == 204


@pytest.mark.parametrize("hours", [0, 1, 24, 168, 720])
def test_the_object_dialect_takes_the_five_frequencies(codat: Codat, account: Account, hours: int) -> None:
    account.flags.dialect = "object"
    assert codat.set(as_object(hours=hours)).status_code == 204


@pytest.mark.parametrize(
    "moment", ["2022-10-23T00:00:00Z", "2022-10-23", "2022-10-23T00:00:00", "2022-10-23T22:00:00-07:00"]
)
def test_history_starts_at_any_of_codats_date_times(codat: Codat, moment: str) -> None:
    assert codat.set(in_hours(syncFromUtc=moment)).status_code == 204


@pytest.mark.parametrize(
    "body",
    [
        {"companyId": OTHER, "settings": [], "overridesDefaults": True},
        {"settings": [], "overridesDefaults": True},
        {"companyId": COMPANY, "overridesDefaults": True},
        {"companyId": COMPANY, "settings": []},
        {"companyId": COMPANY, "settings": {}, "overridesDefaults": True},
        {"companyId": COMPANY, "settings": [], "overridesDefaults": "true"},
        {"companyId": COMPANY, "settings": ["invoices"], "overridesDefaults": True},
        [],
    ],
)
def test_a_body_that_is_not_codats_is_400(codat: Codat, body: object) -> None:
    answer = assert_refused(codat("POST", SETTINGS, body), 400, NOT_VALID, "ClientsApi")
    assert answer["validation"]["errors"]


def test_a_body_that_is_not_json_is_400(codat: Codat, simulator: RunningSimulator) -> None:
    key = base64.b64encode(simulator.api_key.encode()).decode()
    answer = codat.session.post(
        simulator.url + SETTINGS, data=b"\xff{", headers={"Authorization": f"Basic {key}"}, timeout=10
    )
    assert_refused(answer, 400, NOT_VALID)


def test_the_company_id_of_the_body_may_be_in_capitals(codat: Codat) -> None:
    body = {"companyId": COMPANY.upper(), "settings": [], "overridesDefaults": True}
    assert codat("POST", f"/companies/{COMPANY.upper()}/syncSettings", body).status_code == 204


# --- what does not exist


@pytest.mark.parametrize("path", ["", "/syncSettings", "/connections", f"/connections/{OTHER}"])
def test_an_unknown_company_is_404(codat: Codat, path: str) -> None:
    error = f"No company was found with ID {OTHER}"
    assert_refused(codat("GET", f"/companies/{OTHER}{path}"), 404, error, "ClientsApi")


def test_a_post_to_an_unknown_company_is_404(codat: Codat) -> None:
    body = {"companyId": OTHER, "settings": [], "overridesDefaults": True}
    answer = codat("POST", f"/companies/{OTHER}/syncSettings", body)
    assert_refused(answer, 404, f"No company was found with ID {OTHER}", "ClientsApi")


@pytest.mark.parametrize("company_id", ["1", "not-a-uuid", COMPANY.replace("-", ""), COMPANY + "0"])
def test_a_company_id_that_is_no_uuid_is_400(codat: Codat, company_id: str) -> None:
    assert_refused(codat("GET", f"/companies/{company_id}/syncSettings"), 400, NOT_VALID)


def test_a_path_that_codat_does_not_have_is_404(codat: Codat) -> None:
    assert_refused(codat("GET", "/invoices"), 404, "Not Found")


def test_a_method_that_the_path_does_not_have_is_405(codat: Codat) -> None:
    assert_refused(codat("PUT", SETTINGS, {}), 405, "Method Not Allowed")


# --- the three 402s


@pytest.mark.parametrize("hours", [1, 6, 23])
def test_a_free_account_may_not_sync_within_the_day(codat: Codat, account: Account, hours: int) -> None:
    account.flags.free = True
    body = assert_refused(
        codat.set(in_hours("bills"), in_hours(hours=hours)),
        402,
        "SyncSettingsValidationException: Sync schedule not allowed",
        "ClientsApi",
    )
    assert body["validation"] == {
        "errors": [
            {
                "itemId": "SyncSettings",
                "message": "Sync schedule is not allowed for this client.",
                "validatorName": "SyncSettings",
            }
        ],
        "warnings": [],
    }
    assert account.companies[COMPANY].override is None


@pytest.mark.parametrize("hours", [0, 24, 720])
def test_a_free_account_may_sync_daily_or_never(codat: Codat, account: Account, hours: int) -> None:
    account.flags.free = True
    assert codat.set(in_hours(hours=hours)).status_code == 204


def test_an_hourly_setting_that_is_locked_is_no_402(codat: Codat, account: Account) -> None:
    codat.set(in_hours(hours=1))
    account.lock(account.companies[COMPANY], "invoices")
    account.flags.free = True
    assert codat.set(in_hours(hours=1), in_hours("bills", 24)).status_code == 204


def test_the_profile_of_a_free_account_may_not_be_hourly(codat: Codat, account: Account) -> None:
    account.flags.free = True
    body = {"clientId": account.flags.client_id, "settings": [in_hours(hours=1)], "overridesDefaults": True}
    assert codat("POST", "/profile/syncSettings", body).status_code == 402


def test_a_free_account_has_no_51st_company(codat: Codat, account: Account) -> None:
    account.flags.free = True
    for _ in range(48):
        account.add_company()
    assert codat("POST", "/companies", {"name": "The 50th"}).status_code == 200
    answer = codat("POST", "/companies", {"name": "The 51st"})
    body = assert_refused(answer, 402, "CompanyValidationException: Company limit exceeded")
    [error] = body["validation"]["errors"]
    assert (error["itemId"], error["validatorName"]) == ("Company", "CreateCompany")
    assert error["message"].startswith("Company limit exceeded. Learn more at https://")

    account.flags.free = False
    assert codat("POST", "/companies", {"name": "The 51st"}).status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", SETTINGS),
        ("POST", SETTINGS),
        ("GET", "/profile/syncSettings"),
        ("POST", "/profile/syncSettings"),
        ("GET", "/companies"),
        ("POST", "/companies"),
        ("GET", f"/companies/{COMPANY}"),
        ("GET", f"/companies/{COMPANY}/connections"),
        ("POST", f"/companies/{COMPANY}/data/all"),
        ("POST", f"/companies/{COMPANY}/data/queue/invoices"),
    ],
)
def test_an_expired_account_is_402_everywhere(codat: Codat, account: Account, method: str, path: str) -> None:
    account.flags.expired = True
    body = assert_refused(codat(method, path, {}), 402, "Payment Required")
    [error] = body["validation"]["errors"]
    assert set(error) == {"message"}
    assert error["message"].startswith("Account expired. Learn more at https://")


# --- companies


def test_companies_are_paged_with_relative_links(codat: Codat, account: Account) -> None:
    for number in range(4):
        account.add_company(name=f"Company {number}")
    pages = [codat("GET", f"/companies?page={page}&pageSize=2").json() for page in (1, 2, 3)]

    assert [company["id"] for page in pages for company in page["results"]] == list(account.companies)
    assert [(page["pageNumber"], page["pageSize"], page["totalResults"]) for page in pages] == [
        (1, 2, 5),
        (2, 2, 5),
        (3, 2, 5),
    ]
    assert pages[1]["_links"] == {
        "self": {"href": "/companies"},
        "current": {"href": "/companies?page=2&pageSize=2"},
        "next": {"href": "/companies?page=3&pageSize=2"},
        "previous": {"href": "/companies?page=1&pageSize=2"},
    }
    assert "previous" not in pages[0]["_links"]
    assert "next" not in pages[2]["_links"]


def test_the_next_link_leads_to_the_next_page_of_the_same_list(codat: Codat, account: Account) -> None:
    for name in ("Alpha", "Beta", "Gamma"):
        account.add_company(name=name, tags={"plan": "growth"})
    page = codat("GET", "/companies?pageSize=1&orderBy=-name&tags=plan%3Dgrowth").json()
    names = [page["results"][0]["name"]]
    while "next" in page["_links"]:
        page = codat("GET", page["_links"]["next"]["href"]).json()
        names.append(page["results"][0]["name"])
    assert names == ["Gamma", "Beta", "Alpha"]


def test_companies_come_in_the_order_of_creation_or_the_one_asked_for(
    codat: Codat, account: Account, clock: Clock
) -> None:
    clock.now -= timedelta(days=1)
    account.add_company(name="Aged")

    def names(query: str) -> list[str]:
        return [company["name"] for company in codat("GET", f"/companies{query}").json()["results"]]

    assert names("") == names("?orderBy=-created") == names("?orderBy=-name") == ["Technicalium", "Aged"]
    assert names("?orderBy=created") == names("?orderBy=name") == ["Aged", "Technicalium"]


def test_a_page_holds_100_companies_unless_asked(codat: Codat, account: Account) -> None:
    for _ in range(120):
        account.add_company()
    body = codat("GET", "/companies").json()
    assert (len(body["results"]), body["pageSize"], body["totalResults"]) == (100, 100, 121)


def test_a_page_behind_the_last_is_empty(codat: Codat) -> None:
    body = codat("GET", "/companies?page=9").json()
    assert body["results"] == []
    assert "next" not in body["_links"]


@pytest.mark.parametrize("query", ["page=0", "page=x", "pageSize=0", "pageSize=5001", "pageSize=-1", "page="])
def test_a_page_that_cannot_be_is_400(codat: Codat, query: str) -> None:
    assert_refused(codat("GET", f"/companies?{query}"), 400, NOT_VALID)


def test_5000_companies_fit_on_a_page(codat: Codat) -> None:
    assert codat("GET", "/companies?pageSize=5000").status_code == 200


@pytest.mark.parametrize(
    ("tags", "names"),
    [
        ("region=uk", ["A", "B"]),
        ("region = uk && team=invoice-finance", ["A"]),
        ("region!=uk", ["Technicalium", "C"]),
        ("team~finance", ["A", "C"]),
        ("region=uk&&team!=invoice-finance", ["B"]),
        ("region=UK", []),
    ],
)
def test_tags_filter_companies(codat: Codat, account: Account, tags: str, names: list[str]) -> None:
    account.add_company(name="A", tags={"region": "uk", "team": "invoice-finance"})
    account.add_company(name="B", tags={"region": "uk"})
    account.add_company(name="C", tags={"region": "us", "team": "finance"})
    body = codat("GET", f"/companies?tags={quote(tags)}").json()
    assert [company["name"] for company in body["results"]] == names
    assert body["totalResults"] == len(names)


@pytest.mark.parametrize("tags", ["region", "region=uk || team=x", "=uk", "region=uk &&"])
def test_a_malformed_tags_filter_is_400(codat: Codat, tags: str) -> None:
    answer = codat("GET", f"/companies?tags={quote(tags)}")
    assert_refused(answer, 400, "Error parsing query - Malformed query.", "ClientsApi")


def test_the_query_language_is_refused_and_not_ignored(codat: Codat) -> None:
    assert codat("GET", "/companies?query=name%3DA").status_code == 400


def test_a_created_company_is_answered_and_found(codat: Codat) -> None:
    answer = codat("POST", "/companies", {"name": "Bank of Dave", "description": "d", "tags": {"plan": "free"}})
    company = answer.json()
    assert answer.status_code == 200
    assert (company["name"], company["description"], company["tags"]) == ("Bank of Dave", "d", {"plan": "free"})
    assert company["redirect"] == f"https://link.codat.io/company/{company['id']}"
    assert company["created"] == "2026-03-01T12:00:00Z"
    assert company["dataConnections"] == []
    assert codat("GET", f"/companies/{company['id']}").json() == company


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": ""},
        {"name": "<script>"},
        {"name": "A", "tags": {"k" * 28: "v"}},
        {"name": "A", "tags": {"k": "v" * 101}},
        {"name": "A", "tags": {str(number): "v" for number in range(11)}},
        [],
    ],
)
def test_a_company_that_cannot_be_is_400(codat: Codat, account: Account, body: object) -> None:
    assert_refused(codat("POST", "/companies", body), 400, NOT_VALID)
    assert len(account.companies) == 1


# --- connections and pulls


def test_connections_are_in_their_list_in_the_company_and_alone(codat: Codat, account: Account) -> None:
    connection_id = account.connect(account.companies[COMPANY], NewConnection(platform_name="Pandle"))
    path = f"/companies/{COMPANY}/connections"
    body = codat("GET", path).json()
    [connection] = body["results"]
    assert (connection["id"], connection["status"], connection["sourceType"]) == (connection_id, "Linked", "Accounting")
    assert body["totalResults"] == 1
    assert body["_links"]["current"] == {"href": f"{path}?page=1&pageSize=100"}
    assert codat("GET", f"{path}/{connection_id}").json() == connection
    assert codat("GET", f"/companies/{COMPANY}").json()["dataConnections"] == [connection]


def test_an_unknown_connection_is_404(codat: Codat) -> None:
    answer = codat("GET", f"/companies/{COMPANY}/connections/{OTHER}")
    assert_refused(answer, 404, f"Data connection {OTHER} not found")


def test_data_all_queues_what_is_fetched_at_first_link(codat: Codat, account: Account) -> None:
    company = account.companies[COMPANY]
    account.connect(company, NewConnection())
    account.connect(company, NewConnection(status="Unlinked"))
    account.put_in_progress(company, "bills")
    codat.set(in_hours("invoices"), in_hours("bills"), in_hours("items", fetchOnFirstLink=False))
    answer = codat("POST", f"/companies/{COMPANY}/data/all")
    assert (answer.status_code, answer.content) == (204, b"")
    assert [pull["dataType"] for pull in company.pulls] == ["invoices"]


def test_a_queued_pull_is_answered_as_a_pull_operation(codat: Codat, account: Account) -> None:
    company = account.companies[COMPANY]
    account.connect(company, NewConnection(status="PendingAuth"))
    linked = account.connect(company, NewConnection())
    answer = codat("POST", f"/companies/{COMPANY}/data/queue/invoices")
    pull = answer.json()
    assert answer.status_code == 200
    assert pull == {
        "id": pull["id"],
        "companyId": COMPANY,
        "connectionId": linked,
        "dataType": "invoices",
        "status": "Initial",
        "requested": "2026-03-01T12:00:00Z",
        "progress": 0,
        "isCompleted": False,
        "isErrored": False,
    }
    assert company.pulls == [pull]


def test_a_pull_that_is_in_progress_is_409(codat: Codat, account: Account) -> None:
    company = account.companies[COMPANY]
    account.connect(company, NewConnection())
    account.put_in_progress(company, "invoices")
    path = f"/companies/{COMPANY}/data/queue/invoices"
    assert_refused(
        codat("POST", path),
        409,
        f"DatasetAlreadyInProgressException: Cannot queue invoices sync for {COMPANY} "
        f"as previous sync {company.in_progress['invoices']} is still in progress",
        "PullApi",
    )
    account.put_in_progress(company)
    assert codat("POST", path).status_code == 200


def test_a_pull_needs_a_connection(codat: Codat) -> None:
    path = f"/companies/{COMPANY}/data/queue/invoices"
    assert codat("POST", path).status_code == 404
    assert_refused(codat("POST", f"{path}?connectionId={OTHER}"), 404, f"Data connection {OTHER} not found")


# --- limits


def test_every_answer_tells_the_quota(codat: Codat, account: Account) -> None:
    account.quota.limit = account.quota.remaining = 1000
    answers = [codat("GET", SETTINGS), codat.set(in_hours()), codat("GET", "/nowhere"), codat.set(in_hours(hours=-1))]
    assert [answer.headers["X-Rate-Limit-Remaining"] for answer in answers] == ["999", "998", "997", "996"]
    assert {answer.headers["X-Rate-Limit-Limit"] for answer in answers} == {"1000"}
    assert {answer.headers["X-Rate-Limit-Reset"] for answer in answers} == {"2026-03-02T00:00:00Z"}
    assert "Retry-After" not in answers[0].headers
    unauthorised = codat("GET", SETTINGS, Authorization="")
    assert unauthorised.headers["X-Rate-Limit-Remaining"] == "996"


def test_an_exhausted_quota_is_429_until_midnight_utc(codat: Codat, account: Account, clock: Clock) -> None:
    account.quota.remaining = 1
    assert codat("GET", SETTINGS).status_code == 200
    refused = codat("GET", SETTINGS)
    assert_refused(refused, 429, "You have made too many requests in a given amount of time; please retry later.")
    assert refused.headers["X-Rate-Limit-Remaining"] == "0"
    assert refused.headers["Retry-After"] == str(12 * 3600)
    assert codat.set(in_hours()).status_code == 429
    assert account.companies[COMPANY].write_count == 0

    clock.now = datetime(2026, 3, 2, tzinfo=UTC)
    assert codat("GET", SETTINGS).status_code == 200


def test_retry_after_and_reset_come_in_the_format_asked_for(codat: Codat, account: Account) -> None:
    account.quota.remaining = 0
    midnight = datetime(2026, 3, 2, tzinfo=UTC)

    def headers() -> tuple[str, str]:
        answer = codat("GET", SETTINGS)
        return answer.headers["Retry-After"], answer.headers["X-Rate-Limit-Reset"]

    account.flags.retry_after_format = account.flags.rate_limit_reset_format = "http-date"
    assert [parsedate_to_datetime(text) for text in headers()] == [midnight] * 2
    account.flags.retry_after_format = account.flags.rate_limit_reset_format = "iso8601"
    assert headers() == ("2026-03-02T00:00:00Z",) * 2
    account.flags.retry_after_format = account.flags.rate_limit_reset_format = "epoch"
    assert headers() == (str(int(midnight.timestamp())),) * 2
    account.flags.retry_after_format = account.flags.rate_limit_reset_format = "seconds"
    assert headers() == ("43200",) * 2


def test_too_many_requests_at_once_are_429_with_quota_left() -> None:
    held, released = threading.Event(), threading.Event()

    async def hold(_seconds: float) -> None:
        held.set()
        await asyncio.to_thread(released.wait, 10)

    with running_simulator(hold=hold) as simulator, ThreadPoolExecutor(max_workers=1) as pool:
        simulator.account.flags.concurrent_requests = 1
        simulator.account.faults.add(Fault(hold_seconds=30, count=1))
        first, second = Codat(simulator), Codat(simulator)
        with first.session, second.session:
            slow = pool.submit(first, "GET", "/companies")
            assert held.wait(10)
            refused = second("GET", "/companies")
            released.set()
            assert slow.result(10).status_code == 200
    assert refused.status_code == 429
    assert int(refused.headers["X-Rate-Limit-Remaining"]) > 0
    assert simulator.account.calls.peak_in_flight == 2


# --- faults


@pytest.mark.parametrize("status", [401, 403, 409, 429, 500, 502, 503])
def test_a_fault_answers_its_status_as_often_as_it_is_told_and_has_no_effect(
    codat: Codat, account: Account, status: int
) -> None:
    account.faults.add(Fault(status=status, count=2, method="POST"))
    answers = [codat.set(in_hours()) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [status, status, 204]
    assert answers[0].json()["statusCode"] == status
    assert account.companies[COMPANY].write_count == 1
    assert account.faults.report() == []


@pytest.mark.parametrize(("body", "content_type"), [("html", "text/html; charset=utf-8"), ("empty", None)])
def test_a_fault_can_answer_as_a_gateway_would(codat: Codat, account: Account, body: str, content_type: str) -> None:
    account.faults.add(Fault.model_validate({"status": 502, "body": body}))
    answer = codat("GET", SETTINGS)
    assert answer.status_code == 502
    assert (answer.content == b"") == (body == "empty")
    if content_type:
        assert answer.headers["Content-Type"] == content_type
        assert answer.text.startswith("<html>")


def test_a_fault_can_have_its_own_words_and_a_retry_after(codat: Codat, account: Account) -> None:
    account.faults.add(Fault(status=429, error="Slow down", retry_after_seconds=7))
    answer = codat("GET", SETTINGS)
    assert_refused(answer, 429, "Slow down")
    assert answer.headers["Retry-After"] == "7"
    account.flags.retry_after_format = "http-date"
    assert parsedate_to_datetime(codat("GET", SETTINGS).headers["Retry-After"]) == NOON + timedelta(seconds=7)


def test_a_fault_strikes_only_what_it_names(codat: Codat, account: Account) -> None:
    account.add_company(OTHER)
    account.faults.add(Fault(status=503, company_id=OTHER.upper(), method="get"))
    account.faults.add(Fault(status=500, path_prefix="/profile"))
    assert codat("GET", f"/companies/{OTHER}").status_code == 503
    assert codat("POST", f"/companies/{OTHER}/data/all").status_code == 204
    assert codat("GET", SETTINGS).status_code == 200
    assert codat("GET", "/profile/syncSettings").status_code == 500


def test_an_unlikely_fault_strikes_the_same_requests_for_the_same_seed() -> None:
    def struck(seed: int) -> list[bool]:
        account = Account(seed=seed)
        account.faults.add(Fault(status=503, probability=0.3))
        return [account.faults.next_for("GET", "/", None) is not None for _ in range(1000)]

    assert struck(1) == struck(1)
    assert struck(1) != struck(2)
    assert 200 < sum(struck(1)) < 400


def test_a_connection_dropped_before_the_effect_leaves_no_trace(codat: Codat, account: Account) -> None:
    account.faults.add(Fault(drop=True, count=1))
    with pytest.raises(requests.ConnectionError):
        codat.set(in_hours())
    assert account.companies[COMPANY].write_count == 0
    assert account.calls.counts["POST", SETTINGS_ROUTE, None] == 1
    assert codat.set(in_hours()).status_code == 204


def test_a_connection_dropped_after_the_effect_loses_only_the_answer(codat: Codat, account: Account) -> None:
    account.faults.add(Fault(drop=True, moment="after", count=1))
    with pytest.raises(requests.ConnectionError):
        codat.set(in_hours(hours=720))
    assert codat.settings()["invoices"]["syncSchedule"] == 720


def test_a_status_after_the_effect_hides_that_it_was_made(codat: Codat, account: Account) -> None:
    account.faults.add(Fault(status=500, moment="after", count=1))
    assert codat.set(in_hours()).status_code == 500
    assert account.companies[COMPANY].write_count == 1


@pytest.mark.parametrize(("moment", "writes"), [("before", 0), ("after", 1)])
def test_a_held_request_is_answered_after_the_hold(
    codat: Codat, account: Account, holds: Holds, moment: str, writes: int
) -> None:
    account.faults.add(Fault.model_validate({"holdSeconds": 30, "moment": moment}))
    assert codat.set(in_hours()).status_code == 204
    assert holds.seconds == [30]
    assert holds.writes_by_then == [writes]


def test_a_request_that_its_client_gave_up_still_has_its_effect() -> None:
    given_up, resumed = threading.Event(), threading.Event()

    async def hold(_seconds: float) -> None:
        await asyncio.to_thread(given_up.wait, 10)
        resumed.set()

    with running_simulator(hold=hold) as simulator:
        company = simulator.account.add_company(COMPANY)
        simulator.account.faults.add(Fault(hold_seconds=30, count=1))
        codat = Codat(simulator)
        with codat.session:
            with pytest.raises(requests.ReadTimeout):
                codat("POST", SETTINGS, {"companyId": COMPANY, "settings": [], "overridesDefaults": True}, timeout=0.1)
            assert company.write_count == 0
            given_up.set()
            assert resumed.wait(10)
            # Answered only after what the held request goes on to do.
            codat("GET", "/companies")
    assert company.write_count == 1


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ({}, "needs a status, or drop, or holdSeconds"),
        ({"drop": True, "status": 500}, "not both"),
        ({"drop": True, "body": "html"}, "name the status"),
        ({"status": 200}, "greater than or equal to 400"),
        ({"status": 500, "probability": 0}, "greater than 0"),
        ({"status": 500, "count": 0}, "greater than or equal to 1"),
        ({"status": 500, "sometimes": True}, "Extra inputs are not permitted"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(fault: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Fault.model_validate(fault)


# --- the log


def test_calls_are_counted_by_method_route_and_status(codat: Codat, account: Account) -> None:
    account.add_company(OTHER)
    codat("GET", SETTINGS)
    codat("GET", f"/companies/{OTHER}/syncSettings")
    codat.set(in_hours())
    codat.set(in_hours(hours=-1))
    codat("GET", "/nowhere")
    assert account.calls.counts == {
        ("GET", SETTINGS_ROUTE, 200): 2,
        ("POST", SETTINGS_ROUTE, 204): 1,
        ("POST", SETTINGS_ROUTE, 400): 1,
        ("GET", "unknown", 404): 1,
    }
    assert account.calls.total(method="POST", route=SETTINGS_ROUTE) == 2
    assert account.calls.total() == 5


def test_the_log_tells_who_called_what_and_when(codat: Codat, account: Account) -> None:
    codat("GET", "/companies")
    codat.set(in_hours())
    [call] = account.calls.select(company_id=COMPANY)
    assert (call.method, call.path, call.route, call.status, call.at) == ("POST", SETTINGS, SETTINGS_ROUTE, 204, NOON)
    assert [call.path for call in account.calls.select(limit=1)] == [SETTINGS]
    assert [call.path for call in account.calls.select(method="GET")] == ["/companies"]


def test_the_log_is_bounded_and_the_counters_are_not() -> None:
    account = Account(calls_kept=3)
    with running_simulator() as simulator:
        simulator.account.calls = account.calls
        small = Codat(simulator)
        with small.session:
            for _ in range(5):
                small("GET", "/companies")
    assert len(account.calls.select()) == 3
    assert account.calls.total() == 5


# --- the control API


def test_control_creates_companies_in_bulk(codat: Codat) -> None:
    new = {
        "id": OTHER,
        "name": "Toft stores",
        "tags": {"plan": "growth"},
        "connections": [{"status": "Linked", "sourceType": "Banking", "integrationKey": "mqjo"}],
        "settings": [in_hours("invoices", 1), in_hours("bills", 24)],
        "locked": ["bills"],
        "inProgress": ["invoices"],
    }
    answer = codat("POST", "/_simulator/companies", {"companies": [new, {}]}, Authorization="")
    assert answer.status_code == 200
    assert answer.json()["ids"][0] == OTHER
    assert len(answer.json()["ids"]) == 2
    company = codat("GET", f"/companies/{OTHER}").json()
    assert company["tags"] == {"plan": "growth"}
    assert company["dataConnections"][0]["sourceType"] == "Banking"
    settings = codat("GET", f"/companies/{OTHER}/syncSettings").json()["settings"]
    assert [(it["dataType"], it["syncSchedule"], it["isLocked"]) for it in settings] == [
        ("invoices", 1, False),
        ("bills", 24, True),
    ]
    assert codat("POST", f"/companies/{OTHER}/data/queue/invoices").status_code == 409


def test_control_creates_all_companies_or_none(codat: Codat, account: Account) -> None:
    answer = codat("POST", "/_simulator/companies", {"companies": [{"id": OTHER}, {"id": COMPANY}]})
    assert (answer.status_code, answer.json()) == (400, {"error": f"company {COMPANY} already exists."})
    assert list(account.companies) == [COMPANY]


def test_control_changes_only_what_is_named(codat: Codat, account: Account) -> None:
    company = account.companies[COMPANY]
    company.tags = {"plan": "free"}
    codat("POST", f"/_simulator/companies/{COMPANY}", {"locked": ["company"], "settings": [in_hours("company")]})
    assert company.tags == {"plan": "free"}
    assert list(codat.settings()) == ["company"]
    assert codat.settings()["company"]["isLocked"] is True
    codat("POST", f"/_simulator/companies/{COMPANY}", {"tags": {"plan": "scale"}, "settings": None, "locked": []})
    assert company.tags == {"plan": "scale"}
    assert company.override is None


def test_control_gives_a_company_connections_and_pulls_in_progress(codat: Codat, account: Account) -> None:
    path = f"/_simulator/companies/{COMPANY}"
    codat("POST", path, {"connections": [{"id": OTHER, "status": "PendingAuth"}], "inProgress": ["bills"]})
    codat("POST", path, {"connections": [{"id": OTHER, "status": "Linked"}]})
    assert codat("GET", f"/companies/{COMPANY}/connections/{OTHER}").json()["status"] == "Linked"
    assert len(account.companies[COMPANY].connections) == 1
    assert codat("POST", f"/companies/{COMPANY}/data/queue/bills").status_code == 409


def test_control_refuses_a_body_that_is_not_json(codat: Codat, simulator: RunningSimulator) -> None:
    answer = codat.session.post(f"{simulator.url}/_simulator/faults", data=b"{", timeout=10)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("the body should be JSON: ")


def test_control_shows_a_company_with_its_writes(codat: Codat) -> None:
    codat.set(in_hours(hours=720))
    shown = codat("GET", f"/_simulator/companies/{COMPANY}").json()
    assert shown["writeCount"] == 1
    assert shown["effectiveSettings"] == shown["settings"] == [in_hours(hours=720, isLocked=False)]
    assert shown["writes"] == [
        {
            "at": NOON.isoformat(),
            "overridesDefaults": True,
            "settings": [in_hours(hours=720, isLocked=False)],
        }
    ]


def test_control_removes_a_company(codat: Codat) -> None:
    assert codat("DELETE", f"/_simulator/companies/{COMPANY}").status_code == 204
    assert codat("GET", SETTINGS).status_code == 404
    assert codat("DELETE", f"/_simulator/companies/{COMPANY}").status_code == 404


def test_control_changes_the_account(codat: Codat, account: Account) -> None:
    change = {"free": True, "dialect": "object", "apiKey": "rotated", "withoutOverride": "nothing"}
    answer = codat("POST", "/_simulator/account", change)
    assert answer.status_code == 200
    assert "apiKey" not in answer.json()
    assert (account.flags.free, account.flags.dialect, account.flags.api_key) == (True, "object", "rotated")
    assert account.flags.omitted_types == "dropped"
    assert codat("GET", SETTINGS).json()["settings"] == []


def test_control_sets_the_quota_and_locks_defaults(codat: Codat) -> None:
    assert codat("POST", "/_simulator/account/locked", {"dataTypes": ["company"]}).json() == {"locked": ["company"]}
    assert codat.settings()["company"]["isLocked"] is True
    answer = codat("POST", "/_simulator/quota", {"limit": 5, "remaining": 0})
    assert answer.json() == {"limit": 5, "remaining": 0}
    assert codat("GET", SETTINGS).status_code == 429


def test_control_arms_shows_and_disarms_faults(codat: Codat) -> None:
    faults = {"faults": [{"status": 503, "companyId": COMPANY, "count": 5}, {"status": 500, "pathPrefix": "/profile"}]}
    first, second = codat("POST", "/_simulator/faults", faults).json()["ids"]
    assert codat("GET", SETTINGS).status_code == 503
    assert codat("GET", "/_simulator/faults").json()["faults"] == [
        {"id": first, "struck": 1, "status": 503, "companyId": COMPANY, "count": 5},
        {"id": second, "struck": 0, "status": 500, "pathPrefix": "/profile"},
    ]
    assert codat("DELETE", f"/_simulator/faults/{first}").status_code == 204
    assert codat("DELETE", f"/_simulator/faults/{first}").status_code == 404
    assert codat("GET", SETTINGS).status_code == 200
    assert codat("GET", "/profile/syncSettings").status_code == 500
    assert codat("DELETE", "/_simulator/faults").status_code == 204
    assert codat("GET", "/profile/syncSettings").status_code == 200


def test_control_is_not_struck_by_faults_nor_counted(codat: Codat, account: Account) -> None:
    account.faults.add(Fault(status=503))
    account.quota.remaining = 0
    assert codat("GET", "/_simulator/state").status_code == 200
    assert account.calls.total() == 0


def test_control_answers_the_log_and_empties_it(codat: Codat) -> None:
    codat("GET", "/companies")
    codat.set(in_hours())
    calls = codat("GET", f"/_simulator/calls?companyId={COMPANY}&method=POST&limit=10").json()["calls"]
    assert calls == [
        {
            "method": "POST",
            "path": SETTINGS,
            "route": SETTINGS_ROUTE,
            "status": 204,
            "companyId": COMPANY,
            "at": NOON.isoformat(),
        }
    ]
    assert codat("DELETE", "/_simulator/calls").status_code == 204
    assert codat("GET", "/_simulator/calls").json() == {"calls": []}


def test_control_shows_the_state(codat: Codat, account: Account) -> None:
    codat.set(in_hours())
    account.faults.add(Fault(status=503, company_id=OTHER))
    state = codat("GET", "/_simulator/state").json()
    assert state["account"]["dialect"] == "hours"
    assert account.flags.api_key not in json.dumps(state)
    assert state["counters"] == [{"method": "POST", "route": SETTINGS_ROUTE, "status": 204, "count": 1}]
    assert state["peakInFlight"] == 1
    assert state["faults"][0]["status"] == 503
    [company] = state["companies"]
    assert (company["id"], company["writeCount"], company["overridesDefaults"]) == (COMPANY, 1, True)
    assert company["settings"] == [in_hours(isLocked=False)]
    assert "companies" not in codat("GET", "/_simulator/state?companies=false").json()


def test_control_resets_to_the_state_at_the_start(codat: Codat, account: Account) -> None:
    start = account.flags.api_key
    account.flags = AccountFlags(api_key="rotated", dialect="object", free=True)
    account.faults.add(Fault(status=503))
    account.quota.remaining = 0
    codat("GET", SETTINGS)
    assert codat("POST", "/_simulator/reset").status_code == 204
    assert account.flags == AccountFlags(api_key=start)
    assert account.companies == {}
    assert account.calls.select() == []
    assert codat("GET", "/companies").json()["totalResults"] == 0


@pytest.mark.parametrize(
    ("path", "body", "sentence"),
    [
        ("account", {"dialect": "klingon"}, "dialect: Input should be 'hours', 'object' or 'both'."),
        ("account", {"fre": True}, "fre: Extra inputs are not permitted."),
        ("account", [], "the body should be a JSON object."),
        ("companies", {"companies": [{"id": "1"}]}, "companies[0].id: Value error, should be a UUID."),
        ("quota", {"remaining": -1}, "remaining: Input should be greater than or equal to 0."),
        (
            "faults",
            {"faults": [{}]},
            "faults[0]: Value error, a fault needs a status, or drop, or holdSeconds.",
        ),
        (
            "companies",
            {"companies": [{"settings": [{"dataType": "bills"}]}]},
            "[0].fetchOnFirstLink: Field required; [0].syncSchedule: Field required; [0].syncOrder: Field required.",
        ),
    ],
)
def test_control_refuses_bad_input_with_a_sentence(codat: Codat, path: str, body: object, sentence: str) -> None:
    answer = codat("POST", f"/_simulator/{path}", body)
    assert (answer.status_code, answer.json()) == (400, {"error": sentence})


def test_a_flag_that_makes_no_sense_is_refused_in_python_too(account: Account) -> None:
    with pytest.raises(ValueError, match="Input should be 'hours', 'object' or 'both'"):
        account.flags.dialect = "klingon"  # type: ignore[assignment]  # What is claimed is the check at run time.


# --- on its own


def test_the_command_says_that_its_port_is_taken() -> None:
    with running_simulator() as simulator, pytest.raises(SystemExit, match="cannot be opened"):
        main(["--api-key", "k", "--port", simulator.url.rpartition(":")[2]])


def test_the_command_serves_until_sigterm(tmp_path: Path) -> None:
    port_file = tmp_path / "port"
    arguments = ["--api-key", "k", "--dialect", "object", "--free", "--port-file", str(port_file)]
    root = Path(__file__).parents[3]
    with subprocess.Popen(  # noqa: S603 - this interpreter and this package.
        [sys.executable, "-m", "local.codat_simulator", *arguments],
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(root)},
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        try:
            found = re.fullmatch(r"Codat simulator listening on (http://127\.0\.0\.1:(\d+))\n", line)
            assert found is not None
            state = requests.get(f"{found[1]}/_simulator/state", timeout=10).json()
            assert (state["account"]["dialect"], state["account"]["free"]) == ("object", True)
        finally:
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=10)
    assert port_file.read_text(encoding="utf-8") == f"{found[2]}\n"
    assert (process.returncode, out, err) == (0, "", "")
