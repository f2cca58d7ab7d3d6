"""The simulator refuses what Codat refuses, with Codat's status and words."""

import pytest

from local.codat_simulator.account import Account
from tests.local.codat_simulator.client import COMPANY, NOT_VALID, OTHER, SETTINGS, Codat, assert_refused, in_hours


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


def test_a_free_account_holds_at_most_50_companies(codat: Codat, account: Account) -> None:
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
