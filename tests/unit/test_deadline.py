"""A deadline tells the time left, whether another call may start, and makes calls wait for their turns."""

from math import inf

import pytest

from codat_sync.deadline import Deadline, OutOfTime, PacedDeadline
from tests.fakes.lambda_ import FakeContext


def test_a_call_may_start_where_it_would_end_in_time_at_its_slowest() -> None:
    deadline = Deadline(lambda: 38.4, seconds_for_a_call=38.4)
    deadline.check()
    assert deadline.seconds_to_start == 0


def test_a_call_that_might_be_cut_off_may_not_start() -> None:
    with pytest.raises(OutOfTime):
        Deadline(lambda: 38.3, seconds_for_a_call=38.4).check()


def test_a_call_takes_no_time_where_nothing_says_how_long() -> None:
    deadline = Deadline(lambda: 0.0)
    deadline.check()
    assert deadline.seconds_to_start == 0


def test_the_deadline_of_an_invocation_is_when_lambda_cuts_it_off() -> None:
    deadline = Deadline.of(FakeContext(12.5, 11.0), seconds_for_a_call=5)
    assert (deadline.seconds_left, deadline.seconds_to_start) == (12.5, 6.0)


def test_a_deadline_that_never_comes_allows_every_call() -> None:
    never = Deadline.never()
    never.check()
    assert never.seconds_left == inf


class Turns:
    """A rate whose next turn comes after so many seconds, which pass while a caller sleeps."""

    def __init__(self, *waits: float) -> None:
        self.waits = list(waits)
        self.within: list[float] = []
        self.slept = 0.0

    def wait(self, *, within: float) -> bool:
        self.within.append(within)
        wait = self.waits.pop(0)
        if wait > within:
            return False
        self.slept += wait
        return True


def test_a_paced_call_waits_for_a_turn_of_each_rate() -> None:
    own, shared = Turns(1, 2), Turns(10, 20)
    paced = PacedDeadline(Deadline(lambda: 100 - own.slept - shared.slept, seconds_for_a_call=38), own, shared)
    paced.check()
    assert (own.within, shared.within) == ([62], [61])
    paced.check()
    assert own.slept + shared.slept == 33


def test_a_call_whose_turn_comes_too_late_is_not_started() -> None:
    turns = Turns(23)
    with pytest.raises(OutOfTime, match="pace"):
        PacedDeadline(Deadline(lambda: 60.0, seconds_for_a_call=38), turns).check()
    assert turns.slept == 0


def test_a_call_is_not_started_where_the_wait_for_its_turn_took_longer_than_it_should() -> None:
    left = iter([60.0, 37.9])
    with pytest.raises(OutOfTime):
        PacedDeadline(Deadline(lambda: next(left), seconds_for_a_call=38), Turns(20)).check()


def test_a_paced_deadline_reserves_the_time_that_a_call_takes() -> None:
    paced = PacedDeadline(Deadline(lambda: 10.0, seconds_for_a_call=8), Turns())
    assert (paced.seconds_left, paced.seconds_to_start) == (10.0, 2.0)


def test_without_a_rate_a_call_does_not_wait_for_a_turn() -> None:
    paced = PacedDeadline(Deadline(lambda: 38.0, seconds_for_a_call=38))
    paced.check()
    assert not paced.waits_for_turns
    assert not Deadline.never().waits_for_turns
    assert PacedDeadline(Deadline.never(), Turns()).waits_for_turns
