"""Every error that the layer raises on purpose, found among the subclasses of its base."""

import importlib
import pkgutil
from collections.abc import Iterator

import codat_sync
from codat_sync.errors import PermanentError, SyncError, TransientError

ABSTRACT = {"codat_error", "unavailable", "no_answer"}
"""The reasons of classes that are never raised themselves."""


def planned_errors() -> list[type[SyncError]]:
    """Return all classes below ``SyncError`` that have a reason, of every module of the layer."""
    for module in pkgutil.walk_packages(codat_sync.__path__, "codat_sync."):
        importlib.import_module(module.name)
    sorting = {SyncError, TransientError, PermanentError}
    ours = {each for each in _below(SyncError) if each.__module__.startswith("codat_sync.")}
    return sorted(ours - sorting, key=lambda each: each.__qualname__)


def _below(base: type[SyncError]) -> Iterator[type[SyncError]]:
    for each in base.__subclasses__():
        yield each
        yield from _below(each)
