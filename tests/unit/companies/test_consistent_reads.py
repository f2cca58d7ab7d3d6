"""Each read of the companies' table sees every earlier write: a stale one would undo the order of plans and pauses."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from mypy_boto3_dynamodb import DynamoDBClient

from codat_sync.companies.pause import StoredPause
from codat_sync.companies.records import CompanyPlans
from tests.fakes.companies import COMPANY

READS: dict[str, Callable[[DynamoDBClient, str], object]] = {
    "a record": lambda dynamodb, table: CompanyPlans(dynamodb, table).get(COMPANY),
    "a page of records": lambda dynamodb, table: CompanyPlans(dynamodb, table).page(None, 10),
    "which records exist": lambda dynamodb, table: CompanyPlans(dynamodb, table).known([COMPANY]),
    "the pause": lambda dynamodb, table: StoredPause(dynamodb, table).read(),
}


@pytest.fixture
def requests(dynamodb: DynamoDBClient) -> Iterator[list[dict[str, Any]]]:
    noted: list[dict[str, Any]] = []

    def note(params: dict[str, Any], **_: object) -> None:
        noted.extend(params.get("RequestItems", {None: params}).values())

    dynamodb.meta.events.register("before-parameter-build.dynamodb", note, unique_id="requests")
    yield noted
    dynamodb.meta.events.unregister("before-parameter-build.dynamodb", unique_id="requests")


@pytest.mark.parametrize("read", READS.values(), ids=READS.keys())
def test_a_read_sees_every_earlier_write(
    dynamodb: DynamoDBClient,
    table: str,
    requests: list[dict[str, Any]],
    read: Callable[[DynamoDBClient, str], object],
) -> None:
    read(dynamodb, table)
    assert [each["ConsistentRead"] for each in requests] == [True]
