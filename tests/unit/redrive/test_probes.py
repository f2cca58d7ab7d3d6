"""One refused probe does not decide for its kind: a redrive tries several companies, and others each day."""

from datetime import timedelta
from itertools import pairwise
from uuid import UUID

import pytest

from codat_sync.codat.errors import CodatError, PaymentRequiredKind, RateLimited, ServerError, Unauthorized
from codat_sync.codat.models import SyncSettings
from codat_sync.companies.pause import Pause
from codat_sync.events.requests import RedriveRequest
from codat_sync.outcomes.parked_events import ParkedEvent
from codat_sync.redrive._turns import PROBES, in_turn
from tests.fakes.clock import NOW
from tests.fakes.codat import FakeCodat
from tests.fakes.lambda_ import deadline
from tests.unit.redrive.bench import COMPANIES, DLQ, EXPIRED, HOURLY, LIMIT, UNKNOWN, Bench, refused

DAY = timedelta(days=1)


class CodatByCompany(FakeCodat):
    """Codat that refuses the writes, or also the reads, of some companies for ever."""

    def __init__(self) -> None:
        super().__init__()
        self.writes_refused: dict[UUID, CodatError] = {}
        self.reads_refused: dict[UUID, CodatError] = {}
        self.of_account: CodatError | None = None
        self.tried: list[UUID] = []

    def get_sync_settings(self, company_id: UUID) -> SyncSettings:
        self.tried.append(company_id)
        if company_id in self.reads_refused:
            self.calls.append("get")
            raise self.reads_refused[company_id]
        return super().get_sync_settings(company_id)

    def get_account_sync_settings(self) -> SyncSettings:
        answer = super().get_account_sync_settings()
        if self.of_account is not None:
            raise self.of_account
        return answer

    def update_sync_settings(self, company_id: UUID, settings: SyncSettings) -> None:
        if company_id in self.writes_refused:
            self.calls.append("update")
            raise self.writes_refused[company_id]
        super().update_sync_settings(company_id, settings)


@pytest.fixture
def codat(bench: Bench) -> CodatByCompany:
    bench.codat = codat = CodatByCompany()
    return codat


def redrive(bench: Bench, day: int = 0) -> None:
    """Carry out the request of a day."""
    request = RedriveRequest(f"day {day}", NOW + day * DAY)
    assert bench.redrive().carry_out(request, deadline(bench.seconds_left)) is None


@pytest.mark.parametrize("place", [0, 4, 9])
@pytest.mark.parametrize("kind", [HOURLY, LIMIT, UNKNOWN])
def test_of_ten_events_of_which_one_stays_refused_nine_come_back(
    bench: Bench, codat: CodatByCompany, kind: PaymentRequiredKind, place: int
) -> None:
    bodies = [bench.park(company, kind) for company in COMPANIES[:10]]
    codat.writes_refused = {COMPANIES[place]: refused(kind)}
    redrive(bench)
    stays = (
        [bodies[0]] if place == 0 else []
    )  # Where the first company is accepted, the consumer parks the refused one.
    assert bench.parked == stays
    assert set(bench.back) == set(bodies) - set(stays)


def test_all_events_of_a_company_that_stays_refused_stay(bench: Bench, codat: CodatByCompany) -> None:
    first, *others = [bench.park(company) for company in COMPANIES[:4]]
    again = bench.park(COMPANIES[0])
    codat.writes_refused = {COMPANIES[0]: refused(HOURLY)}
    redrive(bench)
    assert (bench.parked, bench.back) == (sorted([first, again]), others)
    assert codat.tried.count(COMPANIES[0]) == 1


@pytest.mark.parametrize(
    "error", [ServerError("down"), Unauthorized("key"), RateLimited("later", retry_after=timedelta(hours=3))]
)
def test_a_company_that_codat_never_answers_for_stays_and_the_others_come_back(
    bench: Bench, codat: CodatByCompany, error: CodatError
) -> None:
    silent, *others = [bench.park(company) for company in COMPANIES[:10]]
    codat.reads_refused = {COMPANIES[0]: error}
    redrive(bench)
    assert (bench.parked, bench.back) == ([silent], others)


@pytest.mark.parametrize("kind", [EXPIRED, HOURLY])
def test_a_company_that_is_refused_as_if_the_account_were_expired_does_not_speak_for_it(
    bench: Bench, codat: CodatByCompany, kind: PaymentRequiredKind
) -> None:
    bench.pause.pause = Pause(EXPIRED, "Account expired", NOW + DAY)
    alone, *others = [bench.park(company, kind) for company in COMPANIES[:10]]
    codat.reads_refused = {COMPANIES[0]: refused(EXPIRED)}
    redrive(bench)
    stays = [alone] if kind is EXPIRED else []  # Parked for another 402, it goes back to be parked under this one.
    assert (bench.parked, set(bench.back)) == (stays, {alone, *others} - set(stays))
    assert bench.pause.pause is None
    assert codat.calls.count("get account") == 1


def test_several_companies_that_are_refused_alone_cost_one_question_about_the_account(
    bench: Bench, codat: CodatByCompany
) -> None:
    for company in COMPANIES[:3]:
        bench.park(company)
    codat.reads_refused = {company: refused(EXPIRED) for company in COMPANIES[:3]}
    redrive(bench)
    assert len(codat.tried) > 1
    assert codat.calls.count("get account") == 1


def test_while_nothing_is_paid_a_redrive_costs_five_probes_for_each_kind(bench: Bench, codat: CodatByCompany) -> None:
    bench.park_degraded(COMPANIES[:13])
    codat.has_hourly = False
    for kind, companies in ((LIMIT, COMPANIES[13:26]), (UNKNOWN, COMPANIES[26:])):
        for company in companies:
            bench.park(company, kind, plan="growth")
            codat.writes_refused[company] = refused(kind)
    redrive(bench)
    assert (PROBES, codat.calls) == (5, ["get", "update"] * PROBES * 3)
    assert len(bench.parked) == len(COMPANIES)


def test_each_day_others_are_tried_until_all_were(bench: Bench, codat: CodatByCompany) -> None:
    for company in COMPANIES:
        bench.park(company)
    codat.has_hourly = False
    by_day = []
    for day in range(10):
        codat.tried.clear()
        redrive(bench, day)
        by_day.append(set(codat.tried))
    assert {len(each) for each in by_day} == {PROBES}
    assert set.union(*by_day) == set(COMPANIES)
    assert all(one & other == {COMPANIES[0]} for one, other in pairwise(by_day))


def test_the_one_company_that_is_accepted_opens_its_kind_within_days(bench: Bench, codat: CodatByCompany) -> None:
    for company in COMPANIES:
        bench.park(company)
    codat.writes_refused = {each: refused(HOURLY) for each in COMPANIES[:-1]}
    for day in range(10):
        if bench.back:
            break
        redrive(bench, day)
    assert len(bench.back) >= len(COMPANIES) - (PROBES - 1)


def test_the_turn_does_not_depend_on_the_order_of_the_dlq() -> None:
    events = [ParkedEvent(str(each), "", "", {}, NOW, reason=HOURLY, company_id=str(each)) for each in COMPANIES]
    one = [each.company_id for each in in_turn(events, NOW)][1:PROBES]
    other = [each.company_id for each in in_turn([events[0], *reversed(events[1:])], NOW)][1:PROBES]
    assert one == other


def parked_for(kind: PaymentRequiredKind, *companies: UUID) -> list[ParkedEvent]:
    return [ParkedEvent(str(each), "", "", {}, NOW, reason=kind, company_id=str(each)) for each in companies]


def test_each_kind_has_turns_of_its_own() -> None:
    hourly, limit = parked_for(HOURLY, *COMPANIES[:9]), parked_for(LIMIT, *COMPANIES[9:18])
    mixed = [event for pair in zip(hourly, limit, strict=True) for event in pair]
    assert in_turn(mixed, NOW) == [*in_turn(hourly, NOW), *in_turn(limit, NOW)]


def test_those_whose_turn_it_is_not_follow_as_they_came() -> None:
    events = parked_for(HOURLY, *COMPANIES)
    ordered = in_turn(events, NOW)
    assert ordered[0] == events[0]
    assert ordered[PROBES:] == [each for each in events if each not in ordered[:PROBES]]


def test_companies_whose_ids_follow_each_other_are_not_tried_together() -> None:
    """Some systems count ids up. One day's probes would all be of one month's customers."""
    events = parked_for(HOURLY, *COMPANIES)
    for day in range(9):
        tried = sorted(int(UUID(each.company_id)) for each in in_turn(events, NOW + day * DAY)[1:PROBES])
        assert tried[-1] - tried[0] > PROBES


def test_an_empty_dlq_has_no_turn(bench: Bench) -> None:
    assert in_turn([], NOW) == []
    assert bench.sqs.queues[DLQ] == []
