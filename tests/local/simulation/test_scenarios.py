"""Every scenario of docs/reliability.md with fewer events, and what a run shows."""

from random import Random

import pytest

from codat_sync.codat.differences import differences
from local.presets import local_presets
from local.simulation.codat import Codat
from local.simulation.run import run
from local.simulation.scenario import PLANS, START, Expected, Scenario, company
from local.simulation.scenarios import SMALL
from local.simulation.script import refusal, until
from local.simulation.virtual_time import Clock


@pytest.mark.parametrize("scenario", SMALL.values(), ids=SMALL)
def test_nothing_is_lost_and_only_what_has_to_be_is_parked(scenario: Scenario) -> None:
    assert run(scenario).problems == []


def test_the_plans_of_the_events_differ_in_what_codat_shows() -> None:
    codat = Codat(Clock(START), Random(1), [])  # noqa: S311  # One that can be repeated.
    shown = [local_presets().for_company(plan, company(0)).over(codat.settings(company(0))) for plan in PLANS]
    assert differences(*shown)


def test_an_older_event_that_is_delivered_last_changes_nothing() -> None:
    scenario = SMALL["429-retry-after-60s-for-10min"]
    result = run(scenario)
    older = [f"event-{number}" for number in range(scenario.events - (scenario.companies or 0))]
    newer = [f"event-{number}" for number in range(scenario.companies or 0, scenario.events)]
    ended_at = result.ledger.ended_at
    assert any(ended_at[old] > ended_at[new] for old, new in zip(older, newer, strict=True))
    assert result.problems == []


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
