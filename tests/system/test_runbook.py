"""Every command of the runbook is run against the deployed stack, as it is written there."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ops.cli.exit_codes import BAD_INPUT, FINE, FOUND
from ops.cli.main import app
from tests.system.system import LOCAL, ROOT, System

RUNBOOK = ROOT / "docs/runbook.md"
LINES = [
    line
    for block in re.findall(r"```sh\n(.*?)```", RUNBOOK.read_text("utf-8"), re.DOTALL)
    for line in block.splitlines()
    if line.startswith("codat-sync ")
]
PLAN = "growth"
REASON = "unknown_plan"

Run = Callable[[list[str]], Result]


@pytest.fixture(scope="module")
def company(system: System) -> str:
    """Set up a company with a record, and with an event in the failed-events DLQ."""
    (known,) = system.create_known_companies(1, PLAN)
    system.change_plan(known, "no-such-plan")
    system.wait_until(lambda: system.count("FailedEventsQueueUrl") > 0)
    return str(known)


@pytest.fixture
def run(home: Path, company: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command of the runbook, with its placeholders replaced."""
    (home / "NEW.toml").write_text(LOCAL.replace('"weekly"', '"monthly"'), encoding="utf-8")
    placeholders = {
        "COMPANY": company,
        "PLAN": PLAN,
        "REASON": REASON,
        "FILE": "events/company_changed_plan.json",
        "NEW.toml": "NEW.toml",
    }
    monkeypatch.chdir(home)

    def run(words: list[str]) -> Result:
        return CliRunner().invoke(app, [*(placeholders.get(word, word) for word in words), "--local"])

    return run


def test_the_runbook_has_commands() -> None:
    assert len(LINES) > 20


@pytest.mark.parametrize("line", sorted(set(LINES)))
def test_a_command_of_the_runbook_does_what_it_documents(line: str, run: Run) -> None:
    _, *words = shlex.split(line)
    unknown = [word for word in words if word.isupper()]
    assert set(unknown) <= {"COMPANY", "PLAN", "REASON", "FILE"}

    result = run(words)

    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert result.exit_code in {FINE, FOUND}, result.output
    assert result.stdout


def test_what_the_tool_cannot_read_is_bad_input(run: Run) -> None:
    assert run(["preview", "no-such-plan", "COMPANY"]).exit_code == BAD_INPUT
