"""A simulator with one company, a clock that only the test moves, and holds that do not wait."""

from collections.abc import Iterator
from itertools import count

import pytest

from local.codat_simulator.account import Account
from local.codat_simulator.running import RunningSimulator, running_simulator
from tests.local.codat_simulator.client import COMPANY, Clock, Codat, Holds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def holds() -> Holds:
    return Holds()


@pytest.fixture
def simulator(clock: Clock, holds: Holds) -> Iterator[RunningSimulator]:
    numbers = count(1)
    with running_simulator(clock=clock, hold=holds, ids=lambda: f"00000000-0000-4000-8000-{next(numbers):012d}") as it:
        holds.account = it.account
        it.account.add_company(COMPANY)
        yield it


@pytest.fixture
def account(simulator: RunningSimulator) -> Account:
    return simulator.account


@pytest.fixture
def codat(simulator: RunningSimulator) -> Iterator[Codat]:
    client = Codat(simulator)
    with client.session:
        yield client
