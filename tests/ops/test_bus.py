"""The bus: every event is taken, or the error says how many were."""

from typing import Any

import pytest

from ops.bus import Bus
from ops.errors import BusRefused


class FakeEventBridge:
    """EventBridge, which takes events until it has ``room`` no more."""

    def __init__(self, room: int = 100) -> None:
        self.room = room
        self.calls: list[list[dict[str, Any]]] = []

    def put_events(self, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803  # AWS's own name.
        self.calls.append(Entries)
        answers: list[dict[str, str]] = []
        for entry in Entries:
            taken, self.room = self.room > 0, self.room - 1
            refused = {"ErrorCode": "ThrottlingException", "ErrorMessage": "Slow down"}
            answers.append({"EventId": entry["Detail"]} if taken else refused)
        return {"Entries": answers, "FailedEntryCount": sum("EventId" not in each for each in answers)}


def put(events: FakeEventBridge, count: int) -> list[str]:
    client: Any = events
    return Bus(client, "bus").put([{"Detail": str(number)} for number in range(count)])


def test_events_go_ten_at_a_time_to_the_bus_and_their_ids_come_back_in_order() -> None:
    events = FakeEventBridge()
    assert put(events, 23) == [str(number) for number in range(23)]
    assert [len(call) for call in events.calls] == [10, 10, 3]
    assert {entry["EventBusName"] for call in events.calls for entry in call} == {"bus"}


def test_nothing_to_put_calls_nothing() -> None:
    events = FakeEventBridge()
    assert put(events, 0) == []
    assert events.calls == []


def test_an_event_that_is_refused_ends_it_and_the_error_counts_what_was_taken() -> None:
    events = FakeEventBridge(room=14)
    with pytest.raises(BusRefused, match=r"^the bus bus took 14 of 30 events: ThrottlingException Slow down$"):
        put(events, 30)
    assert len(events.calls) == 2
