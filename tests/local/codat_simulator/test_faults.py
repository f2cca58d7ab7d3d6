"""Faults hit the requests that they match, before or after the requests take effect."""

import asyncio
import threading
from datetime import timedelta
from email.utils import parsedate_to_datetime
from itertools import islice

import pytest
import requests

from local.codat_simulator.account import Account
from local.codat_simulator.faults import Fault
from local.codat_simulator.running import running_simulator
from tests.local.codat_simulator.client import (
    COMPANY,
    NOON,
    OTHER,
    SETTINGS,
    SETTINGS_ROUTE,
    Codat,
    Holds,
    assert_refused,
    in_hours,
)


@pytest.mark.parametrize("status", [401, 403, 409, 429, 500, 502, 503])
def test_a_fault_answers_its_status_count_times_and_prevents_the_effect(
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


def test_a_fault_can_have_its_own_error_text_and_a_retry_after(codat: Codat, account: Account) -> None:
    account.faults.add(Fault(status=429, error="Slow down", retry_after_seconds=7))
    answer = codat("GET", SETTINGS)
    assert_refused(answer, 429, "Slow down")
    assert answer.headers["Retry-After"] == "7"
    account.flags.retry_after_format = "http-date"
    assert parsedate_to_datetime(codat("GET", SETTINGS).headers["Retry-After"]) == NOON + timedelta(seconds=7)


def test_a_fault_hits_only_what_it_names(codat: Codat, account: Account) -> None:
    account.add_company(OTHER)
    account.faults.add(Fault(status=503, company_id=OTHER.upper(), method="get"))
    account.faults.add(Fault(status=500, path_prefix="/profile"))
    assert codat("GET", f"/companies/{OTHER}").status_code == 503
    assert codat("POST", f"/companies/{OTHER}/data/all").status_code == 204
    assert codat("GET", SETTINGS).status_code == 200
    assert codat("GET", "/profile/syncSettings").status_code == 500


def test_a_fault_with_a_probability_hits_the_same_requests_for_the_same_seed() -> None:
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


def test_a_status_after_the_effect_hides_that_the_write_was_made(codat: Codat, account: Account) -> None:
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


@pytest.mark.parametrize("body", ["html", "empty"])
def test_what_stands_before_codat_knows_nothing_of_its_quota(codat: Codat, account: Account, body: str) -> None:
    account.faults.add(Fault.model_validate({"status": 429, "body": body, "retryAfterSeconds": 7}))
    answer = codat("GET", SETTINGS)
    assert answer.headers["Retry-After"] == "7"
    assert [name for name in answer.headers if name.startswith("X-Rate-Limit")] == []


def test_headers_that_drip_never_end(codat: Codat, account: Account, holds: Holds) -> None:
    account.faults.add(Fault(wire="drip-headers", drip_seconds=7))
    with pytest.raises(requests.ConnectionError, match="more than 65536 bytes"):
        codat("GET", SETTINGS)
    assert set(holds.seconds) == {7}


@pytest.mark.parametrize("wire", ["drip-body", "drip-chunks", "endless-body", "endless-chunks"])
def test_a_body_that_drips_or_never_ends_begins_as_an_answer(
    codat: Codat, account: Account, holds: Holds, wire: str
) -> None:
    account.faults.add(Fault.model_validate({"wire": wire, "count": 1}))
    with codat("GET", SETTINGS, stream=True) as answer:
        read = sum(len(piece) for piece in islice(answer.iter_content(100), 100))
    assert answer.status_code == 200
    assert read >= 100
    assert set(holds.seconds) == ({5} if wire.startswith("drip") else set())
    assert codat("GET", SETTINGS).status_code == 200, "the simulator goes on"


@pytest.mark.parametrize("wire", ["cut", "reset"])
@pytest.mark.parametrize(("moment", "writes"), [("before", 0), ("after", 1)])
def test_an_answer_is_cut_or_reset_in_its_middle(
    codat: Codat, account: Account, wire: str, moment: str, writes: int
) -> None:
    account.faults.add(Fault.model_validate({"wire": wire, "moment": moment}))
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        codat.set(in_hours())
    assert account.companies[COMPANY].write_count == writes


def test_a_bomb_is_small_until_it_is_decompressed(codat: Codat, account: Account) -> None:
    account.faults.add(Fault(wire="bomb"))
    with codat("GET", SETTINGS, stream=True) as answer:
        assert int(answer.headers["Content-Length"]) < 1024 * 1024
        assert sum(len(piece) for piece in islice(answer.iter_content(1024 * 1024), 20)) > 10 * 1024 * 1024


@pytest.mark.parametrize(("path", "field"), [(SETTINGS, "companyId"), (f"/companies/{COMPANY}", "id")])
def test_an_answer_can_be_about_another_company(codat: Codat, account: Account, path: str, field: str) -> None:
    account.faults.add(Fault(wire="other-company"))
    answer = codat("GET", path)
    assert answer.status_code == 200
    assert answer.json()[field] != COMPANY


def test_a_write_that_is_answered_for_another_company_was_made(codat: Codat, account: Account) -> None:
    account.faults.add(Fault(wire="other-company"))
    assert codat.set(in_hours()).json()["companyId"] != COMPANY
    assert account.companies[COMPANY].write_count == 1


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ({}, "needs a status, or drop, or wire, or holdSeconds"),
        ({"drop": True, "status": 500}, "not both"),
        ({"wire": "bomb", "status": 500}, "not both"),
        ({"wire": "flood"}, "Input should be 'drip-headers'"),
        ({"wire": "drip-body", "dripSeconds": 0}, "greater than 0"),
        ({"drop": True, "body": "html"}, "name the status"),
        ({"status": 200}, "greater than or equal to 400"),
        ({"status": 500, "probability": 0}, "greater than 0"),
        ({"status": 500, "count": 0}, "greater than or equal to 1"),
        ({"status": 500, "sometimes": True}, "Extra inputs are not permitted"),
    ],
)
def test_a_contradictory_fault_is_refused(fault: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Fault.model_validate(fault)
