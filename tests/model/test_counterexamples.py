"""Orders of steps that violate an invariant where an assumption of the model does not hold.

Each is the shortest that is known, beside the nearest case in which the invariant still holds. A counterexample that no
longer violates it fails here: then the model can drop the assumption.
"""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from codat_sync.codat.errors import Unreachable
from codat_sync.codat.models import SyncSettings
from tests.fakes.clock import NOW
from tests.model.gate import CallResult, Effect
from tests.model.process import LATENESS, WRITE, LateWrite
from tests.model.sqs import VISIBILITY
from tests.model.world import COMPANIES, PROTOCOL, World

COMPANY = COMPANIES[0]


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    yield world
    world.close()


def is_at(world: World, plan: str) -> bool:
    return world.is_at(COMPANY, world.presets.for_company(plan, COMPANY))


def overtaken(world: World) -> None:
    """Write and confirm a newer plan while an older one is about to be written."""
    world.billing(COMPANY, "growth", 0)
    world.receive(0)
    world.run(0, WRITE)
    world.billing(COMPANY, "free", 1)
    world.receive(1)
    world.run(1)
    assert is_at(world, "free")


@pytest.mark.parametrize(
    "marked",
    [
        True,
        pytest.param(
            False,
            marks=pytest.mark.xfail(
                raises=AssertionError,
                reason="after SQS's own redrive it looks like a first delivery, which trusts the record",
            ),
        ),
    ],
)
def test_a_message_that_sqs_moved_after_a_crash_reads_codat_when_it_is_redriven(world: World, *, marked: bool) -> None:
    world.billing(COMPANY, "growth", 0)
    for _ in range(PROTOCOL.queues.max_receive_count - 1):
        world.receive(0)
        world.crash(0)
        world.wait(VISIBILITY.total_seconds())
    world.receive(0)
    world.run(0, WRITE)
    world.billing(COMPANY, "free", 1)
    world.receive(1)
    world.run(1)
    world.crash(0, Effect.NOW)
    world.drain()
    (dead,) = world.queues.dead_letters
    world.redrive(dead, marked=marked)
    world.drain()
    assert is_at(world, "free")


@pytest.mark.parametrize(
    "late_by",
    [
        LATENESS,
        pytest.param(
            timedelta(minutes=2),
            marks=pytest.mark.xfail(
                raises=AssertionError, reason="the redelivery read Codat before the write took effect"
            ),
        ),
    ],
)
def test_a_write_that_takes_effect_late_is_repaired_by_its_own_redelivery(world: World, late_by: timedelta) -> None:
    overtaken(world)
    world.resume(0, CallResult(Effect.LATE, Unreachable("timed out")))
    (late,) = world.late
    world.late = [LateWrite(COMPANY, late.land, NOW + late_by)]
    world.run(0)
    world.receive(0)
    world.run(0)
    world.wait(late_by.total_seconds())
    assert is_at(world, "free")


@pytest.mark.xfail(
    raises=AssertionError,
    reason="the first try of a write that was retried at once takes effect after the event is settled",
)
def test_a_write_that_was_retried_at_once_takes_no_effect_later(world: World) -> None:
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
    """Run two attempts at one event, the first with the old presets. The first writes last and confirms first."""
    world.billing(COMPANY, "growth", 0)
    world.receive(0)
    world.run(0, WRITE)
    world.deliver_again(world.queues.messages[0])
    world.deploy()
    world.receive(1)
    world.run(1, "confirm")
    world.run(0)
    world.run(1)


@pytest.mark.xfail(
    raises=AssertionError,
    reason="a confirmation checks the newest plan, and not whether another attempt has confirmed since",
)
def test_a_deploy_between_two_attempts_at_one_event_leaves_the_new_preset(world: World) -> None:
    deployed_in_between(world)
    assert is_at(world, "growth")


def test_the_next_event_repairs_it_although_the_record_says_in_force(world: World) -> None:
    deployed_in_between(world)
    world.billing(COMPANY, "growth", 1)
    world.drain()
    assert is_at(world, "growth")
