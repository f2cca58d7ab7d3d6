"""A request whose duty fails for days is parked with the reason, before SQS counts it out or it expires."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from codat_sync.consuming import duties
from codat_sync.outcomes.triage import Outcome
from tests.model.codat import Account
from tests.model.process import InvariantViolated
from tests.model.weeks import Weeks
from tests.model.world import COMPANIES

Trouble = Callable[[Weeks], None]


@pytest.fixture
def world() -> Iterator[Weeks]:
    """Return a world in which a company is at its plan, and a run is asked for."""
    world = Weeks()
    world.billing(COMPANIES[0], "growth", 0)
    world.drain()
    world.ask_to_reconcile()
    yield world
    world.close()


def use_up_the_quota(world: Weeks) -> None:
    world.use_up_the_quota(timedelta(days=10))


def expire_the_account(world: Weeks) -> None:
    world.codat.account = Account.EXPIRED


TROUBLES = [(use_up_the_quota, "rate_limited"), (expire_the_account, "account_expired")]


@pytest.mark.parametrize(("trouble", "reason"), TROUBLES, ids=["quota", "bill"])
def test_a_request_that_fails_for_days_is_parked_with_the_reason(world: Weeks, trouble: Trouble, reason: str) -> None:
    trouble(world)
    world.drain()
    (dead,) = world.queues.dead_letters
    assert (dead.ended, dead.attributes["reason"]["StringValue"]) == (Outcome.PARKED_FAILED, reason)


@pytest.mark.parametrize(
    ("trouble", "words"),
    [(use_up_the_quota, "outlived its retention"), (expire_the_account, "has spent its 1000 receives")],
    ids=["quota", "bill"],
)
def test_without_a_patience_of_its_own_it_would_be_lost_or_moved_by_sqs(
    world: Weeks, trouble: Trouble, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duties, "PATIENCE", timedelta.max)
    trouble(world)
    with pytest.raises(InvariantViolated, match=words):
        world.drain()
