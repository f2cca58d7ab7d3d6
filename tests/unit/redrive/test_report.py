"""What a redrive tells of itself: what it announces, and which kinds it names as refused, in Codat's words."""

from datetime import timedelta
from typing import Any

import pytest

from codat_sync.codat.errors import CodatError, Forbidden, PaymentRequiredKind, ServerError
from codat_sync.codat.models import Frequency
from codat_sync.events.requests import RedriveRequest
from codat_sync.redrive._turns import PROBES
from tests.fakes.clock import NOW
from tests.fakes.codat import setting
from tests.fakes.codat import settings as shown
from tests.fakes.lambda_ import deadline
from tests.unit.redrive.bench import COMPANIES, EXPIRED, HOURLY, LIMIT, PRESETS, Bench, refused
from tests.unit.redrive.test_probes import CodatByCompany


@pytest.fixture
def codat(bench: Bench) -> CodatByCompany:
    bench.codat = codat = CodatByCompany()
    return codat


def logged(caplog: pytest.LogCaptureFixture, line: str) -> list[dict[str, Any]]:
    return [vars(record) for record in caplog.records if record.msg == line]


def test_a_kind_that_codat_accepts_for_one_company_is_not_named_as_refused(
    bench: Bench, codat: CodatByCompany, caplog: pytest.LogCaptureFixture
) -> None:
    bench.park_degraded(COMPANIES[:4])
    codat.writes_refused = {COMPANIES[0]: refused(HOURLY)}
    bench.carry_out()
    (line,) = logged(caplog, "redrive_done")
    assert (line["moved"], line["refused"]) == ({HOURLY: 3}, {})


def test_a_kind_without_an_answer_is_not_named_as_refused(
    bench: Bench, codat: CodatByCompany, caplog: pytest.LogCaptureFixture
) -> None:
    bench.park(COMPANIES[0])
    codat.reads_refused = {COMPANIES[0]: ServerError("down")}
    bench.carry_out()
    (line,) = logged(caplog, "redrive_done")
    assert (line["moved"], line["refused"]) == ({}, {})
    (undecided,) = logged(caplog, "redrive_probe_undecided")
    assert (undecided["reason"], undecided["words"]) == ("server_error", "down")
    assert undecided["company_id"] == str(COMPANIES[0])


def test_an_expired_account_is_named_as_the_refusal_of_every_kind(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.park(COMPANIES[0])
    bench.codat.failures = [refused(EXPIRED)] * 2
    bench.carry_out()
    (line,) = logged(caplog, "redrive_done")
    assert line["refused"] == dict.fromkeys(PaymentRequiredKind, str(refused(EXPIRED)))
    (refusal,) = logged(caplog, "redrive_refused")
    assert (refusal["kind"], refusal["reason"], refusal["words"]) == (HOURLY, EXPIRED, str(refused(EXPIRED)))
    assert (refusal["status"], refusal["codat_correlation_id"]) == (402, "c0ffee")
    assert refusal["company_id"] == str(COMPANIES[0])


def test_another_refusal_of_the_account_does_not_say_that_it_is_expired(
    bench: Bench, codat: CodatByCompany, caplog: pytest.LogCaptureFixture
) -> None:
    alone, *others = bench.park_degraded(COMPANIES[:4])
    del alone
    codat.reads_refused = {COMPANIES[0]: refused(EXPIRED)}
    codat.of_account = Forbidden("not with this key", status=403)
    assert bench.carry_out() is None
    assert set(others) <= set(bench.back)
    (line,) = logged(caplog, "redrive_done")
    assert line["refused"] == {}


def test_nothing_is_announced_of_a_company_that_needed_no_write(bench: Bench) -> None:
    bench.park(COMPANIES[0], LIMIT, plan="free")
    bench.codat.companies[COMPANIES[0]] = PRESETS.for_company("free", COMPANIES[0]).over(shown(setting("invoices")))
    bench.carry_out()
    assert (bench.writes, bench.announcer.said) == (0, [])


def test_nothing_is_announced_of_a_probe_that_was_degraded_since_its_event_is_to_be_announced(bench: Bench) -> None:
    bench.park(COMPANIES[0])
    bench.codat.has_hourly = False
    bench.carry_out()
    assert bench.codat.frequency(COMPANIES[0], "invoices") is Frequency.DAILY
    assert bench.announcer.said == []


def test_a_company_without_an_answer_is_tried_once_for_all_of_its_events(bench: Bench, codat: CodatByCompany) -> None:
    first, other, again = (bench.park(company) for company in (COMPANIES[0], COMPANIES[1], COMPANIES[0]))
    codat.reads_refused = {COMPANIES[0]: ServerError("down")}
    bench.carry_out()
    assert codat.tried.count(COMPANIES[0]) == 1
    assert (bench.parked, bench.back) == (sorted([first, again]), [other])


@pytest.mark.parametrize("error", [ServerError("down"), refused(HOURLY)])
def test_as_many_companies_without_an_answer_as_there_are_probes_close_their_kind_alone(
    bench: Bench, codat: CodatByCompany, error: CodatError
) -> None:
    silent = [bench.park(company) for company in COMPANIES[:10]]
    paid = bench.park(COMPANIES[10], LIMIT, plan="growth")
    codat.reads_refused = dict.fromkeys(COMPANIES[:10], error)
    request = RedriveRequest("request", NOW + timedelta(seconds=1))
    assert bench.redrive().carry_out(request, deadline(bench.seconds_left)) is None
    assert len(codat.tried) == PROBES + 1
    assert (bench.parked, bench.back) == (silent, [paid])
