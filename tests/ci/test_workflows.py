"""What runs at GitHub is what people run, from actions that nobody can change under us, with the least rights."""

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
def test_every_action_is_pinned_and_says_its_version(path: Path) -> None:
    used = re.findall(r"uses: (.+)$", path.read_text("utf-8"), re.MULTILINE)
    assert used
    assert [each for each in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", each)] == []


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_has_no_rights_but_those_that_a_job_asks_for(name: str) -> None:
    assert WORKFLOWS[name]["permissions"] == {}
    (job,) = WORKFLOWS[name]["jobs"].values()
    writes = {right for right, level in job["permissions"].items() if level == "write"}
    assert writes == ({"id-token"} if name == "deploy" else set())


@pytest.mark.parametrize("step", STEPS, ids=lambda step: str(step.get("run") or step["uses"])[:40])
def test_nothing_that_somebody_types_becomes_part_of_a_command(step: dict[str, Any]) -> None:
    assert "${{" not in step.get("run", "")


def test_the_checkout_leaves_no_token_behind() -> None:
    checkouts = [step for step in STEPS if step.get("uses", "").startswith("actions/checkout@")]
    assert [step["with"] for step in checkouts] == [{"persist-credentials": False}] * len(WORKFLOWS)


def test_checks_are_those_that_people_run() -> None:
    (job,) = WORKFLOWS["check"]["jobs"].values()
    assert [step["run"] for step in job["steps"] if "run" in step] == ["bash .ci/run"]


def test_a_stage_that_can_be_chosen_is_there() -> None:
    stages = WORKFLOWS["deploy"][True]["workflow_dispatch"]["inputs"]["stage"]["options"]  # YAML takes "on" for true.
    samconfig = (ROOT / "samconfig.toml").read_text("utf-8")
    assert [stage for stage in stages if f"[{stage}.deploy.parameters]" not in samconfig] == []


def test_no_deployment_without_a_check_and_no_key_that_is_kept() -> None:
    (job,) = WORKFLOWS["deploy"]["jobs"].values()
    commands = [step["run"] for step in job["steps"] if "run" in step]
    assert commands[0] == "make check"
    assert commands[-1].startswith("make deploy ")
    assert "secrets." not in (ROOT / ".github/workflows/deploy.yml").read_text("utf-8")
