"""The DLQs as a use case: what a dead letter says, and what a time limit leaves."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from codat_sync.deadline import Deadline
from codat_sync.outcomes.parked_events import CLOSING_SECONDS, ParkedEvent
from ops.dlq import DeadLetter, Dlq, Dlqs, Filter, Found, approximate_count
from tests.ops.on_call import COMPANY, OTHER, OnCall

NOW = datetime.now(UTC)
UPGRADED = (Path(__file__).parents[2] / "events/company_upgraded_plan.json").read_text("utf-8")


@dataclass
class LongDlq:
    """A DLQ that takes a minute for each batch."""

    batches: list[list[ParkedEvent]]
    clock: list[float]

    def read(self, deadline: Deadline) -> Iterator[list[ParkedEvent]]:
        for batch in self.batches:
            if deadline.seconds_left <= CLOSING_SECONDS:
                return
            self.clock[0] += 60
            yield batch

    def discard(self, _: Sequence[ParkedEvent]) -> list[tuple[ParkedEvent, str]]:
        return []


def moved_by_sqs(message_id: str) -> ParkedEvent:
    return ParkedEvent(message_id, "handle", UPGRADED, {}, NOW - timedelta(minutes=1), moved_by_sqs=True)


def dlqs(batches: list[list[ParkedEvent]], seconds: float = 600) -> Dlqs:
    clock = [0.0]
    queue: Any = LongDlq(batches, clock)
    return Dlqs({Dlq.FAILED_EVENTS: queue}, seconds=seconds, now=lambda: NOW, monotonic=lambda: clock[0])


def letter(dlq: Dlq, reason: str, minute: int, company_id: UUID = COMPANY) -> DeadLetter:
    at = NOW + timedelta(minutes=minute)
    return DeadLetter(dlq, reason, f"No. {minute}", at, company_id, None, None, None, None, None, "{}")


def test_what_sqs_moved_has_no_reason_and_is_named_by_the_event() -> None:
    (found,) = dlqs([[moved_by_sqs("m1")]]).find(Filter()).letters
    assert found.why == "none_given: SQS moved it after too many receives"
    assert found.company_id == COMPANY


@pytest.mark.parametrize("company_id", [None, "Kew Cafe"])
def test_a_malformed_event_is_about_no_company(company_id: str | None) -> None:
    event = replace(moved_by_sqs("m1"), body="{", event_id="e1", company_id=company_id)
    (found,) = dlqs([[event]]).find(Filter()).letters
    assert (found.company_id, found.event_id) == (None, "e1")


@pytest.mark.parametrize(
    ("matching", "expected"),
    [
        (Filter(), True),
        (Filter("forbidden"), True),
        (Filter("bad_request"), False),
        (Filter(company_id=COMPANY), True),
        (Filter("forbidden", OTHER), False),
    ],
)
def test_a_filter_matches_where_all_that_it_names_does(matching: Filter, *, expected: bool) -> None:
    assert (letter(Dlq.UNDELIVERED, "forbidden", 1) in matching) is expected


def test_groups_are_listed_by_dlq_and_then_by_size_with_the_words_of_the_newest() -> None:
    found = Found(
        [
            letter(Dlq.UNDELIVERED, "NO_PERMISSIONS", 4),
            letter(Dlq.FAILED_EVENTS, "forbidden", 3),
            letter(Dlq.FAILED_EVENTS, "bad_request", 2),
            letter(Dlq.FAILED_EVENTS, "bad_request", 1),
        ]
    )
    assert [(group.dlq, group.reason, group.count, group.words) for group in found.groups] == [
        ("failed-events", "bad_request", 2, "No. 2"),
        ("failed-events", "forbidden", 1, "No. 3"),
        ("undelivered", "NO_PERMISSIONS", 1, "No. 4"),
    ]
    assert (found.groups[0].oldest, found.groups[0].newest) == (
        NOW + timedelta(minutes=1),
        NOW + timedelta(minutes=2),
    )


def test_it_says_where_the_time_limit_left_messages_unread() -> None:
    batches = [[moved_by_sqs(f"m{number}")] for number in range(5)]
    seen: list[int] = []
    assert dlqs(batches).find(Filter(), seen.append).complete
    assert sum(seen) == 5
    found = dlqs(batches, seconds=120).find(Filter())
    assert (len(found.letters), found.complete) == (2, False)
    discarded = dlqs(batches, seconds=120).discard(Filter(), lambda _: None)
    assert (len(discarded.letters), discarded.complete) == (2, False)


def test_the_count_of_a_queue_is_that_of_its_visible_messages(on_call: OnCall) -> None:
    for number in range(3):
        on_call.park("FailedEventsQueueUrl", str(number))
    assert approximate_count(on_call.sqs, on_call.urls["FailedEventsQueueUrl"]) == 3
