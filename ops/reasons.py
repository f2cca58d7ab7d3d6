"""The reasons for which an event may be in a DLQ."""

import importlib
import pkgutil
from collections.abc import Iterator

import codat_sync
from codat_sync.codat.errors import PaymentRequiredKind
from codat_sync.errors import SyncError
from codat_sync.outcomes.triage import triage
from ops.dlq import NO_REASON


def known_reasons() -> frozenset[str]:
    """Return the reason of every error of the layer and of every kind of 402.

    EventBridge's own error codes, with which it moves an event that it cannot deliver, are not among them.
    """
    for module in pkgutil.walk_packages(codat_sync.__path__, "codat_sync."):
        importlib.import_module(module.name)
    errors = {each.reason for each in _below(SyncError) if hasattr(each, "reason")}
    return frozenset(errors | {kind.value for kind in PaymentRequiredKind} | {triage(KeyError()).reason, NO_REASON})


def _below(base: type[SyncError]) -> Iterator[type[SyncError]]:
    for each in base.__subclasses__():
        yield each
        yield from _below(each)
