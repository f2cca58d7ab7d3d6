"""What ends in time is told by one deadline."""

from math import inf

import pytest

from codat_sync.deadline import Deadline, OutOfTime
from codat_sync.reconciliation.pace import Pace, PacedDeadline
from tests.fakes.lambda_ import FakeContext


def test_a_call_may_start_while_its_slowest_would_end_in_time() -> None:
    deadline = Deadline(lambda: 38.4, seconds_for_a_call=38.4)
    deadline.check()
    assert deadline.seconds_to_start == 0


def test_no_call_starts_that_might_be_cut_off() -> None:
    with pytest.raises(OutOfTime):
        Deadline(lambda: 38.3, seconds_for_a_call=38.4).check()


def test_the_deadline_of_an_invocation_is_when_lambda_cuts_it_off() -> None:
    deadline = Deadline.of(FakeContext(12.5, 11.0), seconds_for_a_call=5)
    assert (deadline.seconds_left, deadline.seconds_to_start) == (12.5, 6.0)


def test_a_deadline_that_never_comes_allows_every_call() -> None:
    never = Deadline.never()
    never.check()
    assert never.seconds_left == inf


def test_a_paced_call_waits_for_its_turn() -> None:
    slept: list[float] = []
    paced = PacedDeadline(Deadline(lambda: 60.0), Pace(60, monotonic=lambda: 0.0, sleep=slept.append))
    paced.check()
    paced.check()
    assert slept == [0.0, 1.0]


def test_a_turn_that_comes_too_late_is_not_taken() -> None:
    slept: list[float] = []
    paced = PacedDeadline(Deadline(lambda: 0.5), Pace(60, monotonic=lambda: 0.0, sleep=slept.append))
    paced.check()
    for _ in range(2):
        with pytest.raises(OutOfTime):
            paced.check()
    assert slept == [0.0]


def test_a_paced_deadline_keeps_the_time_that_a_call_takes() -> None:
    paced = PacedDeadline(Deadline(lambda: 10.0, seconds_for_a_call=8), Pace(60))
    assert (paced.seconds_left, paced.seconds_to_start) == (10.0, 2.0)
