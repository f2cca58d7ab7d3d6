"""How much of a function's time is left, for whatever must end before the function is cut off."""

from collections.abc import Callable
from math import inf
from typing import Protocol, Self

from codat_sync.errors import TransientError


class OutOfTime(TransientError):
    """The function's own time does not allow another call. Nothing was begun that is not safe to begin again."""

    reason = "out_of_time"


class Invocation(Protocol):
    """The part of Lambda's context that tells the time left."""

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until the function is cut off."""


class Deadline:
    """The end of one invocation. Safe to share between threads."""

    def __init__(self, seconds_left: Callable[[], float], *, seconds_for_a_call: float = 0) -> None:
        """``seconds_for_a_call`` is what a call takes at its slowest, with all that has to follow it."""
        self._seconds_left = seconds_left
        self.seconds_for_a_call = seconds_for_a_call

    @classmethod
    def of(cls, invocation: Invocation, *, seconds_for_a_call: float) -> Self:
        """Return the deadline of a Lambda invocation."""
        return cls(
            lambda: invocation.get_remaining_time_in_millis() / 1000,
            seconds_for_a_call=seconds_for_a_call,
        )

    @classmethod
    def never(cls) -> Self:
        """Return a deadline that never comes, for a tool that a person can end."""
        return cls(lambda: inf)

    @property
    def waits_for_turns(self) -> bool:
        """Whether a check waits until Codat may be called, so that a call that was refused may be made once more."""
        return False

    @property
    def seconds_left(self) -> float:
        """Seconds until the function is cut off."""
        return self._seconds_left()

    @property
    def seconds_to_start(self) -> float:
        """Seconds within which a call has to be started; negative once that is too late."""
        return self._seconds_left() - self.seconds_for_a_call

    def check(self) -> None:
        """Raise ``OutOfTime`` unless a call that starts now ends in time. To be asked before each call to Codat."""
        if self.seconds_to_start < 0:
            raise OutOfTime("the function's time does not allow another request to Codat")


class Turns(Protocol):
    """A rate of calls. Safe to share between threads."""

    def wait(self, *, within: float) -> bool:
        """Wait for a turn. Return False where it is more than ``within`` seconds away: then no turn is taken."""


class PacedDeadline(Deadline):
    """A deadline that also waits for a turn before each call."""

    def __init__(self, deadline: Deadline, *turns: Turns) -> None:
        """Without ``turns``, a call does not wait; else it needs one of each."""
        super().__init__(lambda: deadline.seconds_left, seconds_for_a_call=deadline.seconds_for_a_call)
        self._turns = turns

    @property
    def waits_for_turns(self) -> bool:
        """Whether there is anything to wait for."""
        return bool(self._turns)

    def check(self) -> None:
        """Wait for a turn. Raise ``OutOfTime`` where the turn comes too late to start a call."""
        for each in self._turns:
            if not each.wait(within=self.seconds_to_start):
                raise OutOfTime("the function's time does not allow another request to Codat at its pace")
        super().check()
