"""The record of the call rate, in DynamoDB and in the fake that stands for it."""

from dataclasses import replace

import pytest
from mypy_boto3_dynamodb import DynamoDBClient

from codat_sync.companies.call_rate import CallRateRecord, StoredCallRate
from codat_sync.companies.rate import Rate
from codat_sync.companies.records import CompanyPage, CompanyPlans
from tests.fakes.clock import NOW
from tests.fakes.companies import FakeCallRate

START_OF_TIME = round(NOW.timestamp() * 1000)


def open_rate(limit: int = 60, *, since: int = START_OF_TIME, granted: int = 0) -> Rate:
    return Rate(limit, since, since, granted, counted_since=since, refused_at=since, raised_at=since)


@pytest.fixture(params=["fake", "DynamoDB"])
def shared(request: pytest.FixtureRequest) -> CallRateRecord:
    """Return the record that all processes share: the fake and the table are held to the same claims."""
    if request.param == "fake":
        return FakeCallRate()
    return StoredCallRate(request.getfixturevalue("dynamodb"), request.getfixturevalue("table"))


def test_before_the_first_refusal_there_is_no_rate(shared: CallRateRecord) -> None:
    assert shared.read() is None
    assert shared.take(open_rate(), length=1_000, now=START_OF_TIME) is None
    assert shared.read() is None


def test_the_first_of_two_processes_that_are_refused_writes_the_rate(shared: CallRateRecord) -> None:
    assert shared.swap(None, open_rate(600))
    assert not shared.swap(None, open_rate(300))
    assert shared.read() == open_rate(600)


def test_a_rate_is_replaced_only_where_it_is_as_it_was_read(shared: CallRateRecord) -> None:
    shared.swap(None, open_rate(600))
    assert not shared.swap(open_rate(300), open_rate(1))
    assert not shared.swap(open_rate(600, since=START_OF_TIME + 1), open_rate(1))
    assert shared.swap(open_rate(600), open_rate(300, since=START_OF_TIME + 5, granted=7))
    assert shared.read() == open_rate(300, since=START_OF_TIME + 5, granted=7)


def test_turns_are_taken_one_after_the_other_whatever_the_process_knows_of_the_next_one(
    shared: CallRateRecord,
) -> None:
    known = open_rate(600)
    shared.swap(None, known)
    assert known.turns_at_once == 5
    first, second = (shared.take(known, length=500, now=START_OF_TIME) for _ in range(2))
    assert first == replace(known, next_turn=START_OF_TIME + 500, granted=5)
    assert second == replace(known, next_turn=START_OF_TIME + 1_000, granted=10)
    assert shared.read() == second


def test_turns_of_another_limit_another_opening_or_the_past_are_not_taken(shared: CallRateRecord) -> None:
    shared.swap(None, open_rate(600))
    assert shared.take(open_rate(599), length=500, now=START_OF_TIME) is None
    assert shared.take(open_rate(600, since=START_OF_TIME - 1), length=500, now=START_OF_TIME) is None
    assert shared.take(open_rate(600), length=500, now=START_OF_TIME + 1) is None
    assert shared.read() == open_rate(600)


def test_the_rate_is_no_company(dynamodb: DynamoDBClient, table: str) -> None:
    StoredCallRate(dynamodb, table).swap(None, open_rate())
    assert dynamodb.scan(TableName=table)["Items"][0]["companyId"] == {"S": "#call-rate"}
    assert CompanyPlans(dynamodb, table).page(None, 10) == CompanyPage(())


def test_an_item_that_holds_no_limit_is_none_and_is_completed(dynamodb: DynamoDBClient, table: str) -> None:
    dynamodb.put_item(TableName=table, Item={"companyId": {"S": "#call-rate"}})
    record = StoredCallRate(dynamodb, table)
    assert record.read() is None
    assert record.swap(None, open_rate())
    assert record.read() == open_rate()
