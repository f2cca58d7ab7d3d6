"""One company is not the account: a refusal holds other companies back only once it is confirmed."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from random import Random
from threading import Barrier
from uuid import UUID

import pytest

from codat_sync.codat.errors import (
    CodatError,
    Forbidden,
    PaymentRequired,
    PaymentRequiredKind,
    RateLimited,
    ServerError,
    Unauthorized,
)
from codat_sync.codat.models import SyncSettings
from codat_sync.companies.account import SUSPICION, VERDICT
from codat_sync.companies.converge import Convergence
from codat_sync.companies.pause import Pause, PausingCodat
from codat_sync.consuming.consume import Consumer, ConsumerSettings
from codat_sync.consuming.settle import Settlement
from codat_sync.events.company_events import read_plan_event
from local.presets import local_presets
from tests.fakes.clock import Clock
from tests.fakes.codat import FakeCodat
from tests.fakes.companies import FakePause, FakePlans
from tests.fakes.events import plan_event
from tests.fakes.lambda_ import PATIENCE, FakeContext, sqs_event
from tests.fakes.outcomes import FakeDeadLetters, FakeQueue

HOUR = timedelta(hours=1)
BAD, GOOD, OTHER = UUID(int=1), UUID(int=2), UUID(int=3)


def expired() -> CodatError:
    return PaymentRequired("Payment Required", kind=PaymentRequiredKind.ACCOUNT_EXPIRED)


def limited() -> CodatError:
    return RateLimited("quota used up", retry_after=HOUR)


def unauthorized() -> CodatError:
    return Unauthorized("who are you", status=401)


def down() -> CodatError:
    return ServerError("down", status=500)


def forbidden() -> CodatError:
    return Forbidden("not the profile", status=403)


class CodatByCompany(FakeCodat):
    """Codat that refuses some companies for ever, and the account where ``of_account`` says so."""

    def __init__(self, *refused: UUID, error: Callable[[], CodatError]) -> None:
        super().__init__()
        self.refused = set(refused)
        self.error = error
        self.of_account: Callable[[], CodatError] | None = None
        self.meanwhile: Callable[[], object] = lambda: None

    def get_sync_settings(self, company_id: UUID) -> SyncSettings:
        if company_id in self.refused:
            self.calls.append("refused")
            self.meanwhile()
            raise self.error()
        return super().get_sync_settings(company_id)

    def get_account_sync_settings(self) -> SyncSettings:
        answer = super().get_account_sync_settings()
        if self.of_account is not None:
            raise self.of_account()
        return answer


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def record() -> FakePause:
    return FakePause()


def refusal(codat: PausingCodat, company: UUID) -> CodatError:
    with pytest.raises(CodatError) as refused:
        codat.get_sync_settings(company)
    return refused.value


@pytest.mark.parametrize("error", [expired, limited, unauthorized, down])
def test_a_company_that_codat_refuses_for_ever_costs_its_own_event_only(
    record: FakePause, clock: Clock, error: Callable[[], CodatError]
) -> None:
    codat = CodatByCompany(BAD, error=error)
    dead_letters, companies = FakeDeadLetters(), [BAD, *(UUID(int=number) for number in range(10, 19))]
    consumer = Consumer(
        read_plan_event,
        Convergence(PausingCodat(codat, record, clock), FakePlans(), local_presets(), clock),
        Settlement(dead_letters, PATIENCE, clock),
        FakeQueue(),
        ConsumerSettings(PATIENCE, max_concurrent_companies=4),
        now=clock,
        random=Random(1),  # noqa: S311  # Jitter that a test can repeat.
    )
    bodies = [plan_event("growth", event_id=f"e{each.int}", company=each) for each in companies]
    answer = consumer.consume(sqs_event(*bodies), FakeContext())
    parked = {event.company_id for event, _, _ in dead_letters.parked}
    deferred = {each["itemIdentifier"] for each in answer["batchItemFailures"]}
    assert (parked, deferred) in [({str(BAD)}, set()), (set(), {"m0"})]
    assert codat.companies.keys() == set(companies) - {BAD}
    assert record.pause is None


@pytest.mark.parametrize("error", [expired, limited])
def test_a_refusal_that_the_account_meets_too_begins_a_pause(
    record: FakePause, clock: Clock, error: Callable[[], CodatError]
) -> None:
    codat = CodatByCompany(BAD, error=error)
    codat.of_account = error
    pausing = PausingCodat(codat, record, clock)
    assert refusal(pausing, BAD).concerns_account
    assert refusal(pausing, GOOD).concerns_account
    assert codat.calls == ["refused", "get account"]
    assert record.pause is not None


def test_the_pause_is_that_of_the_account_and_not_of_the_company(record: FakePause, clock: Clock) -> None:
    codat = CodatByCompany(BAD, error=lambda: RateLimited("this company", retry_after=timedelta(hours=20)))
    codat.of_account = limited
    refusal(PausingCodat(codat, record, clock), BAD)
    assert record.pause == Pause("rate_limited", "quota used up", clock.now + HOUR)


def test_a_401_of_the_account_is_marked_and_begins_no_pause(record: FakePause, clock: Clock) -> None:
    codat = CodatByCompany(BAD, error=unauthorized)
    codat.of_account = unauthorized
    assert refusal(PausingCodat(codat, record, clock), BAD).concerns_account
    assert record.pause is None


def test_a_refusal_of_one_company_is_not_marked(record: FakePause, clock: Clock) -> None:
    assert not refusal(PausingCodat(CodatByCompany(BAD, error=expired), record, clock), BAD).concerns_account


def test_a_call_that_concerns_no_company_is_its_own_confirmation(record: FakePause, clock: Clock) -> None:
    codat = CodatByCompany(error=limited)
    codat.of_account = limited
    with pytest.raises(RateLimited):
        PausingCodat(codat, record, clock).get_account_sync_settings()
    assert (codat.calls, record.pause is None) == (["get account"], False)


def test_refusals_within_a_few_seconds_cost_one_confirming_call(record: FakePause, clock: Clock) -> None:
    codat = CodatByCompany(BAD, OTHER, error=limited)
    pausing = PausingCodat(codat, record, clock)
    for number in range(20):
        refusal(pausing, (BAD, OTHER)[number % 2])
    assert codat.calls.count("get account") == 1
    clock.forward(VERDICT)
    refusal(pausing, BAD)
    assert codat.calls.count("get account") == 2


def test_a_refusal_that_ends_sooner_is_not_used_after_its_end(record: FakePause, clock: Clock) -> None:
    codat = CodatByCompany(BAD, error=lambda: RateLimited("slow down", retry_after=timedelta(seconds=1)))
    codat.of_account = codat.error
    pausing = PausingCodat(codat, record, clock)
    refusal(pausing, BAD)
    clock.forward(timedelta(seconds=1))
    refusal(pausing, BAD)
    assert codat.calls == ["refused", "get account"] * 2
    assert record.pause is None, "so short a refusal is the call rate's"


def test_threads_that_meet_a_429_together_make_one_confirming_call_and_one_pause(
    record: FakePause, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    threads = 8
    companies = [UUID(int=number) for number in range(threads)]
    codat = CodatByCompany(*companies, error=limited)
    codat.of_account = limited
    codat.meanwhile = Barrier(threads, timeout=10).wait
    pausing = PausingCodat(codat, record, clock)
    with ThreadPoolExecutor(threads) as pool:
        refused = list(pool.map(lambda company: refusal(pausing, company), companies))
    assert all(each.concerns_account for each in refused)
    assert codat.calls.count("get account") == 1
    assert [each.msg for each in caplog.records].count("pause_began") == 1


@pytest.mark.parametrize("of_account", [down, forbidden])
def test_where_the_account_cannot_be_asked_a_second_company_confirms(
    record: FakePause, clock: Clock, of_account: Callable[[], CodatError]
) -> None:
    codat = CodatByCompany(BAD, OTHER, error=limited)
    codat.of_account = of_account
    pausing = PausingCodat(codat, record, clock)
    for _ in range(3):
        assert not refusal(pausing, BAD).concerns_account
    assert record.pause is None
    assert refusal(pausing, OTHER).concerns_account
    assert record.pause is not None


def test_a_second_company_confirms_nothing_after_some_minutes(record: FakePause, clock: Clock) -> None:
    codat = CodatByCompany(BAD, OTHER, error=limited)
    codat.of_account = down
    pausing = PausingCodat(codat, record, clock)
    refusal(pausing, BAD)
    clock.forward(SUSPICION)
    assert not refusal(pausing, OTHER).concerns_account


def test_a_second_company_confirms_nothing_once_the_account_was_answered(record: FakePause, clock: Clock) -> None:
    codat = CodatByCompany(BAD, OTHER, error=limited)
    codat.of_account = down
    pausing = PausingCodat(codat, record, clock)
    refusal(pausing, BAD)
    for codat.of_account in (None, down):
        clock.forward(VERDICT)
        assert not refusal(pausing, OTHER).concerns_account


def test_a_second_company_with_another_refusal_confirms_nothing(record: FakePause, clock: Clock) -> None:
    codat = CodatByCompany(BAD, OTHER, error=limited)
    codat.of_account = down
    pausing = PausingCodat(codat, record, clock)
    refusal(pausing, BAD)
    codat.error = unauthorized
    assert not refusal(pausing, OTHER).concerns_account


def test_a_refusal_that_came_late_leaves_no_time_for_a_confirming_call(record: FakePause, clock: Clock) -> None:
    codat = CodatByCompany(BAD, error=limited)
    codat.of_account = limited
    codat.meanwhile = lambda: clock.forward(timedelta(seconds=20))
    assert not refusal(PausingCodat(codat, record, clock), BAD).concerns_account
    assert codat.calls == ["refused"]


@pytest.mark.parametrize("error", [expired, limited, unauthorized])
def test_a_probe_that_codat_refuses_for_ever_lifts_a_lapsed_pause(
    record: FakePause, clock: Clock, error: Callable[[], CodatError]
) -> None:
    record.write(Pause("rate_limited", "quota used up", clock.now))
    pausing = PausingCodat(CodatByCompany(BAD, error=error), record, clock)
    assert not refusal(pausing, BAD).concerns_account
    assert record.pause is None
    pausing.get_sync_settings(GOOD)


def test_the_error_of_a_pause_is_marked(clock: Clock) -> None:
    for reason in ("rate_limited", PaymentRequiredKind.ACCOUNT_EXPIRED):
        assert Pause(reason, "no", clock.now + HOUR).as_codat_would_say(clock.now).concerns_account
