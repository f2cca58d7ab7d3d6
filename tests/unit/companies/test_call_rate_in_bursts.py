"""A burst adapts its pace to what Codat allows, however Codat counts: most of it is used, and few calls are refused."""

import pytest

from codat_sync.companies.rate import START
from tests.unit.companies.bursts import Burst, FixedWindows, Limit, Outage, SlidingWindow, TokenBucket


def burst(limit: Limit, calls: int, processes: int = 2) -> Burst:
    """Return a burst of so many calls that is over."""
    over = Burst(limit)
    for number in range(processes):
        over.process(f"p{number}", calls // processes)
    over.run()
    return over


@pytest.mark.parametrize("calls_a_minute", [600, 1000])
@pytest.mark.parametrize("limit", [FixedWindows, SlidingWindow, TokenBucket])
def test_a_burst_uses_what_codat_allows_and_is_hardly_refused(
    limit: type[FixedWindows | SlidingWindow | TokenBucket], calls_a_minute: int
) -> None:
    over = burst(limit(calls_a_minute), 8_000)
    assert over.used_share(calls_a_minute) >= 0.9
    assert over.refused_share <= 0.01


def test_a_low_limit_is_found_within_minutes() -> None:
    """The limit of field case 20: 800 changes of two calls each, where Codat takes 120 calls a minute."""
    over = burst(FixedWindows(120), 1_600)
    assert over.used_share(120) >= 0.9
    assert over.refused_share <= 0.03


@pytest.mark.parametrize("processes", [1, 10, 40])
def test_any_number_of_processes_shares_the_rate(processes: int) -> None:
    over = burst(FixedWindows(600), 8_000, processes)
    assert over.used_share(600) >= 0.85
    assert over.refused_share <= 0.03


def test_a_write_serves_several_calls() -> None:
    over = burst(FixedWindows(600), 8_000)
    assert over.record.writes <= 8_000 / 4
    assert over.record.reads <= 8_000 / 4


@pytest.mark.parametrize("wait", [1, 5, 30, 60])
def test_refusals_whatever_the_rate_teach_no_limit(wait: float) -> None:
    over = burst(Outage(minutes=10, wait=wait), 400)
    assert over.record.rate is not None
    assert over.record.rate.limit == START
    assert over.time.seconds < 10 * 60 + 3 * wait + 60, "calls go on once Codat takes them again"


def test_live_events_take_precedence_over_duties() -> None:
    over = Burst(FixedWindows(600))
    over.process("live", 10_000, threads=8, until=600)
    over.process("run", 10_000, yields=True, since=120, until=600)
    over.run()
    assert over.accepted["live"] > 0.9 * 600 * 10
    assert over.accepted["run"] < 0.02 * 600 * 8


def test_a_duty_leaves_a_part_of_a_known_limit_to_live_events() -> None:
    over = Burst(FixedWindows(600))
    over.process("run", 10_000, threads=8, yields=True, until=600)
    over.process("live", 10, threads=1)
    over.run()
    limited = over.accepted["run"] - 600  # The first window ends with the refusal that teaches the limit.
    assert 0.65 * 600 * 9 < limited < 0.85 * 600 * 9
    assert over.refused_share <= 0.01


def test_a_limit_that_codat_raises_is_found() -> None:
    limit = FixedWindows(300)
    over = Burst(limit)
    over.process("live", 20_000, threads=16, until=40 * 60)
    over.later(10 * 60, lambda: setattr(limit, "calls", 600))
    over.run()
    assert over.accepted["live"] > 0.85 * (300 * 10 + 600 * 30)


def test_where_codat_shows_that_nothing_remains_it_refuses_only_what_is_in_flight() -> None:
    limit = FixedWindows(600)
    without = burst(FixedWindows(600), 4_000)
    shown = Burst(limit, show_remaining=lambda: limit.calls - limit.used)
    for name in ("a", "b"):
        shown.process(name, 2_000)
    shown.run()
    assert shown.refused <= without.refused
