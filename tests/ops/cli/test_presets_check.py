"""The command ``presets check``: one line for each problem, an exit code, and no AWS client."""

import json
import resource
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ops.cli.main import app

ROOT = Path(__file__).parents[3]
PACKAGED = ROOT / "shared/codat_sync/presets/presets.toml"
VALID = """
default_plan = "basic"
on_cancelled = "basic"
[plans.basic]
frequency = "weekly"
[plans.pro]
frequency = "daily"
"""


@dataclass(frozen=True)
class FakeProblem:
    """A problem as the use case returns it."""

    file: Path
    line: int
    plan: str
    data_type: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: plan {self.plan}, {self.data_type}: wrong"


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Find two problems in any file but a valid one; return the files that were checked."""
    files: list[Path] = []

    def check(file: Path) -> list[FakeProblem]:
        files.append(file)
        if file.read_text("utf-8-sig") == VALID:
            return []
        return [FakeProblem(file, 3, "pro", "bills"), FakeProblem(file, 4, "pro", "invoices")]

    monkeypatch.setattr("ops.cli.presets_check.check", check)
    return files


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    file = tmp_path / "bad.toml"
    file.write_text("plans = 3", "utf-8")
    return file


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["presets", "check", *map(str, arguments)])


def test_each_problem_is_a_line_and_the_file_is_bad_input(checked: list[Path], bad: Path) -> None:
    result = run(bad)
    assert result.exit_code == 2
    assert result.stdout == f"{bad}:3: plan pro, bills: wrong\n{bad}:4: plan pro, invoices: wrong\n"
    assert result.stderr == ""
    assert checked == [bad]


def test_its_json_is_the_list_of_problems(checked: list[Path], bad: Path) -> None:
    result = run(bad, "--json")
    assert (result.exit_code, checked) == (2, [bad])
    assert json.loads(result.stdout) == [
        {"file": str(bad), "line": line, "plan": "pro", "data_type": data_type}
        for line, data_type in ((3, "bills"), (4, "invoices"))
    ]


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_valid_file_is_one_line_with_the_number_of_plans(checked: list[Path], tmp_path: Path, mark: str) -> None:
    file = tmp_path / "valid.toml"
    file.write_text(mark + VALID, "utf-8")
    result = run(file)
    assert (result.exit_code, result.stdout, checked) == (0, f"{file}: 2 plans, no problems\n", [file])
    assert run(file, "--json").stdout == "[]\n"


def test_without_a_file_it_checks_that_of_the_checkout(
    checked: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "shared/codat_sync/presets/presets.toml"
    file.parent.mkdir(parents=True)
    file.write_text(VALID, "utf-8")
    monkeypatch.chdir(tmp_path)
    assert run().exit_code == 0
    assert [each.resolve() for each in checked] == [file]


@pytest.mark.packaged_presets
def test_outside_of_a_checkout_it_checks_the_packaged_file(
    checked: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run()
    assert checked == [PACKAGED]


LIGHT = """
import sys
from ops.cli.main import app
try:
    app(["presets", "check", *sys.argv[1:]])
finally:
    loaded = {name.partition(".")[0] for name in sys.modules}
    print("loaded:", sorted(loaded & {"boto3", "botocore", "requests", "aws_lambda_powertools", "rich"}))
"""


@pytest.mark.parametrize(("content", "code"), [(VALID, 0), ("plans = 3", 2)])
def test_it_loads_no_aws_client_and_takes_less_than_a_second(tmp_path: Path, content: str, code: int) -> None:
    file = tmp_path / "presets.toml"
    file.write_text(content, "utf-8")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = subprocess.run(  # noqa: S603  # This very interpreter, on the text above.
        [sys.executable, "-c", LIGHT, str(file)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT / 'shared'}:{ROOT}"},
    )
    assert (result.returncode, result.stderr) == (code, "")
    assert result.stdout.splitlines()[-1] == "loaded: []"
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1
