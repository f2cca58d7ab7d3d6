"""Each message gets its outcome: parked where that is the outcome, and logged."""

from datetime import timedelta

import pytest

from codat_sync.codat.errors import (
    BadRequest,
    NotFound,
    PaymentRequired,
    PaymentRequiredKind,
)
from codat_sync.codat.models import Frequency
from codat_sync.outcomes.triage import Outcome
from tests.fakes.companies import COMPANY
from tests.fakes.events import plan_event
from tests.unit.consuming.bench import PRESETS, Bench, access_denied


def test_an_event_of_an_unknown_company_is_parked_with_the_reason_when_its_patience_ends(bench: Bench) -> None:
    bench.codat.failures = [NotFound("No company was found", status=404)] * 2
    assert bench.consume(plan_event("growth"), receive_count=30, waited=timedelta(hours=3.9)) == ["deferred"]
    assert bench.consume(plan_event("growth"), receive_count=2, waited=timedelta(hours=4)) == ["parked_failed"]
    ((_, outcome, failure),) = bench.dead_letters.parked
    assert (outcome, failure.reason, failure.status) == (Outcome.PARKED_FAILED, "company_not_found", 404)


def test_402_is_parked_and_not_retried(bench: Bench) -> None:
    bench.codat.failures = [PaymentRequired("Account expired", kind=PaymentRequiredKind.ACCOUNT_EXPIRED)]
    assert bench.consume(plan_event("growth")) == ["parked_payment_required"]
    assert bench.stays == set()
    assert bench.codat.calls == ["get"]
    ((parked, outcome, failure),) = bench.dead_letters.parked
    assert outcome is Outcome.PARKED_PAYMENT_REQUIRED
    assert (parked.body, parked.event_id, parked.company_id, parked.plan) == (
        plan_event("growth"),
        "growth-0",
        str(COMPANY),
        "growth",
    )
    assert failure.reason == "account_expired"
    assert parked.source_queue == "arn:aws:sqs:eu-west-2:123456789012:source"


def test_hourly_without_a_paid_account_is_degraded_and_parked(bench: Bench) -> None:
    bench.codat.has_hourly = False
    assert bench.consume(plan_event("scale")) == ["degraded"]
    assert bench.codat.frequency(COMPANY, "invoices") is Frequency.DAILY
    ((_, outcome, failure),) = bench.dead_letters.parked
    assert (outcome, failure.outcome, failure.reason) == (Outcome.DEGRADED, Outcome.DEGRADED, "hourly_not_allowed")


def test_a_degraded_event_that_comes_back_after_the_bill_is_paid_restores_hourly(bench: Bench) -> None:
    bench.codat.has_hourly = False
    bench.consume(plan_event("scale"))
    bench.codat.has_hourly = True
    assert bench.consume(plan_event("scale"), attributes=("parkedAt",)) == ["applied"]
    assert bench.codat.frequency(COMPANY, "invoices") is Frequency.HOURLY


def test_a_stale_event_that_meets_the_402_of_the_newest_plan_is_parked_for_it(bench: Bench) -> None:
    """Its redelivery found other settings at Codat. Without a parked event, hourly would never come back."""
    bench.consume(plan_event("scale", minutes=5))
    bench.codat.companies[COMPANY] = PRESETS.for_company("free", COMPANY).over(bench.codat.companies[COMPANY])
    bench.codat.has_hourly = False
    assert bench.consume(plan_event("free"), receive_count=2) == ["degraded"]
    assert len(bench.dead_letters.parked) == 1
    bench.codat.has_hourly = True
    assert bench.consume(plan_event("free"), attributes=("parkedAt",)) == ["stale"]
    assert bench.codat.frequency(COMPANY, "invoices") is Frequency.HOURLY


def test_400_is_parked_as_failed(bench: Bench) -> None:
    bench.codat.failures = [None, BadRequest("not valid", status=400)]
    assert bench.consume(plan_event("growth")) == ["parked_failed"]
    assert bench.stays == set()


@pytest.mark.parametrize(
    ("body", "reason"),
    [("not JSON", "malformed_event"), ("", "malformed_event"), (plan_event("gold"), "unknown_plan")],
)
def test_an_event_that_cannot_be_used_is_parked_with_the_reason(bench: Bench, body: str, reason: str) -> None:
    assert bench.consume(body) == ["parked_failed"]
    ((parked, _, failure),) = bench.dead_letters.parked
    assert (parked.body, failure.reason) == (body, reason)
    assert bench.plans.items == {}


def test_an_event_that_cannot_be_parked_stays_on_its_queue(bench: Bench) -> None:
    bench.dead_letters.failure = access_denied()
    assert bench.consume("{") == ["deferred"]
    assert bench.stays == {"m0"}


def test_a_degraded_event_that_cannot_be_parked_stays_on_its_queue(bench: Bench) -> None:
    bench.codat.has_hourly = False
    bench.dead_letters.failure = access_denied()
    assert bench.consume(plan_event("scale")) == ["deferred"]


def test_a_bug_is_logged_with_its_traceback_and_loses_no_event(bench: Bench) -> None:
    bench.codat.failures = [ZeroDivisionError("a bug")]
    assert bench.consume(plan_event("growth")) == ["deferred"]
    (trace,) = [line for line in bench.logged if line["msg"] == "unexpected_error"]
    assert trace["exc_info"][0] is ZeroDivisionError


def test_the_log_line_of_an_event_names_what_it_changed(bench: Bench) -> None:
    bench.consume(plan_event("growth"))
    (line,) = [line for line in bench.logged if line["msg"] == "event_settled"]
    assert (line["correlation_id"], line["company_id"], line["plan"]) == ("growth-0", str(COMPANY), "growth")
    assert any(each.startswith("invoices: monthly → daily") for each in line["differences"])
