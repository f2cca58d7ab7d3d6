"""Which messages need Codat's settings to be read, and which are current."""

import pytest

from codat_sync.codat.errors import (
    Unreachable,
)
from codat_sync.codat.models import Frequency
from local.presets import local_presets
from tests.fakes.companies import COMPANY
from tests.fakes.events import connection_event, plan_event
from tests.unit.consuming.bench import CONNECTED, Bench, lose_the_answer


def test_a_duplicate_that_is_in_force_costs_no_call_to_codat(bench: Bench) -> None:
    bench.consume(plan_event("growth"))
    bench.codat.calls.clear()
    assert bench.consume(plan_event("growth")) == ["unchanged"]
    assert bench.codat.calls == []


def test_a_newer_event_that_names_the_plan_in_force_costs_one_read(bench: Bench) -> None:
    bench.consume(plan_event("growth"))
    bench.codat.calls.clear()
    assert bench.consume(plan_event("growth", minutes=5)) == ["unchanged"]
    assert bench.codat.calls == ["get"]


def test_a_plan_that_returns_after_the_lost_answer_of_another_is_put_in_force(bench: Bench) -> None:
    """The model found this: the record still said that the first plan was in force."""
    bench.consume(plan_event("free"))
    bench.codat.before_write = lambda: lose_the_answer(bench)
    assert bench.consume(plan_event("growth", minutes=1)) == ["deferred"]
    assert bench.consume(plan_event("free", minutes=2)) == ["applied"]
    assert bench.codat.frequency(COMPANY, "invoices") is Frequency.MONTHLY


def test_an_old_event_that_arrives_late_is_stale(bench: Bench) -> None:
    bench.consume(plan_event("growth", minutes=5))
    bench.codat.calls.clear()
    assert bench.consume(plan_event("free")) == ["stale"]
    assert bench.codat.calls == []


@pytest.mark.parametrize("receive_count", [1, 3])
def test_a_repeated_delivery_reads_codat_whatever_the_record_says(bench: Bench, receive_count: int) -> None:
    """A crash after a write to Codat leaves a record without that write. The redelivery repairs it."""
    bench.consume(plan_event("growth", minutes=5))
    bench.codat.companies[COMPANY] = local_presets().for_company("free", COMPANY).over(bench.codat.companies[COMPANY])
    attributes = ("parkedAt",) if receive_count == 1 else ()
    assert bench.consume(plan_event("free"), receive_count=receive_count, attributes=attributes) == ["stale"]
    assert bench.codat.frequency(COMPANY, "invoices") is Frequency.DAILY


def test_an_event_whose_answer_was_lost_is_applied_by_its_redelivery(bench: Bench) -> None:
    bench.codat.failures = [None, Unreachable("no answer")]
    assert bench.consume(plan_event("growth")) == ["deferred"]
    assert bench.consume(plan_event("growth"), receive_count=2) == ["applied"]


def test_a_connection_puts_the_recorded_plan_in_force(bench: Bench, connections: Bench) -> None:
    connections.plans, connections.codat = bench.plans, bench.codat
    bench.consume(plan_event("growth"))
    connections = Bench(bench.caplog, CONNECTED)
    connections.plans.items.update(bench.plans.items)
    assert connections.consume(connection_event()) == ["applied"]
    assert connections.codat.frequency(COMPANY, "invoices") is Frequency.DAILY


def test_a_connection_reads_codat_although_the_record_says_in_force(connections: Bench) -> None:
    connections.consume(connection_event("first"))
    connections.codat.calls.clear()
    assert connections.consume(connection_event("second")) == ["unchanged"]
    assert connections.codat.calls == ["get"]


def test_a_duplicate_of_a_connection_costs_no_call(connections: Bench) -> None:
    connections.consume(connection_event())
    connections.codat.calls.clear()
    assert connections.consume(connection_event()) == ["unchanged"]
    assert connections.codat.calls == []
