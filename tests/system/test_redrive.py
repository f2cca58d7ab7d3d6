"""Events in the payment-required DLQ are redriven through the deployed stack."""

from collections.abc import Iterator
from uuid import UUID

import pytest

from codat_sync.redrive._turns import PROBES
from tests.system.system import System

DLQ = "PaymentRequiredQueueUrl"
PAID = {"free": False, "expired": False}


def parked(system: System, events: list[tuple[str, UUID, str]]) -> None:
    """Send each event, and wait until all of them are in the DLQ, beside those that were there."""
    before = system.count(DLQ)
    for kind, company, plan in events:
        send = system.connect if kind == "connected" else system.change_plan
        send(company, plan)
    system.wait_until(lambda: system.count(DLQ) == before + len(events))


@pytest.fixture(scope="module")
def without_hourly(system: System) -> Iterator[dict[UUID, str]]:
    """Park events of eight companies that wait for hourly schedules, from both source queues; half have a fallback."""
    plans = ["scale", "enterprise"] * 4
    companies = dict(zip(system.create_companies(len(plans)), plans, strict=True))
    kinds = ["changed"] * 4 + ["connected"] * 4
    system.account(free=True)
    parked(system, [(kind, company, companies[company]) for kind, company in zip(kinds, companies, strict=True)])
    yield companies
    system.account(**PAID)


@pytest.fixture(scope="module")
def refused(system: System, without_hourly: dict[UUID, str]) -> dict[UUID, str]:
    """Park the events of four more companies, on an expired account."""
    companies = dict.fromkeys(system.create_companies(4), "growth")
    system.account(expired=True)
    kinds = ["changed", "connected"] * 2
    parked(system, [(kind, company, "growth") for kind, company in zip(kinds, companies, strict=True)])
    return without_hourly | companies


def redriven(system: System) -> None:
    request = system.put("Codat Plan Upgraded")
    system.wait_until(lambda: system.has_logged("redrive_done", request))


def test_while_hourly_is_unpaid_a_redrive_writes_for_each_probe_and_leaves_the_dlq_as_it_is(
    system: System, without_hourly: dict[UUID, str]
) -> None:
    before = system.messages_in(DLQ)
    system.forget_calls()

    redriven(system)

    assert system.writes() == [402] * PROBES
    assert len(before) == len(without_hourly)
    assert system.messages_in(DLQ) == before


def test_while_the_account_is_expired_a_redrive_writes_nothing_and_leaves_the_dlq_as_it_is(
    system: System, refused: dict[UUID, str]
) -> None:
    before = system.messages_in(DLQ)
    system.forget_calls()

    redriven(system)

    assert system.writes() == []
    assert len(before) == len(refused)
    assert system.messages_in(DLQ) == before


def test_once_the_bill_is_paid_all_that_was_parked_ends_at_its_preset(system: System, refused: dict[UUID, str]) -> None:
    assert [plan for company, plan in refused.items() if system.at_preset(company, plan)] == []
    system.account(**PAID)

    redriven(system)

    system.wait_until(lambda: all(system.at_preset(company, plan) for company, plan in refused.items()))
    system.wait_until(lambda: system.count("CompanyPlanChangedQueueUrl", "NewConnectionQueueUrl") == 0)
    assert system.messages_in(DLQ) == {}
    assert system.deployed.pause.read() is None
