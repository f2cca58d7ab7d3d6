"""The storm and its ledger: every kind of discrepancy has to be found.

``local.chaos`` runs for minutes; its parts are tested here without a stack.
"""

# ruff: noqa: S311 - a repeatable storm needs a seed, and no secret.

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
from local.chaos.faults import STEADY, Throttling, dripping, too_many_requests
from local.chaos.killer import Killer, workers_of
from local.chaos.ledger import Ledger, balance
from local.chaos.log_summary import LogSummary
from local.chaos.observations import CompanyState, Observations, ParkedMessage
from local.chaos.recovery import FAILED_EVENTS as FAILED
from local.chaos.recovery import PAYMENT_REQUIRED, Recovery
from local.chaos.schedule import Schedule, ScheduledFault
from local.chaos.storm import (
    MALFORMED,
    PLAN_QUEUE,
    Authority,
    StormEvent,
    key_of,
    new_uuid,
    newest_plans,
    storm,
)
from local.codat_simulator.faults import Fault
from local.presets import local_presets
from tests.fakes.aws import FakeMessage, FakeSqs

NOW = datetime(2026, 2, 1, 12, tzinfo=UTC)
PRESETS = local_presets()
COMPANY = UUID("8a210b68-6988-4001-a1eb-0242ac120001")


def sent_storm(seed: int = 1, count: int = 2_000, companies: int = 30) -> list[StormEvent]:
    """Return a storm as it is after sending: with ids and deliveries."""
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


def stated(plan: str, moment: datetime, sequence: int, *, authority: Authority = Authority.STATED) -> StormEvent:
    return StormEvent(
        PLAN_QUEUE, "billing", "Company Changed Plan", NOW, {}, COMPANY, authority, moment, sequence, plan
    )


class TestStorm:
    def test_the_same_seed_gives_the_same_storm(self) -> None:
        assert sent_storm(seed=7) == sent_storm(seed=7)
        assert sent_storm(seed=7) != sent_storm(seed=8)

    def test_has_the_wanted_number_of_events_each_with_its_own_id(self) -> None:
        events = sent_storm()
        assert len(events) == 2_000
        assert len({event.key for event in events}) == 2_000

    def test_one_in_ten_is_delivered_twice_and_one_in_fifty_is_invalid(self) -> None:
        events = sent_storm()
        assert sum(event.repeated for event in events) == 200
        assert Counter(event.parked_for for event in events).keys() == {None, "malformed_event", "unknown_plan"}
        assert 36 <= sum(event.parked_for is not None for event in events) <= 40

    def test_the_functions_refuse_the_malformed_events_and_no_others(self) -> None:
        for event in sent_storm():
            if event.parked_for == MALFORMED:
                with pytest.raises(MalformedEvent):
                    read(event)
            else:
                assert read(event).company_id == event.company_id

    def test_is_in_the_past_and_several_events_of_a_company_share_a_time(self) -> None:
        events = sent_storm()
        assert all(event.time <= NOW for event in events)
        shared = Counter((event.company_id, event.moment) for event in events)
        assert max(shared.values()) > 1

    def test_has_a_tie_of_other_plans_only_where_a_sequence_settles_it(self) -> None:
        tied: dict[tuple[object, ...], set[str | None]] = {}
        for event in sent_storm():
            if event.parked_for is None and event.authority is not Authority.ASSUMED:
                moment = event.moment or event.time
                tied.setdefault((event.company_id, event.authority, moment, event.sequence), set()).add(event.plan)
        assert all(len(plans) == 1 for plans in tied.values())

    def test_the_functions_read_the_moment_and_the_sequence_that_the_ledger_counts_with(self) -> None:
        for event in sent_storm():
            if event.parked_for is None:
                was_read = read(event)
                assert was_read.occurred_at == (event.moment or event.time)
                assert (was_read.sequence or 0) == event.sequence


class TestNewestPlan:
    @pytest.mark.parametrize(
        ("events", "plan"),
        [
            ([stated("growth", NOW, 1), stated("scale", NOW - timedelta(days=1), 2)], "growth"),
            ([stated("growth", NOW, 2), stated("scale", NOW, 1)], "growth"),
            (
                [stated("growth", NOW - timedelta(days=9), 1), stated("scale", NOW, 2, authority=Authority.TAGGED)],
                "growth",
            ),
            (
                [
                    stated("growth", NOW, 1, authority=Authority.TAGGED),
                    stated("scale", NOW, 2, authority=Authority.ASSUMED),
                ],
                "growth",
            ),
            ([stated("scale", NOW, 2, authority=Authority.ASSUMED)], "free"),
        ],
        ids=["later", "greater sequence in one moment", "stated over tagged", "tagged over none", "none"],
    )
    def test_is_that_of_the_greatest_authority_then_time_then_sequence_in_any_order(
        self, events: list[StormEvent], plan: str
    ) -> None:
        assert newest_plans(events, PRESETS) == {COMPANY: plan}
        assert newest_plans(reversed(events), PRESETS) == {COMPANY: plan}

    def test_is_not_that_of_an_event_that_has_to_be_parked(self) -> None:
        bad = stated("scale", NOW, 2)
        bad.parked_for = MALFORMED
        assert newest_plans([bad], PRESETS) == {}


@pytest.fixture
def events() -> list[StormEvent]:
    return sent_storm(count=400, companies=5)


def at(plan: str, company: UUID) -> SyncSettings:
    return PRESETS.for_company(plan, company).over(SyncSettings())


def observed_after(events: list[StormEvent]) -> Observations:
    """Return what is observed after a storm in which nothing went wrong."""
    newest = newest_plans(events, PRESETS)
    return Observations(
        waiting=0,
        undelivered=0,
        parked=[
            ParkedMessage("FailedEventsQueueUrl", event.body, event.parked_for)
            for event in events
            if event.parked_for is not None
            for _ in range(event.deliveries)
        ],
        companies={company: CompanyState(plan, at(plan, company), 1) for company, plan in newest.items()},
        unknown_records=0,
    )


def settle(events: list[StormEvent], observed: Observations, kills: int = 0) -> Ledger:
    return balance(events, newest_plans(events, PRESETS), PRESETS, observed, kills=kills)


def discrepancies(events: list[StormEvent]) -> Iterator[tuple[str, Observations]]:
    """Yield each discrepancy alone, with its name."""
    good = observed_after(events)
    parts: dict[str, dict[str, Any]] = {
        "a message is still on its queue": {"waiting": 1},
        "a message was not delivered": {"undelivered": 1},
        "a record of an unknown company": {"unknown_records": 1},
        **{name: {"parked": parked} for name, parked in wrongly_parked(events, good).items()},
        **{name: {"companies": {**good.companies, **wrong}} for name, wrong in wrong_companies(good).items()},
    }
    for name, part in parts.items():
        yield name, Observations(**{**vars(good), **part})


def wrongly_parked(events: list[StormEvent], good: Observations) -> dict[str, list[ParkedMessage]]:
    valid = next(event for event in events if event.parked_for is None)
    [first, *rest] = good.parked
    return {
        "a parked event is missing": [each for each in rest if each.key != first.key],
        "a valid event is parked": [*good.parked, ParkedMessage("FailedEventsQueueUrl", valid.body, MALFORMED)],
        "another reason": [ParkedMessage(first.dlq, first.body, "bad_request"), *rest],
        "an event that was never sent": [*good.parked, ParkedMessage(first.dlq, '{"id": "unknown"}', MALFORMED)],
        "a body that was altered": [
            ParkedMessage(each.dlq, each.body.replace("platinum", "gold"), each.reason) for each in good.parked
        ],
        "a copy too many": [*good.parked, first],
    }


def wrong_companies(good: Observations) -> dict[str, dict[UUID, CompanyState]]:
    company, state = next(iter(good.companies.items()))
    other = next(plan for plan in PRESETS.plans if plan != state.desired)
    unknown = new_uuid(Random(0))
    return {
        "not at its preset": {company: CompanyState(state.desired, at(other, company), 1)},
        "the wrong plan recorded": {company: CompanyState(other, state.settings, 1)},
        "nothing recorded": {company: CompanyState(None, state.settings, 1)},
        "written without an event": {unknown: CompanyState(None, at("free", unknown), 1)},
    }


class TestLedger:
    def test_balances_where_nothing_went_wrong(self, events: list[StormEvent]) -> None:
        ledger = settle(events, observed_after(events))
        assert ledger.problems == []
        parked = sum(event.parked_for is not None for event in events)
        assert ledger.events.settled == len(events) - parked
        assert sum(count for count, _ in ledger.events.parked.values()) == parked

    def test_does_not_balance_with_any_discrepancy(self, events: list[StormEvent]) -> None:
        for name, observed in discrepancies(events):
            assert settle(events, observed).problems, name

    def test_a_kill_explains_excess_copies_and_nothing_else(self, events: list[StormEvent]) -> None:
        for name, observed in discrepancies(events):
            assert bool(settle(events, observed, kills=1).problems) is (name != "a copy too many"), name


class TestLogSummary:
    def test_names_the_events_without_a_final_outcome(self, tmp_path: Path, events: list[StormEvent]) -> None:
        settled, deferred = events[0], events[1]
        file = tmp_path / "functions.log"
        file.write_text(
            f'{{"message":"event_settled","outcome":"applied","correlation_id":"{settled.event_id}","receive_count":3}}\n'
            f'{{"message":"event_settled","outcome":"deferred","reason":"unreachable","correlation_id":"{deferred.event_id}"}}\n'
            'event_settled\n{"message":"event_settled","outco\nSTART RequestId\n'
        )
        summary = LogSummary.read(file)
        assert summary.without_outcome([settled, deferred]) == [deferred.key]
        assert summary.outcomes == {"applied": 1, "deferred": 1}
        assert summary.deferred_for == {"unreachable": 1}
        assert (summary.redelivered, summary.most_received, summary.unreadable) == (1, 3, 2)


class TestRecovery:
    ARN = "arn:aws:sqs:us-east-1:000000000000:source"

    def recovery(self, queues: dict[str, list[FakeMessage]]) -> Recovery:
        stack: Any = SimpleNamespace(
            aws=SimpleNamespace(sqs=FakeSqs(queues)), outputs={output: output for output in (PAYMENT_REQUIRED, FAILED)}
        )
        return Recovery(stack)

    def parked(self, number: int, reason: str | None) -> FakeMessage:
        texts = {"sourceQueue": self.ARN} | ({"reason": reason} if reason else {})
        attributes = {name: {"DataType": "String", "StringValue": text} for name, text in texts.items()}
        return FakeMessage(f"m{number}", f"event {number}", attributes, NOW)

    def test_puts_back_every_event_but_the_invalid_ones(self) -> None:
        reasons = ["unreachable", MALFORMED, "unknown_plan", None]
        queues = {PAYMENT_REQUIRED: [], FAILED: [self.parked(*each) for each in enumerate(reasons)], "source": []}
        recovery = self.recovery(queues)
        assert recovery.put_parked_events_back() == 2
        assert [each.body for each in queues["source"]] == ["event 0", "event 3"]
        assert [each.body for each in queues[FAILED]] == ["event 1", "event 2"]
        assert recovery.put_back == {(FAILED, "unreachable"): 1, (FAILED, "moved by SQS"): 1}

    def test_an_event_that_cannot_be_put_back_is_an_error(self) -> None:
        recovery = self.recovery({PAYMENT_REQUIRED: [self.parked(0, "company_limit")], FAILED: []})
        with pytest.raises(StackError, match="NonExistentQueue"):
            recovery.put_parked_events_back()


class TestKiller:
    def test_finds_only_the_workers_of_its_own_emulator(self) -> None:
        processes = (
            "    7     1 python -c import runpy ministack.app:app\n"
            "   21     7 /x/.local/runtime/bin/python /x/tmp/ministack-lambda-Changed-a1b2/_worker.py\n"
            "   22     8 /x/.local/runtime/bin/python /x/tmp/ministack-lambda-Changed-c3d4/_worker.py\n"
            "   23     7 vim /x/notes.py\n"
        )
        assert workers_of(7, processes) == [21]

    def test_counts_each_interrupted_invocation_once_and_no_timeout(self, tmp_path: Path) -> None:
        line = "WARNING [lambda] ESM: Lambda F failed processing SQS batch from Q (errorType=X errorMessage={})\n"
        died, timed_out = line.format("Worker process died"), line.format("Task timed out after 60.00 seconds")
        log = tmp_path / "ministack.log"
        log.write_text(f"INFO nothing\n{died}{timed_out}{died[:70]}")
        killer = Killer(emulator=7, log=log, random=Random(0))
        killer.count()
        killer.count()
        assert (killer.interrupted, killer.failed) == (1, 1)
        with log.open("a") as more:
            more.write(died[70:])
        killer.count()
        assert (killer.interrupted, killer.failed) == (2, 1)


def test_an_event_is_identified_by_its_id_or_else_by_its_body() -> None:
    assert key_of('{"id": "x", "detail": {}}') == "x"
    assert key_of('{"id": "cut off') == '{"id": "cut off'
    assert key_of("[1]") == "[1]"


class TestSchedule:
    def schedule(self, *shares: float) -> tuple[Schedule, list[str]]:
        """Return a schedule of faults that last five seconds, and the list of what they do."""
        done: list[str] = []

        def fault(share: float) -> ScheduledFault:
            name = str(share)
            return ScheduledFault(
                share, name, lambda: done.append(f"{name} begins"), lambda: done.append(f"{name} ends"), 5
            )

        return Schedule(fault(share) for share in shares), done

    def test_a_fault_begins_at_its_share_and_ends_after_its_time(self) -> None:
        schedule, done = self.schedule(0.2)
        schedule.advance(0.1, 0, paused=False)
        assert done == []
        schedule.advance(0.2, 1, paused=False)
        assert (done, schedule.active, schedule.done) == (["0.2 begins"], "0.2", False)
        schedule.advance(0.9, 5.9, paused=False)
        assert done == ["0.2 begins"]
        schedule.advance(0.9, 6, paused=False)
        assert (done, schedule.active, schedule.done) == (["0.2 begins", "0.2 ends"], None, True)

    def test_faults_are_never_active_at_once_and_keep_their_order(self) -> None:
        schedule, done = self.schedule(0.3, 0.2)
        schedule.advance(1, 0, paused=False)
        schedule.advance(1, 1, paused=False)
        assert done == ["0.2 begins"]
        schedule.advance(1, 5, paused=False)
        assert done == ["0.2 begins", "0.2 ends", "0.3 begins"]

    def test_no_fault_begins_during_a_pause_but_an_active_one_ends(self) -> None:
        schedule, done = self.schedule(0.2, 0.3)
        schedule.advance(1, 0, paused=False)
        schedule.advance(1, 5, paused=True)
        assert done == ["0.2 begins", "0.2 ends"]
        assert not schedule.done


class FakeLambda:
    """Remembers the reserved concurrency of each function."""

    def __init__(self) -> None:
        self.reserved: dict[str, int] = {}

    def put_function_concurrency(self, **said: Any) -> None:  # noqa: ANN401
        self.reserved[said["FunctionName"]] = said["ReservedConcurrentExecutions"]

    def delete_function_concurrency(self, **said: Any) -> None:  # noqa: ANN401
        del self.reserved[said["FunctionName"]]


def test_throttled_functions_are_invoked_as_before_afterwards() -> None:
    fake: Any = FakeLambda()
    throttling = Throttling(fake, ["plans", "connections"])
    throttling.begin()
    assert fake.reserved == {"plans": 0, "connections": 0}
    throttling.end()
    assert fake.reserved == {}


def test_the_simulator_takes_the_faults_of_a_storm_and_each_company_drips_in_its_own_way() -> None:
    companies = [new_uuid(Random(number)) for number in range(4)]
    faults = [Fault.model_validate(each) for each in [*dripping(companies), *STEADY, too_many_requests(Random(1))]]
    assert [fault.company_id for fault in faults[:4]] == [str(company) for company in companies]
    assert {fault.wire for fault in faults[:3]} == {"drip-body", "drip-headers", "drip-chunks"}
