"""A deadline tells the time left, and whether another call may start."""

from math import inf

import pytest

from codat_sync.deadline import Deadline, OutOfTime
from tests.fakes.lambda_ import FakeContext


def test_a_call_may_start_where_it_would_end_in_time_at_its_slowest() -> None:
    deadline = Deadline(lambda: 38.4, seconds_for_a_call=38.4)
    deadline.check()
    assert deadline.seconds_to_start == 0


def test_a_call_that_might_be_cut_off_may_not_start() -> None:
    with pytest.raises(OutOfTime):
        Deadline(lambda: 38.3, seconds_for_a_call=38.4).check()


def test_the_deadline_of_an_invocation_is_when_lambda_cuts_it_off() -> None:
    deadline = Deadline.of(FakeContext(12.5, 11.0), seconds_for_a_call=5)
    assert (deadline.seconds_left, deadline.seconds_to_start) == (12.5, 6.0)


def test_a_deadline_that_never_comes_allows_every_call() -> None:
    never = Deadline.never()
    never.check()
    assert never.seconds_left == inf
