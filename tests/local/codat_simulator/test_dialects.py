"""The simulator validates settings in the dialect of the account."""

import base64

import pytest

from local.codat_simulator.account import Account
from local.codat_simulator.running import RunningSimulator
from local.codat_simulator.sync_settings import Dialect
from tests.local.codat_simulator.client import (
    COMPANY,
    NOT_VALID,
    OTHER,
    SETTINGS,
    Codat,
    as_object,
    assert_refused,
    in_hours,
)


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
