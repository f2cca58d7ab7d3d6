"""The DLQs: looking disturbs nobody, and nothing is moved or deleted that was not meant."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from codat_sync.outcomes.parked_events import CLOSING_SECONDS, ParkedEvent
from ops.cli import main as cli
from ops.dlq import Dlq, Dlqs, Wanted
from tests.ops.on_call import ARN, COMPANY, OTHER, OnCall

EVENTS = Path(__file__).parents[2] / "events"
PAYMENT, FAILED, UNDELIVERED = "PaymentRequiredQueueUrl", "FailedEventsQueueUrl", "UndeliveredEventsQueueUrl"
NOW = datetime.now(UTC)
UPGRADED = (EVENTS / "company_upgraded_plan.json").read_text("utf-8")


def at(minutes: float) -> str:
    return (datetime.now(UTC) - timedelta(minutes=minutes)).isoformat()


@pytest.fixture
def full(on_call: OnCall) -> OnCall:
    """Two of one reason and one of another in the first DLQ, one in each other."""
    on_call.park(
        PAYMENT, "one", reason="hourly_not_allowed", words="the older", companyId=str(COMPANY), parkedAt=at(90)
    )
    on_call.park(PAYMENT, "two", reason="hourly_not_allowed", words="the newer", companyId=str(OTHER), parkedAt=at(5))
    on_call.park(PAYMENT, "three", reason="account_expired", words="expired", companyId=str(COMPANY), parkedAt=at(3000))
    on_call.park(FAILED, "four", reason="malformed_event", words="no UUID [sic]", parkedAt=at(10))
    on_call.park(
        UNDELIVERED,
        UPGRADED,
        source=None,
        ERROR_CODE="NO_PERMISSIONS",
        ERROR_MESSAGE="Denied",
        TARGET_ARN=f"{ARN}plan-changed",
    )
    return on_call


# --- list -----------------------------------------------------------------------------------------------------------


def test_what_lies_there_is_grouped_by_dlq_and_reason(full: OnCall) -> None:
    groups = full.json("dlq", "list")["groups"]
    assert [(group["dlq"], group["reason"], group["count"], group["words"]) for group in groups] == [
        ("payment-required", "hourly_not_allowed", 2, "the newer"),
        ("payment-required", "account_expired", 1, "expired"),
        ("failed-events", "malformed_event", 1, "no UUID [sic]"),
        ("undelivered", "NO_PERMISSIONS", 1, "Denied"),
    ]
    assert groups[0]["oldest"] < groups[0]["newest"]


def test_it_looks_like_a_table(full: OnCall) -> None:
    result = full("dlq", "list")
    assert result.exit_code == 1
    assert "1 h 30 min ago" in result.stdout
    assert "2 d 2 h ago" in result.stdout
    assert "no UUID [sic]" in result.stdout


def test_an_empty_dlq_is_fine(on_call: OnCall) -> None:
    result = on_call("dlq", "list")
    assert (result.exit_code, result.stdout) == (0, "Nothing was found in the DLQs.\n")


def test_looking_leaves_everything_where_it_can_be_seen(full: OnCall) -> None:
    for command in ("list", "show", "redrive", "discard"):
        assert full("dlq", command).exit_code == 1
    assert [len(full.messages(queue)) for queue in (PAYMENT, FAILED, UNDELIVERED, "source")] == [3, 1, 1, 0]


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        (["--dlq", "failed-events"], 1),
        (["--dlq", "failed-events", "--dlq", "undelivered"], 2),
        (["--reason", "hourly_not_allowed"], 2),
        (["--company", COMPANY], 3),  # One of them is named by nothing but the event itself.
        (["--company", COMPANY, "--reason", "account_expired"], 1),
        (["--reason", "nothing_such"], 0),
    ],
)
def test_it_can_be_narrowed(full: OnCall, arguments: list[object], count: int) -> None:
    assert sum(group["count"] for group in full.json("dlq", "list", *arguments)["groups"]) == count
    assert full("dlq", "list", *arguments).exit_code == (1 if count else 0)


def test_a_dlq_that_there_is_not(on_call: OnCall) -> None:
    assert on_call("dlq", "list", "--dlq", "lost").exit_code == 2


# --- show -----------------------------------------------------------------------------------------------------------


def test_each_event_with_all_that_stands_beside_it(on_call: OnCall) -> None:
    on_call.park(
        FAILED,
        UPGRADED,
        reason="bad_request",
        words="Not valid",
        status="400",
        correlationId="c0ffee",
        companyId=str(COMPANY),
        plan="scale",
        eventId="e7",
        parkedAt=at(10),
    )
    (letter,) = on_call.json("dlq", "show")["letters"]
    assert letter["body"] == UPGRADED
    assert "receipt_handle" not in letter
    result = on_call("dlq", "show")
    assert result.exit_code == 1
    for shown in ("failed-events: bad_request", "Not valid", "400", "c0ffee", str(COMPANY), "e7", "plan-changed"):
        assert shown in result.stdout
    assert '"detail-type": "Company Upgraded Plan"' in result.stdout


def test_nothing_of_that_kind(full: OnCall) -> None:
    result = full("dlq", "show", "--reason", "nothing_such")
    assert (result.exit_code, result.stdout) == (0, "Nothing was found in the DLQs.\n")


def test_what_sqs_moved_has_no_reason() -> None:
    (letter,) = looking_at([[moved_by_sqs("m1")]]).look(Wanted()).letters
    assert letter.why == "none_given: SQS moved it: it was received too often"
    assert letter.company_id == COMPANY


# --- redrive --------------------------------------------------------------------------------------------------------


def test_redrive_is_dry_unless_told_otherwise(full: OnCall) -> None:
    result = full("dlq", "redrive", "--reason", "hourly_not_allowed")
    assert result.exit_code == 1
    assert "2 would be brought back. Nothing was touched: --apply does it." in result.stdout
    assert full.json("dlq", "redrive", "--reason", "hourly_not_allowed")["groups"][0]["count"] == 2
    assert full("dlq", "redrive", "--reason", "nothing_such").exit_code == 0


def test_what_is_meant_goes_back_to_its_queue_byte_for_byte(full: OnCall) -> None:
    result = full("dlq", "redrive", "--company", COMPANY, "--dlq", "payment-required", "--apply")
    assert (result.exit_code, result.stdout) == (0, "2 brought back.\n")
    assert sorted(message["Body"] for message in full.messages("source")) == ["one", "three"]
    assert all("parkedAt" in message["MessageAttributes"] for message in full.messages("source"))
    assert [message["Body"] for message in full.messages(PAYMENT)] == ["two"]
    assert len(full.messages(FAILED)) == 1


def test_what_eventbridge_could_not_deliver_goes_to_its_target(full: OnCall) -> None:
    assert full("dlq", "redrive", "--dlq", "undelivered", "--apply").exit_code == 0
    assert [message["Body"] for message in full.messages("source")] == [UPGRADED]


def test_what_cannot_go_back_stays_and_says_why(on_call: OnCall) -> None:
    on_call.park(FAILED, source=None, reason="malformed_event")
    on_call.park(FAILED, source="deleted-last-year", reason="malformed_event")
    result = on_call("dlq", "redrive", "--apply")
    assert result.exit_code == 1
    assert "0 brought back." in result.stdout
    assert "1 not, and still there: it names no source queue" in result.stdout
    assert len(on_call.messages(FAILED)) == 2
    failed = on_call.json("dlq", "redrive", "--apply")["failed"]
    assert len(failed) == 2


def test_what_is_parked_meanwhile_is_left_alone(on_call: OnCall) -> None:
    """Or it might go in circles for as long as the command runs."""
    on_call.park(PAYMENT, reason="hourly_not_allowed", parkedAt=at(-1))
    assert on_call("dlq", "redrive", "--apply").stdout == "0 brought back.\n"
    assert len(on_call.messages(PAYMENT)) == 1


# --- discard --------------------------------------------------------------------------------------------------------


def test_discard_is_dry_unless_told_otherwise(full: OnCall) -> None:
    result = full("dlq", "discard", "--reason", "malformed_event")
    assert result.exit_code == 1
    assert "1 would be discarded. Nothing was touched: --apply does it." in result.stdout


def test_only_what_is_meant_is_discarded(full: OnCall) -> None:
    result = full("dlq", "discard", "--reason", "malformed_event", "--apply", "--json")
    assert result.exit_code == 0
    assert [letter["body"] for letter in json.loads(result.stdout)["letters"]] == ["four"]
    assert [len(full.messages(queue)) for queue in (PAYMENT, FAILED, UNDELIVERED, "source")] == [3, 0, 1, 0]


# --- Out of time ----------------------------------------------------------------------------------------------------


@dataclass
class LongDlq:
    """A DLQ that takes a minute for each batch."""

    batches: list[list[ParkedEvent]]
    clock: list[float]

    def read(self, seconds_left: Callable[[], float]) -> Iterator[list[ParkedEvent]]:
        for batch in self.batches:
            if seconds_left() <= CLOSING_SECONDS:
                return
            self.clock[0] += 60
            yield batch

    def discard(self, _: Sequence[ParkedEvent]) -> list[tuple[ParkedEvent, str]]:
        return []


def moved_by_sqs(message_id: str) -> ParkedEvent:
    return ParkedEvent(message_id, "handle", UPGRADED, {}, NOW - timedelta(minutes=1), moved_by_sqs=True)


def looking_at(batches: list[list[ParkedEvent]], seconds: float = 600) -> Dlqs:
    clock = [0.0]
    queue: Any = LongDlq(batches, clock)
    return Dlqs({Dlq.FAILED_EVENTS: queue}, seconds=seconds, now=lambda: NOW, monotonic=lambda: clock[0])


def test_it_says_where_there_was_no_time_for_all() -> None:
    batches = [[moved_by_sqs(f"m{number}")] for number in range(5)]
    seen: list[int] = []
    assert looking_at(batches).look(Wanted(), seen.append).complete
    assert sum(seen) == 5
    look = looking_at(batches, seconds=120).look(Wanted())
    assert (len(look.letters), look.complete) == (2, False)
    thrown_away = looking_at(batches, seconds=120).throw_away(Wanted())
    assert (len(thrown_away.letters), thrown_away.complete) == (2, False)


def test_it_is_said_to_people_too(on_call: OnCall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "DLQ_SECONDS", 1)
    for command in (["dlq", "list"], ["dlq", "show"], ["dlq", "discard"], ["dlq", "discard", "--apply"]):
        assert "There was no time to look at all of it." in on_call(*command).stdout
    assert on_call("dlq", "discard", "--apply").exit_code == 1
    assert "there was no time to look at all of the DLQs" in on_call("explain", COMPANY).stdout
