"""The control API sets up and shows the account over HTTP."""

import json

import pytest

from local.codat_simulator.account import Account, AccountFlags
from local.codat_simulator.faults import Fault
from local.codat_simulator.running import RunningSimulator
from tests.local.codat_simulator.client import COMPANY, NOON, OTHER, SETTINGS, SETTINGS_ROUTE, Codat, in_hours


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


def test_control_is_not_hit_by_faults_nor_counted(codat: Codat, account: Account) -> None:
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


def test_control_restores_the_state_of_the_start(codat: Codat, account: Account) -> None:
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
            "faults[0]: Value error, a fault needs a status, or drop, or wire, or holdSeconds.",
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


def test_an_invalid_flag_is_refused_in_python_too(account: Account) -> None:
    with pytest.raises(ValueError, match="Input should be 'hours', 'object' or 'both'"):
        account.flags.dialect = "klingon"  # type: ignore[assignment]  # What is claimed is the check at run time.
