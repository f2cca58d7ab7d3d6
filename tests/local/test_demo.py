"""The demo succeeds only if every result is as expected."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from io import StringIO
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import pytest
from rich.console import Console

from codat_sync.codat.models import Frequency, SyncSchedule, SyncSetting, SyncSettings
from codat_sync.outcomes.triage import Outcome
from codat_sync.reconciliation.findings import Finding
from codat_sync.reconciliation.runs import Run
from local.aws.processes import StackError
from local.demo.environment import EVENTS, Environment
from local.demo.runner import Demo
from local.demo.scenario import CHANGED_AT_CODAT, COMPANIES, Phase, ScenarioEvent, phases
from ops.dlq import DeadLetter, Dlq
from ops.explain import Explanation

NOW = datetime(2026, 1, 12, 13, 0, tzinfo=UTC)
DAILY = SyncSettings(
    settings=(SyncSetting(data_type="invoices", sync_schedule=SyncSchedule(interval_hours=Frequency.DAILY)),)
)
OFF = SyncSettings(
    settings=(SyncSetting(data_type="invoices", sync_schedule=SyncSchedule(interval_hours=Frequency.OFF)),)
)


def letter(event_id: str, dlq: Dlq = Dlq.PAYMENT_REQUIRED) -> DeadLetter:
    return DeadLetter(dlq, "hourly_not_allowed", "no", NOW, None, "scale", event_id, "402", None, "queue", "{}")


class FakeEnvironment:
    """An environment in which everything happens as expected, but for what a test changes."""

    def __init__(self) -> None:
        self.outcomes: dict[str, Outcome] = {}
        """By the title of an event, where it is not the expected one."""
        self.letters: list[DeadLetter] | None = None
        self.not_at_preset: set[str] = set()
        """Companies by name."""
        self.finding = Finding.DEGRADED
        self.drifted = list(CHANGED_AT_CODAT)
        self.unrepaired: set[str] = set()
        self.ids = {name: uuid4() for name in COMPANIES}
        self._parked: list[DeadLetter] = []
        self._changed: set[str] = set()
        self.subscriber = SimpleNamespace(received=self.received)

    def settings(self) -> dict[str, SyncSettings]:
        return {name: OFF if name in self._changed else DAILY for name in COMPANIES}

    def set_account(self, _account: Mapping[str, bool]) -> None:
        pass

    def send(self, event: ScenarioEvent) -> None:
        event.event_id = str(uuid4())

    def send_request(self, _sample: str) -> str:
        return "request"

    def wait_until_settled(self, events: Sequence[ScenarioEvent], times: int = 1) -> None:
        for event in events:
            outcome = self.outcomes.get(event.title, event.expected)
            event.settled += [{"outcome": outcome.value, "plan": "scale"}] * (times - len(event.settled))
            if times > 1:
                self._parked = []
            elif outcome.value.startswith(("parked", "degraded")):
                self._parked.append(letter(event.event_id))

    def dead_letters(self) -> list[DeadLetter]:
        return self._parked if self.letters is None else self.letters

    def at_preset(self, event: ScenarioEvent, _shown: SyncSettings, *, without_hourly: bool = False) -> bool:
        return event.company not in self.not_at_preset or without_hourly

    def name_of(self, company_id: object) -> str:
        return next(name for name, known in self.ids.items() if str(known) == str(company_id))

    def explain(self, name: str) -> Explanation:
        return Explanation(
            company_id=self.ids[name],
            because="Because.",
            finding=self.finding,
            record=None,
            authority=None,
            occurred_at=None,
            at_codat=None,
            not_shown_because="it does not matter here",
            differences=(),
            letters=(letter("1"),),
            all_letters=True,
            pause=None,
        )

    def change_at_codat(self, name: str, _frequencies: Mapping[str, Frequency]) -> None:
        self._changed.add(name)

    def wait_until_reconciled(self, request_id: str) -> Run:
        self._changed &= self.unrepaired
        return Run(request_id, report_only=False, started_at=NOW, progress_at=NOW, counts={"checked": 8})

    def received(self, _detail_type: str, *, caused_by: str) -> list[dict[str, Any]]:
        assert caused_by == "request"
        difference = {"dataType": "invoices", "field": "sync_schedule", "before": "off", "after": "daily"}
        return [
            {
                "companyId": str(self.ids[name]),
                "plan": "growth",
                "believedSince": "2026-01-12T09:30:00Z",
                "differences": [difference],
            }
            for name in self.drifted
        ]

    def wait(self, done: Callable[[], bool], missing: Callable[[], str]) -> None:
        if not done():
            raise StackError(missing())


@pytest.fixture
def environment() -> FakeEnvironment:
    return FakeEnvironment()


def run(environment: FakeEnvironment) -> tuple[list[str], str]:
    """Return what was not as expected, and what was shown."""
    console = Console(file=StringIO(), width=150)
    demo = Demo(cast("Environment", environment), console)
    scenario = phases()
    demo.send_events(scenario)
    demo.explain()
    demo.pay_bill(waiting_in(scenario))
    demo.repair_drift()
    return demo.problems, cast("StringIO", console.file).getvalue()


def waiting_in(scenario: Sequence[Phase]) -> list[ScenarioEvent]:
    return [event for phase in scenario for event in phase.events if event.waits_for_payment]


def test_a_demo_without_a_deviation_has_no_problems_and_fits_into_150_columns(environment: FakeEnvironment) -> None:
    problems, shown = run(environment)

    assert problems == []
    assert max(map(len, shown.splitlines())) <= 150
    for name in CHANGED_AT_CODAT:
        assert name in shown


def test_another_outcome_than_the_expected_one_is_a_problem(environment: FakeEnvironment) -> None:
    environment.outcomes["cancelled"] = Outcome.STALE

    problems, _ = run(environment)

    assert problems == ["cancelled (Bluebell Books): stale, not applied. The function gave no reason."]


def test_a_company_that_is_not_at_its_preset_is_a_problem(environment: FakeEnvironment) -> None:
    environment.not_at_preset = {"Kew Cafe"}

    problems, _ = run(environment)

    assert problems == ["new connection, no plan (Kew Cafe): Codat is not at the preset of scale"]


def test_an_event_that_is_still_parked_once_the_bill_is_paid_is_a_problem(environment: FakeEnvironment) -> None:
    environment.letters = [letter("left")]

    problems, _ = run(environment)

    assert "the DLQs hold 1 events; expected are 4" in problems
    assert "1 events are still in the payment-required DLQ" in problems


def test_a_company_without_hourly_once_the_bill_is_paid_is_a_problem(environment: FakeEnvironment) -> None:
    environment.not_at_preset = {"Lumen Lights"}

    problems, _ = run(environment)

    assert problems == ["Lumen Lights is not at the preset of scale, though Codat's bill is paid"]


def test_an_explanation_of_something_else_is_a_problem(environment: FakeEnvironment) -> None:
    environment.finding = Finding.IN_STEP

    problems, _ = run(environment)

    assert problems == ["explain: Lumen Lights should be degraded, with its event in a DLQ: Because."]


def test_drift_of_a_company_that_was_not_changed_is_a_problem(environment: FakeEnvironment) -> None:
    environment.drifted.append("Kew Cafe")

    problems, _ = run(environment)

    assert problems == [
        "drift was found of Ardent Cycles, Kew Cafe, Old Mill Bakery; expected is Ardent Cycles, Old Mill Bakery"
    ]


def test_drift_that_is_never_announced_ends_the_demo_at_the_deadline(environment: FakeEnvironment) -> None:
    environment.drifted.clear()

    with pytest.raises(StackError, match="Company Sync Settings Drifted"):
        run(environment)


def test_a_company_that_is_not_repaired_is_a_problem(environment: FakeEnvironment) -> None:
    environment.unrepaired = {"Ardent Cycles"}

    problems, _ = run(environment)

    assert problems == ["Ardent Cycles was changed in Codat's Portal and not repaired"]


@pytest.mark.parametrize(
    "event", [event for phase in phases() for event in phase.events], ids=lambda event: event.title
)
def test_an_event_has_its_sample_and_its_company(event: ScenarioEvent) -> None:
    assert (EVENTS / f"{event.sample}.json").exists()
    assert event.company in COMPANIES
