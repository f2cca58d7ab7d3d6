"""The search runs the code so often that its logs and metrics would fill the memory."""

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Write no log lines and no metrics."""
    for counted in (
        "consuming.consume.count_outcomes",
        "consuming.consume.count_lost_announcements",
        "companies.pause.count_pause",
        "reconciliation.reconcile.count_reconciled",
        "reconciliation.reconcile.count_companies",
    ):
        monkeypatch.setattr(f"codat_sync.{counted}", lambda *_: None)
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)
