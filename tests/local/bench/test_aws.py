"""Sorted scans answer as Moto's own, and the records are those that the functions write."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import boto3
import pytest

from codat_sync.companies.desired import DesiredPlan
from codat_sync.companies.records import AppliedPreset, CompanyPlan, CompanyPlans
from codat_sync.events.company_events import Authority
from local.bench.aws import TABLE, sorted_scans
from local.bench.meter import item_bytes
from local.bench.population import Population


def all_pages(plans: CompanyPlans, limit: int) -> list[tuple[CompanyPlan, ...]]:
    pages, after = [], None
    while True:
        page = plans.page(after, limit)
        pages.append(page.companies)
        if page.last is None:
            return pages
        after = page.last


class TestAws:
    @pytest.mark.parametrize("limit", [7, 23, 100, 230, 500])
    def test_pages_are_those_of_moto(self, table: Population, limit: int) -> None:
        plans = CompanyPlans(boto3.client("dynamodb"), TABLE)
        pages = all_pages(plans, limit)
        with sorted_scans():
            assert all_pages(plans, limit) == pages
        assert sum(map(len, pages)) == table.companies

    def test_a_company_that_is_added_between_scans_is_on_a_page(self, table: Population) -> None:
        plans, first_and_last = CompanyPlans(boto3.client("dynamodb"), TABLE), (UUID(int=0), UUID(int=2**128 - 1))
        with sorted_scans():
            before = all_pages(plans, 100)
            for company_id in first_and_last:
                plans.record(company_id, DesiredPlan.assumed("free", "e1"), at=datetime.now(UTC))
            after = [each.company_id for page in all_pages(plans, 100) for each in page]
        assert sum(map(len, before)) == table.companies
        assert (after[0], after[-1]) == first_and_last

    def test_an_item_is_as_large_as_one_that_a_function_writes(self, table: Population) -> None:
        dynamodb = boto3.client("dynamodb")
        plans, at = CompanyPlans(dynamodb, TABLE), datetime.now(UTC) - timedelta(days=1)
        for company in list(table)[-8:]:
            key = {"companyId": {"S": str(company.company_id)}}
            item = dynamodb.get_item(TableName=TABLE, Key=key)["Item"]
            desired = DesiredPlan.named(company.plan, Authority.STATED, at, item["desiredBy"]["S"])
            applied = AppliedPreset(company.plan, "0123456789abcdef", desired.event_id, desired.order)
            plans.record(company.company_id, desired, at=at)
            plans.confirm(company.company_id, desired, applied, at=at)
            written = dynamodb.get_item(TableName=TABLE, Key=key)["Item"]
            assert written["desiredOrder"] != item["desiredOrder"]
            assert item_bytes(written) == item_bytes(item)
