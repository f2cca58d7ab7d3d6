"""`codat-sync --local` knows the presets that the local stack was deployed with, whatever file is packaged."""

from pathlib import Path
from unittest import mock

import pytest

from local.aws import endpoints
from local.aws.clients import Aws
from ops.stack import Stack

DEPLOYED = """
default_plan = "basic"
on_cancelled = "basic"

[plans.basic]
frequency = "daily"
"""


@pytest.fixture
def presets(tmp_path: Path) -> Path:
    file = tmp_path / "presets.toml"
    file.write_text(DEPLOYED, encoding="utf-8")
    return file


def local_stack(folder: Path, variables: dict[str, str]) -> Stack:
    """Return the stack that an endpoints file describes, without asking it for its outputs."""
    aws = Aws("http://127.0.0.1:1", folder / "ca.pem")
    aws.ca_bundle.touch()
    endpoints.write(folder / "endpoints.env", aws.environment | variables)
    with mock.patch.object(Stack, "find", side_effect=lambda name, *rest: Stack(name, {}, {}, *rest)):
        return Stack.local(folder / "endpoints.env")


def test_the_deployed_presets_are_live(tmp_path: Path, presets: Path) -> None:
    stack = local_stack(tmp_path, {"PRESETS_FILE": str(presets)})

    assert stack.presets_file == DEPLOYED.encode()
    assert stack.presets.plans.keys() == {"basic"}


def test_without_such_a_file_the_packaged_presets_are_live(tmp_path: Path) -> None:
    assert "basic" not in local_stack(tmp_path, {}).presets.plans
