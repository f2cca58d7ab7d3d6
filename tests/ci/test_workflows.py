"""GitHub runs the script that developers run, with pinned actions and the least permissions."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / ".github/workflows").glob("*.yml"))
WORKFLOWS: dict[str, Any] = {path.stem: yaml.safe_load(path.read_text("utf-8")) for path in FILES}
STEPS = [step for flow in WORKFLOWS.values() for job in flow["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_action_is_pinned_and_names_its_version(path: Path) -> None:
    used = re.findall(r"uses: (.+)$", path.read_text("utf-8"), re.MULTILINE)
    assert used
    assert [each for each in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", each)] == []


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_has_no_permissions_except_those_of_its_job(name: str) -> None:
    assert WORKFLOWS[name]["permissions"] == {}
    (job,) = WORKFLOWS[name]["jobs"].values()
    writes = {right for right, level in job["permissions"].items() if level == "write"}
    assert writes == ({"id-token"} if name == "deploy" else set())


@pytest.mark.parametrize("step", STEPS, ids=lambda step: str(step.get("run") or step["uses"])[:40])
def test_no_input_becomes_part_of_a_command(step: dict[str, Any]) -> None:
    assert "${{" not in step.get("run", "")


def test_the_checkout_stores_no_token() -> None:
    checkouts = [step for step in STEPS if step.get("uses", "").startswith("actions/checkout@")]
    assert [step["with"] for step in checkouts] == [{"persist-credentials": False}] * len(WORKFLOWS)


def test_the_checks_are_the_script_that_developers_run() -> None:
    (job,) = WORKFLOWS["check"]["jobs"].values()
    assert [step["run"] for step in job["steps"] if "run" in step] == ["bash .ci/run"]


def test_each_stage_to_choose_is_in_samconfig() -> None:
    stages = WORKFLOWS["deploy"][True]["workflow_dispatch"]["inputs"]["stage"]["options"]  # YAML reads "on" as true.
    samconfig = (ROOT / "samconfig.toml").read_text("utf-8")
    assert [stage for stage in stages if f"[{stage}.deploy.parameters]" not in samconfig] == []


def test_a_deployment_runs_the_checks_first_and_stores_no_key() -> None:
    (job,) = WORKFLOWS["deploy"]["jobs"].values()
    commands = [step["run"] for step in job["steps"] if "run" in step]
    assert commands[0] == "make check"
    assert commands[-1].startswith("make deploy ")
    assert "secrets." not in (ROOT / ".github/workflows/deploy.yml").read_text("utf-8")
