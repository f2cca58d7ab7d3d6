"""Which plan of a company is the newest: by authority, business time, the producer's counter, and arrival, in turn."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, Self

from codat_sync.events.company_events import Authority

MOST_TIED: Final = 20
"""How many events of one authority and moment are kept apart. Of more, those that arrived first are forgotten, and one
of them that is delivered again counts as new."""
_ASSUMED_ORDER: Final = str(int(Authority.ASSUMED))


@dataclass(frozen=True)
class DesiredPlan:
    """A plan that an event named for a company, and which event that was.

    ``order`` begins with the authority and the business time, ``moment``, by which DynamoDB tells newer from older.
    Events of one moment are tied; ``newest_first`` settles it. An assumed plan has no time, and is never newer than
    another. ``sequence`` is the producer's counter. ``arrived_at`` is when SQS first got the event; None, as in a
    record of version 0.1.0, stands for the time at which it was recorded.
    """

    plan: str
    order: str
    event_id: str
    sequence: int | None = None
    arrived_at: datetime | None = None

    @classmethod
    def named(
        cls,
        plan: str,
        authority: Authority,
        occurred_at: datetime,
        event_id: str,
        *,
        sequence: int | None = None,
        arrived_at: datetime | None = None,
    ) -> Self:
        """Return the desired plan that an event named."""
        # Fixed width, so that DynamoDB's comparison of strings is one of moments.
        moment = occurred_at.astimezone(UTC).isoformat(timespec="microseconds")
        return cls(plan, f"{int(authority)}#{moment}#{event_id}", event_id, sequence, arrived_at)

    @classmethod
    def assumed(cls, plan: str, event_id: str) -> Self:
        """Return the default plan, for a company for which no event named one."""
        return cls(plan, _ASSUMED_ORDER, event_id)

    @property
    def moment(self) -> str:
        """The part of ``order`` that tied events share. It sorts below each of their orders."""
        return "#".join(self.order.split("#", 2)[:2])

    @property
    def authority(self) -> Authority:
        """How much the source that named the plan counts."""
        return Authority(int(self.order.partition("#")[0]))

    @property
    def occurred_at(self) -> datetime | None:
        """The event's business time; None where the plan is assumed."""
        _, _, rest = self.moment.partition("#")
        return datetime.fromisoformat(rest) if rest else None

    def recorded(self, at: datetime) -> Self:
        """Return the plan with the time at which it was recorded, where its arrival is not known."""
        return replace(self, arrived_at=self.arrived_at or at)


def newest_first(known: Iterable[DesiredPlan], arrived: DesiredPlan) -> tuple[DesiredPlan, ...]:
    """Add an event to those of its moment that are known; return those that may still count, the newest first.

    The result is the same in any order of calls. Of events with the same id, the first known one counts, and the
    earliest arrival: a repeated delivery is never newer than itself, nor than what came between. An event without a
    sequence is older than one with; where the arrival is the same, too, the ids decide. All must have an arrival.
    """
    by_id = {each.event_id: each for each in known}
    twin = by_id.get(arrived.event_id, arrived)
    by_id[arrived.event_id] = replace(twin, arrived_at=min(_arrival(twin), _arrival(arrived)))
    ranked = sorted(by_id.values(), key=_rank, reverse=True)
    # A lower sequence never counts again: it needs no memory.
    return tuple(each for each in ranked if each.sequence == ranked[0].sequence)[:MOST_TIED]


def rivals_text(rivals: Iterable[DesiredPlan]) -> str:
    """Return the text that a record keeps of the tied events behind the newest one."""
    return json.dumps([[each.event_id, each.plan, _arrival(each).isoformat()] for each in rivals])


def read_rivals(text: str, newest: DesiredPlan) -> tuple[DesiredPlan, ...]:
    """Return what ``rivals_text`` kept, of the same moment and sequence as the newest."""
    return tuple(
        DesiredPlan(plan, f"{newest.moment}#{event_id}", event_id, newest.sequence, datetime.fromisoformat(at))
        for event_id, plan, at in json.loads(text)
    )


def _rank(tied: DesiredPlan) -> tuple[int, datetime, str]:
    return -1 if tied.sequence is None else tied.sequence, _arrival(tied), tied.event_id


def _arrival(desired: DesiredPlan) -> datetime:
    assert desired.arrived_at is not None  # noqa: S101  # The caller's promise, which the type cannot hold.
    return desired.arrived_at
