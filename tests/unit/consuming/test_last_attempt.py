"""What holds for an event however long it has waited, and for a batch however long it has taken."""

from datetime import timedelta

import pytest

from codat_sync.codat.errors import PaymentRequired, PaymentRequiredKind, RateLimited
from codat_sync.outcomes.deferral import GRACE, RECEIPT_MARGIN_SECONDS, SQS_LONGEST_SECONDS, Patience
from codat_sync.outcomes.triage import Outcome
from tests.fakes.events import plan_event
from tests.fakes.lambda_ import PATIENCE, FakeContext
from tests.unit.consuming.bench import Bench

DAY = timedelta(days=1)


@pytest.mark.parametrize("kind", PaymentRequiredKind)
@pytest.mark.parametrize(
    "waited", [PATIENCE.limit - timedelta(seconds=1), PATIENCE.limit, PATIENCE.limit + 0.9 * GRACE]
)
def test_a_402_waits_for_the_bill_and_not_with_the_failed_events_also_at_the_last_attempt(
    bench: Bench, kind: PaymentRequiredKind, waited: timedelta
) -> None:
    bench.codat.failures = [PaymentRequired("pay", kind=kind)]
    receives = PATIENCE.explained_receives(waited.total_seconds())
    assert bench.consume(plan_event("growth"), waited=waited, receive_count=receives) == ["parked_payment_required"]
    ((_, outcome, failure),) = bench.dead_letters.parked
    assert (outcome, failure.reason) == (Outcome.PARKED_PAYMENT_REQUIRED, kind.value)


def test_a_degradation_stays_one_at_the_last_attempt(bench: Bench) -> None:
    bench.codat.has_hourly = False
    assert bench.consume(plan_event("scale"), waited=PATIENCE.limit) == ["degraded"]


def test_the_time_that_a_batch_has_taken_counts_towards_the_limit_of_sqs(caplog: pytest.LogCaptureFixture) -> None:
    """SQS counts the twelve hours from the receipt."""
    bench = Bench(caplog, patience=Patience(4 * DAY, first_ceiling=60))

    class Context(FakeContext):
        def get_remaining_time_in_millis(self) -> int:
            return 1000 * (300 - 60 * len(bench.withins))  # Each call to Codat takes a minute.

    bench.codat.failures = [None, RateLimited("quota used up", retry_after=DAY)]
    assert bench.consume(plan_event("growth"), context=Context()) == ["deferred"]
    assert bench.queue.waits == {"handle-0": SQS_LONGEST_SECONDS - RECEIPT_MARGIN_SECONDS - 2 * 60}


def test_of_the_events_of_one_company_only_the_carrier_is_parked_as_degraded(bench: Bench) -> None:
    """Parked, it brings hourly back later. More of them would only come back to find nothing to do."""
    bench.codat.has_hourly = False
    bodies = [plan_event("free"), *(plan_event("scale", minutes=2, event_id=name) for name in ("a", "a", "a"))]
    assert bench.consume(*bodies) == ["stale", "degraded", "unchanged", "unchanged"]
    assert [(event.body, outcome) for event, outcome, _ in bench.dead_letters.parked] == [(bodies[1], Outcome.DEGRADED)]
