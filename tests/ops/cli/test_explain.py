"""The command ``explain``: one screen, one sentence, an exit code, and no change."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

from codat_sync.companies.pause import Pause
from codat_sync.companies.records import AppliedPreset
from codat_sync.events.company_events import Authority
from tests.ops.on_call import COMPANY, OTHER, OnCall

EVENTS = Path(__file__).parents[3] / "events"


def ago(**span: float) -> datetime:
    return datetime.now(UTC) - timedelta(**span)


def words_of(text: str) -> str:
    """Return a text without line breaks."""
    return " ".join(text.split())


# --- As it should be ------------------------------------------------------------------------------------------------


def test_a_company_at_its_preset_is_fine(on_call: OnCall) -> None:
    on_call.add_company(name="Kew Cafe")
    on_call.confirm(on_call.record(at=ago(days=2)), at=ago(days=2))
    result = on_call("explain", COMPANY)
    assert result.exit_code == 0
    assert "Kew Cafe" in result.stdout
    assert "2 d ago" in result.stdout
    assert "no difference" in result.stdout
    assert result.stdout.rstrip().endswith("UTC.")
    assert (
        "The company is on growth (stated by billing or onboarding), and its preset was confirmed at Codat at "
        in words_of(result.stdout)
    )
    assert len(result.stdout.splitlines()) <= 24


@pytest.mark.parametrize(
    ("authority", "words"),
    [
        (Authority.STATED, "stated by billing or onboarding"),
        (Authority.TAGGED, "taken from its tag at Codat"),
        (Authority.ASSUMED, "the default plan, because no event named one"),
    ],
)
def test_it_says_where_the_plan_comes_from(on_call: OnCall, authority: Authority, words: str) -> None:
    on_call.add_company()
    on_call.confirm(on_call.record(authority=authority))
    assert words in words_of(on_call("explain", COMPANY).stdout)
    about = on_call.json("explain", COMPANY)
    assert about["authority"] == authority.name.lower()
    assert (about["occurred_at"] is None) is (authority is Authority.ASSUMED)


def test_the_json_has_all_of_it(on_call: OnCall) -> None:
    on_call.add_company(name="Kew Cafe")
    on_call.confirm(on_call.record())
    about = on_call.json("explain", COMPANY)
    assert about["finding"] == "in_step"
    assert about["record"]["desired"]["plan"] == about["record"]["applied"]["plan"] == "growth"
    assert about["at_codat"]["name"] == "Kew Cafe"
    assert about["at_codat"]["data_types"]["weekly"] == ["chartOfAccounts", "company", "taxRates", "trackingCategories"]
    assert (about["differences"], about["letters"], about["pause"]) == ([], [], None)
    assert about["because"].startswith("The company is on growth")


# --- Not as it should be --------------------------------------------------------------------------------------------


def test_settings_that_were_changed_at_codat(on_call: OnCall) -> None:
    on_call.add_company(plan="starter")
    on_call.confirm(on_call.record(at=ago(days=9)), at=ago(days=9))
    on_call.plans.note_drift(COMPANY, 2, at=ago(hours=3))
    result = on_call("explain", COMPANY)
    assert result.exit_code == 1
    assert "The settings were changed at Codat after" in words_of(result.stdout)
    assert words_of(result.stdout).endswith("when the preset of growth was confirmed: 34 data types differ now.")
    assert "accountTransactions, balanceSheet, bankAccounts and 31 more: weekly → daily at" in words_of(result.stdout)
    assert "3 h ago): in 2 runs in a row" in result.stdout
    on_call.plans.note_drift(COMPANY, 1, at=ago(hours=3))
    assert "3 h ago): in the newest run" in on_call("explain", COMPANY).stdout
    on_call.plans.note_in_step(COMPANY)
    assert "3 h ago): not since" in on_call("explain", COMPANY).stdout


def test_a_degraded_company(on_call: OnCall) -> None:
    on_call.add_company(plan="growth")
    on_call.confirm(on_call.record(plan="scale"), degraded=True)
    on_call.park("PaymentRequiredQueueUrl", companyId=str(COMPANY), reason="hourly_not_allowed", words="Not allowed")
    result = on_call("explain", COMPANY)
    assert result.exit_code == 1
    assert "scale, with daily as the fallback for hourly" in result.stdout
    assert "but the Codat account does not allow hourly syncs, so daily is the fallback." in words_of(result.stdout)
    assert "payment-required" in result.stdout
    assert "daily → hourly" in words_of(result.stdout)
    assert on_call.json("explain", COMPANY)["finding"] == "degraded"


def test_a_degraded_company_that_was_changed_at_codat(on_call: OnCall) -> None:
    on_call.add_company(plan="free")
    on_call.confirm(on_call.record(plan="scale"), degraded=True)
    assert on_call.json("explain", COMPANY)["finding"] == "changed_at_codat"


def test_a_preset_that_changed_after_it_was_applied(on_call: OnCall) -> None:
    on_call.add_company(plan="starter")
    desired = on_call.record()
    applied = AppliedPreset("growth", "of-an-older-preset", "e1", desired.order)
    on_call.plans.confirm(COMPANY, desired, applied, at=ago(days=1))
    result = on_call("explain", COMPANY)
    assert result.exit_code == 1
    assert "the preset of growth has changed since it was applied at" in words_of(result.stdout)


def test_an_event_that_is_in_progress(on_call: OnCall) -> None:
    on_call.add_company(plan="starter")
    on_call.record()
    result = on_call("explain", COMPANY)
    assert result.exit_code == 1
    assert "never" in result.stdout
    assert words_of(result.stdout).endswith("but its event is still in progress.")


def test_an_attempt_that_failed(on_call: OnCall) -> None:
    on_call.add_company(plan="starter")
    on_call.record(at=ago(hours=2))
    on_call.plans.note_failure(COMPANY, "e1", "server_error: Codat is ill", at=ago(hours=1))
    result = on_call("explain", COMPANY)
    assert result.exit_code == 1
    assert "(server_error: Codat is ill)." in words_of(result.stdout)
    assert on_call.json("explain", COMPANY)["finding"] == "not_applied"


def test_a_failure_that_was_overcome(on_call: OnCall) -> None:
    on_call.add_company()
    desired = on_call.record(at=ago(hours=3))
    on_call.plans.note_failure(COMPANY, "e1", "server_error: Codat is ill", at=ago(hours=2))
    assert "2 h ago): server_error" in on_call("explain", COMPANY).stdout
    on_call.confirm(desired, at=ago(hours=1))
    assert "2 h ago), succeeded since: server_error: Codat is ill" in on_call("explain", COMPANY).stdout


def test_a_failure_of_an_earlier_plan_is_not_the_reason(on_call: OnCall) -> None:
    on_call.add_company(plan="starter")
    on_call.record(at=ago(hours=3))
    on_call.plans.note_failure(COMPANY, "e1", "server_error: Codat is ill", at=ago(hours=2))
    on_call.record(plan="scale", at=ago(hours=1))
    assert words_of(on_call("explain", COMPANY).stdout).endswith("but its event is still in progress.")


def test_an_event_in_a_dlq(on_call: OnCall) -> None:
    on_call.add_company(plan="starter")
    on_call.record(at=ago(hours=2))
    for number in range(5):
        on_call.park(
            "FailedEventsQueueUrl",
            companyId=str(COMPANY),
            reason="forbidden",
            words=f"No. {number}",
            parkedAt=ago(minutes=60 - number).isoformat(),
        )
    on_call.park("FailedEventsQueueUrl", companyId=str(OTHER), reason="forbidden", words="Another's")
    result = on_call("explain", COMPANY)
    assert "its event is in the failed-events DLQ (forbidden: No. 4)" in words_of(result.stdout)
    assert "and 2 older" in result.stdout
    assert "Another's" not in result.stdout
    assert len(on_call.messages("FailedEventsQueueUrl")) == 6  # All of them can be seen again.


def test_a_newer_event_in_a_dlq_of_a_company_at_its_preset(on_call: OnCall) -> None:
    on_call.add_company()
    on_call.confirm(on_call.record(at=ago(hours=2)), at=ago(hours=2))
    on_call.park(
        "FailedEventsQueueUrl", companyId=str(COMPANY), reason="bad_request", parkedAt=ago(hours=3).isoformat()
    )
    result = on_call("explain", COMPANY)
    assert result.exit_code == 1
    assert "a newer event" not in result.stdout
    on_call.park("FailedEventsQueueUrl", companyId=str(COMPANY), reason="unknown_plan", words="platinum")
    shown = words_of(on_call("explain", COMPANY).stdout)
    assert shown.endswith("UTC, but a newer event is in the failed-events DLQ (unknown_plan: platinum).")


def test_a_plan_that_the_presets_do_not_know(on_call: OnCall) -> None:
    on_call.add_company()
    on_call.record(plan="platinum")
    result = on_call("explain", COMPANY)
    assert result.exit_code == 1
    assert "but the presets do not have this plan, so nothing can be applied." in words_of(result.stdout)
    assert "to the preset" not in result.stdout


# --- Unknown companies ----------------------------------------------------------------------------------------------


def test_a_company_without_an_event(on_call: OnCall) -> None:
    on_call.add_company(plan=None)
    result = on_call("explain", COMPANY)
    assert result.exit_code == 1
    shown = words_of(result.stdout)
    assert "the account's settings" in result.stdout
    assert "No event about the company has reached the stack, so the settings are Codat's own" in shown


def test_a_company_whose_only_event_is_in_a_dlq(on_call: OnCall) -> None:
    """SQS moved it there, so only the event itself names the company."""
    on_call.add_company(plan=None)
    body = (EVENTS / "company_upgraded_plan.json").read_text("utf-8")
    on_call.park("FailedEventsQueueUrl", body, source=None)
    result = on_call("explain", COMPANY)
    assert "Its event is in the failed-events DLQ (none_given)" in words_of(result.stdout)
    (letter,) = on_call.json("explain", COMPANY)["letters"]
    assert letter["event_id"] == json.loads(body)["id"]


def test_a_company_that_neither_codat_nor_the_table_knows(on_call: OnCall) -> None:
    result = on_call("explain", COMPANY)
    assert result.exit_code == 1
    shown = words_of(result.stdout)
    assert "There are no settings: Codat does not know the company, and no event about the company" in shown


def test_a_company_that_codat_does_not_know(on_call: OnCall) -> None:
    on_call.record()
    result = on_call("explain", COMPANY)
    assert result.exit_code == 1
    shown = words_of(result.stdout)
    assert "There are no settings: the company is on growth (stated by billing or onboarding), but Codat" in shown


# --- Where Codat does not answer ------------------------------------------------------------------------------------


@pytest.mark.parametrize("flags", [{"expired": True}, {"api_key": "rotated"}])
@pytest.mark.parametrize("known", [True, False])
def test_what_is_known_is_shown_without_codat(on_call: OnCall, flags: dict[str, Any], *, known: bool) -> None:
    if known:
        on_call.record()
    for name, value in flags.items():
        setattr(on_call.account.flags, name, value)
    result = on_call("explain", COMPANY)
    assert result.exit_code == 3
    assert "not shown:" in result.stdout
    assert "The cause is unknown:" in result.stdout
    assert ("growth" in result.stdout) is known


def test_a_secret_that_is_not_there(on_call: OnCall) -> None:
    boto3.client("secretsmanager").delete_secret(SecretId="codat-sync/api-key", ForceDeleteWithoutRecovery=True)
    result = on_call("explain", COMPANY)
    assert result.exit_code == 3
    assert "the secret codat-sync/api-key cannot be read" in words_of(result.stdout)


def test_a_pause_does_not_keep_it_from_asking_codat(on_call: OnCall) -> None:
    on_call.add_company()
    on_call.confirm(on_call.record())
    on_call.stack.pause.write(Pause("rate_limited", "Too many", ago(hours=-1)))
    result = on_call("explain", COMPANY)
    assert result.exit_code == 0
    assert "rate_limited: Too many" in result.stdout


def test_a_stack_that_is_not_there(on_call: OnCall) -> None:
    result = on_call("explain", COMPANY, "--stack", "absent")
    assert result.exit_code == 3
    assert result.stderr == "error: there is no stack 'absent'\nhint: name another\n"
    assert result.stdout == ""


def test_a_company_is_a_uuid(on_call: OnCall) -> None:
    assert on_call("explain", "Kew-Cafe").exit_code == 2
