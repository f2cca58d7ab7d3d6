"""Trouble of AWS's defers an event with its own reason, and what was written without an answer is repaired."""

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from codat_sync.codat.models import Frequency
from codat_sync.companies.records import CompanyPlan
from codat_sync.consuming.consume import START_SECONDS
from tests.fakes.companies import COMPANY, OTHER_COMPANY, FakePlans
from tests.fakes.events import plan_event
from tests.fakes.lambda_ import FakeContext
from tests.unit.consuming.bench import Bench


def throttled() -> ClientError:
    return ClientError({"Error": {"Code": "ThrottlingException", "Message": "Rate exceeded"}}, "UpdateItem")


def lose_an_answer(monkeypatch: pytest.MonkeyPatch, plans: FakePlans, call: str) -> None:
    """Let the next call to the table take effect, and time out."""
    write = getattr(plans, call)

    def lost(*values: object, **more: object) -> CompanyPlan:
        monkeypatch.undo()
        write(*values, **more)
        raise ReadTimeoutError(endpoint_url="https://dynamodb.eu-west-2.amazonaws.com/")

    monkeypatch.setattr(plans, call, lost)


def test_a_throttled_table_defers_with_a_reason_of_its_own_and_without_a_trace(bench: Bench) -> None:
    bench.plans.failures = [throttled()]
    assert bench.consume(plan_event("growth")) == ["deferred"]
    (line,) = bench.lines("event_settled")
    assert (line["reason"], line["words"]) == ("aws_throttled", "UpdateItem: ThrottlingException: Rate exceeded")
    assert bench.lines("unexpected_error") == []
    assert not [each for each in bench.logged if each["exc_info"]]


def test_a_table_in_trouble_is_not_called_again_to_note_that(bench: Bench) -> None:
    bench.plans.failures = [throttled()]
    bench.consume(*(plan_event("growth", minutes=number) for number in range(10)))
    assert bench.plans.writes == 1


@pytest.mark.parametrize("lost", ["record", "confirm"])
def test_a_write_whose_answer_was_lost_is_repaired_by_the_redelivery(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    lose_an_answer(monkeypatch, bench.plans, lost)
    assert bench.consume(plan_event("growth")) == ["deferred"]
    (line,) = bench.lines("event_settled")
    assert line["reason"] == "aws_unavailable"

    (again,) = bench.consume(plan_event("growth"), receive_count=2)
    assert again == ("applied" if lost == "record" else "unchanged")
    assert bench.codat.frequency(COMPANY, "invoices") is Frequency.DAILY
    company = bench.plans.items[COMPANY]
    assert company.applied is not None
    assert company.applied.order == company.desired.order


def test_the_deadline_is_checked_before_each_record(bench: Bench) -> None:
    """Events of one company are recorded one after the other: a slow table must not use up the time of the others."""
    bodies = [plan_event("growth", minutes=number) for number in range(10)]
    outcomes = bench.consume(*bodies, context=FakeContext(60.0, *[60.0] * 3, START_SECONDS - 0.1))
    assert outcomes == ["deferred"] * 10
    assert {line["reason"] for line in bench.lines("event_settled")} == {"out_of_time"}
    assert bench.codat.calls == []


def test_one_company_that_the_table_throttles_is_not_the_others(bench: Bench) -> None:
    bench.plans.failures = [throttled()]
    outcomes = bench.consume(plan_event("growth"), plan_event("growth", company=OTHER_COMPANY))
    assert sorted(outcomes) == ["applied", "deferred"]


@pytest.mark.parametrize("step", ["note_failed", "deferral_failed", "park_failed"])
def test_a_step_that_aws_refuses_is_logged_in_words_without_a_trace(bench: Bench, step: str) -> None:
    if step == "park_failed":
        bench.dead_letters.failure = throttled()
        bench.consume("not an event")
    else:
        bench.plans.failures = [None, throttled()]
        bench.queue.failure = throttled()
        bench.codat.failures = [ConnectionError("cut")]
        bench.consume(plan_event("growth"))
    (line,) = bench.lines(step)
    assert (line["reason"], line["words"]) == ("aws_throttled", "UpdateItem: ThrottlingException: Rate exceeded")
    assert not line["exc_info"]
