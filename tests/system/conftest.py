"""One deployed stack for the tests of this folder that leave it as they found it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local.aws.processes import ending_on_signals
from tests.system.system import FOLDER, ROOT, System, deployed


@pytest.fixture(scope="session", autouse=True)
def _ending_on_signals() -> Iterator[None]:
    """End the stacks when `make` passes SIGTERM on: pytest itself would end without leaving its fixtures."""
    with ending_on_signals(lambda code: pytest.exit(f"ended by signal {code - 128}", returncode=code)):
        yield


@pytest.fixture(scope="session")
def home() -> Path:
    """Make an operator's working folder with the samples, from which `codat-sync --local` finds the stack.

    It is the same for each run, so that a run ends what a killed one left there.
    """
    home = FOLDER / "home"
    home.mkdir(parents=True, exist_ok=True)
    if not (home / "events").is_symlink():
        (home / "events").symlink_to(ROOT / "events")
    return home


@pytest.fixture(scope="session")
def system(home: Path) -> Iterator[System]:
    with deployed(home / ".local") as system:
        yield system
