"""The recipes on payloads of the fields that each system documents, in the states that matter."""

import json
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

import pytest

from codat_sync.events.company_events import CompanyEvent, Ignored
from codat_sync.sources.file import Sources
from codat_sync.sources.reading import PlanEvents, Unmapped

COMPANY = "8a210b68-6988-4001-a1eb-0242ac120001"
NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
AT = datetime(2026, 11, 30, 12, tzinfo=UTC)
SECONDS = int(AT.timestamp())


def read(recipe: str, source: str, detail_type: str, detail: dict[str, Any]) -> CompanyEvent | Ignored:
    sources = Sources.parse(files("codat_sync.sources").joinpath(f"recipes/{recipe}.toml").read_bytes())
    envelope = {"id": "envelope", "source": source, "detail-type": detail_type, "detail": detail}
    return PlanEvents(sources)(json.dumps(envelope), now=NOW)


def outcome(found: CompanyEvent | Ignored) -> str | None:
    if isinstance(found, Ignored):
        return "ignored"
    assert (str(found.company_id), found.occurred_at, found.event_id) == (COMPANY, AT, "evt_1")
    return "cancelled" if found.cancelled else found.plan


def stripe(status: str, *lookup_keys: str, kind: str = "updated", **more: object) -> CompanyEvent | Ignored:
    subscription = {
        "id": "sub_1",
        "object": "subscription",
        "status": status,
        "customer": "cus_1",
        "metadata": {"codat_company_id": COMPANY},
        "items": {"object": "list", "data": [{"price": {"id": "price_1", "lookup_key": key}} for key in lookup_keys]},
    }
    detail = {"id": "evt_1", "object": "event", "created": SECONDS, "data": {"object": subscription | more}}
    return read("stripe", "aws.partner/stripe.com/ed_1", f"customer.subscription.{kind}", detail)


@pytest.mark.parametrize("status", ["active", "trialing", "past_due"])
def test_stripe_a_subscription_in_use_has_the_plan_of_its_lookup_key(status: str) -> None:
    assert outcome(stripe(status, "growth_monthly")) == "growth"


@pytest.mark.parametrize("status", ["canceled", "unpaid", "paused"])
def test_stripe_a_subscription_that_ended_is_cancelled(status: str) -> None:
    assert outcome(stripe(status, "growth_monthly", kind="deleted")) == "cancelled"


@pytest.mark.parametrize("status", ["incomplete", "incomplete_expired"])
def test_stripe_a_subscription_that_never_began_is_ignored(status: str) -> None:
    assert outcome(stripe(status, "growth_monthly")) == "ignored"


@pytest.mark.parametrize("booked", [{"cancel_at_period_end": True}, {"cancel_at": SECONDS + 86_400}])
def test_stripe_a_cancellation_that_is_booked_ahead_keeps_the_plan(booked: dict[str, Any]) -> None:
    assert outcome(stripe("active", "growth_yearly", **booked)) == "growth"


def test_stripe_several_items_are_one_plan_only_if_they_mean_one() -> None:
    assert outcome(stripe("active", "growth_monthly", "growth_yearly")) == "growth"
    with pytest.raises(Unmapped, match="several plans"):
        stripe("active", "growth_monthly", "scale")


def test_stripe_a_subscription_without_the_company_is_unmapped() -> None:
    with pytest.raises(Unmapped, match=r"metadata\.codat_company_id: it found nothing"):
        stripe("active", "growth_monthly", metadata={})


def chargebee(status: str, kind: str = "subscription_changed") -> CompanyEvent | Ignored:
    items = [
        {"item_price_id": "growth-GBP-Monthly", "item_type": "plan"},
        {"item_price_id": "seats-GBP-Monthly", "item_type": "addon"},
    ]
    subscription = {
        "id": "s1",
        "status": status,
        "meta_data": {"codat_company_id": COMPANY},
        "resource_version": SECONDS * 1000,
        "subscription_items": items,
    }
    detail = {"id": "evt_1", "event_type": kind, "content": {"subscription": subscription}}
    return read("chargebee", "aws.partner/chargebee.com/acme", kind, detail)


@pytest.mark.parametrize(
    ("status", "ends"),
    [
        *(("active", "growth"), ("in_trial", "growth"), ("non_renewing", "growth")),
        *(("cancelled", "cancelled"), ("paused", "cancelled"), ("future", "ignored")),
    ],
)
def test_chargebee_each_state_ends_as_the_table_says(status: str, ends: str) -> None:
    assert outcome(chargebee(status)) == ends


def test_chargebee_a_change_that_is_scheduled_is_ignored() -> None:
    assert outcome(chargebee("active", "subscription_changes_scheduled")) == "ignored"


def paddle(status: str, *items: dict[str, Any]) -> CompanyEvent | Ignored:
    data = {
        "id": "sub_1",
        "status": status,
        "custom_data": {"codat_company_id": COMPANY},
        "scheduled_change": {"action": "cancel", "effective_at": "2026-12-31T00:00:00Z"},
        "items": list(items) or [{"status": "active", "price": {"id": "pri_01growthmonthly"}}],
    }
    at = "2026-11-30T12:00:00.000000Z"
    detail = {"event_id": "evt_1", "event_type": "subscription.updated", "occurred_at": at, "data": data}
    return read("paddle", "paddle", "subscription.updated", detail)


@pytest.mark.parametrize(
    ("status", "ends"),
    [
        *(("active", "growth"), ("trialing", "growth"), ("past_due", "growth")),
        *(("canceled", "cancelled"), ("paused", "cancelled")),
    ],
)
def test_paddle_each_state_ends_as_the_table_says(status: str, ends: str) -> None:
    assert outcome(paddle(status)) == ends


def test_paddle_an_inactive_item_does_not_count() -> None:
    items = (
        {"status": status, "price": {"id": price}}
        for status, price in [("inactive", "pri_2"), ("active", "pri_01growthyearly")]
    )
    assert outcome(paddle("active", *items)) == "growth"
