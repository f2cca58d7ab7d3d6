"""The call rate and the pace, shared by the threads of a process, in every order of their steps."""

from datetime import timedelta
from random import Random
from typing import Any, cast
from uuid import UUID

from codat_sync.companies.call_rate import CallRate
from codat_sync.companies.rate import Rate
from codat_sync.reconciliation.pace import Pace
from tests.fakes.clock import NOW
from tests.fakes.companies import FakeCallRate
from tests.threads.exploration import Open, assert_in_every_order, assert_some_order_breaks

NOW_MS = int(NOW.timestamp() * 1000)
SECOND = timedelta(seconds=1)


class UnlockedCallRate(CallRate):
    """Broken on purpose: its threads change what they share at any time."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  # Those of the class.
        super().__init__(*args, **kwargs)
        self._lock = cast("Any", Open())


class UnlockedPace(Pace):
    """Broken on purpose: two threads may read the same next turn."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  # Those of the class.
        super().__init__(*args, **kwargs)
        self._lock = cast("Any", Open())


class Calls:
    """Threads that wait for their turns, with a limit of one turn a second and one turn at once."""

    def __init__(self, kind: type[CallRate] = CallRate, limit: int = 60) -> None:
        self.record = FakeCallRate(Rate(limit, NOW_MS, NOW_MS, 0, NOW_MS, NOW_MS, NOW_MS))
        self.slept: list[float] = []
        self.granted: list[bool] = []
        self.rate = self._rate(kind)

    def _rate(self, kind: type[CallRate]) -> CallRate:
        return kind(self.record, now=lambda: NOW, sleep=self.slept.append, random=Random(1))  # noqa: S311  # No secret.

    def wait(self) -> None:
        self.granted.append(self.rate.wait(within=60))

    def each_has_a_turn_of_its_own(self) -> bool:
        """Tell whether one thread has its turn now, and the other one a distance later: the clock stands still."""
        return self.granted == [True, True] and len(self.slept) == 1 and self.slept[0] > 0


class Refusals:
    """Calls that Codat refuses for two companies, and how often the limit was written."""

    def __init__(self, kind: type[CallRate] = CallRate) -> None:
        self.record = FakeCallRate()
        self.rate = kind(self.record, now=lambda: NOW, sleep=lambda _: None, random=Random(1))  # noqa: S311  # As above.
        self.answers: list[bool] = []

    def refuse(self, company: int) -> None:
        self.answers.append(self.rate.refused(SECOND, UUID(int=company), began=NOW))

    def second_one_closes_the_calls_once(self) -> bool:
        return sorted(self.answers) == [False, True] and self.record.rate is not None and self.record.writes == 1


class Pacing:
    """Threads that share a pace of sixty calls a minute."""

    def __init__(self, kind: type[Pace] = Pace) -> None:
        self.slept: list[float] = []
        self.pace = kind(60, monotonic=lambda: 0.0, sleep=self.slept.append)

    def wait(self) -> None:
        self.pace.wait(within=60)

    def turns_are_a_second_apart(self) -> bool:
        return sorted(self.slept) == [0.0, 1.0]


def test_no_turn_is_given_to_two_threads() -> None:
    assert_in_every_order(Calls, Calls.wait, Calls.wait, holds=Calls.each_has_a_turn_of_its_own)


def test_no_turn_of_those_taken_together_is_given_to_two_threads() -> None:
    assert_in_every_order(lambda: Calls(limit=300), Calls.wait, Calls.wait, holds=Calls.each_has_a_turn_of_its_own)


def test_a_rate_without_its_lock_is_found_out() -> None:
    assert_some_order_breaks(
        lambda: Calls(UnlockedCallRate, limit=300), Calls.wait, Calls.wait, holds=Calls.each_has_a_turn_of_its_own
    )


def test_the_refusals_of_two_companies_close_the_calls_once() -> None:
    assert_in_every_order(
        Refusals,
        lambda state: state.refuse(1),
        lambda state: state.refuse(2),
        holds=Refusals.second_one_closes_the_calls_once,
    )


def test_a_suspicion_without_its_lock_is_found_out() -> None:
    assert_some_order_breaks(
        lambda: Refusals(UnlockedCallRate),
        lambda state: state.refuse(1),
        lambda state: state.refuse(2),
        holds=Refusals.second_one_closes_the_calls_once,
    )


def test_no_thread_goes_at_the_pace_of_another() -> None:
    assert_in_every_order(Pacing, Pacing.wait, Pacing.wait, holds=Pacing.turns_are_a_second_apart)


def test_a_pace_without_its_lock_is_found_out() -> None:
    assert_some_order_breaks(
        lambda: Pacing(UnlockedPace), Pacing.wait, Pacing.wait, holds=Pacing.turns_are_a_second_apart
    )
