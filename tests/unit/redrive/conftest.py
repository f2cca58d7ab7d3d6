"""A redrive on fakes."""

import pytest

from tests.unit.redrive.bench import Bench


@pytest.fixture
def bench(caplog: pytest.LogCaptureFixture) -> Bench:
    caplog.set_level("INFO")
    return Bench()
