"""The meter counts capacity units as DynamoDB bills them."""

from datetime import UTC, datetime
from typing import Any

import boto3
import pytest

from codat_sync.companies.desired import DesiredPlan
from codat_sync.companies.records import CompanyPlans
from codat_sync.events.company_events import Authority
from local.bench.aws import TABLE
from local.bench.meter import Meter, Usage, item_bytes
from local.bench.population import Population


class TestMeter:
    def test_a_consistent_read_costs_twice_as_much(self, table: Population) -> None:
        meter, dynamodb = Meter(), boto3.client("dynamodb")
        key = {"companyId": {"S": str(next(iter(table)).company_id)}}
        dynamodb.get_item(TableName=TABLE, Key=key, ConsistentRead=True)
        dynamodb.get_item(TableName=TABLE, Key=key)
        usage = meter.take()
        assert usage.read_units == 1.5
        assert usage.requests == {"dynamodb.GetItem": 2}

    @pytest.mark.usefixtures("table")
    def test_a_scan_costs_its_page_rounded_up_to_4_kb(self) -> None:
        meter, dynamodb = Meter(), boto3.client("dynamodb")
        read = dynamodb.scan(TableName=TABLE, Limit=100, ConsistentRead=True)["Items"]
        usage = meter.take()
        assert usage.scanned_bytes == sum(map(item_bytes, read))
        assert usage.read_units == usage.scan_units == -(-usage.scanned_bytes // 4096) > 1

    def test_a_write_costs_the_same_whether_its_condition_holds_or_not(self, table: Population) -> None:
        meter, at = Meter(), datetime.now(UTC)
        plans, company_id = CompanyPlans(boto3.client("dynamodb"), TABLE), next(iter(table)).company_id
        large = DesiredPlan.named("free", Authority.STATED, at, "e" * 600)
        plans.record(company_id, large, at=at)
        assert meter.take().write_units == 2
        plans.record(company_id, large, at=at)
        assert meter.take().write_units == 2

    def test_usage_that_was_taken_is_not_counted_again(self, table: Population) -> None:
        meter = Meter()
        CompanyPlans(boto3.client("dynamodb"), TABLE).page(None, table.companies)
        meter.take()
        assert meter.take() == Usage()

    def test_each_scan_is_reported(self, table: Population) -> None:
        reported: list[str] = []
        meter = Meter(on_scan=lambda: reported.append("scan"))
        plans, half = CompanyPlans(boto3.client("dynamodb"), TABLE), table.companies // 2
        plans.page(plans.page(None, half).last, half)
        assert reported == ["scan", "scan"]
        assert meter.usage.requests_to("dynamodb") == 2

    @pytest.mark.parametrize(
        ("value", "size"),
        [
            ({"S": "grün"}, 5),
            ({"N": "0"}, 1),
            ({"N": "-1200"}, 2),
            ({"N": "12.5"}, 3),
            ({"BOOL": True}, 1),
            ({"NULL": True}, 1),
            ({"L": []}, 3),
            ({"L": [{"S": "ab"}]}, 6),
            ({"M": {"key": {"S": "ab"}}}, 9),
        ],
    )
    def test_a_size_is_what_dynamodb_documents(self, value: dict[str, Any], size: int) -> None:
        assert item_bytes({"name": value}) == len("name") + size
