"""The daily quota and the limit on concurrent requests answer 429, with Codat's headers."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from local.codat_simulator.account import Account
from local.codat_simulator.faults import Fault
from local.codat_simulator.running import running_simulator
from tests.local.codat_simulator.client import COMPANY, SETTINGS, Clock, Codat, assert_refused, in_hours


def test_every_answer_carries_the_quota(codat: Codat, account: Account) -> None:
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


def test_retry_after_and_reset_have_the_configured_format(codat: Codat, account: Account) -> None:
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
