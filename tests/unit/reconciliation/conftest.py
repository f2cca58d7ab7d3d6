"""A reconciliation on fakes."""

import pytest

from tests.unit.reconciliation.bench import Bench


@pytest.fixture
def bench() -> Bench:
    return Bench()
