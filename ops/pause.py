"""The pause that keeps every function from calling Codat."""

from datetime import datetime

from codat_sync.companies.pause import Pause, PauseRecord


def in_force(record: PauseRecord, now: datetime) -> Pause | None:
    """Return the pause that is in force, or None where there is none or its time is over."""
    standing = record.read()
    return standing if standing is not None and standing.until > now else None


def lift(record: PauseRecord) -> Pause | None:
    """Remove the pause and return it, or None where there was none.

    Functions may keep to the pause for 5 seconds more, since they cache it. Where its cause still holds, the next call
    to Codat starts a new pause.
    """
    while (standing := record.read()) is not None:
        if record.swap(standing, None):
            return standing
    return None
