"""Explores the interleavings of threads systematically, by dynamic partial-order reduction.

frontrun runs the threads one bytecode at a time, and tries each order of two steps of which one writes what the other
reads or writes. An order that breaks a claim is replayed. https://pypi.org/project/frontrun/
"""

from collections.abc import Callable
from threading import Lock
from typing import Any, Final, TypeVar

import frontrun

PREEMPTIONS: Final = 2
"""How often a thread may be interrupted in one order. Nearly all races show with two interruptions."""
MOST_ORDERS: Final = 3_000
REPLAYS: Final = 3

_State = TypeVar("_State")


class Open:
    """A lock that locks nothing, for a class that is broken on purpose."""

    def __enter__(self) -> None:
        """Let every thread in."""

    def __exit__(self, *_: object) -> None:
        """Let every thread in."""


class Atomic:
    """A store of AWS's in which each call is one step, as a conditional write of DynamoDB is."""

    def __init__(self, store: object) -> None:
        self._store = store
        self._lock = Lock()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # Whatever the store has.
        attribute = getattr(self._store, name)
        return self._locked(attribute) if callable(attribute) else attribute

    def _locked(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def locked(*args: object, **kwargs: object) -> object:
            with self._lock:
                return call(*args, **kwargs)

        return locked


def assert_in_every_order(
    setup: Callable[[], _State], *workers: Callable[[_State], object], holds: Callable[[_State], bool]
) -> None:
    """Run each worker in a thread of its own, in every order within the bound. ``holds`` is asked at each end."""
    result = _explore(setup, workers, holds)
    assert result.property_holds, result.explanation or result.inconclusive_reason
    assert 1 < result.num_explored < MOST_ORDERS, (
        f"{result.num_explored} orders: none to choose, or more than the bound"
    )


def assert_some_order_breaks(
    setup: Callable[[], _State], *workers: Callable[[_State], object], holds: Callable[[_State], bool]
) -> None:
    """Assert that the exploration finds the race that was planted, and that its order can be replayed."""
    result = _explore(setup, workers, holds)
    assert result.property_holds is False, f"{result.num_explored} orders did not show the race"
    assert result.reproduction_successes == REPLAYS, result.explanation


def _explore(setup: Any, workers: Any, holds: Any) -> Any:  # noqa: ANN401  # frontrun has no types for these.
    return frontrun.explore(
        setup=setup,
        workers=list(workers),
        invariant=holds,
        preemption_bound=PREEMPTIONS,
        max_executions=MOST_ORDERS,
        reproduce_on_failure=REPLAYS,
        detect_io=False,
        patch_sleep=False,
        timeout_per_run=30.0,
        deadlock_timeout=30.0,
    )
