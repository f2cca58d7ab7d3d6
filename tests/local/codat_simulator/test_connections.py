"""Connections are listed, and data is pulled through them."""

from local.codat_simulator.account import Account
from local.codat_simulator.company import NewConnection
from tests.local.codat_simulator.client import COMPANY, OTHER, Codat, assert_refused, in_hours


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
