"""Wherever a run is killed, it misses no company, and repeats a page at most."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from codat_sync.companies.converge import Convergence
from codat_sync.events.requests import ReconciliationRequest
from tests.fakes.lambda_ import deadline
from tests.unit.reconciliation.bench import DAY, Bench, company


class Killed(BaseException):
    """The function is killed: no later line of it runs."""


class Hazard:
    """Kills the function at chosen calls: before the call (False), or after it with the answer lost (True)."""

    def __init__(self) -> None:
        self.calls = 0
        self.kills: set[tuple[int, bool]] = set()
        self._dead = False

    def restart(self) -> None:
        self._dead = False

    def around(self, part: object) -> Any:  # noqa: ANN401  # Whatever it wraps.
        return _Endangered(part, self)

    def call(self, method: Callable[..., Any], *args: Any, **named: Any) -> Any:  # noqa: ANN401
        if self._dead:
            raise Killed
        number = self.calls
        self.calls += 1
        self._dead = (number, True) in self.kills or (number, False) in self.kills
        if (number, False) in self.kills:
            raise Killed
        answer = method(*args, **named)
        if self._dead:
            raise Killed
        return answer


class _Endangered:
    def __init__(self, part: object, hazard: Hazard) -> None:
        self._part = part
        self._hazard = hazard

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        method = getattr(self._part, name)
        return lambda *args, **named: self._hazard.call(method, *args, **named)


COMPANIES = 6


DRIFTED = [1, 4]


def run_with_kills(kills: set[tuple[int, bool]]) -> tuple[Bench, Hazard, int]:
    """Reconcile all companies; the function is killed at these calls, and started again each time."""
    bench, hazard = Bench(), Hazard()
    bench.at_plan(*range(COMPANIES))
    bench.tamper(*DRIFTED)
    bench.now += DAY
    hazard.kills = kills
    request = ReconciliationRequest("night-1", bench.now, report_only=False)
    convergence = Convergence(hazard.around(bench.codat), bench.records, bench.presets, lambda: bench.now)
    reconciliation = bench.reconciliation(
        page_size=2,
        convergence=convergence,
        records=hazard.around(bench.records),
        runs=hazard.around(bench.runs),
        queue=hazard.around(bench.queue),
        announcer=hazard.around(bench.announcer),
    )
    deaths = 0
    bench.codat.asked.clear()
    while True:
        try:
            assert reconciliation.carry_out(request, deadline(bench.seconds_left)) is None
        except Killed:
            deaths += 1
            hazard.restart()
            bench.now += timedelta(minutes=90)
        else:
            return bench, hazard, deaths


def assert_no_company_is_missed(bench: Bench, deaths: int) -> None:
    asked = Counter(bench.asked)
    assert set(asked) == set(range(COMPANIES))
    assert all(times <= 1 + deaths for times in asked.values())
    assert sum(asked.values()) <= COMPANIES + 2 * deaths, "a kill costs a page at most"
    assert set(bench.handed_over) == set(DRIFTED)
    assert bench.counted("checked", "drifted") == (COMPANIES, len(DRIFTED))
    assert {number: bench.records.items[company(number)].times_drifted for number in range(COMPANIES)} == {
        number: int(number in DRIFTED) for number in range(COMPANIES)
    }


def test_a_run_that_is_killed_at_any_one_call_misses_no_company_and_checks_a_page_twice_at_most() -> None:
    _, undisturbed, _ = run_with_kills(set())
    assert undisturbed.calls > 3 * COMPANIES // 2
    for number in range(undisturbed.calls):
        for after_its_effect in (False, True):
            bench, _, deaths = run_with_kills({(number, after_its_effect)})
            assert deaths == 1
            assert_no_company_is_missed(bench, deaths)


@settings(deadline=None, max_examples=150)
@given(st.sets(st.tuples(st.integers(0, 60), st.booleans()), max_size=12))
def test_a_run_that_is_killed_repeatedly_misses_no_company_and_repeats_a_page_for_each_kill_at_most(
    kills: set[tuple[int, bool]],
) -> None:
    bench, _, deaths = run_with_kills(kills)
    assert_no_company_is_missed(bench, deaths)
