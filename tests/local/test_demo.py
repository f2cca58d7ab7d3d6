"""The demo is a success only if all of it is as it should be."""

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
from local.demo.__main__ import Demo
from local.demo.environment import EVENTS, Theatre
from local.demo.scenario import CHANGED_AT_CODAT, COMPANIES, Scene, Step, first_act
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


class FakeTheatre:
    """Where everything goes as the story says, but for what a test says otherwise."""

    def __init__(self) -> None:
        self.outcomes: dict[str, Outcome] = {}
        """By the title of a step, where it is not the one expected."""
        self.letters: list[DeadLetter] | None = None
        self.elsewhere: set[str] = set()
        """Companies that are not at their preset."""
        self.finding = Finding.DEGRADED
        self.drifted = list(CHANGED_AT_CODAT)
        self.unrepaired: set[str] = set()
        self.ids = {name: uuid4() for name in COMPANIES}
        self._parked: list[DeadLetter] = []
        self._changed: set[str] = set()
        self.support_desk = SimpleNamespace(heard=self.heard)

    def settings(self) -> dict[str, SyncSettings]:
        return {name: OFF if name in self._changed else DAILY for name in COMPANIES}

    def set_account(self, _account: Mapping[str, bool]) -> None:
        pass

    def send(self, step: Step) -> None:
        step.event_id = str(uuid4())

    def announce(self, _sample: str) -> str:
        return "request"

    def wait_until_settled(self, steps: Sequence[Step], times: int = 1) -> None:
        for step in steps:
            outcome = self.outcomes.get(step.title, step.expected)
            step.settled += [{"outcome": outcome.value, "plan": "scale"}] * (times - len(step.settled))
            if times > 1:
                self._parked = []
            elif outcome.value.startswith(("parked", "degraded")):
                self._parked.append(letter(step.event_id))

    def dead_letters(self) -> list[DeadLetter]:
        return self._parked if self.letters is None else self.letters

    def at_preset(self, step: Step, _shown: SyncSettings, *, without_hourly: bool = False) -> bool:
        return step.company not in self.elsewhere or without_hourly

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

    def heard(self, _detail_type: str, *, caused_by: str) -> list[dict[str, Any]]:
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
def theatre() -> FakeTheatre:
    return FakeTheatre()


def played(theatre: FakeTheatre) -> tuple[list[str], str]:
    """What was not as it should be, and what was shown."""
    console = Console(file=StringIO(), width=150)
    demo = Demo(cast("Theatre", theatre), console)
    scenes = first_act()
    demo.events_and_outcomes(scenes)
    demo.explanation()
    demo.payment(waiting_in(scenes))
    demo.drift()
    return demo.problems, cast("StringIO", console.file).getvalue()


def waiting_in(scenes: Sequence[Scene]) -> list[Step]:
    return [step for scene in scenes for step in scene.steps if step.waits_for_payment]


def test_a_story_that_ends_well_has_no_problems_and_fits_on_the_page(theatre: FakeTheatre) -> None:
    problems, shown = played(theatre)

    assert problems == []
    assert max(map(len, shown.splitlines())) <= 150
    for name in CHANGED_AT_CODAT:
        assert name in shown


def test_an_event_that_ends_otherwise_is_a_problem(theatre: FakeTheatre) -> None:
    theatre.outcomes["cancelled"] = Outcome.STALE

    problems, _ = played(theatre)

    assert problems == ["cancelled (Bluebell Books): stale, not applied. The function gave no reason."]


def test_a_company_elsewhere_than_at_its_preset_is_a_problem(theatre: FakeTheatre) -> None:
    theatre.elsewhere = {"Kew Cafe"}

    problems, _ = played(theatre)

    assert problems == ["new connection, no plan (Kew Cafe): Codat is not at the preset of scale"]


def test_an_event_that_is_still_parked_once_the_bill_is_paid_is_a_problem(theatre: FakeTheatre) -> None:
    theatre.letters = [letter("left")]

    problems, _ = played(theatre)

    assert "the DLQs hold 1 events; 4 were to be parked" in problems
    assert "1 events are still in the payment-required DLQ" in problems


def test_a_company_without_hourly_once_the_bill_is_paid_is_a_problem(theatre: FakeTheatre) -> None:
    theatre.elsewhere = {"Lumen Lights"}

    problems, _ = played(theatre)

    assert problems == ["Lumen Lights is not at the preset of scale, though Codat's bill is paid"]


def test_an_explanation_of_something_else_is_a_problem(theatre: FakeTheatre) -> None:
    theatre.finding = Finding.IN_STEP

    problems, _ = played(theatre)

    assert problems == ["explain: Lumen Lights should be degraded, with its event in a DLQ: Because."]


def test_drift_of_a_company_that_nobody_changed_is_a_problem(theatre: FakeTheatre) -> None:
    theatre.drifted.append("Kew Cafe")

    problems, _ = played(theatre)

    assert problems == [
        "drift was found of Ardent Cycles, Kew Cafe, Old Mill Bakery, not of Ardent Cycles, Old Mill Bakery"
    ]


def test_drift_that_is_not_found_is_waited_for_in_vain(theatre: FakeTheatre) -> None:
    theatre.drifted.clear()

    with pytest.raises(StackError, match="Company Sync Settings Drifted"):
        played(theatre)


def test_a_company_that_is_not_repaired_is_a_problem(theatre: FakeTheatre) -> None:
    theatre.unrepaired = {"Ardent Cycles"}

    problems, _ = played(theatre)

    assert problems == ["Ardent Cycles was changed at Codat, and is not as it was before"]


@pytest.mark.parametrize("step", [step for scene in first_act() for step in scene.steps], ids=lambda step: step.title)
def test_a_step_has_its_sample_and_its_company(step: Step) -> None:
    assert (EVENTS / f"{step.sample}.json").exists()
    assert step.company in COMPANIES
