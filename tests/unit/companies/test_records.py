"""The record of a company: the newest plan stays desired in any order of arrival, and only it is confirmed.

The fake and the table are held to the same claims. What DynamoDB alone shows is in test_records_in_dynamodb.py.
"""

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from itertools import permutations
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codat_sync.companies.desired import DesiredPlan
from codat_sync.companies.records import AppliedPreset, CompanyPage, CompanyPlan, CompanyPlans, NotedFailure, RecordGone
from codat_sync.events.company_events import Authority
from tests.fakes.clock import NOW
from tests.fakes.companies import COMPANY, OTHER_COMPANY, FakePlans
from tests.fakes.events import PLAN_NAMES
from tests.unit.companies.plans import APPLIED, LATER, stated, tagged

Plans = FakePlans | CompanyPlans


@pytest.fixture(params=["fake", "DynamoDB"])
def plans(request: pytest.FixtureRequest) -> Plans:
    if request.param == "fake":
        return FakePlans()
    return CompanyPlans(request.getfixturevalue("dynamodb"), request.getfixturevalue("table"))


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


def test_no_assumed_plan_is_newer_than_another() -> None:
    assert DesiredPlan.assumed("a", "e1").order == DesiredPlan.assumed("b", "e2").order


def test_an_order_is_readable_text() -> None:
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


# --- Record ---------------------------------------------------------------------------------------------------------


def test_the_first_plan_is_recorded(plans: Plans) -> None:
    assert plans.record(COMPANY, stated("growth"), at=NOW) == CompanyPlan(COMPANY, stated("growth"), NOW)


def test_a_newer_plan_takes_the_place_of_an_older_one(plans: Plans) -> None:
    plans.record(COMPANY, stated("growth"), at=NOW)
    newer = stated("scale", minutes=1, event_id="e2")
    assert plans.record(COMPANY, newer, at=LATER) == CompanyPlan(COMPANY, newer, LATER)
    assert plans.get(COMPANY) == CompanyPlan(COMPANY, newer, LATER)


@pytest.mark.parametrize(
    "late",
    [
        stated("free", minutes=-1),
        tagged("free", minutes=60),
        DesiredPlan.assumed("free", "e9"),
        stated("growth"),
        stated("free"),
    ],
    ids=["older", "lesser authority", "assumed", "the same again", "another plan in the same event"],
)
def test_a_plan_that_is_not_newer_changes_nothing_and_the_record_is_returned(plans: Plans, late: DesiredPlan) -> None:
    recorded = plans.record(COMPANY, stated("growth"), at=NOW)
    assert plans.record(COMPANY, late, at=LATER) == recorded
    assert plans.get(COMPANY) == recorded


def test_of_two_assumed_plans_the_first_stays(plans: Plans) -> None:
    recorded = plans.record(COMPANY, DesiredPlan.assumed("free", "e1"), at=NOW)
    assert plans.record(COMPANY, DesiredPlan.assumed("starter", "e2"), at=LATER) == recorded


def test_recording_returns_the_applied_preset(plans: Plans) -> None:
    plans.record(COMPANY, stated("growth"), at=NOW)
    plans.confirm(COMPANY, stated("growth"), APPLIED, at=NOW)
    assert plans.record(COMPANY, stated("scale", minutes=1), at=LATER).applied == APPLIED
    assert plans.record(COMPANY, stated("free", minutes=-1), at=LATER).applied == APPLIED


def test_the_newest_plan_stays_in_any_order_of_arrival(plans: Plans) -> None:
    events = [
        DesiredPlan.assumed("free", "e0"),
        tagged("starter", minutes=9, event_id="e1"),
        stated("growth", minutes=1, event_id="e2"),
        stated("scale", minutes=1, event_id="e3"),
    ]
    for number, arrival in enumerate(permutations(events)):
        *_, newest = [plans.record(UUID(int=number), desired, at=NOW) for desired in arrival]
        assert newest.desired.plan == "scale"


def test_companies_are_independent_of_each_other(plans: Plans) -> None:
    plans.record(COMPANY, stated("growth"), at=NOW)
    older = stated("free", minutes=-1)
    assert plans.record(OTHER_COMPANY, older, at=NOW) == CompanyPlan(OTHER_COMPANY, older, NOW)
    assert plans.record(COMPANY, stated("growth"), at=NOW).desired == stated("growth")


# --- Confirm --------------------------------------------------------------------------------------------------------


def test_the_applied_preset_is_noted_while_its_plan_is_desired(plans: Plans) -> None:
    plans.record(COMPANY, stated("growth"), at=NOW)
    confirmed = CompanyPlan(COMPANY, stated("growth"), NOW, APPLIED, LATER)
    assert plans.confirm(COMPANY, stated("growth"), APPLIED, at=LATER) == confirmed
    assert plans.get(COMPANY) == confirmed


def test_the_applied_preset_is_not_noted_once_a_newer_plan_is_desired(plans: Plans) -> None:
    plans.record(COMPANY, stated("growth"), at=NOW)
    newer = plans.record(COMPANY, stated("scale", minutes=1), at=NOW)
    assert plans.confirm(COMPANY, stated("growth"), APPLIED, at=LATER) == newer
    assert plans.get(COMPANY) == newer


def test_a_newer_event_that_names_the_same_plan_is_newer_all_the_same(plans: Plans) -> None:
    plans.record(COMPANY, stated("growth"), at=NOW)
    newer = plans.record(COMPANY, stated("growth", minutes=1), at=NOW)
    assert plans.confirm(COMPANY, stated("growth"), APPLIED, at=LATER) == newer


def test_a_confirmation_may_be_repeated(plans: Plans) -> None:
    plans.record(COMPANY, stated("growth"), at=NOW)
    first = plans.confirm(COMPANY, stated("growth"), APPLIED, at=NOW)
    assert plans.confirm(COMPANY, stated("growth"), APPLIED, at=LATER) == replace(first, applied_at=LATER)


def test_the_fallback_for_hourly_is_noted_and_removed_again(plans: Plans) -> None:
    plans.record(COMPANY, stated("growth"), at=NOW)
    degraded = AppliedPreset("growth", "f", "e1", stated("growth").order, degraded_to="daily")
    assert plans.confirm(COMPANY, stated("growth"), degraded, at=NOW).applied == degraded
    assert plans.confirm(COMPANY, stated("growth"), APPLIED, at=LATER).applied == APPLIED


def test_a_confirmation_of_a_deleted_record_does_not_bring_half_of_it_back(plans: Plans) -> None:
    with pytest.raises(RecordGone):
        plans.confirm(COMPANY, stated("growth"), APPLIED, at=NOW)
    assert plans.get(COMPANY) is None


@pytest.mark.parametrize("plan", PLAN_NAMES)
def test_a_plan_is_stored_under_the_name_that_billing_gives_it(plans: Plans, plan: str) -> None:
    desired = stated(plan)
    applied = replace(APPLIED, plan=plan, order=desired.order)
    plans.record(COMPANY, desired, at=NOW)
    stored = plans.confirm(COMPANY, desired, applied, at=NOW)
    assert (desired.plan, stored.desired, stored.applied) == (plan, desired, applied)
    assert plans.get(COMPANY) == stored


# --- Failures and drift ---------------------------------------------------------------------------------------------


def test_the_newest_failure_is_kept_with_the_company_and_the_rest_is_unchanged(plans: Plans) -> None:
    plans.record(COMPANY, stated("growth"), at=NOW)
    confirmed = plans.confirm(COMPANY, stated("growth"), APPLIED, at=NOW)
    plans.note_failure(COMPANY, "e2", "rate_limited", at=NOW)
    plans.note_failure(COMPANY, "e3", "forbidden", at=LATER)
    noted = replace(confirmed, last_failure=NotedFailure("forbidden", "", "e3", LATER))
    assert plans.record(COMPANY, stated("growth"), at=LATER) == noted
    assert plans.confirm(COMPANY, stated("growth"), APPLIED, at=NOW) == noted


def test_a_failure_is_a_slug_and_the_words_of_the_refusing_service(plans: Plans) -> None:
    recorded = plans.record(COMPANY, stated("growth"), at=NOW)
    plans.note_failure(COMPANY, "e1", "bad_request: sync schedule: not known", at=NOW)
    failure = NotedFailure("bad_request", "sync schedule: not known", "e1", NOW)
    assert plans.get(COMPANY) == replace(recorded, last_failure=failure)


def test_drift_is_noted_with_the_company_and_the_rest_is_unchanged(plans: Plans) -> None:
    plans.record(COMPANY, stated("growth"), at=NOW)
    confirmed = plans.confirm(COMPANY, stated("growth"), APPLIED, at=NOW)
    plans.note_drift(COMPANY, 2, at=LATER)
    assert plans.get(COMPANY) == replace(confirmed, times_drifted=2, drifted_at=LATER)


def test_a_company_in_step_again_has_drifted_no_times_and_keeps_when_it_last_did(plans: Plans) -> None:
    recorded = plans.record(COMPANY, stated("growth"), at=NOW)
    plans.note_drift(COMPANY, 2, at=LATER)
    plans.note_in_step(COMPANY)
    assert plans.get(COMPANY) == replace(recorded, times_drifted=0, drifted_at=LATER)


def test_what_codat_did_not_take_is_noted_until_the_company_is_in_step_again(plans: Plans) -> None:
    recorded = plans.record(COMPANY, stated("growth"), at=NOW)
    plans.note_not_taken(COMPANY, "what it showed")
    assert plans.get(COMPANY) == replace(recorded, not_taken="what it showed")
    assert plans.confirm(COMPANY, stated("growth"), APPLIED, at=LATER).not_taken == "what it showed"
    plans.note_in_step(COMPANY)
    assert (plans.get(COMPANY) or recorded).not_taken is None


def test_recording_and_confirming_leave_drift_as_it_is(plans: Plans) -> None:
    plans.record(COMPANY, stated("growth"), at=NOW)
    plans.note_drift(COMPANY, 2, at=LATER)
    assert plans.record(COMPANY, stated("scale", minutes=1), at=LATER).times_drifted == 2
    assert plans.confirm(COMPANY, stated("scale", minutes=1), APPLIED, at=LATER).times_drifted == 2


def test_a_failure_makes_no_record(plans: Plans) -> None:
    plans.note_failure(COMPANY, "e1", "rate_limited", at=NOW)
    assert plans.get(COMPANY) is None
    assert plans.page(None, 10) == CompanyPage(())


def test_drift_makes_no_record(plans: Plans) -> None:
    plans.note_drift(COMPANY, 1, at=NOW)
    plans.note_not_taken(COMPANY, "what it showed")
    plans.note_in_step(COMPANY)
    assert plans.get(COMPANY) is None
    assert plans.page(None, 10) == CompanyPage(())


# --- Reading --------------------------------------------------------------------------------------------------------


def test_a_record_is_returned_as_it_was_recorded(plans: Plans) -> None:
    recorded = plans.record(COMPANY, stated("growth"), at=NOW)
    assert plans.get(COMPANY) == recorded
    assert plans.get(OTHER_COMPANY) is None


def ids(count: int) -> list[UUID]:
    return [UUID(int=number) for number in range(count)]


@pytest.mark.parametrize("limit", [1, 3, 4, 7, 8, 100])
def test_pages_hold_every_company_once(plans: Plans, limit: int) -> None:
    recorded = [plans.record(each, stated("growth"), at=NOW) for each in ids(7)]
    pages = [plans.page(None, limit)]
    while pages[-1].last:
        pages.append(plans.page(pages[-1].last, limit))
    assert all(len(page.companies) <= limit for page in pages)
    found = [company for page in pages for company in page.companies]
    assert sorted(found, key=lambda company: company.company_id) == recorded


def test_a_page_may_begin_after_any_company(plans: Plans) -> None:
    for each in ids(7):
        plans.record(each, stated("growth"), at=NOW)
    whole = plans.page(None, 100).companies
    assert plans.page(str(whole[2].company_id), 100).companies == whole[3:]


def test_an_empty_table_has_one_empty_page(plans: Plans) -> None:
    assert plans.page(None, 10) == CompanyPage(())


def test_of_many_companies_those_with_a_record_are_returned(plans: Plans) -> None:
    for each in ids(105)[::2]:
        plans.record(each, stated("growth"), at=NOW)
    assert plans.known(ids(210)) == set(ids(105)[::2])
    assert plans.known([]) == set()


def test_one_company_may_be_asked_for_twice(plans: Plans) -> None:
    plans.record(COMPANY, stated("growth"), at=NOW)
    assert plans.known([COMPANY, COMPANY, OTHER_COMPANY]) == {COMPANY}
