"""Lets frontrun decide which thread gets a lock: the locks of the code under test are made of its cooperative ones."""

import logging
import sys
import threading
from collections.abc import Iterator

import pytest
from frontrun._cooperative import CooperativeLock

import codat_sync.wiring  # noqa: F401  # Loads every module that has a lock.
from tests.threads import exploration


@pytest.fixture(autouse=True)
def cooperative_locks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Replace the locks of our own modules alone: frontrun's command would replace those of all packages."""
    monkeypatch.setenv("FRONTRUN_ACTIVE", "1")
    monkeypatch.setattr(exploration, "Lock", CooperativeLock)
    for name, module in list(sys.modules.items()):
        if name.startswith("codat_sync.") and getattr(module, "Lock", None) is threading.Lock:
            monkeypatch.setattr(module, "Lock", CooperativeLock)
    logging.disable()  # Its locks are not cooperative: a thread that holds one must not be interrupted.
    yield
    logging.disable(logging.NOTSET)
