"""The stack's event bus, for events that people send."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from ops.errors import BusRefused

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_events.type_defs import PutEventsRequestEntryTypeDef

OPERATIONS: Final = "operations"
"""The source of this tool's own events. The stack's rules match every source but ``codat-sync``."""

_BATCH: Final = 10


class Bus:
    """The event bus of one stack."""

    def __init__(self, events: "EventBridgeClient", name: str) -> None:
        self._events = events
        self._name = name

    def put(self, entries: Sequence["PutEventsRequestEntryTypeDef"]) -> list[str]:
        """Put events on the bus, ten a call, and return the ids that EventBridge gave them, in order.

        Raises ``BusRefused`` at the first call of which EventBridge refuses an event; the others are on the bus.
        """
        event_ids: list[str] = []
        for start in range(0, len(entries), _BATCH):
            chunk = entries[start : start + _BATCH]
            answer = self._events.put_events(Entries=[{**entry, "EventBusName": self._name} for entry in chunk])
            event_ids += [entry["EventId"] for entry in answer["Entries"] if "EventId" in entry]
            if answer["FailedEntryCount"]:
                (refused, *_) = (entry for entry in answer["Entries"] if "EventId" not in entry)
                raise BusRefused(
                    f"the bus {self._name} took {len(event_ids)} of {len(entries)} events: "
                    f"{refused.get('ErrorCode')} {refused.get('ErrorMessage', '')}".rstrip(),
                    hint="send the events again: a repeated event does no harm",
                )
        return event_ids
