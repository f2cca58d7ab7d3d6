"""The call rate: calls wait for their turn once Codat has refused one for a short while."""

from datetime import timedelta
from http import HTTPMethod
from itertools import pairwise
from random import Random
from typing import Any
from uuid import UUID

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from codat_sync.codat.client import Answer
from codat_sync.codat.rate_limits import SHORT_WAIT, RateLimit
from codat_sync.companies.call_rate import (
    CACHE,
    KEPT,
    SHORTEST_WAIT,
    SUSPICION,
    UNNAMED_WAIT,
    YIELDING_WAIT,
    CallRate,
    CallRateRecord,
)
from codat_sync.companies.rate import CUT, FORGOTTEN, LEAST, START, Rate
from tests.fakes.clock import NOW, Clock
from tests.fakes.companies import COMPANY, OTHER_COMPANY, FakeCallRate

START_OF_TIME = round(NOW.timestamp() * 1000)
MINUTE = 60_000
DISTANCE = MINUTE / START
"""Between two turns at the first limit, in milliseconds."""
OUT_OF_REACH = EndpointConnectionError(endpoint_url="https://dynamodb.invalid")


class Process:
    """A process with a clock that its sleeping moves."""

    def __init__(self, record: CallRateRecord, clock: Clock, *, yields: bool = False) -> None:
        self.clock = clock
        self.slept: list[float] = []
        self.rate = CallRate(
            record,
            now=clock,
            sleep=self._sleep,
            random=Random(1),  # noqa: S311  # A choice that a test can repeat.
            yields=yields,
        )

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.clock.forward(timedelta(seconds=seconds))

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return (self.clock.now - NOW).total_seconds()

    def turns(self, count: int, within: float = 80) -> list[float]:
        """Wait for so many turns; return when each came, in seconds since the start."""
        came = []
        for _ in range(count):
            assert self.rate.wait(within=within)
            came.append(self.elapsed)
        return came

    def accepted(self, status: int | None = 200, *, is_codats: bool = True, **shown: Any) -> None:  # noqa: ANN401  # Fields of RateLimit.
        """Note an answer that came at once."""
        self.rate.note(Answer(HTTPMethod.GET, status, 0, RateLimit(**shown), is_codats=is_codats))

    def refused(self, wait: float | None, company: UUID | None = None, *, after: float = 0) -> bool:
        """Note a 429 that names this wait, for a call that took so many seconds. No company: it concerned none."""
        named = None if wait is None else seconds(wait)
        return self.rate.refused(named, company, began=self.clock.now - seconds(after))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def record() -> FakeCallRate:
    return FakeCallRate()


@pytest.fixture
def process(record: FakeCallRate, clock: Clock) -> Process:
    return Process(record, clock)


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


def open_rate(limit: int = 60, *, since: int = START_OF_TIME, granted: int = 0) -> Rate:
    """Return a rate whose calls were refused, and are open again."""
    return Rate(limit, since, since, granted, counted_since=since, refused_at=since, raised_at=since)


# --- Without a limit ------------------------------------------------------------------------------------------------


def test_where_no_limit_is_known_calls_are_free_and_nothing_is_written(process: Process, record: FakeCallRate) -> None:
    process.turns(1000)
    assert (process.slept, record.reads, record.writes) == ([], 1, 0)


def test_the_limit_that_another_process_met_is_known_within_seconds(
    process: Process, record: FakeCallRate, clock: Clock
) -> None:
    process.turns(1)
    record.rate = open_rate(since=START_OF_TIME + 30_000)
    clock.forward(timedelta(milliseconds=CACHE))
    assert process.turns(1) == [30]


def test_an_answer_that_is_no_refusal_teaches_nothing(process: Process, record: FakeCallRate) -> None:
    for status in (200, 204, 400, 404, 429, 500, None):
        process.accepted(status)
    assert record.rate is None


# --- A refusal ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wait", [1, 5, 30, 60, 75])
def test_after_a_short_429_no_process_calls_before_the_named_time(
    process: Process, record: FakeCallRate, wait: int
) -> None:
    process.refused(wait)
    assert process.turns(1) == [wait]
    other = Process(record, Clock())
    assert other.turns(1)[0] > wait


def test_a_429_that_names_no_time_holds_calls_back_for_seconds(process: Process) -> None:
    process.refused(None)
    assert process.turns(1) == [UNNAMED_WAIT.total_seconds()]


def test_a_429_that_names_no_wait_at_all_holds_calls_back_for_a_moment(process: Process) -> None:
    process.refused(0)
    assert process.turns(1) == [SHORTEST_WAIT / 1000]


def test_a_429_for_the_quota_of_the_day_is_left_to_the_pause(process: Process, record: FakeCallRate) -> None:
    assert not process.refused(SHORT_WAIT.total_seconds() + 1)
    assert record.rate is None


def test_where_nothing_remains_of_a_short_window_calls_wait_without_a_refusal(process: Process) -> None:
    process.accepted(remaining=0, resets_at=NOW + seconds(20))
    assert process.turns(1) == [20]


def test_what_a_firewall_says_of_its_limit_holds_no_call_back(process: Process, record: FakeCallRate) -> None:
    process.accepted(is_codats=False, remaining=0, resets_at=NOW + seconds(20))
    assert record.rate is None


@pytest.mark.parametrize("shown", [{"remaining": 0, "resets_at": NOW + timedelta(hours=3)}, {"remaining": 0}, {}])
def test_an_exhausted_quota_of_the_day_holds_no_call_back(
    process: Process, record: FakeCallRate, shown: dict[str, Any]
) -> None:
    process.accepted(**shown)
    assert record.rate is None


def test_after_a_refusal_turns_are_evenly_spaced(process: Process) -> None:
    process.refused(1)
    came = process.turns(2 * START)
    assert came[-1] - came[0] == pytest.approx(120, abs=0.2)
    gaps = [later - sooner for sooner, later in pairwise(came)]
    assert max(gaps) < 2 * DISTANCE / 1000


def test_processes_share_the_turns(record: FakeCallRate, clock: Clock) -> None:
    processes = [Process(record, clock) for _ in range(3)]
    processes[0].refused(1)
    came = [each for _ in range(100) for process in processes for each in process.turns(1)]
    assert came[-1] - came[0] == pytest.approx(300 * DISTANCE / 1000, rel=0.05)


def test_a_turn_that_comes_too_late_is_left_to_others(process: Process, record: FakeCallRate) -> None:
    process.refused(60)
    before = record.rate
    assert not process.rate.wait(within=59)
    assert not process.rate.wait(within=-1)
    assert (record.rate, process.slept) == (before, [])
    assert process.rate.wait(within=60)


def test_a_turn_in_stock_that_comes_too_late_is_left_to_another_thread(process: Process, record: FakeCallRate) -> None:
    record.rate = open_rate(300)
    process.turns(1)
    assert not process.rate.wait(within=0.1)
    assert process.turns(1) == [0.2]


def test_turns_that_no_call_used_are_given_up(process: Process, record: FakeCallRate, clock: Clock) -> None:
    """Or a process that was idle would begin with a burst."""
    record.rate = open_rate(300)
    process.turns(1)
    clock.forward(timedelta(milliseconds=KEPT + 801))
    first, second = process.turns(2)
    assert second - first == pytest.approx(0.2)


def test_turns_that_were_taken_before_a_refusal_are_void(process: Process, record: FakeCallRate, clock: Clock) -> None:
    record.rate = open_rate(300)
    process.turns(1)
    Process(record, clock).refused(30)
    clock.forward(seconds(1))
    assert process.turns(1) == [30]


def test_a_refusal_during_the_wait_for_a_turn_makes_the_turn_void(record: FakeCallRate) -> None:
    record.rate = open_rate(since=START_OF_TIME + 10_000)
    process = Process(record, Clock())
    slept = process.rate._sleep

    def sleep(duration: float) -> None:
        slept(duration)
        if len(process.slept) == 1:
            Process(record, process.clock).refused(30)

    process.rate._sleep = sleep
    assert process.turns(1) == [40]


# --- Whose refusal --------------------------------------------------------------------------------------------------


def test_one_company_that_is_refused_again_and_again_holds_back_no_other(
    process: Process, record: FakeCallRate
) -> None:
    assert not any(process.refused(30, COMPANY) for _ in range(10))
    assert record.rate is None


def test_the_refusal_of_a_second_company_holds_all_back(process: Process) -> None:
    assert not process.refused(30, COMPANY)
    assert process.refused(20, OTHER_COMPANY)
    assert process.turns(1) == [20]


def test_the_refusal_of_a_second_company_later_on_is_its_own(process: Process, clock: Clock) -> None:
    process.refused(30, COMPANY)
    clock.forward(timedelta(milliseconds=SUSPICION + 1))
    assert not process.refused(30, OTHER_COMPANY)


def test_while_all_are_held_back_the_refusal_of_any_company_is_that_of_all(process: Process, clock: Clock) -> None:
    process.refused(30)
    clock.forward(seconds(1))
    assert process.refused(29, COMPANY, after=2)


# --- What a refusal teaches -----------------------------------------------------------------------------------------


def limit_of(record: FakeCallRate) -> int:
    assert record.rate is not None
    return record.rate.limit


def use(process: Process, calls: int) -> None:
    """Make so many calls, which Codat accepts."""
    for _ in range(calls):
        process.turns(1)
        process.accepted()


def test_the_first_refusal_teaches_the_limit_that_codat_documents(process: Process, record: FakeCallRate) -> None:
    process.refused(1)
    assert limit_of(record) == START < 1000


def test_what_codat_accepted_in_its_window_is_the_limit(process: Process, record: FakeCallRate) -> None:
    process.refused(30)
    use(process, 600)
    process.turns(1)
    process.refused(30 + 60 - process.elapsed)
    assert limit_of(record) == pytest.approx(CUT * 600, abs=5)


def test_one_refusal_costs_no_more_than_half_of_the_limit(process: Process, record: FakeCallRate) -> None:
    process.refused(1)
    use(process, 10)
    process.refused(60)
    assert limit_of(record) == START / 2


def test_a_limit_is_never_lower_than_a_call_each_second(process: Process, record: FakeCallRate, clock: Clock) -> None:
    record.rate = open_rate(LEAST)
    use(process, 5)
    clock.forward(seconds(10))
    process.refused(60)
    assert limit_of(record) == LEAST


def test_a_refusal_after_minutes_of_use_lowers_the_limit_a_little(
    process: Process, record: FakeCallRate, clock: Clock
) -> None:
    record.rate = open_rate(600)
    clock.forward(timedelta(minutes=5))
    use(process, 1)
    process.refused(30)
    assert limit_of(record) == round(CUT * 600)


def test_the_calls_that_are_refused_together_lower_the_limit_once(
    process: Process, record: FakeCallRate, clock: Clock
) -> None:
    record.rate = open_rate(600)
    use(process, 350)
    other = Process(record, clock)
    other.turns(1)
    other.accepted()
    for each in (process, other, process, other):
        each.refused(25, after=0.5)
        clock.forward(timedelta(milliseconds=100))
    assert limit_of(record) == pytest.approx(CUT * 350, abs=10)


def test_a_later_end_of_the_same_refusal_is_taken_over(process: Process) -> None:
    process.refused(5)
    process.refused(20)
    process.refused(3)
    assert process.turns(1) == [20]


def test_refusals_in_quick_succession_are_counted_together(process: Process, record: FakeCallRate) -> None:
    record.rate = open_rate(600)
    for _ in range(3):
        use(process, 10)
        process.refused(1)
    assert limit_of(record) == 600
    for _ in range(3):
        use(process, 10)
        process.refused(1)
    assert 300 <= limit_of(record) < 600


def test_where_codat_accepts_no_call_at_all_the_limit_stays(process: Process, record: FakeCallRate) -> None:
    process.refused(30)
    for _ in range(20):
        process.turns(1)
        process.refused(30)
    assert limit_of(record) == START


def test_minutes_without_a_refusal_raise_the_limit_slowly_and_then_faster(
    process: Process, record: FakeCallRate, clock: Clock
) -> None:
    record.rate = open_rate(600)
    limits = []
    for minute in range(1, 8):
        clock.now = NOW + timedelta(minutes=minute)
        record.rate = Rate(**vars(record.rate) | {"next_turn": START_OF_TIME + minute * MINUTE + 1_000})
        process.turns(1)
        limits.append(limit_of(record))
    rises = [after / before - 1 for before, after in zip([600, *limits], limits, strict=False)]
    assert rises == pytest.approx([0.02, 0.04, 0.06, 0.08, 0.1, 0.1, 0.1], abs=0.002)


def test_a_limit_that_nobody_waits_for_is_not_raised(process: Process, record: FakeCallRate, clock: Clock) -> None:
    record.rate = open_rate(600)
    for _ in range(20):
        clock.forward(timedelta(minutes=1))
        process.turns(1)
    assert limit_of(record) == 600


def test_a_limit_is_forgotten_after_hours_without_a_refusal(
    process: Process, record: FakeCallRate, clock: Clock
) -> None:
    record.rate = open_rate(60)
    clock.forward(timedelta(milliseconds=FORGOTTEN + 1))
    process.turns(100)
    assert process.slept == []
    process.refused(1)
    assert limit_of(record) == START


# --- A caller that yields -------------------------------------------------------------------------------------------


def test_a_duty_takes_no_turn_that_another_waits_for(record: FakeCallRate, clock: Clock) -> None:
    record.rate = Rate(**vars(open_rate(600)) | {"opened_at": START_OF_TIME - MINUTE, "next_turn": START_OF_TIME + 500})
    duty = Process(record, clock, yields=True)
    assert duty.turns(1)[0] > 0.5
    assert record.writes == 1


def test_a_duty_leaves_the_first_seconds_after_an_opening_to_live_events(record: FakeCallRate, clock: Clock) -> None:
    record.rate = open_rate(600)
    assert Process(record, clock, yields=True).turns(1)[0] > YIELDING_WAIT / 1000


def test_a_duty_leaves_a_fifth_of_the_limit_to_live_events(record: FakeCallRate, clock: Clock) -> None:
    record.rate = open_rate(600, since=START_OF_TIME - MINUTE)
    duty = Process(record, clock, yields=True)
    gaps = [later - sooner for came in [duty.turns(5)] for sooner, later in pairwise(came)]
    assert gaps == pytest.approx([0.125] * 4)


def test_a_duty_whose_time_is_up_gets_no_turn(record: FakeCallRate, clock: Clock) -> None:
    record.rate = open_rate(600, since=START_OF_TIME + 30_000)
    assert not Process(record, clock, yields=True).rate.wait(within=30)


def test_where_no_limit_is_known_a_duty_does_not_wait(record: FakeCallRate, clock: Clock) -> None:
    duty = Process(record, clock, yields=True)
    duty.turns(100)
    assert duty.slept == []


# --- Without the record ---------------------------------------------------------------------------------------------


def test_a_record_that_does_not_answer_stops_no_call(process: Process, record: FakeCallRate) -> None:
    record.failure = OUT_OF_REACH
    process.turns(100)
    assert (process.slept, record.reads) == ([], 1)


def test_without_the_record_a_process_goes_on_at_the_last_limit(
    process: Process, record: FakeCallRate, clock: Clock
) -> None:
    record.rate = open_rate(300)
    process.turns(1)
    record.failure = ClientError({"Error": {"Code": "ThrottlingException", "Message": "no"}}, "UpdateItem")
    clock.forward(seconds(1))
    came = process.turns(100)
    assert came[-1] - came[0] == pytest.approx(20, abs=1)


def test_without_the_record_a_process_respects_what_codat_tells_itself(process: Process, record: FakeCallRate) -> None:
    record.failure = OUT_OF_REACH
    process.turns(1)
    process.refused(30)
    came = process.turns(START)
    assert came[0] == 30
    assert came[-1] == pytest.approx(90, abs=0.2)


def test_a_refusal_that_cannot_be_recorded_holds_back_the_process_itself(
    process: Process, record: FakeCallRate
) -> None:
    process.turns(1)
    record.failure = OUT_OF_REACH
    process.refused(30)
    assert process.turns(1) == [30]
    assert record.rate is None


def test_a_record_that_does_not_answer_is_left_alone_for_seconds(
    process: Process, record: FakeCallRate, clock: Clock
) -> None:
    """Its timeout must not be paid for by each call."""
    record.failure = OUT_OF_REACH
    for _ in range(50):
        process.turns(1)
        process.refused(1, after=0.5)
        clock.forward(timedelta(milliseconds=CACHE / 50))
    assert record.reads + record.writes <= 20


def test_a_process_that_is_always_too_late_for_the_record_asks_again(record: FakeCallRate, clock: Clock) -> None:
    record.rate = open_rate(600)
    losing = FakeCallRate(record.rate)
    losing.take = lambda *_, **__: None  # type: ignore[method-assign]
    process = Process(losing, clock)
    process.rate._sleep = lambda _: setattr(losing, "take", record.take)
    assert process.rate.wait(within=80)
