"""Companies that Codat has and we do not know, as whoever is on call sees them."""

import json
from datetime import UTC, datetime
from uuid import UUID

import pytest

from codat_sync.events.company_events import read_company_reconciliation
from tests.ops.on_call import COMPANY, OnCall

QUEUE = "CompanyReconciliationsQueueUrl"


@pytest.fixture
def unknown(on_call: OnCall) -> OnCall:
    """Codat has one that we know, and five that we do not."""
    on_call.add_company()
    on_call.record()
    for number, tag in enumerate(["growth", "growth", "platinum", "", None], start=1):
        tags = {} if tag is None else {"plan": tag}
        on_call.account.add_company(str(UUID(int=number)), name=f"No. {number}", tags=tags)
    return on_call


def test_it_is_dry_unless_told_otherwise(unknown: OnCall) -> None:
    result = unknown("backfill")
    assert result.exit_code == 1
    shown = " ".join(result.stdout.split())
    assert "free 3 growth 2" in shown
    assert "Without a tag, and so on the default plan: 2." in shown
    assert "With a tag that names no plan, and so on the default plan: platinum 1." in shown
    assert "5 of Codat's 6 companies are not known to us. Nothing was touched: --apply asks for them." in shown
    assert unknown.messages(QUEUE) == []


def test_apply_asks_for_those_that_we_do_not_know(unknown: OnCall) -> None:
    result = unknown("backfill", "--apply")
    assert result.exit_code == 0
    assert "5 of Codat's 6 companies were asked for." in result.stdout
    asked = [read_company_reconciliation(each["Body"], now=datetime.now(UTC)) for each in unknown.messages(QUEUE)]
    assert {event.company_id.int for event in asked} == {1, 2, 3, 4, 5}
    assert sorted(str(event.plan) for event in asked) == ["None", "None", "None", "growth", "growth"]
    assert all(event.event_id.startswith("backfill-2") for event in asked)


def test_nothing_is_said_of_tags_where_all_are_good(on_call: OnCall) -> None:
    on_call.add_company(tags={"plan": "growth"})
    result = on_call("backfill")
    assert result.stdout.split() == [
        *("growth", "1"),
        *"1 of Codat's 1 companies are not known to us. Nothing was touched: --apply asks for them.".split(),
    ]


def test_for_machines(unknown: OnCall) -> None:
    assert unknown.json("backfill") == {
        "known": 1,
        "plans": {"growth": 2, "free": 3},
        "untagged": 2,
        "unknown_tags": {"platinum": 1},
    }


def test_nothing_to_do_is_fine(on_call: OnCall) -> None:
    on_call.add_company()
    on_call.record()
    result = on_call("backfill")
    assert result.exit_code == 0
    assert result.stdout == "All of Codat's 1 companies are known to us.\n"


def test_a_queue_that_refuses(unknown: OnCall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        unknown.stack.sqs, "send_message_batch", lambda **_: {"Failed": [{"Id": "0", "Code": "Throttled"}]}
    )
    result = unknown("backfill", "--apply")
    assert result.exit_code == 3
    assert "SQS did not take 1 of a batch of companies: Throttled" in result.stderr


def test_codat_without_an_answer(unknown: OnCall) -> None:
    unknown.account.flags.expired = True
    result = unknown("backfill")
    assert result.exit_code == 3
    assert json.dumps(unknown.events()) == "[]"
    assert COMPANY.hex not in result.output
