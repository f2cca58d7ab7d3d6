"""The pause: one 429 does not become ten thousand."""

import json
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

import boto3
import pytest
from moto import mock_aws

from codat_sync.codat.errors import (
    CodatError,
    NotFound,
    PaymentRequired,
    PaymentRequiredKind,
    RateLimited,
    ServerError,
)
from codat_sync.codat.models import SyncSettings
from codat_sync.companies.converge import Convergence
from codat_sync.companies.pause import CACHE, EXPIRED_ACCOUNT, LONGEST, PROBE, Pause, PausingCodat, StoredPause
from codat_sync.consuming.consume import Consumer, ConsumerSettings
from codat_sync.consuming.settle import Settlement
from codat_sync.events.company_events import read_plan_event
from local.presets import local_presets
from tests.fakes import COMPANY, NOW, FakeCodat, FakeContext, FakeDeadLetters, FakePlans, FakeQueue, sqs_event

EXPIRED = PaymentRequired("Account expired", kind=PaymentRequiredKind.ACCOUNT_EXPIRED)
HOUR = timedelta(hours=1)


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def forward(self, by: timedelta) -> None:
        self.now += by


class FakeRecord:
    """The pause that all processes share."""

    def __init__(self) -> None:
        self.pause: Pause | None = None
        self.reads = 0

    def read(self) -> Pause | None:
        self.reads += 1
        return self.pause

    def write(self, pause: Pause) -> None:
        if self.pause is None or self.pause.until < pause.until:
            self.pause = pause

    def swap(self, old: Pause, new: Pause | None) -> bool:
        if self.pause != old:
            return False
        self.pause = new
        return True


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def record() -> FakeRecord:
    return FakeRecord()


@pytest.fixture
def codat() -> FakeCodat:
    return FakeCodat()


@pytest.fixture
def paused(codat: FakeCodat, record: FakeRecord, clock: Clock) -> PausingCodat:
    """A process whose first call has met a 429 that asks for an hour, as has the call that confirms it."""
    process = PausingCodat(codat, record, clock)
    codat.failures = [RateLimited("quota used up", retry_after=HOUR)] * 2
    with pytest.raises(RateLimited):
        process.get_sync_settings(COMPANY)
    codat.calls.clear()
    return process


def test_while_a_pause_lasts_nobody_calls_codat(
    paused: PausingCodat, codat: FakeCodat, record: FakeRecord, clock: Clock
) -> None:
    clock.forward(timedelta(minutes=20))
    for process in (paused, PausingCodat(codat, record, clock)):
        with pytest.raises(RateLimited, match="quota used up") as refusal:
            process.get_sync_settings(COMPANY)
        assert refusal.value.retry_after == timedelta(minutes=40)
    assert codat.calls == []


def test_while_a_pause_lasts_no_refresh_is_asked_for(paused: PausingCodat, codat: FakeCodat, clock: Clock) -> None:
    with pytest.raises(RateLimited, match="quota used up"):
        paused.queue_refresh(COMPANY, "invoices")
    assert codat.calls == []
    clock.forward(HOUR)
    codat.companies[COMPANY] = SyncSettings()
    assert paused.queue_refresh(COMPANY, "invoices")
    assert codat.calls == ["refresh invoices"]


def test_a_pause_lifts_itself_when_its_time_has_come(
    paused: PausingCodat, codat: FakeCodat, record: FakeRecord, clock: Clock
) -> None:
    clock.forward(HOUR)
    paused.get_sync_settings(COMPANY)
    paused.get_sync_settings(COMPANY)
    assert codat.calls == ["get", "get"]
    assert record.pause is None


def test_one_caller_alone_looks_whether_codat_answers_again(
    paused: PausingCodat, codat: FakeCodat, record: FakeRecord, clock: Clock
) -> None:
    clock.forward(HOUR)
    others = [PausingCodat(codat, record, clock) for _ in range(3)]

    def while_the_probe_is_under_way() -> None:
        for process in others:
            with pytest.raises(RateLimited) as refusal:
                process.get_sync_settings(COMPANY)
            assert refusal.value.retry_after == PROBE

    codat.before_write = while_the_probe_is_under_way
    codat.companies[COMPANY] = FakeCodat().get_sync_settings(COMPANY)
    paused.update_sync_settings(COMPANY, codat.companies[COMPANY])
    assert codat.calls == ["update"]


@pytest.mark.parametrize("probe_ended", [False, True])
def test_a_process_that_comes_second_to_the_probe_learns_what_the_first_found(
    paused: PausingCodat, codat: FakeCodat, record: FakeRecord, clock: Clock, *, probe_ended: bool
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


def test_a_probe_that_meets_the_same_begins_the_pause_anew(
    paused: PausingCodat, codat: FakeCodat, record: FakeRecord, clock: Clock
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
    paused: PausingCodat, codat: FakeCodat, record: FakeRecord, clock: Clock
) -> None:
    clock.forward(HOUR)
    codat.failures = [KeyboardInterrupt()]  # type: ignore[list-item]  # The nearest to a crash.
    with pytest.raises(KeyboardInterrupt):
        paused.get_sync_settings(COMPANY)
    other = PausingCodat(codat, record, clock)
    with pytest.raises(RateLimited):
        other.get_sync_settings(COMPANY)
    clock.forward(PROBE)
    other.get_sync_settings(COMPANY)
    assert codat.calls == ["get", "get"]


def test_a_probe_that_is_asked_for_two_seconds_does_not_stop_everybody_for_a_minute(
    paused: PausingCodat, codat: FakeCodat, record: FakeRecord, clock: Clock
) -> None:
    clock.forward(HOUR)
    codat.failures = [RateLimited("not yet", retry_after=timedelta(seconds=2))] * 2
    with pytest.raises(RateLimited):
        paused.get_sync_settings(COMPANY)
    assert record.pause is not None
    assert (record.pause.words, record.pause.until) == ("not yet", clock.now + timedelta(seconds=2))


def test_a_refusal_that_concerns_one_company_shows_that_codat_answers_again(
    paused: PausingCodat, codat: FakeCodat, record: FakeRecord, clock: Clock
) -> None:
    clock.forward(HOUR)
    codat.failures = [NotFound("no", status=404)]
    with pytest.raises(NotFound):
        paused.get_sync_settings(COMPANY)
    assert record.pause is None


def test_an_expired_account_is_told_without_a_call_until_it_is_time_to_look_again(
    codat: FakeCodat, record: FakeRecord, clock: Clock
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


@pytest.mark.parametrize(
    "error",
    [
        RateLimited("too many at once", retry_after=None),
        PaymentRequired("no hourly", kind=PaymentRequiredKind.HOURLY_NOT_ALLOWED),
        ServerError("no", status=500),
    ],
)
def test_what_does_not_concern_the_whole_account_pauses_nothing(
    codat: FakeCodat, record: FakeRecord, clock: Clock, error: CodatError
) -> None:
    codat.failures = [error]
    process = PausingCodat(codat, record, clock)
    with pytest.raises(type(error)):
        process.get_sync_settings(COMPANY)
    process.get_sync_settings(COMPANY)
    assert record.pause is None


def test_a_header_that_asks_for_a_year_is_not_believed(codat: FakeCodat, record: FakeRecord, clock: Clock) -> None:
    codat.failures = [RateLimited("no", retry_after=timedelta(days=365))] * 2
    with pytest.raises(RateLimited):
        PausingCodat(codat, record, clock).get_sync_settings(COMPANY)
    assert record.pause is not None
    assert record.pause.until == NOW + LONGEST


def test_the_record_is_read_once_in_a_few_seconds(codat: FakeCodat, record: FakeRecord, clock: Clock) -> None:
    process = PausingCodat(codat, record, clock)
    for _ in range(10):
        process.get_sync_settings(COMPANY)
    assert record.reads == 1
    clock.forward(CACHE)
    process.get_sync_settings(COMPANY)
    assert record.reads == 2


def test_a_pause_of_another_process_is_taken_up_within_seconds(
    codat: FakeCodat, record: FakeRecord, clock: Clock
) -> None:
    process = PausingCodat(codat, record, clock)
    process.get_sync_settings(COMPANY)
    record.write(Pause("rate_limited", "quota used up", NOW + HOUR))
    clock.forward(CACHE)
    with pytest.raises(RateLimited):
        process.get_sync_settings(COMPANY)


def test_a_thousand_waiting_events_cost_two_calls(codat: FakeCodat, record: FakeRecord, clock: Clock) -> None:
    """Two functions with batches of ten, and every company another one."""
    codat.failures = [RateLimited("quota used up", retry_after=HOUR)] * 2
    queue = FakeQueue()
    deferred = 0
    consumers = [
        Consumer(
            read_plan_event,
            Convergence(PausingCodat(codat, record, clock), FakePlans(), local_presets(), clock),
            Settlement(FakeDeadLetters(), max_receive_count=10),
            queue,
            ConsumerSettings(first_deferral_seconds=60, max_concurrent_companies=1),
            now=clock,
            random=Random(1),  # noqa: S311  # Jitter that a test can repeat.
        )
        for _ in range(2)
    ]
    for batch in range(100):
        bodies = [
            json.dumps(
                {
                    "id": f"e{batch}-{number}",
                    "detail-type": "Company Changed Plan",
                    "time": NOW.isoformat(),
                    "detail": {"companyId": f"00000000-0000-4000-8000-{batch:06}{number:06}", "plan": "growth"},
                }
            )
            for number in range(10)
        ]
        deferred += len(consumers[batch % 2].consume(sqs_event(*bodies), FakeContext())["batchItemFailures"])
    assert deferred == 1000
    assert codat.calls == ["get", "get account"]
    assert min(queue.waits.values()) >= HOUR.total_seconds()


@pytest.fixture
def stored() -> Iterator[StoredPause]:
    with mock_aws():
        dynamodb = boto3.client("dynamodb")
        dynamodb.create_table(
            TableName="company-plans",
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "companyId", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "companyId", "AttributeType": "S"}],
        )
        yield StoredPause(dynamodb, "company-plans")


def test_a_stored_pause_is_the_later_of_two(stored: StoredPause) -> None:
    assert stored.read() is None
    long, short = Pause("rate_limited", "quota", NOW + HOUR), Pause("account_expired", "expired", NOW)
    stored.write(long)
    stored.write(short)
    assert stored.read() == long


def test_a_stored_pause_is_swapped_by_one_alone(stored: StoredPause) -> None:
    lapsed = Pause("rate_limited", "quota", NOW)
    stored.write(lapsed)
    probe = replace(lapsed, until=NOW + PROBE)
    assert stored.swap(lapsed, probe)
    assert not stored.swap(lapsed, probe)
    assert stored.read() == probe
    shorter = Pause("rate_limited", "not yet", NOW + timedelta(seconds=2))
    assert stored.swap(probe, shorter)
    assert stored.read() == shorter


def test_a_stored_pause_is_lifted_only_as_it_stands(stored: StoredPause) -> None:
    first = Pause("rate_limited", "quota", NOW)
    second = replace(first, until=NOW + HOUR)
    stored.write(second)
    assert not stored.swap(first, None)
    assert stored.read() == second
    assert stored.swap(second, None)
    assert stored.read() is None
    stored.write(first)
    assert stored.read() == first
