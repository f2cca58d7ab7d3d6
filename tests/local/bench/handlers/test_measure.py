"""The comparison measures what it says, on a handful of companies."""

import pytest

from local.bench.handlers.__main__ import main
from local.bench.handlers.measure import measure_handler


def test_this_project_ends_a_storm_at_the_right_plans_with_half_the_calls() -> None:
    figures = measure_handler("this project", companies=100, rounds=1)
    assert figures.wrong_plans == 0
    assert figures.storm_calls < 1_200
    assert figures.cpu_of_a_change.median > 0


def test_a_handler_without_a_memory_makes_two_calls_an_event_and_ends_at_late_plans() -> None:
    figures = measure_handler("SDK handler", companies=20, rounds=1)
    assert figures.storm_calls == 2_000
    assert figures.wrong_plans > 0


def test_too_few_companies_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--companies", "10"])
    assert "at least 100 companies" in capsys.readouterr().err
