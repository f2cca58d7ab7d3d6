"""The simulated Codat counts the calls that come before the end of the wait that it asked for."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from codat_sync.outcomes.deferral import Patience
from local.simulation.codat import Codat
from local.simulation.run import run
from local.simulation.scenarios import SMALL
from local.simulation.script import refusal, until
from local.simulation.virtual_time import Clock

SETTINGS = "companies/{}/syncSettings"
ASKED = 60


@pytest.fixture
def clock() -> Iterator[Clock]:
    clock = Clock(datetime(2026, 3, 2, 9, 0, tzinfo=UTC))
    yield clock
    clock.close()


def early(clock: Clock, calls: Callable[[Codat], object]) -> dict[str, int]:
    """Return what a Codat that refuses its first second of calls has counted."""
    rule = until(clock.now + 1, refusal(429, {"Retry-After": str(ASKED)}))
    codat = Codat(clock, Random(1), [rule])  # noqa: S311  # One that can be repeated.
    clock.spawn(lambda: calls(codat))
    clock.run(clock.now + 10 * ASKED)
    return dict(codat.early)


@pytest.mark.parametrize(("slept", "expected"), [(ASKED - 1, {"a": 1}), (ASKED, {})])
def test_a_call_before_the_end_of_the_wait_is_counted(clock: Clock, slept: float, expected: dict[str, int]) -> None:
    def calls(codat: Codat) -> None:
        codat.answer("GET", SETTINGS.format("a"), b"")
        clock.sleep(slept)
        codat.answer("GET", SETTINGS.format("a"), b"")

    assert early(clock, calls) == expected


def test_another_company_and_the_account_are_not_held_to_it(clock: Clock) -> None:
    def calls(codat: Codat) -> None:
        codat.answer("GET", SETTINGS.format("a"), b"")
        codat.answer("GET", SETTINGS.format("b"), b"")
        codat.answer("GET", "dataTypes", b"")

    assert early(clock, calls) == {}


def test_functions_that_ignore_the_wait_are_an_error_of_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    wait = Patience.wait

    def impatient(self: Patience, waited: float, _: timedelta | None, *, since_start: float, random: Random) -> int:
        return wait(self, waited, None, since_start=since_start, random=random)

    monkeypatch.setattr(Patience, "wait", impatient)
    scenario = replace(SMALL["one-company-429-for-ever"], changed_at_codat=False)
    assert any("before the end of the wait" in each for each in run(scenario).problems)
