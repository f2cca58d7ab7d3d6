"""`make mutants` fails unless exactly the listed mutants survive, and a listed mutant names code that is there."""

import tomllib
from pathlib import Path

import pytest

from tests import mutants
from tests.mutants import CORE, SURVIVORS, Mutant, Result, collect, listed_survivors, problems, table

ROOT = Path(__file__).parents[2]
LAYER = ROOT / "shared" / "codat_sync"
DIFF = """\
# codat_sync.outcomes.deferral.xǁPatienceǁis_over__mutmut_1: survived
--- shared/codat_sync/outcomes/deferral.py
+++ shared/codat_sync/outcomes/deferral.py
@@ -1,3 +1,3 @@
 def is_over(self, waited: float) -> bool:
-    return waited >= self.limit
+    return waited > self.limit
"""
NAME = "codat_sync.outcomes.deferral.xǁPatienceǁis_over__mutmut_1"
MUTANT = Mutant("outcomes/deferral", "Patience.is_over", "return waited >= self.limit", "return waited > self.limit")
ENTRY = """
[[survivor]]
module = "outcomes/deferral"
function = "Patience.is_over"
was = "return waited >= self.limit"
becomes = "return waited > self.limit"
reason = "No clock tells so exactly."
"""


def result(*survived: Mutant, killed: int = 100) -> Result:
    found = Result(survived=set(survived))
    found.killed["outcomes/deferral"] = killed
    found.total["outcomes/deferral"] = killed + len(survived)
    return found


def test_a_mutant_is_named_by_its_text() -> None:
    assert Mutant.of(NAME, DIFF) == MUTANT


def test_a_mutant_of_a_private_function_that_loses_a_line_becomes_nothing() -> None:
    diff = "--- a.py\n+++ a.py\n@@ -1,3 +1,2 @@\n f(\n-    wait=1,\n )\n"
    assert Mutant.of("codat_sync.deadline.x__f__mutmut_12", diff) == Mutant("deadline", "_f", "wait=1,", "")


def test_the_listed_survivors_and_no_others_may_survive() -> None:
    listed = listed_survivors(ENTRY)
    assert problems(result(MUTANT), listed, ["outcomes"]) == []
    (unlisted,) = problems(result(MUTANT), {}, ["outcomes"])
    assert unlisted.startswith("survives, and is not listed")
    (killed,) = problems(result(), listed, ["outcomes"])
    assert killed.startswith("is listed, and does not survive")


def test_what_a_run_prints_of_a_survivor_can_be_listed_once_it_has_a_reason() -> None:
    (unlisted,) = problems(result(MUTANT), {}, ["outcomes"])
    entry = unlisted.partition("\n")[2]
    with pytest.raises(ValueError, match="no reason"):
        listed_survivors(entry)
    assert list(listed_survivors(f'{entry}\nreason = "It does not matter."')) == [MUTANT]


def test_a_mutant_is_listed_once() -> None:
    with pytest.raises(ValueError, match="named twice"):
        listed_survivors(ENTRY + ENTRY)


def test_what_is_listed_of_another_module_is_not_judged() -> None:
    listed = listed_survivors(ENTRY)
    assert problems(result(), listed, ["redrive", "outcomes/triage"]) == []
    assert len(problems(result(), listed, ["outcomes/deferral"])) == 1


def test_enough_mutants_of_the_whole_core_have_to_be_killed() -> None:
    listed = listed_survivors(ENTRY)
    assert problems(result(MUTANT, killed=33), listed, CORE) == []
    (too_few,) = problems(result(MUTANT, killed=32), listed, CORE)
    assert too_few == "killed 96.97% of all mutants, and 97% is the least"


def test_a_run_without_mutants_or_without_a_verdict_fails() -> None:
    assert problems(Result(), {}, CORE) == ["there is no mutant"]
    unclear = result()
    collect(unclear, {NAME: None}, Path())
    assert problems(unclear, {}, ["outcomes"]) == [f"has no verdict: {NAME} (exit code None)"]


def test_mutants_are_counted_by_module_and_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mutants, "_shown", lambda name, work: DIFF)  # noqa: ARG005  # As the function's.
    found = Result()
    names = [f"{NAME[:-1]}{number}" for number in range(4)]
    collect(found, dict(zip(names, (0, 1, 36, 33), strict=True)), Path())
    assert found.survived == {MUTANT}
    assert list(table(found))[2:] == [
        "| `outcomes/deferral` | 4 | 2 | 1 | 2 |",
        "| all | 4 | 2 (50.0%) | 1 | 2 |",
    ]


def test_each_room_is_judged_by_its_own_tests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutmut is started where it finds the layer as ``src``, the tests, and what these read."""
    monkeypatch.setattr(mutants, "WORK", tmp_path)
    monkeypatch.setattr(mutants, "MUTMUT", "true")
    assert mutants.run(["codat/errors", "deadline", "codat/rate_limits", "outcomes"]).total.total() == 0
    configured = {
        work.name: tomllib.loads((work / "pyproject.toml").read_text("utf-8"))["tool"]["mutmut"]
        for work in tmp_path.iterdir()
    }
    only, tests = "only_mutate", "pytest_add_cli_args_test_selection"
    assert {room: (settings[only], settings[tests]) for room, settings in configured.items()} == {
        "codat": (["src/codat_sync/codat/errors.py", "src/codat_sync/codat/rate_limits.py"], ["tests/unit/codat"]),
        "deadline": (["src/codat_sync/deadline.py"], ["tests/unit/test_deadline.py"]),
        "outcomes": (["src/codat_sync/outcomes/*"], ["tests/unit/outcomes"]),
    }
    for room, settings in configured.items():
        paths = [*settings[tests], *settings["also_copy"], "src/codat_sync/deadline.py"]
        assert all((tmp_path / room / path).exists() for path in paths)


@pytest.mark.parametrize("module", ["wiring", "outcome", "../outcomes", "outcomes/triage.py"])
def test_a_module_outside_the_core_is_refused(module: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        mutants.main([module])
    assert module in capsys.readouterr().err


@pytest.mark.parametrize("module", CORE)
def test_the_core_exists(module: str) -> None:
    assert (LAYER / module).is_dir() or (LAYER / f"{module}.py").is_file()


def test_each_listed_survivor_names_code_that_is_there() -> None:
    for mutant in listed_survivors(SURVIVORS.read_text("utf-8")):
        lines = {line.strip() for line in (LAYER / f"{mutant.module}.py").read_text("utf-8").splitlines()}
        assert set(mutant.was.splitlines()) <= lines, mutant
        assert mutant.was != mutant.becomes
