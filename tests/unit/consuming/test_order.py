"""Which event of a company counts: authority before validity, ties by arrival, and what is seen again."""

import json
from datetime import datetime, timedelta
from itertools import permutations
from typing import Any

import pytest

from codat_sync.codat.models import Frequency
from codat_sync.events.company_events import read_company_reconciliation
from codat_sync.outcomes.triage import Outcome
from local.presets import local_presets
from tests.fakes.clock import NOW
from tests.fakes.companies import COMPANY, FakePlans
from tests.fakes.events import connection_event, plan_event
from tests.fakes.lambda_ import FakeContext, sqs_event
from tests.unit.consuming.bench import CONNECTED, Bench

TIED = [("free", "zz", 1), ("growth", "a", 2), ("free", "zz", 3)]
"""Plan, id and arrival of three messages; the last one repeats the first."""


def codat_event(event_id: str = "codat-1", detail_type: str = "connection.connected", **company: object) -> str:
    """Return Codat's event about the company, with these fields of the company."""
    payload = {"referenceCompany": {"id": str(COMPANY), **company}}
    return enveloped(event_id, detail_type, {"payload": payload})


def request(plan: str) -> str:
    """Return a request to reconcile the company, whose tag names the plan."""
    return enveloped("request-1", "Company Reconciliation Requested", {"companyId": str(COMPANY), "plan": plan})


def enveloped(event_id: str, detail_type: str, detail: object, **envelope: object) -> str:
    known = {"id": event_id, "detail-type": detail_type, "time": NOW.isoformat(), "detail": detail}
    return json.dumps({**known, **envelope})


def deliver(bench: Bench, text: str, *, arrived: float = 0, attributes: dict[str, str] | None = None) -> str:
    """Let a message arrive so many seconds after ``NOW``, alone in a batch; return its outcome."""
    event: dict[str, Any] = sqs_event(text)
    (record,) = event["Records"]
    record["attributes"]["SentTimestamp"] = str(int((NOW + timedelta(seconds=arrived)).timestamp() * 1000))
    record["messageAttributes"] = {
        name: {"dataType": "String", "stringValue": value} for name, value in (attributes or {}).items()
    }
    bench._consumer.consume(event, FakeContext())
    (line,) = [vars(each) for each in bench.caplog.records if each.msg == "event_settled"]
    bench.caplog.clear()
    return str(line["outcome"])


def frequency(bench: Bench) -> Frequency:
    return bench.codat.frequency(COMPANY, "invoices")


# --- Authority before validity --------------------------------------------------------------------------------------


@pytest.mark.parametrize("door", ["connection", "company reconciliation"])
def test_a_tag_of_a_plan_long_gone_harms_nobody_where_billing_stated_a_plan(
    caplog: pytest.LogCaptureFixture, door: str
) -> None:
    bench = Bench(caplog)
    bench.consume(plan_event("growth"))
    other = Bench(caplog, CONNECTED if door == "connection" else read_company_reconciliation)
    other = sharing(other, bench.plans)
    text = codat_event(tags={"plan": "legacy-2023"}) if door == "connection" else request("legacy-2023")
    assert other.consume(text) == ["applied"]
    assert frequency(other) is Frequency.DAILY
    assert other.dead_letters.parked == []
    assert other.lines("event_settled")[0]["plan"] == "growth"
    assert bench.plans.items[COMPANY].desired.plan == "growth"


def sharing(bench: Bench, plans: FakePlans) -> Bench:
    """Let a bench have the records of another."""
    bench.plans = bench._consumer._convergence._plans = plans
    return bench


@pytest.mark.parametrize("stands", [None, "assumed", "tagged"])
def test_where_nothing_greater_stands_such_a_tag_is_parked_and_never_recorded(
    caplog: pytest.LogCaptureFixture, stands: str | None
) -> None:
    bench = Bench(caplog, CONNECTED)
    if stands:
        bench.consume(codat_event("before", tags={} if stands == "assumed" else {"plan": "growth"}))
    before = bench.plans.items.get(COMPANY)
    assert bench.consume(codat_event(tags={"plan": "legacy-2023"})) == ["parked_failed"]
    ((event, _, failure),) = bench.dead_letters.parked
    assert (event.plan, failure.reason) == ("legacy-2023", "unknown_plan")
    assert bench.plans.items.get(COMPANY) == before


def test_a_stated_plan_of_the_same_batch_stands_before_the_tag(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(caplog, CONNECTED)
    outcomes = bench.consume(codat_event(tags={"plan": "legacy-2023"}), connection_event(plan="growth"))
    assert sorted(outcomes) == ["applied", "unchanged"]


def test_a_tag_that_is_parked_keeps_no_other_event_of_its_batch_back(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(caplog, CONNECTED)
    outcomes = bench.consume(codat_event(tags={"plan": "legacy-2023"}), codat_event("codat-2", tags={"plan": "growth"}))
    assert sorted(outcomes) == ["applied", "parked_failed"]
    assert frequency(bench) is Frequency.DAILY
    assert bench.plans.items[COMPANY].last_failure is None, "another event's plan says nothing about this one"


def test_a_plan_that_nobody_knows_becomes_no_dimension_of_a_metric(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[tuple[Outcome, str | None]] = []
    monkeypatch.setattr(
        "codat_sync.consuming.consume.count_outcomes", lambda outcomes, _reasons: counted.extend(outcomes)
    )
    Bench(caplog, CONNECTED).consume(codat_event(tags={"plan": "legacy-2023"}))
    assert counted == [(Outcome.PARKED_FAILED, None)]


def test_a_stated_plan_that_nobody_knows_is_parked_whatever_stands(bench: Bench) -> None:
    bench.consume(plan_event("growth"))
    assert bench.consume(plan_event("platinum", minutes=1)) == ["parked_failed"]


# --- Ties -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("event_id", ["a", "zz"])
def test_of_two_events_of_one_moment_the_later_arrival_wins(bench: Bench, event_id: str) -> None:
    deliver(bench, plan_event("free", event_id="m"), arrived=1)
    assert deliver(bench, plan_event("growth", event_id=event_id), arrived=2) == "applied"
    assert frequency(bench) is Frequency.DAILY


def test_a_second_message_of_an_overtaken_event_is_stale(bench: Bench) -> None:
    deliver(bench, plan_event("free", event_id="zz"), arrived=1)
    deliver(bench, plan_event("growth", event_id="a"), arrived=2)
    assert deliver(bench, plan_event("free", event_id="zz"), arrived=3) == "stale"
    assert frequency(bench) is Frequency.DAILY


@pytest.mark.parametrize("order", list(permutations(TIED)), ids=str)
def test_in_any_order_of_work_codat_ends_at_the_newest_plan(
    bench: Bench, order: tuple[tuple[str, str, float], ...]
) -> None:
    for plan, event_id, arrived in order:
        deliver(bench, plan_event(plan, event_id=event_id), arrived=arrived)
    assert frequency(bench) is Frequency.DAILY


def test_an_event_that_was_parked_is_no_newer_when_it_comes_back(bench: Bench) -> None:
    deliver(bench, plan_event("growth", event_id="a"), arrived=2)
    parked = {"arrivedAt": at(1), "parkedAt": at(60)}
    assert deliver(bench, plan_event("free", event_id="zz"), arrived=100, attributes=parked) == "stale"
    assert frequency(bench) is Frequency.DAILY


def test_what_version_010_parked_arrived_when_it_was_parked(bench: Bench) -> None:
    """It noted no more than that."""
    deliver(bench, plan_event("growth", event_id="a"), arrived=20)
    parked = {"parkedAt": at(10)}
    assert deliver(bench, plan_event("free", event_id="zz"), arrived=100, attributes=parked) == "stale"


@pytest.mark.parametrize("attribute", ["", "yesterday", "2026-02-01T12:00:00"])
def test_an_arrival_that_is_no_moment_is_not_believed(bench: Bench, attribute: str) -> None:
    deliver(bench, plan_event("free", event_id="m"), arrived=1)
    attributes = {"arrivedAt": attribute}
    assert deliver(bench, plan_event("growth", event_id="a"), arrived=2, attributes=attributes) == "applied"


def test_a_parked_event_carries_when_it_first_arrived(bench: Bench) -> None:
    deliver(bench, plan_event("platinum"), arrived=7)
    deliver(bench, plan_event("platinum"), arrived=700, attributes={"arrivedAt": at(7), "parkedAt": at(60)})
    assert [event.arrived_at for event, _, _ in bench.dead_letters.parked] == [NOW + timedelta(seconds=7)] * 2


def test_the_producers_counter_decides_before_the_arrival(bench: Bench) -> None:
    deliver(bench, sequenced("growth", 2), arrived=1)
    assert deliver(bench, sequenced("free", 1), arrived=2) == "stale"
    assert frequency(bench) is Frequency.DAILY


def sequenced(plan: str, sequence: int) -> str:
    detail = {"companyId": str(COMPANY), "plan": plan, "sequence": sequence}
    return enveloped(f"e{sequence}", "Company Changed Plan", detail)


def at(seconds: float) -> str:
    moment: datetime = NOW + timedelta(seconds=seconds)
    return moment.isoformat()


# --- Seen again -----------------------------------------------------------------------------------------------------


def test_a_replay_from_an_archive_looks_at_codat(bench: Bench) -> None:
    bench.consume(plan_event("growth"))
    reset = local_presets().for_company("free", COMPANY)
    bench.codat.companies[COMPANY] = reset.over(bench.codat.companies[COMPANY])
    assert bench.consume(plan_event("growth")) == ["unchanged"]
    replayed = json.dumps({**json.loads(plan_event("growth")), "replay-name": "after-the-reset"})
    assert bench.consume(replayed) == ["applied"]
    assert frequency(bench) is Frequency.DAILY


def test_an_id_that_comes_with_another_plan_changes_nothing_and_is_named(bench: Bench) -> None:
    bench.consume(plan_event("growth", event_id="e1"))
    assert bench.consume(plan_event("free", event_id="e1")) == ["stale"]
    assert frequency(bench) is Frequency.DAILY
    (line,) = bench.lines("event_id_reused")
    assert (line["levelname"], line["correlation_id"], line["plan"]) == ("WARNING", "e1", "free")


def test_a_repeated_event_is_not_named(bench: Bench) -> None:
    bench.consume(plan_event("growth", event_id="e1"))
    bench.consume(plan_event("growth", event_id="e1"))
    assert bench.lines("event_id_reused") == []


# --- Codat's products -----------------------------------------------------------------------------------------------


def test_a_company_of_one_of_codats_products_is_named(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(caplog, CONNECTED)
    assert bench.consume(codat_event(detail_type="company.created", products=["lending"])) == ["applied"]
    (line,) = bench.lines("company_has_products")
    assert (line["levelname"], line["products"], line["company_id"]) == ("WARNING", ("lending",), str(COMPANY))


def test_a_company_without_a_product_is_not_named(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(caplog, CONNECTED)
    bench.consume(codat_event(detail_type="company.created", products=[]))
    assert bench.lines("company_has_products") == []
