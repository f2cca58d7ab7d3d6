"""The rate at which a duty calls Codat, and the share of the daily quota that it may use."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from codat_sync.codat.rate_limits import RateLimit
from codat_sync.reconciliation.pace import LONGEST, Pace, Quota
from tests.fakes.clock import NOW


class Time:
    """A monotonic clock that sleeping moves forward."""

    def __init__(self) -> None:
        self.seconds = 100.0
        self.slept: list[float] = []

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def pace(time: Time) -> Pace:
    return Pace(300, monotonic=time.now, sleep=time.sleep)


def test_the_first_call_does_not_wait_and_each_other_one_does(pace: Pace, time: Time) -> None:
    assert all(pace.wait(within=1) for _ in range(4))
    assert time.slept == pytest.approx([0, 0.2, 0.2, 0.2])


def test_a_minute_has_the_calls_that_the_pace_allows(pace: Pace, time: Time) -> None:
    while time.seconds < 160 - 1e-6:
        pace.wait(within=1)
    assert len(time.slept) == pytest.approx(301, abs=1)


def test_a_call_that_comes_late_does_not_wait_and_saves_up_no_turn(pace: Pace, time: Time) -> None:
    pace.wait(within=1)
    time.seconds += 30
    pace.wait(within=1)
    pace.wait(within=1)
    assert time.slept == pytest.approx([0, 0, 0.2])


def test_a_caller_without_time_to_wait_takes_no_turn(time: Time) -> None:
    pace = Pace(1, monotonic=time.now, sleep=time.sleep)
    assert pace.wait(within=0)
    assert not pace.wait(within=59)
    assert pace.wait(within=60)
    assert time.slept == [0, 60]


def test_a_caller_whose_time_is_up_gets_no_first_turn(pace: Pace) -> None:
    assert not pace.wait(within=-0.1)


def test_threads_share_one_pace() -> None:
    slept: list[float] = []
    pace = Pace(60, monotonic=lambda: 0.0, sleep=slept.append)
    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(lambda _: pace.wait(within=100), range(20)))
    assert sorted(slept) == list(range(20))


def quota(said: RateLimit, share: int = 50) -> timedelta | None:
    return Quota(lambda: said, share=share, now=lambda: NOW).wait()


TONIGHT = timedelta(hours=12)
"""The time from ``NOW`` to midnight, when Codat's quota is new."""


@pytest.mark.parametrize("said", [RateLimit(), RateLimit(limit=1000), RateLimit(remaining=0), RateLimit(0, 0)])
def test_where_codat_does_not_show_its_quota_there_is_no_wait(said: RateLimit) -> None:
    assert quota(said) is None


@pytest.mark.parametrize(("remaining", "share"), [(1000, 50), (500, 50), (0, 100)])
def test_up_to_its_share_of_the_quota_there_is_no_wait(remaining: int, share: int) -> None:
    assert quota(RateLimit(1000, remaining), share) is None


def test_beyond_its_share_the_rest_of_the_quota_is_left_to_live_events() -> None:
    assert quota(RateLimit(1000, 499)) == TONIGHT


def test_the_wait_lasts_until_the_reset_that_codat_names() -> None:
    assert quota(RateLimit(1000, 499, NOW + timedelta(minutes=7))) == timedelta(minutes=7)


def test_what_one_call_was_asked_to_wait_says_nothing_of_the_days_quota() -> None:
    assert quota(RateLimit(1000, 499, retry_at=NOW + timedelta(seconds=5))) == TONIGHT


def test_a_wait_is_no_longer_than_sqs_can_hide_a_message() -> None:
    assert quota(RateLimit(1000, 499, NOW + timedelta(hours=20))) == LONGEST


def test_a_quota_that_was_reset_since_is_ignored() -> None:
    assert quota(RateLimit(1000, 0, NOW)) is None
    assert quota(RateLimit(1000, 0, NOW - timedelta(hours=1))) is None
