"""Which companies a redrive tries: others each day, spread over all that are parked."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Final

from codat_sync.outcomes.parked_events import ParkedEvent

PROBES: Final = 5
"""How many companies of a kind a redrive tries at most: one that Codat refuses for ever does not decide for all."""
SAMPLE: Final = 1_000
"""How many parked events are read before companies are chosen among them."""


def in_turn(events: Iterable[ParkedEvent], day: datetime) -> list[ParkedEvent]:
    """Return the events by kind, those first whose companies are to be tried.

    These are the first one as it comes, and ``PROBES`` - 1 others whose turn it is on that day. The others of a kind
    stand in a ring; each day the next ones have their turn, so that all of n have been tried after n / 4 days.
    """
    by_kind: dict[str, list[ParkedEvent]] = {}
    for event in events:
        by_kind.setdefault(str(event.reason), []).append(event)
    return [event for ours in by_kind.values() for event in _turns_first(ours, day)]


def _turns_first(events: Sequence[ParkedEvent], day: datetime) -> list[ParkedEvent]:
    companies = dict.fromkeys(str(each.company_id) for each in events)
    first, *others = companies
    # By a hash: neither the DLQ's order, which differs from day to day, nor that of the ids has a part in it.
    ring = sorted(others, key=lambda company: sha256(company.encode()).digest())
    start = day.toordinal() * (PROBES - 1) % max(len(ring), 1)
    chosen = [first, *[*ring[start:], *ring[:start]][: PROBES - 1]]
    turn = {company: place for place, company in enumerate(chosen)}
    return sorted(events, key=lambda event: turn.get(str(event.company_id), PROBES))
