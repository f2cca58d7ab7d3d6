"""Every error leads to one outcome."""

from datetime import timedelta

import pytest

from codat_sync.api_key import ApiKeyUnusable
from codat_sync.codat.errors import (
    BadRequest,
    CodatRefused,
    Conflict,
    Forbidden,
    NotFound,
    PaymentRequired,
    PaymentRequiredKind,
    RateLimited,
    ServerError,
    Unauthorized,
    UnexpectedAnswer,
    Unreachable,
)
from codat_sync.companies.converge import PlanKeepsChanging
from codat_sync.deadline import OutOfTime
from codat_sync.errors import PermanentError, SyncError
from codat_sync.events.envelope import MalformedEvent
from codat_sync.outcomes.triage import Outcome, in_words, triage
from codat_sync.presets.hosted import PresetsUnusable
from codat_sync.presets.preset import UnknownPlan
from codat_sync.reconciliation.queue import NotHandedOver
from tests.planned_errors import planned_errors


@pytest.mark.parametrize(
    ("error", "outcome", "reason"),
    [
        (MalformedEvent("no"), Outcome.PARKED_FAILED, "malformed_event"),
        (UnknownPlan("no"), Outcome.PARKED_FAILED, "unknown_plan"),
        (BadRequest("no", status=400), Outcome.PARKED_FAILED, "bad_request"),
        (Forbidden("no", status=403), Outcome.PARKED_FAILED, "forbidden"),
        (CodatRefused("no", status=422), Outcome.PARKED_FAILED, "refused"),
        (Unauthorized("no", status=401), Outcome.DEFERRED, "unauthorized"),
        (NotFound("no", status=404), Outcome.DEFERRED, "company_not_found"),
        (Conflict("no", status=409), Outcome.DEFERRED, "conflict"),
        (ServerError("no", status=503), Outcome.DEFERRED, "server_error"),
        (UnexpectedAnswer("no", status=200), Outcome.DEFERRED, "unexpected_answer"),
        (Unreachable("no"), Outcome.DEFERRED, "unreachable"),
        (ApiKeyUnusable("no"), Outcome.DEFERRED, "api_key_unusable"),
        (PresetsUnusable("no"), Outcome.DEFERRED, "presets_unusable"),
        (NotHandedOver("no"), Outcome.DEFERRED, "not_handed_over"),
        (OutOfTime("no"), Outcome.DEFERRED, "out_of_time"),
        (PlanKeepsChanging("no"), Outcome.DEFERRED, "plan_keeps_changing"),
        (KeyError("a bug"), Outcome.DEFERRED, "unexpected_error"),
    ],
)
def test_each_error_leads_to_one_outcome(error: Exception, outcome: Outcome, reason: str) -> None:
    failure = triage(error)
    assert (failure.outcome, failure.reason) == (outcome, reason)
    assert failure.unexpected == (reason == "unexpected_error")


@pytest.mark.parametrize("kind_of_error", planned_errors(), ids=lambda each: each.__name__)
def test_no_error_of_the_layer_is_unexpected_to_triage(kind_of_error: type[SyncError]) -> None:
    error = kind_of_error.__new__(kind_of_error)
    SyncError.__init__(error, "no")
    vars(error).update(status=None, correlation_id=None, retry_after=None)
    failure = triage(error)
    permanent = issubclass(kind_of_error, PermanentError)
    assert not failure.unexpected
    assert failure.reason == kind_of_error.reason
    assert (failure.outcome is Outcome.DEFERRED) is not permanent


@pytest.mark.parametrize("kind", PaymentRequiredKind)
def test_every_402_is_parked_under_its_own_reason(kind: PaymentRequiredKind) -> None:
    failure = triage(PaymentRequired("pay", kind=kind, correlation_id="c"))
    assert (failure.outcome, failure.reason) == (Outcome.PARKED_PAYMENT_REQUIRED, kind.value)
    assert (failure.status, failure.correlation_id, failure.words) == (402, "c", "pay")


def test_the_wait_that_codat_asks_for_is_kept() -> None:
    failure = triage(RateLimited("slow down", retry_after=timedelta(hours=3)))
    assert (failure.outcome, failure.retry_after) == (Outcome.DEFERRED, timedelta(hours=3))


def test_an_unexpected_error_is_named_by_its_class() -> None:
    assert triage(KeyError("a")).words == "KeyError: 'a'"


def test_a_log_line_says_why_and_has_a_trace_of_what_nobody_planned_alone() -> None:
    assert in_words(OutOfTime("no time")) == {"reason": "out_of_time", "words": "no time", "exc_info": None}
    bug = KeyError("a")
    assert in_words(bug) == {"reason": "unexpected_error", "words": "KeyError: 'a'", "exc_info": bug}
