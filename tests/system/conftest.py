"""One deployed stack for the tests of this folder that leave it as they found it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.system import ROOT, System, deployed


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where somebody on call works: `codat-sync --local` finds the stack from here, and the samples."""
    home = tmp_path_factory.mktemp("home")
    (home / "events").symlink_to(ROOT / "events")
    return home


@pytest.fixture(scope="session")
def system(home: Path) -> Iterator[System]:
    with deployed(home / ".local") as system:
        yield system
