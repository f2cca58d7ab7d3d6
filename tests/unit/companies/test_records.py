"""One item for each company: the newest plan stays desired, whichever way the events come."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from itertools import permutations
from typing import Any
from uuid import UUID

import boto3
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from moto import mock_aws
from mypy_boto3_dynamodb import DynamoDBClient

from codat_sync.companies.records import (
    AppliedPreset,
    CompanyPage,
    CompanyPlan,
    CompanyPlans,
    DesiredPlan,
    NotedFailure,
    RecordGone,
)
from codat_sync.events.company_events import Authority

TABLE = "company-plans"
COMPANY = UUID("8a210b68-6988-4001-a1eb-0242ac120001")
OTHER = UUID("8a210b68-6988-4002-a1eb-0242ac120002")
NOW = datetime(2026, 2, 1, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1)


class Table:
    """The table, and a look into it."""

    def __init__(self, client: DynamoDBClient) -> None:
        self.client = client
        client.create_table(
            TableName=TABLE,
            KeySchema=[{"AttributeName": "companyId", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "companyId", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )

    def item(self, company_id: UUID = COMPANY) -> dict[str, Any] | None:
        answer = self.client.get_item(TableName=TABLE, Key={"companyId": {"S": str(company_id)}})
        return {name: value["S"] for name, value in answer["Item"].items()} if "Item" in answer else None

    def forget(self, company_id: UUID = COMPANY) -> None:
        self.client.delete_item(TableName=TABLE, Key={"companyId": {"S": str(company_id)}})


@pytest.fixture(scope="module")
def dynamodb() -> Iterator[DynamoDBClient]:
    with mock_aws():
        yield boto3.client("dynamodb", region_name="eu-west-2")


@pytest.fixture
def table(dynamodb: DynamoDBClient) -> Iterator[Table]:
    yield Table(dynamodb)
    if TABLE in dynamodb.list_tables()["TableNames"]:
        dynamodb.delete_table(TableName=TABLE)


@pytest.fixture
def plans(table: Table) -> CompanyPlans:
    return CompanyPlans(table.client, TABLE)


def stated(plan: str, *, minutes: float = 0, event_id: str = "e1") -> DesiredPlan:
    return DesiredPlan.named(plan, Authority.STATED, NOW + timedelta(minutes=minutes), event_id)


APPLIED = AppliedPreset(plan="growth", fingerprint="3f0039a059719258", event_id="e1", order=stated("growth").order)


def tagged(plan: str, *, minutes: float = 0, event_id: str = "e1") -> DesiredPlan:
    return DesiredPlan.named(plan, Authority.TAGGED, NOW + timedelta(minutes=minutes), event_id)


# --- The order of plans ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        (stated("a"), stated("b", minutes=1)),
        (stated("a"), stated("b", minutes=1 / 60_000_000)),
        (stated("a", event_id="e1"), stated("b", event_id="e2")),
        (tagged("a", minutes=60), stated("b")),
        (DesiredPlan.assumed("a", "e9"), tagged("b", minutes=-1_000_000)),
        (DesiredPlan.assumed("a", "e9"), stated("b", minutes=-1_000_000)),
        (stated("a", minutes=-1_000_000_000), stated("b")),
    ],
)
def test_the_newer_plan_has_the_higher_order(older: DesiredPlan, newer: DesiredPlan) -> None:
    assert older.order < newer.order


def test_one_moment_has_one_order_in_every_time_zone() -> None:
    tokyo = NOW.astimezone(timezone(timedelta(hours=9)))
    assert DesiredPlan.named("a", Authority.STATED, tokyo, "e1") == stated("a")


def test_an_assumed_plan_never_looks_newer_than_another() -> None:
    assert DesiredPlan.assumed("a", "e1").order == DesiredPlan.assumed("b", "e2").order


def test_an_order_is_text_that_reads_as_what_it_is() -> None:
    assert stated("a", event_id="x#y").order == "2#2026-02-01T12:00:00.000000+00:00#x#y"


def test_an_order_tells_the_authority_and_the_moment() -> None:
    assert (tagged("a").authority, tagged("a").occurred_at) == (Authority.TAGGED, NOW)
    assumed = DesiredPlan.assumed("a", "e1")
    assert (assumed.authority, assumed.occurred_at) == (Authority.ASSUMED, None)


NAMED = st.tuples(
    st.sampled_from([Authority.TAGGED, Authority.STATED]),
    st.datetimes(
        datetime(1, 1, 3),  # noqa: DTZ001  # As hypothesis asks.
        datetime(9999, 12, 29),  # noqa: DTZ001  # As above.
        timezones=st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes))),
    ),
    st.text(min_size=1, max_size=5),
)


@settings(deadline=None, max_examples=200)
@given(one=NAMED, other=NAMED)
def test_the_order_is_by_authority_then_moment_then_event(
    one: tuple[Authority, datetime, str], other: tuple[Authority, datetime, str]
) -> None:
    orders = [DesiredPlan.named("a", *each).order for each in (one, other)]
    # DynamoDB compares texts by their bytes in UTF-8.
    assert (orders[0].encode() < orders[1].encode()) == (one < other)
    assert (orders[0] == orders[1]) == (one == other)


# --- Recording ------------------------------------------------------------------------------------------------------


def test_the_first_plan_is_recorded(table: Table, plans: CompanyPlans) -> None:
    assert plans.record(COMPANY, stated("growth"), at=NOW) == CompanyPlan(COMPANY, stated("growth"), NOW)
    assert table.item() == {
        "companyId": str(COMPANY),
        "desiredPlan": "growth",
        "desiredOrder": stated("growth").order,
        "desiredBy": "e1",
        "desiredAt": "2026-02-01T12:00:00+00:00",
    }


def test_a_newer_plan_takes_the_place_of_an_older_one(table: Table, plans: CompanyPlans) -> None:
    plans.record(COMPANY, stated("growth"), at=NOW)
    newer = stated("scale", minutes=1, event_id="e2")
    assert plans.record(COMPANY, newer, at=LATER).desired == newer
    assert table.item() == {
        "companyId": str(COMPANY),
        "desiredPlan": "scale",
        "desiredOrder": newer.order,
        "desiredBy": "e2",
        "desiredAt": LATER.isoformat(),
    }


@pytest.mark.parametrize(
    "late",
    [stated("free", minutes=-1), tagged("free", minutes=60), DesiredPlan.assumed("free", "e9"), stated("growth")],
    ids=["older", "lesser authority", "assumed", "the same again"],
)
def test_what_is_not_newer_changes_nothing_and_tells_what_is(
    table: Table, plans: CompanyPlans, late: DesiredPlan
) -> None:
    recorded = plans.record(COMPANY, stated("growth"), at=NOW)
    before = table.item()
    assert plans.record(COMPANY, late, at=LATER) == recorded
    assert table.item() == before


def test_a_record_tells_what_is_applied(plans: CompanyPlans) -> None:
    plans.record(COMPANY, stated("growth"), at=NOW)
    plans.confirm(COMPANY, stated("growth"), APPLIED, at=NOW)
    assert plans.record(COMPANY, stated("scale", minutes=1), at=LATER).applied == APPLIED
    assert plans.record(COMPANY, stated("free", minutes=-1), at=LATER).applied == APPLIED


def test_whichever_way_events_come_the_newest_plan_stays(table: Table, plans: CompanyPlans) -> None:
    events = [
        DesiredPlan.assumed("free", "e0"),
        tagged("starter", minutes=9, event_id="e1"),
        stated("growth", minutes=1, event_id="e2"),
        stated("scale", minutes=1, event_id="e3"),
    ]
    for arrival in permutations(events):
        table.forget()
        for desired in arrival:
            recorded = plans.record(COMPANY, desired, at=NOW)
        assert recorded.desired == events[-1]  # type: ignore[possibly-undefined]  # There are events.


def test_companies_do_not_touch_each_other(plans: CompanyPlans) -> None:
    plans.record(COMPANY, stated("growth"), at=NOW)
    assert plans.record(OTHER, stated("free", minutes=-1), at=NOW) == CompanyPlan(
        OTHER, stated("free", minutes=-1), NOW
    )
    assert plans.record(COMPANY, stated("growth"), at=NOW).desired == stated("growth")


# --- Confirming -----------------------------------------------------------------------------------------------------


def test_what_was_applied_is_noted_where_it_is_still_desired(table: Table, plans: CompanyPlans) -> None:
    plans.record(COMPANY, stated("growth"), at=NOW)
    assert plans.confirm(COMPANY, stated("growth"), APPLIED, at=LATER) == CompanyPlan(
        COMPANY, stated("growth"), NOW, APPLIED, LATER
    )
    item = table.item()
    assert item is not None
    assert {name: value for name, value in item.items() if name.startswith("applied")} == {
        "appliedPlan": "growth",
        "appliedFingerprint": "3f0039a059719258",
        "appliedBy": "e1",
        "appliedOrder": stated("growth").order,
        "appliedAt": LATER.isoformat(),
    }


def test_what_was_applied_is_not_noted_where_a_newer_plan_came_in(table: Table, plans: CompanyPlans) -> None:
    plans.record(COMPANY, stated("growth"), at=NOW)
    newer = plans.record(COMPANY, stated("scale", minutes=1), at=NOW)
    before = table.item()
    assert plans.confirm(COMPANY, stated("growth"), APPLIED, at=LATER) == newer
    assert table.item() == before


def test_a_newer_event_that_names_the_same_plan_is_newer_all_the_same(plans: CompanyPlans) -> None:
    plans.record(COMPANY, stated("growth"), at=NOW)
    newer = plans.record(COMPANY, stated("growth", minutes=1), at=NOW)
    assert plans.confirm(COMPANY, stated("growth"), APPLIED, at=LATER) == newer


def test_a_confirmation_may_come_twice(plans: CompanyPlans) -> None:
    plans.record(COMPANY, stated("growth"), at=NOW)
    first = plans.confirm(COMPANY, stated("growth"), APPLIED, at=NOW)
    assert plans.confirm(COMPANY, stated("growth"), APPLIED, at=LATER) == replace(first, applied_at=LATER)


def test_what_stands_in_for_hourly_is_noted_and_forgotten_again(table: Table, plans: CompanyPlans) -> None:
    plans.record(COMPANY, stated("growth"), at=NOW)
    degraded = AppliedPreset("growth", "f", "e1", stated("growth").order, degraded_to="daily")
    assert plans.confirm(COMPANY, stated("growth"), degraded, at=NOW).applied == degraded
    assert plans.confirm(COMPANY, stated("growth"), APPLIED, at=LATER).applied == APPLIED
    assert "degradedTo" not in (table.item() or {})


def test_each_method_is_one_call(table: Table, plans: CompanyPlans) -> None:
    calls: list[str] = []
    table.client.meta.events.register(
        "before-call.dynamodb", lambda model, **_: calls.append(model.name), unique_id="calls"
    )
    try:
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
    finally:
        table.client.meta.events.unregister("before-call.dynamodb", unique_id="calls")
    assert calls == ["UpdateItem"] * 7 + ["GetItem", "Scan", "BatchGetItem"]


# --- Noting a failure -----------------------------------------------------------------------------------------------


def test_the_newest_failure_is_kept_with_the_company_and_the_rest_stays(table: Table, plans: CompanyPlans) -> None:
    plans.record(COMPANY, stated("growth"), at=NOW)
    confirmed = plans.confirm(COMPANY, stated("growth"), APPLIED, at=NOW)
    plans.note_failure(COMPANY, "e2", "rate_limited", at=NOW)
    plans.note_failure(COMPANY, "e3", "forbidden", at=LATER)
    item = table.item()
    assert item is not None
    assert {name: value for name, value in item.items() if name.startswith("last")} == {
        "lastFailure": "forbidden",
        "lastFailureBy": "e3",
        "lastFailureAt": LATER.isoformat(),
    }
    failure = NotedFailure("forbidden", "", "e3", LATER)
    assert plans.record(COMPANY, stated("growth"), at=LATER) == replace(confirmed, last_failure=failure)


def test_a_failure_is_a_slug_and_the_words_of_whoever_refused(plans: CompanyPlans) -> None:
    plans.record(COMPANY, stated("growth"), at=NOW)
    plans.note_failure(COMPANY, "e1", "bad_request: sync schedule: not known", at=NOW)
    company = plans.get(COMPANY)
    assert company is not None
    assert company.last_failure == NotedFailure("bad_request", "sync schedule: not known", "e1", NOW)


def test_a_company_without_a_record_gets_none_by_a_failure(table: Table, plans: CompanyPlans) -> None:
    plans.note_failure(COMPANY, "e1", "rate_limited", at=NOW)
    assert table.item() is None


# --- Drift ----------------------------------------------------------------------------------------------------------


def test_drift_is_noted_with_the_company_and_the_rest_stays(plans: CompanyPlans) -> None:
    plans.record(COMPANY, stated("growth"), at=NOW)
    confirmed = plans.confirm(COMPANY, stated("growth"), APPLIED, at=NOW)
    plans.note_drift(COMPANY, 2, at=LATER)
    assert plans.get(COMPANY) == replace(confirmed, times_drifted=2, drifted_at=LATER)


def test_a_company_in_step_again_has_drifted_no_times_but_still_when_it_last_did(plans: CompanyPlans) -> None:
    recorded = plans.record(COMPANY, stated("growth"), at=NOW)
    plans.note_drift(COMPANY, 2, at=LATER)
    plans.note_in_step(COMPANY)
    assert plans.get(COMPANY) == replace(recorded, times_drifted=0, drifted_at=LATER)


def test_recording_and_confirming_leave_drift_as_it_is(plans: CompanyPlans) -> None:
    plans.record(COMPANY, stated("growth"), at=NOW)
    plans.note_drift(COMPANY, 2, at=LATER)
    assert plans.record(COMPANY, stated("scale", minutes=1), at=LATER).times_drifted == 2
    assert plans.confirm(COMPANY, stated("scale", minutes=1), APPLIED, at=LATER).times_drifted == 2


def test_a_company_without_a_record_gets_none_by_drift(table: Table, plans: CompanyPlans) -> None:
    plans.note_drift(COMPANY, 1, at=NOW)
    plans.note_in_step(COMPANY)
    assert table.item() is None


# --- Looking at companies -------------------------------------------------------------------------------------------


def test_a_record_is_got_as_it_is(plans: CompanyPlans) -> None:
    recorded = plans.record(COMPANY, stated("growth"), at=NOW)
    assert plans.get(COMPANY) == recorded
    assert plans.get(OTHER) is None


def ids(count: int) -> list[UUID]:
    return [UUID(int=number) for number in range(count)]


@pytest.mark.parametrize("limit", [1, 3, 4, 7, 8, 100])
def test_pages_hold_every_company_once(plans: CompanyPlans, limit: int) -> None:
    recorded = [plans.record(each, stated("growth"), at=NOW) for each in ids(7)]
    pages = [plans.page(None, limit)]
    while pages[-1].last:
        pages.append(plans.page(pages[-1].last, limit))
    assert all(len(page.companies) <= limit for page in pages)
    found = [company for page in pages for company in page.companies]
    assert sorted(found, key=lambda company: company.company_id) == recorded


def test_a_page_may_begin_after_any_company(plans: CompanyPlans) -> None:
    for each in ids(7):
        plans.record(each, stated("growth"), at=NOW)
    whole = plans.page(None, 100).companies
    assert plans.page(str(whole[2].company_id), 100).companies == whole[3:]


def test_an_empty_table_has_one_empty_page(plans: CompanyPlans) -> None:
    assert plans.page(None, 10) == CompanyPage(())


def put(table: Table, **texts: str) -> None:
    table.client.put_item(TableName=TABLE, Item={name: {"S": text} for name, text in texts.items()})


def test_our_own_items_are_no_companies(table: Table, plans: CompanyPlans) -> None:
    put(table, companyId="#pause", reason="rate_limited")
    recorded = plans.record(COMPANY, stated("growth"), at=NOW)
    assert plans.page(None, 10) == CompanyPage((recorded,))


def test_an_item_that_is_no_record_keeps_nobody_from_the_others(table: Table, plans: CompanyPlans) -> None:
    put(table, companyId=str(OTHER))
    put(table, companyId="Toft Stores", desiredPlan="growth", desiredOrder="0", desiredBy="x", desiredAt="yesterday")
    recorded = plans.record(COMPANY, stated("growth"), at=NOW)
    page = plans.page(None, 10)
    assert page.companies == (recorded,)
    assert sorted(page.unreadable) == sorted([str(OTHER), "Toft Stores"])


def test_of_many_companies_it_is_told_which_are_known(plans: CompanyPlans) -> None:
    for each in ids(105)[::2]:
        plans.record(each, stated("growth"), at=NOW)
    assert plans.known(ids(210)) == set(ids(105)[::2])
    assert plans.known([]) == set()


def test_one_company_may_be_asked_for_twice(plans: CompanyPlans) -> None:
    plans.record(COMPANY, stated("growth"), at=NOW)
    assert plans.known([COMPANY, COMPANY, OTHER]) == {COMPANY}


class HalfHearted:
    """A DynamoDB that does one key of a batch at a time, as it may."""

    def __init__(self) -> None:
        self.calls = 0

    def batch_get_item(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401  # As boto3's own.
        self.calls += 1
        (asked,) = request["RequestItems"].values()
        first, *rest = asked["Keys"]
        undone = {TABLE: {**asked, "Keys": rest}} if rest else {}
        return {"Responses": {TABLE: [first]}, "UnprocessedKeys": undone}


def test_what_dynamodb_leaves_undone_is_asked_for_again() -> None:
    dynamodb = HalfHearted()
    plans = CompanyPlans(dynamodb, TABLE)  # type: ignore[arg-type]  # As much of DynamoDB as is called.
    assert plans.known(ids(5)) == set(ids(5))
    assert dynamodb.calls == 5


# --- What else may be at the table ----------------------------------------------------------------------------------


def test_an_error_of_dynamodb_is_the_callers(table: Table, plans: CompanyPlans) -> None:
    table.client.delete_table(TableName=TABLE)
    with pytest.raises(table.client.exceptions.ResourceNotFoundException):
        plans.record(COMPANY, stated("growth"), at=NOW)


def test_a_confirmation_of_a_record_that_is_gone_does_not_bring_half_of_it_back(
    table: Table, plans: CompanyPlans
) -> None:
    with pytest.raises(RecordGone):
        plans.confirm(COMPANY, stated("growth"), APPLIED, at=NOW)
    assert table.item() is None


def test_an_attribute_that_somebody_else_added_does_not_matter(table: Table, plans: CompanyPlans) -> None:
    plans.record(COMPANY, stated("growth"), at=NOW)
    table.client.update_item(
        TableName=TABLE,
        Key={"companyId": {"S": str(COMPANY)}},
        UpdateExpression="SET expiresAt = :number",
        ExpressionAttributeValues={":number": {"N": "1769950800"}},
    )
    assert plans.record(COMPANY, stated("growth"), at=NOW).desired == stated("growth")
