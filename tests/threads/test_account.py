"""The account's confirmation and the pause, shared by the threads of a process, in every order of their steps."""

from collections.abc import Callable
from datetime import timedelta
from itertools import accumulate
from typing import Any, cast
from uuid import UUID

from codat_sync.codat.errors import CodatError, RateLimited, Unreachable
from codat_sync.companies.account import Account
from codat_sync.companies.pause import Pause, PauseRecord, PausingCodat
from tests.fakes.clock import NOW, Clock
from tests.fakes.codat import FakeCodat
from tests.fakes.companies import FakePause
from tests.threads.exploration import Atomic, Open, assert_in_every_order, assert_some_order_breaks

HOUR = timedelta(hours=1)
REFUSAL = "Too many requests"


class UnlockedAccount(Account):
    """Broken on purpose: each thread asks for itself."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  # Those of the class.
        super().__init__(*args, **kwargs)
        self._lock = cast("Any", Open())


class CarelessPause(FakePause):
    """Broken on purpose: looks first and writes later, where DynamoDB does both in one step."""

    def swap(self, old: Pause, new: Pause | None) -> bool:
        before = self.pause
        is_current = before is not None and before.until == old.until
        if is_current:
            self.pause = new
        return is_current


class Confirming:
    """Two companies are refused; a call that concerns no company is refused alike, or gets no answer."""

    def __init__(self, kind: type[Account] = Account, *, answers: bool = True) -> None:
        self.asked = 0
        self.clock = Clock()
        self.refusals: list[bool] = []
        self._answers = answers
        self.account = kind(self._ask, self.clock)

    def _ask(self) -> object:
        self.asked += 1
        raise RateLimited(REFUSAL, retry_after=HOUR) if self._answers else Unreachable("no answer")

    def refuse(self, company: int) -> None:
        error = RateLimited(REFUSAL, retry_after=HOUR)
        self.refusals.append(self.account.confirms(error, UUID(int=company), began=NOW) is not None)

    def one_call_confirms_for_both(self) -> bool:
        return self.asked == 1 and self.refusals == [True, True]

    def the_second_company_confirms(self) -> bool:
        return self.asked == 1 and sorted(self.refusals) == [False, True]


class Answering(FakeCodat):
    """Codat that notes how many calls are in flight together. ``answer`` is what each call meets."""

    answer: Callable[[], None] = staticmethod(lambda: None)

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[int] = []

    def get_account_sync_settings(self) -> Any:  # noqa: ANN401  # That of the fake.
        self.steps.append(+1)
        try:
            self.answer()
            return self.defaults
        finally:
            self.steps.append(-1)

    @property
    def most_in_flight(self) -> int:
        return max(accumulate(self.steps))


class Pausing:
    """Threads of two processes that call Codat through the pause that they share."""

    def __init__(self, pause: Pause | None = None, kind: type[FakePause] = FakePause) -> None:
        self.codat = Answering()
        self.stored = kind(pause)
        # A lapsed pause is taken over by two processes, to which each call of the store is one step.
        record = Atomic(self.stored) if pause and kind is FakePause else self.stored
        self.processes = [PausingCodat(self.codat, cast("PauseRecord", record), Clock()) for _ in range(2)]
        self.errors: list[CodatError] = []
        self.probes: list[Pause | None] = []

    def call(self, process: int = 0) -> None:
        try:
            self.processes[process].get_account_sync_settings()
        except CodatError as error:
            self.errors.append(error)

    def ask_to_probe(self, process: int = 0) -> None:
        """Go as far as a call does before it reaches Codat."""
        try:
            self.probes.append(self.processes[process]._respect())
        except CodatError as error:
            self.errors.append(error)

    def a_single_caller_probed(self) -> bool:
        return self.codat.most_in_flight == 1 and self.stored.pause is None

    def all_met_the_refusal_and_it_is_kept(self) -> bool:
        kept = self.stored.pause is not None and self.stored.pause.until == NOW + HOUR
        before = len(self.codat.steps)
        self.call()
        return kept and len(self.errors) == 3 and len(self.codat.steps) == before


def lapsed() -> Pause:
    return Pause("rate_limited", REFUSAL, NOW - timedelta(seconds=1))


def refusing() -> Pausing:
    state = Pausing()

    def refuse() -> None:
        raise RateLimited(REFUSAL, retry_after=HOUR)

    state.codat.answer = refuse
    return state


def test_one_call_confirms_the_refusals_of_two_threads() -> None:
    assert_in_every_order(
        Confirming, lambda it: it.refuse(1), lambda it: it.refuse(2), holds=Confirming.one_call_confirms_for_both
    )


def test_where_nobody_answers_the_second_company_confirms_and_the_first_does_not() -> None:
    assert_in_every_order(
        lambda: Confirming(answers=False),
        lambda it: it.refuse(1),
        lambda it: it.refuse(2),
        holds=Confirming.the_second_company_confirms,
    )


def test_an_account_without_its_lock_is_found_out() -> None:
    assert_some_order_breaks(
        lambda: Confirming(UnlockedAccount),
        lambda it: it.refuse(1),
        lambda it: it.refuse(2),
        holds=Confirming.one_call_confirms_for_both,
    )


def test_threads_of_two_processes_send_one_probe() -> None:
    assert_in_every_order(
        lambda: Pausing(lapsed()),
        Pausing.call,
        lambda it: it.call(process=1),
        holds=Pausing.a_single_caller_probed,
    )


def test_a_probe_that_is_not_taken_in_one_step_is_found_out() -> None:
    assert_some_order_breaks(
        lambda: Pausing(lapsed(), CarelessPause),
        Pausing.ask_to_probe,
        lambda it: it.ask_to_probe(process=1),
        holds=lambda it: len(it.probes) == 1,
    )


def test_a_pause_that_two_threads_begin_holds_for_the_next_call() -> None:
    assert_in_every_order(refusing, Pausing.call, Pausing.call, holds=Pausing.all_met_the_refusal_and_it_is_kept)
