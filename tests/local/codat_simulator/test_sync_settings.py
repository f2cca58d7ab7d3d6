"""Sync settings are stored, locked and shown as Codat documents it."""

from datetime import timedelta

from local.codat_simulator.account import Account
from local.codat_simulator.sync_settings import DATA_TYPES
from tests.local.codat_simulator.client import (
    COMPANY,
    NOON,
    NOT_VALID,
    OTHER,
    SETTINGS,
    Clock,
    Codat,
    assert_refused,
    in_hours,
)


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


def test_overrides_defaults_false_removes_the_override(codat: Codat, account: Account) -> None:
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


def test_a_null_history_field_equals_an_absent_one(codat: Codat) -> None:
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


def test_every_accepted_write_of_a_company_is_kept(codat: Codat, account: Account, clock: Clock) -> None:
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
