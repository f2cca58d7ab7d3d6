"""The simulated DynamoDB answers the functions' own requests as Moto does."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, cast
from uuid import UUID

import boto3
import pytest
from moto import mock_aws

from codat_sync.companies.desired import DesiredPlan
from codat_sync.companies.pause import Pause, StoredPause
from codat_sync.companies.records import AppliedPreset, CompanyPlans
from codat_sync.events.company_events import Authority
from codat_sync.events.requests import ReconciliationRequest
from codat_sync.reconciliation.runs import ReconciliationRuns
from local.simulation.dynamodb import DynamoDbClient
from local.simulation.virtual_time import Clock
from tests.fakes.aws import create_company_plans_table

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

TABLE = "companies"
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@pytest.fixture
def clients() -> Iterator[tuple["DynamoDBClient", "DynamoDBClient"]]:
    with mock_aws():
        moto = boto3.client("dynamodb")
        create_company_plans_table(moto, TABLE)
        yield moto, cast("DynamoDBClient", DynamoDbClient(Clock(NOW), {}))


def test_companies_are_recorded_confirmed_and_noted_alike(clients: tuple["DynamoDBClient", "DynamoDBClient"]) -> None:
    tables = [CompanyPlans(each, TABLE) for each in clients]
    random, companies = Random(3), [UUID(int=number) for number in range(1, 4)]  # noqa: S311
    for step in range(60):
        company_id, at = random.choice(companies), NOW + timedelta(seconds=step)
        desired = DesiredPlan.named(
            random.choice(["starter", "growth"]), Authority.STATED, NOW + timedelta(hours=random.randrange(6)), "e"
        )
        applied = AppliedPreset("growth", "f", "e", desired.order, random.choice([None, "daily"]))
        acts: list[Callable[[CompanyPlans], object]] = [
            lambda table, c=company_id, d=desired, t=at: table.record(c, d, at=t),  # type: ignore[misc]
            lambda table, c=company_id, t=at: table.note_failure(c, "e", "reason: words", at=t),  # type: ignore[misc]
            lambda table, c=company_id, n=step, t=at: table.note_drift(c, n, at=t),  # type: ignore[misc]
            lambda table, c=company_id: table.get(c),  # type: ignore[misc]
        ]
        if all(table.get(company_id) for table in tables):
            acts.append(lambda table, c=company_id, d=desired, a=applied, t=at: table.confirm(c, d, a, at=t))  # type: ignore[misc]
        act = random.choice(acts)
        of_moto, of_ours = (act(each) for each in tables)
        assert of_ours == of_moto, step
    moto, ours = (table.page(None, 10) for table in tables)
    assert sorted(ours.companies, key=str) == sorted(moto.companies, key=str)


def test_pages_hold_every_company_once(clients: tuple["DynamoDBClient", "DynamoDBClient"]) -> None:
    for client in clients:
        table = CompanyPlans(client, TABLE)
        for number in range(1, 8):
            table.record(UUID(int=number), DesiredPlan.assumed("free", "e"), at=NOW)
        seen, last = list[UUID](), None
        while True:
            page = table.page(last, 3)
            seen += [each.company_id for each in page.companies]
            last = page.last
            if last is None:
                break
        assert sorted(seen) == [UUID(int=number) for number in range(1, 8)]


def test_a_pause_begins_is_swapped_and_ends_alike(clients: tuple["DynamoDBClient", "DynamoDBClient"]) -> None:
    short, long = (Pause("rate_limited", "words", NOW + timedelta(minutes=each)) for each in (1, 9))
    seen = []
    for record in (StoredPause(each, TABLE) for each in clients):
        answers: list[object] = [record.read()]
        record.write(long)
        record.write(short)
        answers += [record.read(), record.swap(short, None), record.swap(long, short), record.read()]
        answers += [record.swap(short, None), record.read(), record.swap(short, long)]
        seen.append(answers)
    assert seen[0] == seen[1]


def test_a_run_begins_advances_and_is_tallied_alike(clients: tuple["DynamoDBClient", "DynamoDBClient"]) -> None:
    request = ReconciliationRequest("night-1", NOW, report_only=False)
    seen = []
    for runs in (ReconciliationRuns(each, TABLE) for each in clients):
        begun = runs.begin(request, in_place_of=None, at=NOW)
        assert begun is not None
        answers: list[object] = [begun, runs.begin(request, in_place_of=None, at=NOW)]
        runs.tally("night-1", {"repaired": 2, "unchanged": 1})
        runs.tally("night-1", {"repaired": 3})
        runs.tally("another", {"repaired": 3})
        answers += [runs.newest(), runs.advance(begun, begun)]
        seen.append(answers)
    assert seen[0] == seen[1]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("SET n = if_not_exists(n, :zero) + :one", "1"),
        ("SET n = if_not_exists(n, :one)", "1"),
        ("ADD n :one", "1"),
    ],
)
def test_numbers_are_counted_alike(
    clients: tuple["DynamoDBClient", "DynamoDBClient"], expression: str, expected: str
) -> None:
    for client in clients:
        answer = client.update_item(
            TableName=TABLE,
            Key={"companyId": {"S": "#count"}},
            UpdateExpression=expression,
            ExpressionAttributeValues={
                name: {"N": value} for name, value in ((":zero", "0"), (":one", "1")) if name in expression
            },
            ReturnValues="ALL_NEW",
        )
        assert answer["Attributes"]["n"] == {"N": expected}


def test_a_condition_of_another_form_is_refused() -> None:
    client = DynamoDbClient(Clock(NOW), {})
    with pytest.raises(NotImplementedError, match="contains"):
        client.update_item(
            Key={"companyId": {"S": "c"}}, UpdateExpression="REMOVE a", ConditionExpression="contains(a, :b)"
        )
