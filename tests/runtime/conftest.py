"""Builds once for all tests of this folder, and prints the figures at the end."""

from collections.abc import Iterator

import pytest

from local.aws.processes import ending_on_signals
from tests.runtime import artefacts
from tests.runtime.artefacts import Artefacts, NotHere
from tests.runtime.figures import Starts, weights

FIGURES = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[FIGURES] = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    figures = config.stash[FIGURES]
    if figures:
        terminalreporter.section("built artefacts")
        terminalreporter.write_line("\n".join(figures))


@pytest.fixture(scope="session", autouse=True)
def _ending_on_signals() -> Iterator[None]:
    """End the functions when `make` passes SIGTERM on: pytest itself would end without leaving its fixtures."""
    with ending_on_signals(lambda code: pytest.exit(f"ended by signal {code - 128}", returncode=code)):
        yield


@pytest.fixture(scope="session")
def built(pytestconfig: pytest.Config) -> Artefacts:
    try:
        built = artefacts.build()
    except NotHere as reason:
        pytest.skip(str(reason))
    pytestconfig.stash[FIGURES] += weights(built.as_deployed.layer)
    return built


@pytest.fixture(scope="session")
def starts(pytestconfig: pytest.Config) -> Iterator[Starts]:
    starts = Starts()
    yield starts
    pytestconfig.stash[FIGURES] += starts.lines()
