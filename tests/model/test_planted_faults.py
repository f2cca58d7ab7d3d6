"""A passing search proves little unless it would catch a real fault: here parts of the code are broken on purpose.

Each fault is one that a change may bring. The search finds each of them, with the words of the rule that it breaks.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, Phase, Verbosity, settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test

from codat_sync.companies.converge import Convergence
from codat_sync.companies.pause import PausingCodat
from codat_sync.companies.records import CompanyPage
from codat_sync.consuming.consume import Consumer
from codat_sync.events.company_events import CompanyEvent, read_company_reconciliation
from codat_sync.outcomes.deferral import Patience
from codat_sync.reconciliation.check import Checked
from codat_sync.reconciliation.queue import ReadCompanyRequest
from codat_sync.reconciliation.reconcile import Reconciliation
from codat_sync.reconciliation.runs import Run
from tests.fakes.reconciliation import FakeCompanyQueue
from tests.model import weeks
from tests.model.codat import Account
from tests.model.process import InvariantViolated
from tests.model.test_weeks import Meanwhile, Step, drift_steps, event_steps, long_run, move_steps, numbers

ORDERS: Final = 200
"""How many orders of steps are tried at most. No fault needs nearly as many."""

SEARCH: Final = settings(
    max_examples=ORDERS,
    stateful_step_count=6,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    verbosity=Verbosity.quiet,
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)

Plant = Callable[[pytest.MonkeyPatch], None]


def replaced(owner: object, name: str, value: object) -> Plant:
    """Return a fault: an attribute of a class or module has another value."""
    return lambda monkeypatch: monkeypatch.setattr(owner, name, value)


def in_module(path: str, value: object) -> Plant:
    """Return a fault: a name in a module of the layer has another value."""
    return lambda monkeypatch: monkeypatch.setattr(f"codat_sync.{path}", value)


def steps_of(*what: timedelta | Account | str) -> st.SearchStrategy[Step]:
    """Return a strategy for these steps outside the processes."""
    return st.builds(Meanwhile, what=st.sampled_from(what), which=numbers)


def is_over_early(self: Patience, waited: float) -> bool:
    return waited >= self.limit.total_seconds() / 4


def reads_any(_self: ReadCompanyRequest, body: str, *, now: Any) -> CompanyEvent:  # noqa: ANN401
    return read_company_reconciliation(body, now=now)


def continues_any(_self: Reconciliation, run: Run, request: Any) -> bool:  # noqa: ANN401
    return run.report_only is request.report_only and run.finished_at is None


_hide = Consumer._hide


def hides_late(self: Consumer, waits: Mapping[str, int]) -> None:
    """Hide what was set aside only after the message that is handled, as far as the function lives to do so."""
    late = vars(self).setdefault("late", {})
    is_set_aside = bool(waits) and not late
    late |= waits
    if not is_set_aside:
        _hide(self, dict(late))
        late.clear()


_act = Reconciliation._act


def moves_on_first(self: Reconciliation, run: Run, page: CompanyPage, checked: Sequence[Checked]) -> Run | None:
    """Note the progress before the companies are handed over."""
    queue, kept = self._queue, FakeCompanyQueue()
    self._queue = kept
    try:
        return _act(self, run, page, checked)
    finally:
        self._queue = queue
        queue.send(kept.requests)


_carry_out = Reconciliation.carry_out


def gives_up(self: Reconciliation, request: Any, deadline: Any) -> timedelta | None:  # noqa: ANN401
    """Take a failure for the end of the duty."""
    try:
        return _carry_out(self, request, deadline)
    except Exception:  # noqa: BLE001  # The fault.
        return None


def plant_few_receives(monkeypatch: pytest.MonkeyPatch) -> None:
    few = replace(weeks.WEEKS.queues, max_receive_count=5)
    monkeypatch.setattr(weeks, "WEEKS", replace(weeks.WEEKS, queues=few))


idle = st.sampled_from([None])
waiting = event_steps(taken=st.just(value=False))
held = move_steps(
    process=st.integers(0, 2), at=st.just("get_sync_settings"), fails=st.sampled_from(["429 for 12 h", "429 for 20 h"])
)
PATIENT: Final = waiting | held | steps_of("killer", "throttle", Account.EXPIRED)
undisturbed = move_steps(process=st.integers(3, 6), fails=idle, most=st.just(1))
meeting_trouble = move_steps(
    process=st.integers(3, 6), most=st.just(1), fails=st.sampled_from([None, "crash", "timeout"])
)
RECONCILING: Final = drift_steps(
    then=st.lists(meeting_trouble | steps_of("run", Account.EXPIRED, timedelta(minutes=13)), min_size=2, max_size=6),
)
DEPLOYING: Final = drift_steps(
    plan=st.just("growth"),
    edit=idle,
    then=st.lists(undisturbed | steps_of("shift", "run"), min_size=3, max_size=8),
)

FAULTS: Final[Mapping[str, tuple[Plant, st.SearchStrategy[Step], str]]] = {
    "waits are counted from the function's start": (
        in_module("outcomes.deferral.RECEIPT_MARGIN_SECONDS", 0),
        PATIENT,
        "is to be hidden for",
    ),
    "a pause is waited for in one go": (
        in_module("outcomes.deferral.SQS_LONGEST_SECONDS", 24 * 60 * 60),
        PATIENT,
        "is to be hidden for",
    ),
    "patience never ends": (
        replaced(Patience, "is_over", lambda *_: False),
        PATIENT,
        "outlived its retention|has spent its 1000 receives",
    ),
    "patience ends early": (replaced(Patience, "is_over", is_over_early), PATIENT, "is given up as"),
    "few receives end an event": (plant_few_receives, PATIENT, "has spent its 5 receives"),
    "no message is handled alone": (
        in_module("consuming.consume.divide", lambda records, *_: (records, [])),
        PATIENT,
        "kills no process",
    ),
    "neighbours are hidden only afterwards": (replaced(Consumer, "_hide", hides_late), PATIENT, "kills no process"),
    "old presets repair what new ones found": (
        replaced(ReadCompanyRequest, "__call__", reads_any),
        DEPLOYING,
        "takes old presets for right",
    ),
    "a run goes on with other presets": (
        replaced(Reconciliation, "_can_continue", continues_any),
        DEPLOYING,
        "has not read .* with its presets",
    ),
    "an unfinished page counts as whole": (
        in_module("reconciliation._progress.is_whole", lambda *_: True),
        RECONCILING,
        "has not read|were not handed over",
    ),
    "a run moves on before it hands over": (
        replaced(Reconciliation, "_act", moves_on_first),
        RECONCILING,
        "were not handed over",
    ),
    "a run looks at no company": (replaced(Convergence, "drift", lambda *_: ()), RECONCILING, "has not read"),
    "a failed run counts as finished": (
        replaced(Reconciliation, "carry_out", gives_up),
        RECONCILING,
        "no run of it has finished",
    ),
    "a pause stops nobody": (
        replaced(PausingCodat, "_respect", lambda _: None),
        RECONCILING | steps_of(Account.EXPIRED, timedelta(seconds=20)),
        "called Codat during a pause",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_search_finds_a_planted_fault(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plant, steps, words = FAULTS[fault]
    plant(monkeypatch)
    with pytest.raises(InvariantViolated, match=words):
        run_state_machine_as_test(long_run(steps), settings=SEARCH)


@pytest.mark.parametrize("steps", [PATIENT, RECONCILING, DEPLOYING], ids=["patient", "reconciling", "deploying"])
def test_the_same_search_finds_nothing_where_no_fault_is_planted(steps: st.SearchStrategy[Step]) -> None:
    run_state_machine_as_test(long_run(steps), settings=settings(SEARCH, max_examples=30))
