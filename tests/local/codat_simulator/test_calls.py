"""The log keeps the last calls, and the counters count all of them."""

from local.codat_simulator.account import Account
from local.codat_simulator.running import running_simulator
from tests.local.codat_simulator.client import COMPANY, NOON, OTHER, SETTINGS, SETTINGS_ROUTE, Codat, in_hours


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
