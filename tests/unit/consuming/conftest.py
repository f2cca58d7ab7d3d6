"""Consumers of billing's events, and of connections."""

import pytest

from tests.unit.consuming.bench import CONNECTED, Bench


@pytest.fixture
def bench(caplog: pytest.LogCaptureFixture) -> Bench:
    return Bench(caplog)


@pytest.fixture
def connections(caplog: pytest.LogCaptureFixture) -> Bench:
    return Bench(caplog, CONNECTED)
