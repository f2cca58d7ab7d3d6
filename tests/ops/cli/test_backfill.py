"""The command ``backfill``: dry without --apply, and an exit code for companies without a record."""

import json
from datetime import UTC, datetime
from uuid import UUID

import pytest

from codat_sync.events.company_events import read_company_reconciliation
from tests.ops.on_call import COMPANY, OnCall

QUEUE = "CompanyReconciliationsQueueUrl"


@pytest.fixture
def without_record(on_call: OnCall) -> OnCall:
    """Codat has one company with a record, and five without."""
    on_call.add_company()
    on_call.record()
    for number, tag in enumerate(["growth", "growth", "platinum", "", None], start=1):
        tags = {} if tag is None else {"plan": tag}
        on_call.account.add_company(str(UUID(int=number)), name=f"No. {number}", tags=tags)
    return on_call


def test_without_apply_nothing_is_requested(without_record: OnCall) -> None:
    result = without_record("backfill")
    assert result.exit_code == 1
    shown = " ".join(result.stdout.split())
    assert "free 3 growth 2" in shown
    assert "Default plan because of no tag: 2." in shown
    assert "Default plan because the tag names no plan: platinum 1." in shown
    assert "5 of Codat's 6 companies have no record. Nothing was changed. --apply requests them." in shown
    assert without_record.messages(QUEUE) == []


def test_apply_requests_the_companies_without_a_record(without_record: OnCall) -> None:
    result = without_record("backfill", "--apply")
    assert result.exit_code == 0
    assert "5 of Codat's 6 companies were requested." in result.stdout
    asked = [
        read_company_reconciliation(each["Body"], now=datetime.now(UTC)) for each in without_record.messages(QUEUE)
    ]
    assert {event.company_id.int for event in asked} == {1, 2, 3, 4, 5}
    assert sorted(str(event.plan) for event in asked) == ["None", "None", "None", "growth", "growth"]
    assert all(event.event_id.startswith("backfill-2") for event in asked)


def test_tags_are_not_mentioned_where_all_name_a_plan(on_call: OnCall) -> None:
    on_call.add_company(tags={"plan": "growth"})
    result = on_call("backfill")
    assert result.stdout.split() == [
        *("growth", "1"),
        *"1 of Codat's 1 companies have no record. Nothing was changed. --apply requests them.".split(),
    ]


def test_its_json_has_all_counts(without_record: OnCall) -> None:
    assert without_record.json("backfill") == {
        "known": 1,
        "plans": {"growth": 2, "free": 3},
        "untagged": 2,
        "unknown_tags": {"platinum": 1},
        "products": {},
    }


def test_companies_of_codats_products_are_named(on_call: OnCall) -> None:
    on_call.account.add_company(str(UUID(int=1)), products=["lending"])
    shown = " ".join(on_call("backfill").stdout.split())
    assert "Enrolled in Codat's products, which keep sync settings of their own: lending 1." in shown


def test_nothing_to_do_is_fine(on_call: OnCall) -> None:
    on_call.add_company()
    on_call.record()
    result = on_call("backfill")
    assert result.exit_code == 0
    assert result.stdout == "All of Codat's 1 companies have a record.\n"


def test_a_queue_that_refuses(without_record: OnCall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        without_record.stack.sqs, "send_message_batch", lambda **_: {"Failed": [{"Id": "0", "Code": "Throttled"}]}
    )
    result = without_record("backfill", "--apply")
    assert result.exit_code == 3
    assert "SQS did not accept 1 of a batch of companies: Throttled" in result.stderr


def test_codat_without_an_answer(without_record: OnCall) -> None:
    without_record.account.flags.expired = True
    result = without_record("backfill")
    assert result.exit_code == 3
    assert json.dumps(without_record.events()) == "[]"
    assert COMPANY.hex not in result.output
