"""A company's record in DynamoDB: one item, one call for each method, and whatever else is in the table."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from mypy_boto3_dynamodb import DynamoDBClient

from codat_sync.companies.records import AppliedPreset, CompanyPage, CompanyPlans
from tests.fakes.clock import NOW
from tests.fakes.companies import COMPANY, OTHER_COMPANY
from tests.unit.companies.plans import APPLIED, LATER, stated


class Table:
    """The companies' table, and the calls that it got."""

    def __init__(self, client: DynamoDBClient, name: str) -> None:
        self.client = client
        self.name = name
        self.plans = CompanyPlans(client, name)
        self.calls: list[str] = []

    def item(self, company_id: UUID = COMPANY) -> dict[str, Any] | None:
        """Return the texts of a company's item, None where there is no item."""
        answer = self.client.get_item(TableName=self.name, Key={"companyId": {"S": str(company_id)}})
        return {name: value["S"] for name, value in answer["Item"].items()} if "Item" in answer else None

    def put(self, **texts: str) -> None:
        self.client.put_item(TableName=self.name, Item={name: {"S": text} for name, text in texts.items()})

    def note_call(self, model: Any, **_: object) -> None:  # noqa: ANN401  # botocore's own.
        self.calls.append(model.name)


@pytest.fixture
def companies(dynamodb: DynamoDBClient, table: str) -> Iterator[Table]:
    companies = Table(dynamodb, table)
    dynamodb.meta.events.register("before-call.dynamodb", companies.note_call, unique_id="calls")
    yield companies
    dynamodb.meta.events.unregister("before-call.dynamodb", unique_id="calls")


def test_a_recorded_plan_is_one_item(companies: Table) -> None:
    companies.plans.record(COMPANY, stated("growth"), at=NOW)
    assert companies.item() == {
        "companyId": str(COMPANY),
        "desiredPlan": "growth",
        "desiredOrder": stated("growth").order,
        "desiredBy": "e1",
        "desiredAt": "2026-02-01T12:00:00+00:00",
    }


def test_a_newer_plan_overwrites_the_attributes_of_the_older_one(companies: Table) -> None:
    companies.plans.record(COMPANY, stated("growth"), at=NOW)
    newer = stated("scale", minutes=1, event_id="e2")
    companies.plans.record(COMPANY, newer, at=LATER)
    assert companies.item() == {
        "companyId": str(COMPANY),
        "desiredPlan": "scale",
        "desiredOrder": newer.order,
        "desiredBy": "e2",
        "desiredAt": LATER.isoformat(),
    }


def test_an_applied_preset_is_noted_in_the_companys_item(companies: Table) -> None:
    companies.plans.record(COMPANY, stated("growth"), at=NOW)
    companies.plans.confirm(COMPANY, stated("growth"), APPLIED, at=LATER)
    item = companies.item()
    assert item is not None
    assert {name: value for name, value in item.items() if name.startswith("applied")} == {
        "appliedPlan": "growth",
        "appliedFingerprint": "3f0039a059719258",
        "appliedBy": "e1",
        "appliedOrder": stated("growth").order,
        "appliedAt": LATER.isoformat(),
    }


def test_a_fallback_that_has_ended_is_removed_from_the_item(companies: Table) -> None:
    companies.plans.record(COMPANY, stated("growth"), at=NOW)
    degraded = AppliedPreset("growth", "f", "e1", stated("growth").order, degraded_to="daily")
    companies.plans.confirm(COMPANY, stated("growth"), degraded, at=NOW)
    assert (companies.item() or {})["degradedTo"] == "daily"
    companies.plans.confirm(COMPANY, stated("growth"), APPLIED, at=LATER)
    assert "degradedTo" not in (companies.item() or {})


def test_a_failure_is_noted_in_the_companys_item(companies: Table) -> None:
    companies.plans.record(COMPANY, stated("growth"), at=NOW)
    companies.plans.note_failure(COMPANY, "e3", "forbidden", at=LATER)
    item = companies.item()
    assert item is not None
    assert {name: value for name, value in item.items() if name.startswith("last")} == {
        "lastFailure": "forbidden",
        "lastFailureBy": "e3",
        "lastFailureAt": LATER.isoformat(),
    }


def test_each_method_is_one_call(companies: Table) -> None:
    plans = companies.plans
    plans.record(COMPANY, stated("growth"), at=NOW)
    plans.record(COMPANY, stated("free", minutes=-1), at=NOW)
    plans.confirm(COMPANY, stated("growth"), APPLIED, at=NOW)
    plans.confirm(COMPANY, stated("free", minutes=-1), APPLIED, at=NOW)
    plans.note_failure(COMPANY, "e1", "rate_limited", at=NOW)
    plans.note_drift(COMPANY, 1, at=NOW)
    plans.note_in_step(COMPANY)
    plans.get(COMPANY)
    plans.page(None, 10)
    plans.known([COMPANY])
    assert companies.calls == ["UpdateItem"] * 7 + ["GetItem", "Scan", "BatchGetItem"]


# --- What else may be in the table ----------------------------------------------------------------------------------


def test_the_tables_own_items_are_no_companies(companies: Table) -> None:
    companies.put(companyId="#pause", reason="rate_limited")
    recorded = companies.plans.record(COMPANY, stated("growth"), at=NOW)
    assert companies.plans.page(None, 10) == CompanyPage((recorded,))


def test_an_item_that_is_no_record_does_not_hide_the_others(companies: Table) -> None:
    companies.put(companyId=str(OTHER_COMPANY))
    companies.put(companyId="Toft Stores", desiredPlan="growth", desiredOrder="0", desiredBy="x", desiredAt="yesterday")
    recorded = companies.plans.record(COMPANY, stated("growth"), at=NOW)
    page = companies.plans.page(None, 10)
    assert page.companies == (recorded,)
    assert sorted(page.unreadable) == sorted([str(OTHER_COMPANY), "Toft Stores"])


def test_an_attribute_of_another_type_is_ignored(companies: Table) -> None:
    companies.plans.record(COMPANY, stated("growth"), at=NOW)
    companies.client.update_item(
        TableName=companies.name,
        Key={"companyId": {"S": str(COMPANY)}},
        UpdateExpression="SET expiresAt = :number",
        ExpressionAttributeValues={":number": {"N": "1769950800"}},
    )
    assert companies.plans.record(COMPANY, stated("growth"), at=NOW).desired == stated("growth")


def test_an_error_of_dynamodb_is_raised(companies: Table) -> None:
    companies.client.delete_table(TableName=companies.name)
    with pytest.raises(companies.client.exceptions.ResourceNotFoundException):
        companies.plans.record(COMPANY, stated("growth"), at=NOW)


class OneKeyAtATime:
    """A DynamoDB that answers one key of a batch and leaves the others unprocessed, as it may."""

    def __init__(self, table: str) -> None:
        self._table = table
        self.calls = 0

    def batch_get_item(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401  # As boto3's own.
        self.calls += 1
        (asked,) = request["RequestItems"].values()
        first, *rest = asked["Keys"]
        undone = {self._table: {**asked, "Keys": rest}} if rest else {}
        return {"Responses": {self._table: [first]}, "UnprocessedKeys": undone}


def test_keys_that_dynamodb_leaves_unprocessed_are_asked_for_again() -> None:
    dynamodb = OneKeyAtATime("company-plans")
    plans = CompanyPlans(dynamodb, "company-plans")  # type: ignore[arg-type]  # As much of DynamoDB as is called.
    asked = [UUID(int=number) for number in range(5)]
    assert plans.known(asked) == set(asked)
    assert dynamodb.calls == 5
