"""The search runs the code so often that its logs and metrics would fill the memory."""

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Write no log lines and no metrics."""
    monkeypatch.setattr("codat_sync.consuming.consume.count_outcomes", lambda *_: None)
    monkeypatch.setattr("codat_sync.companies.pause.count_pause", lambda *_: None)
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)
