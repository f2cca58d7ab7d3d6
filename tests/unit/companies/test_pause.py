"""The pause: one 429 does not become ten thousand, since no process calls Codat while it lasts."""

import json
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from uuid import UUID

import pytest

from codat_sync.codat.errors import (
    CodatError,
    NotFound,
    PaymentRequired,
    PaymentRequiredKind,
    RateLimited,
    ServerError,
)
from codat_sync.codat.models import SyncSettings
from codat_sync.codat.rate_limits import SHORT_WAIT
from codat_sync.companies.converge import Convergence
from codat_sync.companies.pause import CACHE, EXPIRED_ACCOUNT, LONGEST, PROBE, Pause, PausingCodat, StoredPause
from codat_sync.consuming.consume import Consumer, ConsumerSettings
from codat_sync.consuming.settle import Settlement
from codat_sync.deadline import PacedDeadline
from codat_sync.events.company_events import read_plan_event
from local.presets import local_presets
from tests.fakes.clock import NOW, Clock
from tests.fakes.codat import FakeCodat
from tests.fakes.companies import COMPANY, OTHER_COMPANY, FakePause, FakePlans
from tests.fakes.events import plan_event
from tests.fakes.lambda_ import PATIENCE, FakeContext, deadline, sqs_event
from tests.fakes.outcomes import FakeDeadLetters, FakeQueue

EXPIRED = PaymentRequired("Account expired", kind=PaymentRequiredKind.ACCOUNT_EXPIRED)
HOUR = timedelta(hours=1)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def record() -> FakePause:
    return FakePause()


@pytest.fixture
def codat() -> FakeCodat:
    return FakeCodat()


@pytest.fixture
def paused(codat: FakeCodat, record: FakePause, clock: Clock) -> PausingCodat:
    """Return a process whose first call, and the one that confirms it, have met a 429 that asks for an hour."""
    process = PausingCodat(codat, record, clock)
    codat.failures = [RateLimited("quota used up", retry_after=HOUR)] * 2
    with pytest.raises(RateLimited):
        process.get_sync_settings(COMPANY)
    codat.calls.clear()
    return process


def test_while_a_pause_lasts_no_process_calls_codat(
    paused: PausingCodat, codat: FakeCodat, record: FakePause, clock: Clock
) -> None:
    clock.forward(timedelta(minutes=20))
    for process in (paused, PausingCodat(codat, record, clock)):
        with pytest.raises(RateLimited, match="quota used up") as refusal:
            process.get_sync_settings(COMPANY)
        assert refusal.value.retry_after == timedelta(minutes=40)
    assert codat.calls == []


def test_while_a_pause_lasts_no_refresh_is_requested(paused: PausingCodat, codat: FakeCodat, clock: Clock) -> None:
    with pytest.raises(RateLimited, match="quota used up"):
        paused.queue_refresh(COMPANY, "invoices")
    assert codat.calls == []
    clock.forward(HOUR)
    codat.companies[COMPANY] = SyncSettings()
    assert paused.queue_refresh(COMPANY, "invoices")
    assert codat.calls == ["refresh invoices"]


def test_a_pause_is_lifted_by_the_first_call_after_its_end(
    paused: PausingCodat, codat: FakeCodat, record: FakePause, clock: Clock
) -> None:
    clock.forward(HOUR)
    paused.get_sync_settings(COMPANY)
    paused.get_sync_settings(COMPANY)
    assert codat.calls == ["get", "get"]
    assert record.pause is None


def test_a_single_caller_probes_whether_codat_answers_again(
    paused: PausingCodat, codat: FakeCodat, record: FakePause, clock: Clock
) -> None:
    clock.forward(HOUR)
    others = [PausingCodat(codat, record, clock) for _ in range(3)]

    def while_the_probe_is_in_flight() -> None:
        for process in others:
            with pytest.raises(RateLimited) as refusal:
                process.get_sync_settings(COMPANY)
            assert refusal.value.retry_after == PROBE

    codat.before_write = while_the_probe_is_in_flight
    codat.companies[COMPANY] = FakeCodat().get_sync_settings(COMPANY)
    paused.update_sync_settings(COMPANY, codat.companies[COMPANY])
    assert codat.calls == ["update"]


@pytest.mark.parametrize("probe_ended", [False, True])
def test_a_process_that_may_not_probe_takes_up_the_result_of_the_probe(
    paused: PausingCodat, codat: FakeCodat, record: FakePause, clock: Clock, *, probe_ended: bool
) -> None:
    second = PausingCodat(codat, record, clock)
    clock.forward(HOUR - timedelta(seconds=1))
    with pytest.raises(RateLimited):
        second.get_sync_settings(COMPANY)
    clock.forward(timedelta(seconds=1))
    codat.failures = [None] if probe_ended else [ServerError("no", status=503)]
    with nullcontext() if probe_ended else pytest.raises(ServerError):
        paused.get_sync_settings(COMPANY)
    with nullcontext() if probe_ended else pytest.raises(RateLimited):
        second.get_sync_settings(COMPANY)
    assert len(codat.calls) == (2 if probe_ended else 1)


def test_a_probe_that_meets_a_429_again_begins_a_new_pause(
    paused: PausingCodat, codat: FakeCodat, record: FakePause, clock: Clock
) -> None:
    clock.forward(HOUR)
    codat.failures = [RateLimited("quota used up", retry_after=HOUR)] * 2
    with pytest.raises(RateLimited):
        paused.get_sync_settings(COMPANY)
    assert record.pause is not None
    assert record.pause.until == clock.now + HOUR


def test_a_probe_that_gets_no_answer_is_followed_by_another_within_seconds(
    paused: PausingCodat, codat: FakeCodat, clock: Clock
) -> None:
    clock.forward(HOUR)
    codat.failures = [ServerError("no", status=503)]
    with pytest.raises(ServerError):
        paused.get_sync_settings(COMPANY)
    with pytest.raises(RateLimited):
        paused.get_sync_settings(COMPANY)
    clock.forward(CACHE)
    paused.get_sync_settings(COMPANY)
    assert codat.calls == ["get", "get"]


def test_a_probe_that_crashes_is_followed_by_another_when_its_lease_ends(
    paused: PausingCodat, codat: FakeCodat, record: FakePause, clock: Clock
) -> None:
    clock.forward(HOUR)
    codat.failures = [KeyboardInterrupt()]  # type: ignore[list-item]  # As close to a crash as a test can get.
    with pytest.raises(KeyboardInterrupt):
        paused.get_sync_settings(COMPANY)
    other = PausingCodat(codat, record, clock)
    with pytest.raises(RateLimited):
        other.get_sync_settings(COMPANY)
    clock.forward(PROBE)
    other.get_sync_settings(COMPANY)
    assert codat.calls == ["get", "get"]


def test_a_probe_that_meets_a_shorter_pause_ends_its_lease_early(
    paused: PausingCodat, codat: FakeCodat, record: FakePause, clock: Clock
) -> None:
    clock.forward(HOUR)
    wait = SHORT_WAIT + timedelta(seconds=1)
    codat.failures = [RateLimited("not yet", retry_after=wait)] * 2
    with pytest.raises(RateLimited):
        paused.get_sync_settings(COMPANY)
    assert record.pause is not None
    assert (record.pause.words, record.pause.until) == ("not yet", clock.now + wait)


def test_a_pause_that_is_begun_during_a_probe_outlasts_its_success(
    paused: PausingCodat, codat: FakeCodat, record: FakePause, clock: Clock
) -> None:
    clock.forward(HOUR)
    begun = Pause("rate_limited", "begun by another", clock.now + HOUR)
    codat.before_write = lambda: record.write(begun)
    paused.update_sync_settings(COMPANY, SyncSettings())
    with pytest.raises(RateLimited, match="begun by another"):
        paused.get_sync_settings(COMPANY)
    assert record.pause == begun
    assert codat.calls == ["update"]


class PauseMeanwhile:
    """Turns that come after a refusal of the whole account, which another thread has met meanwhile."""

    def __init__(self, refuse: Callable[[], None]) -> None:
        self._refuse = refuse

    def wait(self, *, within: float) -> bool:
        assert within > 0
        self._refuse()
        return True


def test_a_pause_that_is_begun_while_a_call_waits_for_its_turn_is_respected(codat: FakeCodat, clock: Clock) -> None:
    process = PausingCodat(codat, FakePause(), clock)
    process.get_sync_settings(COMPANY)

    def refuse() -> None:
        codat.failures = [RateLimited("quota used up", retry_after=HOUR)] * 2
        with pytest.raises(RateLimited):
            process.get_sync_settings(OTHER_COMPANY)
        codat.calls.clear()

    paced = PacedDeadline(deadline(), PauseMeanwhile(refuse))
    with pytest.raises(RateLimited, match="paused until"):
        Convergence(process, FakePlans(), local_presets(), clock).current(COMPANY, paced)
    assert codat.calls == []


def test_a_probe_that_is_refused_for_a_short_while_lifts_the_pause(
    paused: PausingCodat, codat: FakeCodat, record: FakePause, clock: Clock
) -> None:
    clock.forward(HOUR)
    codat.failures = [RateLimited("too many in this minute", retry_after=SHORT_WAIT)]
    with pytest.raises(RateLimited):
        paused.get_sync_settings(COMPANY)
    assert record.pause is None


def test_a_probe_that_meets_a_refusal_of_one_company_lifts_the_pause(
    paused: PausingCodat, codat: FakeCodat, record: FakePause, clock: Clock
) -> None:
    clock.forward(HOUR)
    codat.failures = [NotFound("no", status=404)]
    with pytest.raises(NotFound):
        paused.get_sync_settings(COMPANY)
    assert record.pause is None


def test_an_expired_account_is_reported_without_a_call_until_the_next_probe(
    codat: FakeCodat, record: FakePause, clock: Clock
) -> None:
    process = PausingCodat(codat, record, clock)
    codat.failures = [EXPIRED]
    for _ in range(2):
        with pytest.raises(PaymentRequired) as refusal:
            process.get_account_sync_settings()
        assert refusal.value.kind is PaymentRequiredKind.ACCOUNT_EXPIRED
    assert codat.calls == ["get account"]
    clock.forward(EXPIRED_ACCOUNT)
    process.get_account_sync_settings()
    assert record.pause is None


def test_a_pause_that_begins_is_counted_once_with_its_length(
    codat: FakeCodat, record: FakePause, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    process = PausingCodat(codat, record, clock)
    codat.failures = [RateLimited("quota used up", retry_after=HOUR)] * 2
    for _ in range(3):
        with pytest.raises(RateLimited):
            process.get_sync_settings(COMPANY)
    written = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "PauseSeconds" in line]
    assert [(line["reason"], line["PauseSeconds"]) for line in written] == [("rate_limited", [HOUR.total_seconds()])]


class FakeRate:
    """A call rate that notes refusals, and holds all back for the second company, or for none."""

    def __init__(self) -> None:
        self.refusals: list[tuple[timedelta | None, UUID | None]] = []
        self.holds_back: set[UUID | None] = {None, OTHER_COMPANY}

    def refused(self, wait: timedelta | None, company_id: UUID | None, *, began: datetime) -> bool:
        assert began <= NOW
        self.refusals.append((wait, company_id))
        return company_id in self.holds_back


SHORTLY = RateLimited("too many in this minute", retry_after=SHORT_WAIT)


def test_a_short_refusal_of_one_company_holds_back_no_other(codat: FakeCodat, record: FakePause, clock: Clock) -> None:
    rate = FakeRate()
    process = PausingCodat(codat, record, clock, call_rate=rate)
    codat.failures = [SHORTLY]
    with pytest.raises(RateLimited) as refusal:
        process.get_sync_settings(COMPANY)
    assert not refusal.value.concerns_account
    assert (rate.refusals, codat.calls) == ([(SHORT_WAIT, COMPANY)], ["get", "get account"])


def test_a_short_refusal_that_codat_confirms_for_the_account_holds_all_back(
    codat: FakeCodat, record: FakePause, clock: Clock
) -> None:
    rate = FakeRate()
    codat.failures = [SHORTLY, SHORTLY]
    with pytest.raises(RateLimited) as refusal:
        PausingCodat(codat, record, clock, call_rate=rate).get_sync_settings(COMPANY)
    assert refusal.value.concerns_account
    assert rate.refusals == [(SHORT_WAIT, COMPANY), (SHORT_WAIT, None)]
    assert record.pause is None


def test_a_short_refusal_of_a_second_company_needs_no_confirming_call(
    codat: FakeCodat, record: FakePause, clock: Clock
) -> None:
    codat.failures = [SHORTLY]
    with pytest.raises(RateLimited) as refusal:
        PausingCodat(codat, record, clock, call_rate=FakeRate()).get_sync_settings(OTHER_COMPANY)
    assert refusal.value.concerns_account
    assert (codat.calls, record.pause) == (["get"], None)


def test_any_other_refusal_teaches_the_call_rate_nothing(codat: FakeCodat, record: FakePause, clock: Clock) -> None:
    rate = FakeRate()
    codat.failures = [EXPIRED, EXPIRED]
    with pytest.raises(PaymentRequired):
        PausingCodat(codat, record, clock, call_rate=rate).get_sync_settings(COMPANY)
    assert rate.refusals == []


@pytest.mark.parametrize(
    "error",
    [
        RateLimited("too many at once", retry_after=None),
        RateLimited("too many in this minute", retry_after=SHORT_WAIT),
        PaymentRequired("no hourly", kind=PaymentRequiredKind.HOURLY_NOT_ALLOWED),
        ServerError("no", status=500),
    ],
)
def test_an_error_that_does_not_concern_the_whole_account_begins_no_pause(
    codat: FakeCodat, record: FakePause, clock: Clock, error: CodatError
) -> None:
    codat.failures = [error]
    process = PausingCodat(codat, record, clock)
    with pytest.raises(type(error)):
        process.get_sync_settings(COMPANY)
    process.get_sync_settings(COMPANY)
    assert record.pause is None


def test_a_wait_of_a_year_is_cut_to_the_longest_pause(codat: FakeCodat, record: FakePause, clock: Clock) -> None:
    codat.failures = [RateLimited("no", retry_after=timedelta(days=365))] * 2
    with pytest.raises(RateLimited):
        PausingCodat(codat, record, clock).get_sync_settings(COMPANY)
    assert record.pause is not None
    assert record.pause.until == NOW + LONGEST


def test_the_record_is_read_once_while_its_cache_lasts(codat: FakeCodat, record: FakePause, clock: Clock) -> None:
    process = PausingCodat(codat, record, clock)
    for _ in range(10):
        process.get_sync_settings(COMPANY)
    assert record.reads == 1
    clock.forward(CACHE)
    process.get_sync_settings(COMPANY)
    assert record.reads == 2


def test_a_pause_of_another_process_is_respected_within_seconds(
    codat: FakeCodat, record: FakePause, clock: Clock
) -> None:
    process = PausingCodat(codat, record, clock)
    process.get_sync_settings(COMPANY)
    record.write(Pause("rate_limited", "quota used up", NOW + HOUR))
    clock.forward(CACHE)
    with pytest.raises(RateLimited):
        process.get_sync_settings(COMPANY)


def test_a_thousand_waiting_events_cost_two_calls(codat: FakeCodat, record: FakePause, clock: Clock) -> None:
    """Two functions with batches of ten, and one event for each company."""
    codat.failures = [RateLimited("quota used up", retry_after=HOUR)] * 2
    queue = FakeQueue()
    deferred = 0
    consumers = [
        Consumer(
            read_plan_event,
            Convergence(PausingCodat(codat, record, clock), FakePlans(), local_presets(), clock),
            Settlement(FakeDeadLetters(), PATIENCE, clock),
            queue,
            ConsumerSettings(PATIENCE, max_concurrent_companies=1),
            now=clock,
            random=Random(1),  # noqa: S311  # Jitter that a test can repeat.
        )
        for _ in range(2)
    ]
    for batch in range(100):
        bodies = [
            plan_event("growth", company=UUID(int=batch * 10 + number), event_id=f"e{batch}-{number}")
            for number in range(10)
        ]
        deferred += len(consumers[batch % 2].consume(sqs_event(*bodies), FakeContext())["batchItemFailures"])
    assert deferred == 1000
    assert codat.calls == ["get", "get account"]
    assert min(queue.waits.values()) >= HOUR.total_seconds()


# --- The record of the pause ----------------------------------------------------------------------------------------

Record = FakePause | StoredPause


@pytest.fixture(params=["fake", "DynamoDB"])
def shared(request: pytest.FixtureRequest) -> Record:
    """Return the record that all processes share: the fake and the table are held to the same claims."""
    if request.param == "fake":
        return FakePause()
    return StoredPause(request.getfixturevalue("dynamodb"), request.getfixturevalue("table"))


def test_before_the_first_pause_there_is_none(shared: Record) -> None:
    assert shared.read() is None
    assert not shared.swap(Pause("rate_limited", "quota", NOW), None)
    assert shared.read() is None


def test_of_two_pauses_the_one_that_ends_later_is_kept(shared: Record) -> None:
    long, short = Pause("rate_limited", "quota", NOW + HOUR), Pause("account_expired", "expired", NOW)
    shared.write(short)
    shared.write(long)
    shared.write(short)
    assert shared.read() == long


def test_of_two_pauses_that_end_together_the_first_is_kept(shared: Record) -> None:
    first = Pause("rate_limited", "quota", NOW)
    shared.write(first)
    shared.write(replace(first, reason="account_expired"))
    assert shared.read() == first


def test_a_pause_is_swapped_by_a_single_caller(shared: Record) -> None:
    lapsed = Pause("rate_limited", "quota", NOW)
    shared.write(lapsed)
    probe = replace(lapsed, until=NOW + PROBE)
    assert shared.swap(lapsed, probe)
    assert not shared.swap(lapsed, probe)
    assert shared.read() == probe
    shorter = Pause("rate_limited", "not yet", NOW + timedelta(seconds=2))
    assert shared.swap(probe, shorter)
    assert shared.read() == shorter


def test_a_pause_is_current_as_long_as_its_end_is_the_same(shared: Record) -> None:
    shared.write(Pause("rate_limited", "quota", NOW))
    assert shared.swap(Pause("account_expired", "expired", NOW), None)
    assert shared.read() is None


def test_a_pause_is_lifted_only_while_it_is_current(shared: Record) -> None:
    first = Pause("rate_limited", "quota", NOW)
    second = replace(first, until=NOW + HOUR)
    shared.write(second)
    assert not shared.swap(first, None)
    assert shared.read() == second
    assert shared.swap(second, None)
    assert shared.read() is None
    shared.write(first)
    assert shared.read() == first
