"""The ledger finds what breaks the promise."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random

import pytest

from codat_sync.outcomes.triage import Outcome
from local.simulation.codat import Codat
from local.simulation.ledger import Ledger, Outcomes, SentEvent, balance
from local.simulation.scenario import company
from local.simulation.sqs import Queue
from local.simulation.virtual_time import Clock

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SENT = SentEvent("event-0", company(0), "free", NOW.timestamp(), "the body")
PARKED_AS = {
    "reason": {"DataType": "String", "StringValue": "server_error"},
    "sourceQueue": {"DataType": "String", "StringValue": "arn:aws:sqs:eu-west-2:123456789012:source"},
}


@dataclass
class Books:
    """What a ledger is made from. The only event was applied."""

    clock: Clock
    outcomes: Outcomes
    source: Queue
    dead: Queue
    codat: Codat

    def balance(self) -> Ledger:
        return balance([SENT], self.outcomes, self.source, [self.dead], self.codat)


@pytest.fixture
def books() -> Books:
    clock = Clock(NOW)
    codat = Codat(clock, Random(1), [])  # noqa: S311  # One that can be repeated.
    outcomes = Outcomes(clock)
    outcomes.ended["event-0"] = [Outcome.APPLIED]
    books = Books(clock, outcomes, Queue("source", clock), Queue("dead", clock), codat)
    schedules = {"invoices": 720, "company": 168}
    settings = {
        "overridesDefaults": True,
        "settings": [
            {"dataType": each, "fetchOnFirstLink": True, "syncSchedule": hours} for each, hours in schedules.items()
        ],
    }
    clock.spawn(lambda: codat.answer("POST", f"/companies/{company(0)}/syncSettings", json.dumps(settings).encode()))
    clock.run()
    clock.close()
    return books


def test_an_applied_event_balances(books: Books) -> None:
    ledger = books.balance()
    assert (ledger.problems, ledger.lost, ledger.parked) == ([], 0, {})


def test_a_parked_event_is_counted_by_its_reason(books: Books) -> None:
    books.outcomes.ended["event-0"] = [Outcome.PARKED_FAILED]
    books.dead.send(SENT.body, PARKED_AS)
    ledger = books.balance()
    assert (ledger.problems, ledger.lost, ledger.parked) == ([], 0, {"server_error": 1})


def no_outcome(books: Books) -> None:
    books.outcomes.ended.clear()


def two_outcomes(books: Books) -> None:
    books.outcomes.ended["event-0"].append(Outcome.UNCHANGED)


def still_waiting(books: Books) -> None:
    books.outcomes.ended.clear()
    books.source.send(SENT.body, {})


def altered(books: Books) -> None:
    books.dead.send("another body", PARKED_AS)


def no_copy(books: Books) -> None:
    books.outcomes.ended["event-0"] = [Outcome.PARKED_FAILED]


def applied_and_parked(books: Books) -> None:
    books.dead.send(SENT.body, PARKED_AS)


def parked_twice(books: Books) -> None:
    no_copy(books)
    books.dead.send(SENT.body, PARKED_AS)
    books.dead.send(SENT.body, PARKED_AS)


def changed_at_codat(books: Books) -> None:
    books.codat.reset()


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        (no_outcome, "1 lost"),
        (two_outcomes, "1 with more than one outcome"),
        (still_waiting, "1 still on the queue"),
        (altered, "1 altered in a DLQ"),
        (no_copy, "1 parked without a copy"),
        (applied_and_parked, "1 in a DLQ with another outcome"),
        (parked_twice, "1 in a DLQ twice"),
        (changed_at_codat, "1 at another preset"),
    ],
)
def test_each_breach_of_the_promise_is_found(books: Books, fault: Callable[[Books], None], problem: str) -> None:
    fault(books)
    assert any(each.startswith(problem) for each in books.balance().problems)
