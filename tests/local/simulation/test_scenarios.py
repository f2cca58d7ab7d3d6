"""Every scenario of docs/reliability.md with fewer events, and what a run shows."""

import pytest

from local.simulation.run import run
from local.simulation.scenario import Expected, Scenario
from local.simulation.scenarios import SMALL
from local.simulation.script import refusal, until


@pytest.mark.parametrize("scenario", SMALL.values(), ids=SMALL)
def test_nothing_is_lost_and_only_what_has_to_be_is_parked(scenario: Scenario) -> None:
    assert run(scenario).problems == []


def test_the_same_seed_gives_the_same_run() -> None:
    scenario = SMALL["429-retry-after-60s-for-10min"]
    first, second, another = run(scenario), run(scenario), run(scenario, seed=2)
    assert first.ledger == second.ledger
    assert first.calls == second.calls
    assert first.ledger.ended_at != another.ledger.ended_at


def test_a_run_finds_what_its_scenario_does_not_allow() -> None:
    down = Scenario(
        "down",
        lambda start: [until(start + 7200, refusal(500))],
        events=3,
        settings={"PATIENCE_HOURS": "1"},
        expected=Expected(parked={}),
    )
    assert run(down).problems == ["parked {'server_error': 3}, expected {}"]
