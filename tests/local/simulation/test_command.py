"""`make simulate`."""

import pytest

from local.simulation import __main__ as command
from local.simulation.scenarios import SCENARIOS, SMALL


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "SCENARIOS", SMALL)


def test_a_named_scenario_is_run_and_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--scenario", "pause-13h"]) == 0
    shown = capsys.readouterr().out
    assert "pause-13h" in shown
    assert "pause-40h" not in shown


def test_the_names_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--list"]) == 0
    assert capsys.readouterr().out.split() == list(SMALL)


def test_an_unknown_scenario_is_refused() -> None:
    with pytest.raises(SystemExit) as refused:
        command.main(["--scenario", "unknown"])
    assert refused.value.code == 2


def test_each_kind_of_scenario_has_a_small_one() -> None:
    kinds = {"429", "500", "burst", "quota", "pause", "one-company", "throttled", "aws-throttled", "one-message"}
    for names in (SCENARIOS, SMALL):
        assert {kind for kind in kinds if any(name.startswith(kind) for name in names)} == kinds
