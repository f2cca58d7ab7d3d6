"""The finding that a company's record, its preset and Codat's answer lead to."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from codat_sync.api_key import ApiKeyUnusable
from codat_sync.codat.errors import (
    BadRequest,
    CodatError,
    Conflict,
    Forbidden,
    NotFound,
    PaymentRequired,
    PaymentRequiredKind,
    RateLimited,
    ServerError,
    Unauthorized,
    Unreachable,
)
from codat_sync.companies.desired import DesiredPlan
from codat_sync.companies.records import AppliedPreset, CompanyPlan, NotedFailure
from codat_sync.deadline import OutOfTime
from codat_sync.events.company_events import Authority
from codat_sync.presets.file import Presets
from codat_sync.presets.preset import UnknownPlan
from codat_sync.reconciliation.findings import AT_WORK, DLQ_KEEPS, Finding, expectation, finding_of, is_parked
from tests.fakes.clock import NOW
from tests.fakes.companies import COMPANY

PRESETS = Presets.parse(b"""
default_plan = "free"
on_cancelled = "free"
[plans.free]
frequency = "monthly"
[plans.growth]
frequency = "daily"
[plans.scale]
frequency = "hourly"
on_payment_required = "daily"
""")
FREE, SCALE = (PRESETS.for_company(plan, COMPANY) for plan in ("free", "scale"))
DEGRADED = SCALE.degraded() or SCALE


def ago(*, days: float = 0, minutes: float = 0) -> datetime:
    return NOW - timedelta(days=days, minutes=minutes)


MONTH_AGO, YESTERDAY, HOUR_AGO = ago(days=30), ago(days=1), ago(minutes=60)


def company(plan: str = "free", *, desired_at: datetime = MONTH_AGO, applied_at: datetime | None = None) -> CompanyPlan:
    """Return a company whose plan was named at one time, and applied at the other, if at all."""
    desired = DesiredPlan.named(plan, Authority.STATED, desired_at, "e1")
    preset = PRESETS.for_company(plan, COMPANY)
    applied = AppliedPreset(plan, preset.fingerprint, "e1", desired.order)
    return CompanyPlan(COMPANY, desired, desired_at, applied if applied_at else None, applied_at)


def applied_as(record: CompanyPlan, **changes: str) -> CompanyPlan:
    assert record.applied is not None
    return replace(record, applied=replace(record.applied, **changes))


def degraded(applied_at: datetime = YESTERDAY) -> CompanyPlan:
    return applied_as(company("scale", applied_at=applied_at), fingerprint=DEGRADED.fingerprint, degraded_to="daily")


def of_the_account(error: CodatError) -> CodatError:
    """Mark an error as confirmed for the whole account."""
    error.concerns_account = True
    return error


def failed(record: CompanyPlan, reason: str, at: datetime = HOUR_AGO) -> CompanyPlan:
    return replace(record, last_failure=NotedFailure(reason, "words", "e1", at))


def test_a_preset_that_was_confirmed_for_the_newest_plan_is_expected_at_codat() -> None:
    assert expectation(company(applied_at=ago(days=29)), FREE, NOW) == (Finding.IN_STEP, FREE)


def test_a_preset_that_was_confirmed_for_an_older_plan_is_not_applied() -> None:
    record = applied_as(company(applied_at=ago(days=29)), order="2#older")
    assert expectation(record, FREE, NOW) == (Finding.NOT_APPLIED, FREE)


def test_a_preset_that_was_never_confirmed_is_not_applied() -> None:
    assert expectation(company(), FREE, NOW) == (Finding.NOT_APPLIED, FREE)


@pytest.mark.parametrize(
    ("age", "finding"), [(AT_WORK, Finding.NOT_APPLIED), (AT_WORK - timedelta(seconds=1), Finding.WAITING)]
)
def test_a_plan_that_was_just_named_waits_for_its_own_event(age: timedelta, finding: Finding) -> None:
    assert expectation(company(desired_at=NOW - age), FREE, NOW) == (finding, FREE)


def test_a_preset_other_than_the_confirmed_one_was_changed_by_a_deploy() -> None:
    record = applied_as(company(applied_at=ago(days=29)), fingerprint="before the deploy")
    assert expectation(record, FREE, NOW) == (Finding.PRESET_CHANGED, FREE)


def test_a_degraded_company_is_expected_at_its_degraded_preset() -> None:
    assert expectation(degraded(), SCALE, NOW) == (Finding.DEGRADED, DEGRADED)


def test_a_degraded_company_is_tried_again_before_its_event_expires_in_the_dlq() -> None:
    assert expectation(degraded(NOW - DLQ_KEEPS), SCALE, NOW) == (Finding.NOT_APPLIED, SCALE)


def test_a_degraded_company_whose_preset_or_fallback_was_changed_by_a_deploy_is_no_longer_degraded() -> None:
    before = applied_as(degraded(), fingerprint="before the deploy")
    assert expectation(before, SCALE, NOW) == (Finding.PRESET_CHANGED, SCALE)
    without_fallback = replace(SCALE, fallback=None)
    assert expectation(degraded(), without_fallback, NOW) == (Finding.PRESET_CHANGED, without_fallback)


@pytest.mark.parametrize("reason", PaymentRequiredKind)
@pytest.mark.parametrize("record", [company(), company(applied_at=ago(days=2))], ids=["never applied", "applied"])
def test_a_company_that_is_parked_for_codats_bill_is_waiting(record: CompanyPlan, reason: PaymentRequiredKind) -> None:
    assert expectation(failed(record, reason), FREE, NOW) == (Finding.WAITING, FREE)


@pytest.mark.parametrize(
    "record",
    [
        company(),
        failed(company(), "bad_request"),
        failed(company(), "company_limit", NOW - DLQ_KEEPS),
        failed(company(desired_at=ago(minutes=20)), "company_limit"),
        failed(company(applied_at=ago(minutes=20)), "company_limit"),
    ],
    ids=["no failure", "another failure", "expired in the DLQ", "newer plan since", "applied since"],
)
def test_a_company_waits_for_codats_bill_only_while_its_event_is_in_the_dlq(record: CompanyPlan) -> None:
    assert not is_parked(record, PaymentRequiredKind, NOW)


@pytest.mark.parametrize(
    "error",
    [
        ApiKeyUnusable("no key"),
        BotoCoreError(),
        ClientError({"Error": {"Code": "Throttled", "Message": ""}}, "Scan"),
        OutOfTime("soon over"),
        of_the_account(PaymentRequired("Account expired", kind=PaymentRequiredKind.ACCOUNT_EXPIRED)),
        of_the_account(RateLimited("slow down", retry_after=None)),
        of_the_account(Unauthorized("who are you")),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_that_concerns_all_companies_is_no_finding_of_one(error: Exception) -> None:
    assert finding_of(error) is None


@pytest.mark.parametrize(
    ("error", "finding"),
    [
        (UnknownPlan("gold"), Finding.UNKNOWN_PLAN),
        (NotFound("no such company"), Finding.GONE),
        (BadRequest("no"), Finding.REFUSED),
        (Forbidden("no"), Finding.REFUSED),
        (PaymentRequired("limit", kind=PaymentRequiredKind.COMPANY_LIMIT), Finding.REFUSED),
        (PaymentRequired("Account expired", kind=PaymentRequiredKind.ACCOUNT_EXPIRED), Finding.REFUSED),
        (RateLimited("slow down", retry_after=timedelta(hours=12)), Finding.UNANSWERED),
        (Unauthorized("who are you"), Finding.UNANSWERED),
        (ServerError("oh"), Finding.UNANSWERED),
        (Unreachable("cut"), Finding.UNANSWERED),
        (Conflict("busy"), Finding.UNANSWERED),
        (ZeroDivisionError(), Finding.UNANSWERED),
    ],
    ids=lambda each: type(each).__name__,
)
def test_an_error_that_concerns_one_company_is_a_finding_of_it(error: Exception, finding: Finding) -> None:
    assert finding_of(error) is finding
