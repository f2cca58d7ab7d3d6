"""The commands of ``dlq``: reading changes nothing, and only what matches is redriven or discarded."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.ops.on_call import ARN, COMPANY, OTHER, OnCall

EVENTS = Path(__file__).parents[3] / "events"
PAYMENT, FAILED, UNDELIVERED = "PaymentRequiredQueueUrl", "FailedEventsQueueUrl", "UndeliveredEventsQueueUrl"
MALFORMED = ["--dlq", "failed-events", "--reason", "malformed_event"]
UPGRADED = (EVENTS / "company_upgraded_plan.json").read_text("utf-8")


def at(minutes: float) -> str:
    return (datetime.now(UTC) - timedelta(minutes=minutes)).isoformat()


@pytest.fixture
def full(on_call: OnCall) -> OnCall:
    """Put two events of one reason and one of another into the first DLQ, and one into each other DLQ."""
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


def test_events_are_grouped_by_dlq_and_reason(full: OnCall) -> None:
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
    assert (result.exit_code, result.stdout) == (0, "The DLQs hold no such event.\n")


def test_reading_leaves_every_event_visible_in_its_dlq(full: OnCall) -> None:
    for command in (["list"], ["show"], ["redrive"], ["discard", *MALFORMED]):
        assert full("dlq", *command).exit_code == 1
    assert [len(full.messages(queue)) for queue in (PAYMENT, FAILED, UNDELIVERED, "source")] == [3, 1, 1, 0]


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        (["--dlq", "failed-events"], 1),
        (["--dlq", "failed-events", "--dlq", "undelivered"], 2),
        (["--reason", "hourly_not_allowed"], 2),
        (["--company", COMPANY], 3),  # One of them is named by the event alone.
        (["--company", COMPANY, "--reason", "account_expired"], 1),
        (["--reason", "nothing_such"], 0),
    ],
)
def test_the_events_can_be_filtered(full: OnCall, arguments: list[object], count: int) -> None:
    assert sum(group["count"] for group in full.json("dlq", "list", *arguments)["groups"]) == count
    assert full("dlq", "list", *arguments).exit_code == (1 if count else 0)


def test_an_unknown_dlq_is_a_usage_error(on_call: OnCall) -> None:
    assert on_call("dlq", "list", "--dlq", "lost").exit_code == 2


# --- show -----------------------------------------------------------------------------------------------------------


def test_each_event_is_shown_with_its_attributes_and_body(on_call: OnCall) -> None:
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


def test_no_event_that_matches_is_fine(full: OnCall) -> None:
    result = full("dlq", "show", "--reason", "nothing_such")
    assert (result.exit_code, result.stdout) == (0, "The DLQs hold no such event.\n")


# --- redrive --------------------------------------------------------------------------------------------------------


def test_redrive_without_apply_changes_nothing(full: OnCall) -> None:
    result = full("dlq", "redrive", "--reason", "hourly_not_allowed")
    assert result.exit_code == 1
    assert "2 would be redriven. Nothing was changed. --apply does it." in result.stdout
    assert full.json("dlq", "redrive", "--reason", "hourly_not_allowed")["groups"][0]["count"] == 2
    assert full("dlq", "redrive", "--reason", "forbidden").exit_code == 0


@pytest.mark.parametrize("command", [["redrive"], ["discard", "--dlq", "payment-required"]], ids=["redrive", "discard"])
@pytest.mark.parametrize("apply", [[], ["--apply"]], ids=["dry", "apply"])
def test_a_reason_with_a_typing_error_is_refused_with_the_nearest(
    full: OnCall, command: list[str], apply: list[str]
) -> None:
    result = full("dlq", *command, "--reason", "acount_expired", *apply)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "there is no reason 'acount_expired': did you mean 'account_expired'?" in result.stderr
    assert len(full.messages(PAYMENT)) == 3


def test_a_reason_of_eventbridge_is_known_while_an_event_has_it(full: OnCall) -> None:
    assert full("dlq", "redrive", "--reason", "NO_PERMISSIONS").exit_code == 1
    assert full("dlq", "redrive", "--reason", "RULE_GONE").exit_code == 2


def test_what_matches_goes_back_to_its_queue_byte_for_byte(full: OnCall) -> None:
    result = full("dlq", "redrive", "--company", COMPANY, "--dlq", "payment-required", "--apply")
    assert (result.exit_code, result.stdout) == (0, "2 redriven.\n")
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
    assert "0 redriven." in result.stdout
    assert "1 failed, and stay in their DLQ: it names no source queue" in result.stdout
    assert len(on_call.messages(FAILED)) == 2
    failed = on_call.json("dlq", "redrive", "--apply")["failed"]
    assert len(failed) == 2


def test_what_is_parked_meanwhile_is_left_alone(on_call: OnCall) -> None:
    """It could be an event that this command has just redriven."""
    on_call.park(PAYMENT, reason="hourly_not_allowed", parkedAt=at(-1))
    assert on_call("dlq", "redrive", "--apply").stdout == "0 redriven.\n"
    assert len(on_call.messages(PAYMENT)) == 1


# --- discard --------------------------------------------------------------------------------------------------------


def test_discard_without_apply_changes_nothing(full: OnCall, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = full("dlq", "discard", *MALFORMED)
    assert result.exit_code == 1
    assert "1 would be discarded. Nothing was changed. --apply does it." in result.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments", [[], ["--dlq", "failed-events"], ["--reason", "forbidden"], ["--company", COMPANY]]
)
def test_discard_wants_a_dlq_and_a_reason_or_an_event(full: OnCall, arguments: list[object]) -> None:
    result = full("dlq", "discard", *arguments, "--apply")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "discard needs --dlq and --reason, or --event" in result.stderr
    assert [len(full.messages(queue)) for queue in (PAYMENT, FAILED, UNDELIVERED)] == [3, 1, 1]


def test_only_what_matches_is_discarded_and_is_in_the_file(full: OnCall, tmp_path: Path) -> None:
    file = tmp_path / "gone.jsonl"
    result = full("dlq", "discard", *MALFORMED, "--to", file, "--apply", "--json")
    assert result.exit_code == 0
    assert [letter["body"] for letter in json.loads(result.stdout)["letters"]] == ["four"]
    assert [json.loads(line)["body"] for line in file.read_text("utf-8").splitlines()] == ["four"]
    assert [len(full.messages(queue)) for queue in (PAYMENT, FAILED, UNDELIVERED, "source")] == [3, 0, 1, 0]


def test_one_event_is_discarded_by_its_id(on_call: OnCall, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for event in ("e1", "e2"):
        on_call.park(FAILED, event, reason="forbidden", companyId=str(COMPANY), eventId=event, parkedAt=at(5))
    assert on_call("dlq", "discard", "--event", "e2", "--apply").exit_code == 0
    assert [message["Body"] for message in on_call.messages(FAILED)] == ["e1"]
    (file,) = tmp_path.iterdir()
    assert file.name.startswith("discarded-20")
    assert json.loads(file.read_text("utf-8"))["event_id"] == "e2"


@pytest.mark.parametrize("name", ["there.jsonl", "absent/gone.jsonl"])
def test_nothing_is_discarded_where_the_file_cannot_be_written(full: OnCall, tmp_path: Path, name: str) -> None:
    (tmp_path / "there.jsonl").write_text("mine", "utf-8")
    result = full("dlq", "discard", *MALFORMED, "--to", tmp_path / name, "--apply")
    assert (result.exit_code, result.stdout) == (3, "")
    assert f"{name} cannot be written: " in result.stderr
    assert (tmp_path / "there.jsonl").read_text("utf-8") == "mine"
    assert len(full.messages(FAILED)) == 1


# --- Time limit -----------------------------------------------------------------------------------------------------


def test_a_time_limit_that_was_reached_is_shown(on_call: OnCall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.stack.DLQ_SECONDS", 1)
    for command in (
        ["dlq", "list"],
        ["dlq", "show"],
        ["dlq", "discard", *MALFORMED],
        ["dlq", "discard", *MALFORMED, "--apply"],
    ):
        assert "The time limit was reached before every message was read." in on_call(*command).stdout
    assert on_call("dlq", "discard", *MALFORMED, "--apply").exit_code == 1
    assert "the time limit was reached before every message was read" in on_call("explain", COMPANY).stdout
