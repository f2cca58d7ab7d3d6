"""The event bus, for whoever is on call."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_events.type_defs import PutEventsRequestEntryTypeDef

OPERATIONS: Final = "operations"
"""The source of what this tool asks of the stack. The rules take whatever is not the stack's own."""

_BATCH: Final = 10


class BusRefused(RuntimeError):
    """The bus has not taken all of the events. The text says how many it has, and what it said of the first other."""


class Bus:
    """One stack's bus."""

    def __init__(self, events: "EventBridgeClient", name: str) -> None:
        self._events = events
        self._name = name

    def put(self, entries: Sequence["PutEventsRequestEntryTypeDef"]) -> list[str]:
        """The ids that EventBridge gave to the events, in their order. Raises ``BusRefused``."""
        event_ids: list[str] = []
        for start in range(0, len(entries), _BATCH):
            chunk = entries[start : start + _BATCH]
            answer = self._events.put_events(Entries=[{**entry, "EventBusName": self._name} for entry in chunk])
            event_ids += [entry["EventId"] for entry in answer["Entries"] if "EventId" in entry]
            if answer["FailedEntryCount"]:
                (refused, *_) = (entry for entry in answer["Entries"] if "EventId" not in entry)
                raise BusRefused(
                    f"the bus {self._name} took {len(event_ids)} of {len(entries)} events: "
                    f"{refused.get('ErrorCode')} {refused.get('ErrorMessage', '')}".rstrip()
                )
        return event_ids
