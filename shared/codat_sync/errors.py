"""The base of every error that this package raises on purpose, sorted by what it means for the event that meets it."""

from typing import ClassVar


class SyncError(Exception):
    """An error that was planned for.

    ``reason`` is its stable slug: in logs and metrics, beside a parked event, and as a heading of docs/runbook.md.
    """

    reason: ClassVar[str]


class TransientError(SyncError):
    """The cause may pass without any change to the event: it is deferred, and the same event may succeed later."""


class PermanentError(SyncError):
    """The same event would meet the same error again: it is parked."""
