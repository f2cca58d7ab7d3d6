"""GitHub's workflow for deployments, in a clean copy of this project, as far as one gets without an AWS account."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from local.aws.clients import environment_without_aws

ROOT = Path(__file__).parents[2]
WORKFLOW: dict[Any, Any] = yaml.safe_load((ROOT / ".github/workflows/deploy.yml").read_text("utf-8"))
STEPS = [step for step in WORKFLOW["jobs"]["deploy"]["steps"] if "run" in step]
STAGES: list[str] = WORKFLOW[True]["workflow_dispatch"]["inputs"]["stage"]["options"]  # YAML reads "on" as true.
WATCHED = '"AlarmEmail=someone@example.com", "RunbookUrl=https://wiki.example.com/runbook", '
SECONDS = 600


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Copy the files of the repository as they are now, and nothing that make made but the installed tools."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout  # noqa: S603
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tmp_path / name)
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    return tmp_path


def run(line: str, clone: Path, stage: str) -> subprocess.CompletedProcess[str]:
    """Run a line of the workflow in the shell that GitHub uses, with a region and no credentials."""
    return subprocess.run(  # noqa: S603  # A line of this project's own workflow.
        ["bash", "-e", "-o", "pipefail", "-c", line],  # noqa: S607  # Whatever bash there is.
        cwd=clone,
        env={
            **{name: each for name, each in environment_without_aws().items() if not name.startswith("MAKE")},
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_REGION": "eu-west-2",
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_CONFIG_FILE": os.devnull,
            "STAGE": stage,
        },
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def test_the_lines_are_the_check_that_developers_run_and_the_deployment() -> None:
    """`make check` runs before this test wherever all checks run."""
    check, deploy = (step["run"] for step in STEPS)
    assert check == "make check"
    assert deploy.startswith("make deploy ")
    assert STEPS[1]["env"] == {"STAGE": "${{ inputs.stage }}"}


@pytest.mark.parametrize("stage", STAGES)
def test_the_deployment_builds_and_fails_only_for_want_of_credentials(clone: Path, stage: str) -> None:
    samconfig = clone / "samconfig.toml"
    given = samconfig.read_text("utf-8")
    samconfig.write_text(given.replace('["LogRetentionDays=365"', f'[{WATCHED}"LogRetentionDays=365"'), "utf-8")
    done = run(STEPS[1]["run"], clone, stage)
    assert "Build Succeeded" in done.stdout
    assert [line for line in done.stderr.splitlines() if line.startswith(("Error", "error"))] == [
        "Error: Unable to locate credentials"
    ]
    assert done.returncode != 0


def test_an_unwatched_production_is_refused_before_the_build(clone: Path) -> None:
    done = run(STEPS[1]["run"], clone, "prod")
    assert done.returncode != 0
    assert "give AlarmEmail or AlarmTopicArn" in done.stderr
    assert "give RunbookUrl" in done.stderr
    assert not (clone / ".aws-sam").exists()
