"""The pause that holds all functions back from Codat, for whoever knows better."""

from codat_sync.companies.pause import Pause, PauseRecord


def lift(record: PauseRecord) -> Pause | None:
    """Take the pause away; the one that stood, or None. The functions believe what they last read for 5 seconds more.

    What called for it may still hold: then the next call to Codat brings it back.
    """
    while (standing := record.read()) is not None:
        if record.swap(standing, None):
            return standing
    return None
