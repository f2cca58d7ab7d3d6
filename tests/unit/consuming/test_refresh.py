"""An upgrade makes Codat pull at once what became more frequent."""

from datetime import timedelta

import pytest

from codat_sync.codat.errors import (
    BadRequest,
    NotFound,
    PaymentRequired,
    PaymentRequiredKind,
    RateLimited,
    ServerError,
)
from codat_sync.consuming.consume import START_SECONDS
from codat_sync.deadline import OutOfTime
from tests.fakes.companies import COMPANY, OTHER_COMPANY
from tests.fakes.events import connection_event, plan_event
from tests.fakes.lambda_ import FakeContext
from tests.unit.consuming.bench import PRESETS, Bench


def refreshed(bench: Bench) -> list[str]:
    """Return the data types that Codat was asked to pull, in order."""
    return [call.removeprefix("refresh ") for call in bench.codat.calls if call.startswith("refresh ")]


def test_an_upgrade_refreshes_what_became_more_frequent_once_it_is_confirmed(bench: Bench) -> None:
    bench.consume(plan_event("free"))
    bench.codat.calls.clear()
    assert bench.consume(plan_event("scale", minutes=1)) == ["applied"]
    assert bench.codat.calls[:3] == ["get", "update", f"refresh {refreshed(bench)[0]}"]
    assert bench.plans.items[COMPANY].applied is not None
    assert "invoices" in refreshed(bench)
    assert "company" not in refreshed(bench), "the free plan has it weekly too"
    (line,) = bench.lines("refresh_queued")
    assert (line["correlation_id"], line["company_id"]) == ("scale-1", str(COMPANY))
    assert line["queued"] == len(refreshed(bench))


def test_a_companys_first_plan_is_an_upgrade_too(bench: Bench) -> None:
    bench.consume(plan_event("scale"))
    assert "invoices" in refreshed(bench)


def test_a_plan_without_refresh_on_upgrade_refreshes_nothing(bench: Bench) -> None:
    bench.consume(plan_event("growth"))
    assert refreshed(bench) == []


def test_a_repair_refreshes_nothing(bench: Bench) -> None:
    bench.consume(plan_event("scale"))
    bench.codat.companies[COMPANY] = PRESETS.for_company("free", COMPANY).over(bench.codat.companies[COMPANY])
    bench.codat.calls.clear()
    assert bench.consume(plan_event("scale", minutes=1)) == ["applied"]
    assert refreshed(bench) == []


def test_a_connection_refreshes_nothing_since_codat_pulls_a_new_source_by_itself(connections: Bench) -> None:
    assert connections.consume(connection_event(plan="scale")) == ["applied"]
    assert refreshed(connections) == []


def test_companies_of_one_batch_are_all_settled_before_any_is_refreshed(bench: Bench) -> None:
    bench.consume(plan_event("scale"), plan_event("scale", company=OTHER_COMPANY))
    calls = bench.codat.calls
    assert max(n for n, call in enumerate(calls) if call == "update") < calls.index(f"refresh {refreshed(bench)[0]}")


def test_a_degraded_upgrade_refreshes_what_was_written_for_it(bench: Bench) -> None:
    bench.codat.has_hourly = False
    assert bench.consume(plan_event("scale")) == ["degraded"]
    assert "invoices" in refreshed(bench)


def test_a_data_type_that_no_source_offers_is_skipped(bench: Bench) -> None:
    bench.codat.failures = [None, None, BadRequest("not supported", status=400), NotFound("no data", status=404)]
    assert bench.consume(plan_event("scale")) == ["applied"]
    (line,) = bench.lines("refresh_queued")
    assert line["queued"] == len(refreshed(bench)) - 2


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (RateLimited("slow down", retry_after=timedelta(hours=2)), "rate_limited"),
        (ServerError("no", status=500), "server_error"),
        (PaymentRequired("Account expired", kind=PaymentRequiredKind.ACCOUNT_EXPIRED), "account_expired"),
    ],
)
def test_a_failed_refresh_ends_there_and_changes_no_outcome(bench: Bench, failure: Exception, reason: str) -> None:
    bench.codat.failures = [None, None, None, failure]
    assert bench.consume(plan_event("scale")) == ["applied"]
    assert (bench.stays, bench.dead_letters.parked, bench.plans.items[COMPANY].last_failure) == (set(), [], None)
    (line,) = bench.lines("refresh_failed")
    assert (line["levelname"], line["queued"], line["reason"]) == ("WARNING", 1, reason)
    assert not line["exc_info"]
    assert len(refreshed(bench)) == 2


def test_a_bug_in_a_refresh_is_logged_with_its_traceback_and_changes_no_outcome(bench: Bench) -> None:
    bench.codat.failures = [None, None, ZeroDivisionError("a bug")]
    assert bench.consume(plan_event("scale")) == ["applied"]
    (line,) = bench.lines("refresh_failed")
    assert line["exc_info"][0] is ZeroDivisionError


def test_a_refresh_ends_where_time_does_not_allow_another_call(bench: Bench) -> None:
    context = FakeContext(*[60.0] * 6, START_SECONDS - 1)
    assert bench.consume(plan_event("scale"), context=context) == ["applied"]
    (line,) = bench.lines("refresh_failed")
    assert (line["queued"], line["reason"]) == (1, OutOfTime.reason)
    assert len(refreshed(bench)) == 1
