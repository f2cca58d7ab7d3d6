"""A client of Codat whose retries do not wait, and its HTTP."""

from collections.abc import Iterator

import pytest
import responses

from codat_sync.codat import client as client_module
from codat_sync.codat.client import (
    CodatClient,
)
from tests.unit.codat.clients import client_of


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let quick retries come at once, and a read time out soon, but not merely because the machine is busy."""
    monkeypatch.setattr(client_module, "BACKOFF_SECONDS", 0)
    monkeypatch.setattr(client_module, "READ_SECONDS", 0.5)


@pytest.fixture
def codat() -> CodatClient:
    return client_of()


@pytest.fixture
def http() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as mock:
        yield mock
