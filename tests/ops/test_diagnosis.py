"""The sentence that says why a company has its settings: one for each finding, with its facts."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from codat_sync.codat.differences import Difference
from codat_sync.codat.errors import NotFound, Unauthorized
from codat_sync.companies.desired import DesiredPlan
from codat_sync.companies.records import AppliedPreset, CompanyPlan, NotedFailure
from codat_sync.events.company_events import Authority
from codat_sync.reconciliation.findings import Finding
from ops.diagnosis import AUTHORITY_IN_WORDS, Evidence, diagnose
from ops.dlq import DeadLetter, Dlq

AT = datetime(2026, 2, 1, 12, 0, tzinfo=UTC)
LATER = AT + timedelta(hours=1)
DESIRED = DesiredPlan.named("growth", Authority.STATED, AT, "e1")
APPLIED = AppliedPreset("growth", "fingerprint", "e1", DESIRED.order)
RECORD = CompanyPlan(UUID(int=1), DESIRED, AT, APPLIED, LATER)
ON_GROWTH = "The company is on growth (stated by billing or onboarding)"
SETTINGS = [Difference("invoices", "sync_schedule", "weekly", "daily")]


def letter(at: datetime) -> DeadLetter:
    return DeadLetter(Dlq.FAILED_EVENTS, "forbidden", "No", at, None, None, None, None, None, None, "{}")


def evidence(
    finding: Finding | None, record: CompanyPlan | None = RECORD, *letters: DeadLetter, refusal: Exception | None = None
) -> Evidence:
    return Evidence(record, finding, SETTINGS, letters, refusal)


@pytest.mark.parametrize(
    ("finding", "sentence"),
    [
        (Finding.IN_STEP, f"{ON_GROWTH}, and its preset was confirmed at Codat at 2026-02-01 13:00 UTC."),
        (
            Finding.CHANGED_AT_CODAT,
            (
                "The settings were changed at Codat after 2026-02-01 13:00 UTC, when the preset of growth was "
                "confirmed: one data type differs now."
            ),
        ),
        (
            Finding.NOT_TAKEN,
            (
                "Codat accepted the preset of growth at 2026-02-01 13:00 UTC, but did not show it right after that: "
                "one data type differs now; reconciliation runs do not write it again."
            ),
        ),
        (
            Finding.PRESET_CHANGED,
            (
                f"{ON_GROWTH}, and the preset of growth has changed since it was applied at 2026-02-01 13:00 UTC; "
                "the next reconciliation run applies the new one."
            ),
        ),
        (Finding.UNKNOWN_PLAN, f"{ON_GROWTH}, but the presets do not have this plan, so nothing can be applied."),
        (
            Finding.GONE,
            (
                "There are no settings: the company is on growth (stated by billing or onboarding), but Codat does not "
                "know the company."
            ),
        ),
        (Finding.NOT_APPLIED, f"{ON_GROWTH} since 2026-02-01 12:00 UTC, but its event is still in progress."),
        (Finding.WAITING, f"{ON_GROWTH} since 2026-02-01 12:00 UTC, but its event is still in progress."),
    ],
)
def test_each_finding_has_its_sentence(finding: Finding, sentence: str) -> None:
    assert diagnose(evidence(finding)) == sentence


def test_a_degraded_company_has_its_fallback_named() -> None:
    degraded = replace(RECORD, applied=replace(APPLIED, degraded_to="daily"))
    assert diagnose(evidence(Finding.DEGRADED, degraded)) == (
        f"{ON_GROWTH}, but the Codat account does not allow hourly syncs, so daily is the fallback."
    )


@pytest.mark.parametrize("finding", [Finding.REFUSED, Finding.UNANSWERED])
def test_settings_that_codat_does_not_show_have_no_known_cause(finding: Finding) -> None:
    assert diagnose(evidence(finding, refusal=Unauthorized("No key"))) == (
        "The cause is unknown: the company is on growth (stated by billing or onboarding), but Codat does not show "
        "its settings (No key)."
    )


def test_only_a_newer_event_in_a_dlq_is_mentioned_beside_a_confirmed_preset() -> None:
    older, newer = letter(AT - timedelta(days=1)), letter(LATER)
    assert "DLQ" not in diagnose(evidence(Finding.IN_STEP, RECORD, older))
    assert diagnose(evidence(Finding.IN_STEP, RECORD, older, newer)).endswith(
        ", but a newer event is in the failed-events DLQ (forbidden: No)."
    )


def test_a_plan_that_is_not_confirmed_names_its_event_in_a_dlq_before_its_last_failure() -> None:
    failed = replace(RECORD, last_failure=NotedFailure("server_error", "Ill", "e1", LATER))
    assert diagnose(evidence(Finding.NOT_APPLIED, failed, letter(LATER))).endswith(
        "but its event is in the failed-events DLQ (forbidden: No)."
    )
    assert diagnose(evidence(Finding.NOT_APPLIED, failed, letter(AT - timedelta(days=1)))).endswith(
        "but the last attempt failed at 2026-02-01 13:00 UTC (server_error: Ill)."
    )


@pytest.mark.parametrize(
    ("refusal", "sentence"),
    [
        (None, "{}, so the settings are Codat's own, or those that were set in its Portal."),
        (NotFound("No"), "There are no settings: Codat does not know the company, and {}."),
        (Unauthorized("No key"), "The cause is unknown: Codat does not show the settings (No key), and {}."),
    ],
)
def test_a_company_without_a_record(refusal: Exception | None, sentence: str) -> None:
    for letters, why in (
        ((), "no event about the company has reached the stack"),
        ((letter(AT),), "its event is in the failed-events DLQ (forbidden: No)"),
    ):
        said = diagnose(evidence(None, None, *letters, refusal=refusal))
        assert said.lower() == sentence.format(why).lower()
        assert said[0].isupper()


def test_every_authority_has_its_words() -> None:
    assert set(AUTHORITY_IN_WORDS) == set(Authority)


@pytest.mark.parametrize("finding", Finding)
def test_every_finding_is_one_sentence(finding: Finding) -> None:
    assert diagnose(evidence(finding, refusal=NotFound("No"))).count("\n") == 0


def test_another_event_than_the_desired_plans_is_not_blamed() -> None:
    """The company is on growth; an event of it that named another plan is parked."""
    record = replace(RECORD, applied=None, applied_at=None)
    other = replace(letter(LATER), event_id="e2", plan="platinum", reason="unknown_plan")
    assert diagnose(evidence(Finding.NOT_APPLIED, record, other)).endswith("but its event is still in progress.")
    own = replace(letter(LATER), event_id="e1", plan="growth")
    assert "its event is in the failed-events DLQ (forbidden: No)" in diagnose(
        evidence(Finding.NOT_APPLIED, record, own, other)
    )
