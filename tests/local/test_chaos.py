"""The storm's own book-keeping: a ledger that could not fail would prove nothing."""

# ruff: noqa: S311 - a storm that can be had again needs a seed, and no secret.

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from codat_sync.codat.models import SyncSettings
from codat_sync.events.company_events import CompanyEvent, read_connection_event, read_plan_event
from codat_sync.events.envelope import MalformedEvent
from local.aws.processes import StackError
from local.chaos.faults import Killer, workers_of
from local.chaos.ledger import CompanyState, Found, Ledger, Letter, OwnAccount, balance
from local.chaos.on_call import FAILED_EVENTS as FAILED
from local.chaos.on_call import PAYMENT_REQUIRED, OnCall
from local.chaos.storm import MALFORMED, PLAN_QUEUE, StormEvent, key_of, new_uuid, newest_plans, storm
from local.presets import local_presets
from tests.fakes import FakeMessage, FakeSqs

NOW = datetime(2026, 2, 1, 12, tzinfo=UTC)
PRESETS = local_presets()
COMPANY = UUID("8a210b68-6988-4001-a1eb-0242ac120001")


def blown(seed: int = 1, count: int = 2_000, companies: int = 30) -> list[StormEvent]:
    """A storm that has gone out: with ids and deliveries."""
    random = Random(seed)
    ids = [new_uuid(random) for _ in range(companies)]
    events = storm(random, count=count, companies=ids, plans=PRESETS.plans, now=NOW)
    for event in events:
        event.event_id = event.event_id or str(new_uuid(random))
        event.deliveries = 2 if event.repeated else 1
    return events


def read(event: StormEvent) -> CompanyEvent:
    if event.queue == PLAN_QUEUE:
        return read_plan_event(event.body, now=NOW)
    return read_connection_event(event.body, now=NOW, plan_tag="plan")


def stated(plan: str, moment: datetime, event_id: str, *, weight: int = 2) -> StormEvent:
    return StormEvent(
        PLAN_QUEUE, "billing", "Company Changed Plan", NOW, {}, COMPANY, weight, moment, plan, event_id=event_id
    )


class TestStorm:
    def test_a_seed_names_a_storm(self) -> None:
        assert blown(seed=7) == blown(seed=7)
        assert blown(seed=7) != blown(seed=8)

    def test_has_as_many_events_as_asked_for_each_with_an_id_of_its_own(self) -> None:
        events = blown()
        assert len(events) == 2_000
        assert len({event.key for event in events}) == 2_000

    def test_delivers_one_in_ten_twice_and_spoils_one_in_fifty(self) -> None:
        events = blown()
        assert sum(event.repeated for event in events) == 200
        assert Counter(event.parked for event in events).keys() == {None, "malformed_event", "unknown_plan"}
        assert 36 <= sum(event.parked is not None for event in events) <= 40

    def test_what_is_malformed_is_so_to_the_functions_and_nothing_else_is(self) -> None:
        for event in blown():
            if event.parked == MALFORMED:
                with pytest.raises(MalformedEvent):
                    read(event)
            else:
                assert read(event).company_id == event.company_id

    def test_lies_in_the_past_with_moments_that_several_events_of_a_company_share(self) -> None:
        events = blown()
        assert all(event.time <= NOW for event in events)
        shared = Counter((event.company_id, event.moment) for event in events)
        assert max(shared.values()) > 1


class TestNewestPlan:
    @pytest.mark.parametrize(
        ("events", "plan"),
        [
            ([stated("growth", NOW, "a"), stated("scale", NOW - timedelta(days=1), "b")], "growth"),
            ([stated("growth", NOW, "b"), stated("scale", NOW, "a")], "growth"),
            ([stated("growth", NOW - timedelta(days=9), "a"), stated("scale", NOW, "b", weight=1)], "growth"),
            ([stated("growth", NOW, "a", weight=1), stated("scale", NOW, "b", weight=0)], "growth"),
            ([stated("scale", NOW, "b", weight=0)], "free"),
        ],
        ids=["later", "greater id in one moment", "stated over tagged", "tagged over none", "nobody said"],
    )
    def test_is_the_word_that_counts_most_in_any_order(self, events: list[StormEvent], plan: str) -> None:
        assert newest_plans(events, PRESETS) == {COMPANY: plan}
        assert newest_plans(reversed(events), PRESETS) == {COMPANY: plan}

    def test_is_not_that_of_an_event_that_has_to_be_parked(self) -> None:
        bad = stated("scale", NOW, "b")
        bad.parked = MALFORMED
        assert newest_plans([bad], PRESETS) == {}


@pytest.fixture
def events() -> list[StormEvent]:
    return blown(count=400, companies=5)


def at(plan: str, company: UUID) -> SyncSettings:
    return PRESETS.for_company(plan, company).over(SyncSettings())


def found_after(events: list[StormEvent]) -> Found:
    """All as it should be."""
    newest = newest_plans(events, PRESETS)
    return Found(
        waiting=0,
        undelivered=0,
        letters=[
            Letter("FailedEventsQueueUrl", event.body, event.parked)
            for event in events
            if event.parked is not None
            for _ in range(event.deliveries)
        ],
        companies={company: CompanyState(plan, at(plan, company), 1) for company, plan in newest.items()},
        unknown_records=0,
    )


def settle(events: list[StormEvent], found: Found, kills: int = 0) -> Ledger:
    return balance(events, newest_plans(events, PRESETS), PRESETS, found, kills=kills)


def wrong(events: list[StormEvent]) -> Iterator[tuple[str, Found]]:
    """Each way in which it could be wrong, alone."""
    good = found_after(events)
    company = next(iter(good.companies))
    state = good.companies[company]
    other = next(plan for plan in PRESETS.plans if plan != state.desired)
    elsewhere = CompanyState(state.desired, at(other, company), 1)
    misrecorded = CompanyState(other, state.settings, 1)
    fine = next(event for event in events if event.parked is None)
    [first, *rest] = good.letters
    stranger = new_uuid(Random(0))
    parts: dict[str, dict[str, Any]] = {
        "a message still waits": {"waiting": 1},
        "a message was not delivered": {"undelivered": 1},
        "a parked event is missing": {"letters": [each for each in rest if each.key != first.key]},
        "a good event is parked": {"letters": [*good.letters, Letter("FailedEventsQueueUrl", fine.body, MALFORMED)]},
        "another reason": {"letters": [Letter(first.dlq, first.body, "bad_request"), *rest]},
        "an event from nowhere": {"letters": [*good.letters, Letter(first.dlq, '{"id": "nobody\'s"}', MALFORMED)]},
        "a body that was altered": {
            "letters": [Letter(each.dlq, each.body.replace("platinum", "gold"), each.reason) for each in good.letters]
        },
        "a copy too many": {"letters": [*good.letters, first]},
        "not at its preset": {"companies": {**good.companies, company: elsewhere}},
        "the wrong plan recorded": {"companies": {**good.companies, company: misrecorded}},
        "nothing recorded": {"companies": {**good.companies, company: CompanyState(None, state.settings, 1)}},
        "written without an event": {
            "companies": {**good.companies, stranger: CompanyState(None, at("free", stranger), 1)}
        },
        "a record from nowhere": {"unknown_records": 1},
    }
    for name, part in parts.items():
        yield name, Found(**{**vars(good), **part})


class TestLedger:
    def test_balances_where_all_is_as_it_should_be(self, events: list[StormEvent]) -> None:
        ledger = settle(events, found_after(events))
        assert ledger.problems == []
        parked = sum(event.parked is not None for event in events)
        assert ledger.settled == len(events) - parked
        assert sum(count for count, _ in ledger.parked.values()) == parked

    def test_does_not_balance_for_anything_that_is_wrong(self, events: list[StormEvent]) -> None:
        for name, found in wrong(events):
            assert settle(events, found).problems, name

    def test_a_kill_explains_copies_and_nothing_else(self, events: list[StormEvent]) -> None:
        for name, found in wrong(events):
            assert bool(settle(events, found, kills=1).problems) is (name != "a copy too many"), name


class TestOwnAccount:
    def test_knows_of_which_event_nothing_was_said(self, tmp_path: Path, events: list[StormEvent]) -> None:
        told, deferred = events[0], events[1]
        file = tmp_path / "functions.log"
        file.write_text(
            f'{{"message":"event_settled","outcome":"applied","correlation_id":"{told.event_id}","receive_count":3}}\n'
            f'{{"message":"event_settled","outcome":"deferred","reason":"unreachable","correlation_id":"{deferred.event_id}"}}\n'
            'event_settled\n{"message":"event_settled","outco\nSTART RequestId\n'
        )
        own = OwnAccount.read(file)
        assert own.silent_about([told, deferred]) == [deferred.key]
        assert own.outcomes == {"applied": 1, "deferred": 1}
        assert own.deferred_for == {"unreachable": 1}
        assert (own.seen_again, own.most_received, own.unreadable) == (1, 3, 2)


class TestOnCall:
    ARN = "arn:aws:sqs:us-east-1:000000000000:source"

    def on_call(self, queues: dict[str, list[FakeMessage]]) -> OnCall:
        stack: Any = SimpleNamespace(
            aws=SimpleNamespace(sqs=FakeSqs(queues)), outputs={output: output for output in (PAYMENT_REQUIRED, FAILED)}
        )
        return OnCall(stack)

    def parked(self, number: int, reason: str | None) -> FakeMessage:
        said = {"sourceQueue": self.ARN} | ({"reason": reason} if reason else {})
        attributes = {name: {"DataType": "String", "StringValue": text} for name, text in said.items()}
        return FakeMessage(f"m{number}", f"event {number}", attributes, NOW)

    def test_puts_back_all_but_what_can_never_be_settled(self) -> None:
        reasons = ["unreachable", MALFORMED, "unknown_plan", None]
        queues = {PAYMENT_REQUIRED: [], FAILED: [self.parked(*each) for each in enumerate(reasons)], "source": []}
        on_call = self.on_call(queues)
        assert on_call.put_parked_events_back() == 2
        assert [each.body for each in queues["source"]] == ["event 0", "event 3"]
        assert [each.body for each in queues[FAILED]] == ["event 1", "event 2"]
        assert on_call.put_back == {(FAILED, "unreachable"): 1, (FAILED, "moved by SQS"): 1}

    def test_says_so_where_an_event_cannot_be_put_back(self) -> None:
        on_call = self.on_call({PAYMENT_REQUIRED: [self.parked(0, "company_limit")], FAILED: []})
        with pytest.raises(StackError, match="NonExistentQueue"):
            on_call.put_parked_events_back()


class TestKiller:
    def test_finds_the_workers_of_its_own_emulator_alone(self) -> None:
        processes = (
            "    7     1 python -c import runpy ministack.app:app\n"
            "   21     7 /x/.local/runtime/bin/python /x/tmp/ministack-lambda-Changed-a1b2/_worker.py\n"
            "   22     8 /x/.local/runtime/bin/python /x/tmp/ministack-lambda-Changed-c3d4/_worker.py\n"
            "   23     7 vim /x/notes.py\n"
        )
        assert workers_of(7, processes) == [21]

    def test_counts_each_invocation_that_was_cut_off_once_and_no_timeout(self, tmp_path: Path) -> None:
        said = "WARNING [lambda] ESM: Lambda F failed processing SQS batch from Q (errorType=X errorMessage={})\n"
        died, timed_out = said.format("Worker process died"), said.format("Task timed out after 60.00 seconds")
        log = tmp_path / "ministack.log"
        log.write_text(f"INFO nothing\n{died}{timed_out}{died[:70]}")
        killer = Killer(emulator=7, log=log, random=Random(0))
        killer.count()
        killer.count()
        assert (killer.cut_off, killer.failed) == (1, 1)
        with log.open("a") as more:
            more.write(died[70:])
        killer.count()
        assert (killer.cut_off, killer.failed) == (2, 1)


def test_an_event_is_known_by_its_id_and_what_has_none_by_its_body() -> None:
    assert key_of('{"id": "x", "detail": {}}') == "x"
    assert key_of('{"id": "cut off') == '{"id": "cut off'
    assert key_of("[1]") == "[1]"
