"""Orders of steps that do break the promise: what the model takes for granted, taken away.

Each is the shortest that is known, and beside it stands how near to it the promise still holds. A counterexample that
begins to hold is none any more, and fails here: move what it shows into the model.
"""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from codat_sync.codat.errors import Unreachable
from codat_sync.codat.models import SyncSettings
from tests.fakes.clock import NOW
from tests.model.aws import MAX_RECEIVE_COUNT, VISIBILITY
from tests.model.gate import Effect, Fate
from tests.model.process import LATENESS, WRITE, LateWrite
from tests.model.world import COMPANIES, World

COMPANY = COMPANIES[0]


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    yield world
    world.close()


def is_at(world: World, plan: str) -> bool:
    return world.is_at(COMPANY, world.presets.for_company(plan, COMPANY))


def overtaken(world: World) -> None:
    """An old plan is about to be written when a newer one has been written and confirmed."""
    world.billing(COMPANY, "growth", 0)
    world.receive(0)
    world.run(0, WRITE)
    world.billing(COMPANY, "free", 1)
    world.receive(1)
    world.run(1)
    assert is_at(world, "free")


@pytest.mark.parametrize(
    "says_so",
    [
        True,
        pytest.param(
            False,
            marks=pytest.mark.xfail(
                raises=AssertionError,
                reason="SQS's own redrive makes it look like a first delivery, which trusts the record",
            ),
        ),
    ],
)
def test_what_sqs_moved_to_a_dlq_after_a_crash_looks_at_codat_when_it_comes_back(
    world: World, *, says_so: bool
) -> None:
    world.billing(COMPANY, "growth", 0)
    for _ in range(MAX_RECEIVE_COUNT - 1):
        world.receive(0)
        world.crash(0)
        world.wait(VISIBILITY.total_seconds())
    world.receive(0)
    world.run(0, WRITE)
    world.billing(COMPANY, "free", 1)
    world.receive(1)
    world.run(1)
    world.crash(0, Effect.NOW)
    world.come_to_rest()
    (dead,) = world.queues.dead_letters
    world.redrive(dead, says_so=says_so)
    world.come_to_rest()
    assert is_at(world, "free")


@pytest.mark.parametrize(
    "late_by",
    [
        LATENESS,
        pytest.param(
            timedelta(minutes=2),
            marks=pytest.mark.xfail(
                raises=AssertionError, reason="the redelivery looked at Codat before the write took effect"
            ),
        ),
    ],
)
def test_a_write_that_takes_effect_late_is_put_right_by_its_own_redelivery(world: World, late_by: timedelta) -> None:
    overtaken(world)
    world.resume(0, Fate(Effect.LATE, Unreachable("timed out")))
    (late,) = world.late
    world.late = [LateWrite(COMPANY, late.land, NOW + late_by)]
    world.run(0)
    world.receive(0)
    world.run(0)
    world.wait(late_by.total_seconds())
    assert is_at(world, "free")


@pytest.mark.xfail(
    raises=AssertionError,
    reason="the first try of a write that was tried again at once takes effect after all is settled",
)
def test_a_write_that_was_cut_and_tried_again_at_once_does_not_come_back(world: World) -> None:
    world.billing(COMPANY, "growth", 0)
    world.receive(0)
    world.run(0, WRITE)
    cut: SyncSettings = world.presets.for_company("growth", COMPANY).over(world.codat.in_force(COMPANY))
    world.run(0)
    world.billing(COMPANY, "free", 1)
    world.receive(1)
    world.run(1)
    world.codat.update_sync_settings(COMPANY, cut)
    assert is_at(world, "free")


def deployed_in_between(world: World) -> None:
    """Two attempts at one event, the first with the old presets. The first writes last and confirms first."""
    world.billing(COMPANY, "growth", 0)
    world.receive(0)
    world.run(0, WRITE)
    world.again(world.queues.messages[0])
    world.deploy()
    world.receive(1)
    world.run(1, "confirm")
    world.run(0)
    world.run(1)


@pytest.mark.xfail(
    raises=AssertionError, reason="to confirm asks for the newest plan, not whether somebody else has confirmed since"
)
def test_a_deploy_between_two_attempts_at_one_event_leaves_the_new_preset(world: World) -> None:
    deployed_in_between(world)
    assert is_at(world, "growth")


def test_the_next_event_puts_it_right_even_where_the_record_says_that_all_is_well(world: World) -> None:
    deployed_in_between(world)
    world.billing(COMPANY, "growth", 1)
    world.come_to_rest()
    assert is_at(world, "growth")
