"""The commands ``sources check`` and ``sources try``."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ops.cli.main import app

COMPANY = "8a210b68-6988-4001-a1eb-0242ac120001"
FILE = """
[sources.billing]
sources = ["billing"]
detail_types = ["changed"]
ignored = ["seen"]
company = "detail.company"
plan = "detail.plan"
occurred_at = "detail.at"
"""
EVENT = {
    "id": "e-1",
    "source": "billing",
    "detail-type": "changed",
    "detail": {"company": COMPANY, "plan": "pro", "at": 1_780_000_000},
}


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    file = tmp_path / "sources.toml"
    file.write_text(FILE, "utf-8")
    return file


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["sources", *map(str, arguments)])


def tried(sources: Path, event: object) -> Result:
    file = sources.with_name("event.json")
    file.write_text(json.dumps(event), "utf-8")
    return run("try", file, "--sources", sources)


def test_a_valid_file_has_no_problems(sources: Path) -> None:
    result = run("check", sources)
    assert (result.exit_code, result.stdout) == (0, f"{sources}: 1 sources, no problems\n")


def test_without_a_file_the_one_of_the_checkout_is_checked() -> None:
    assert run("check").exit_code == 0


def test_each_problem_is_one_line(sources: Path) -> None:
    sources.write_text(FILE.replace("plan =", "plans ="), "utf-8")
    result = run("check", sources)
    assert result.exit_code == 2
    assert sorted(result.stdout.splitlines()) == [
        f"{sources}: billing, plan: is missing",
        f"{sources}: billing, plans: there is no such key; did you mean plan?",
    ]


def test_a_file_that_cannot_be_read_is_a_problem(tmp_path: Path, sources: Path) -> None:
    assert "cannot be read" in run("check", tmp_path / "none.toml").stdout
    result = run("try", tmp_path / "none.json", "--sources", sources)
    assert (result.exit_code, "cannot be read" in result.stdout) == (2, True)
    assert run("try", sources, "--sources", tmp_path / "none.toml").exit_code == 2


def test_each_step_is_shown_and_what_comes_out(sources: Path) -> None:
    result = tried(sources, EVENT)
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "source billing: takes the event",
        f'  company = detail.company: found "{COMPANY}", read as "{COMPANY}"',
        '  plan = detail.plan: found "pro", read as "pro"',
        '  occurred_at = detail.at: found 1780000000, read as "2026-05-28T20:26:40+00:00"',
        f"event e-1: company {COMPANY}, plan pro, 2026-05-28T20:26:40+00:00",
    ]


def test_an_event_that_would_be_parked_says_why(sources: Path) -> None:
    result = tried(sources, EVENT | {"detail": EVENT["detail"] | {"plan": None}})  # type: ignore[operator]
    assert result.exit_code == 1
    assert "  plan = detail.plan: found null: it found nothing" in result.stdout.splitlines()
    assert result.stdout.splitlines()[-1].startswith("parked: unmapped: source billing: plan = detail.plan")


def test_an_ignored_event_is_accepted(sources: Path) -> None:
    result = tried(sources, EVENT | {"detail-type": "seen"})
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "ignored: detail-type seen")


@pytest.mark.parametrize("event", [EVENT | {"source": "other"}, []])
def test_what_no_source_takes_is_read_by_the_contract(sources: Path, event: object) -> None:
    result = tried(sources, event)
    assert (result.exit_code, result.stdout.splitlines()[-1][:23]) == (1, "parked: malformed_event")
