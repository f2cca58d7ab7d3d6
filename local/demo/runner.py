"""Runs the scenario against a local stack, shows what happens, and checks every result."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console, RenderableType
from rich.rule import Rule

from codat_sync.announcements import SyncSettingsDrifted
from codat_sync.codat.differences import differences
from codat_sync.codat.models import SyncSettings
from codat_sync.outcomes.triage import PARKED, Outcome
from codat_sync.reconciliation.findings import Finding
from local import presets
from local.aws.sam import Project
from local.aws.stack import local_stack
from local.demo.environment import Environment, now
from local.demo.scenario import CHANGED_AT_CODAT, EXPLAINED, PAID, Phase, ScenarioEvent, phases
from local.demo.tables import changes, drift_table, outcomes_table, parked_events_table, redriven_events_table
from ops.cli.explain import render_explanation
from ops.cli.reconcile import render_run
from ops.dlq import Dlq


def run_demo(console: Console, folder: Path) -> list[str]:
    """Start a stack, run the whole scenario, and end the stack; return what was not as expected, in words."""
    began = time.monotonic()
    console.print(f"Presets: {presets.description()}")
    with local_stack(
        folder=folder,
        project=Project(presets=presets.FILE),
        on_step=lambda step, seconds: console.print(f"  {step:<18} [dim]{seconds:4.1f} s[/]"),
    ) as stack:
        environment = Environment(stack)
        environment.set_account(PAID)
        environment.create_companies()
        demo = Demo(environment, console)
        scenario = phases()
        demo.send_events(scenario)
        demo.explain()
        demo.pay_bill([event for phase in scenario for event in phase.events if event.waits_for_payment])
        demo.repair_drift()
    console.print(f"The functions' logs: {stack.logs}/functions.log. {time.monotonic() - began:.1f} s in all.")
    return demo.problems


class Demo:
    """The parts of the demo, to be run in the order of the methods. `problems` collects what is not as expected."""

    def __init__(self, environment: Environment, console: Console) -> None:
        self._environment = environment
        self._console = console
        self.problems: list[str] = []

    def send_events(self, scenario: Sequence[Phase]) -> None:
        """Send every event, phase by phase, and check its outcome and the DLQs."""
        before = self._environment.settings()
        for phase in scenario:
            self._run_phase(phase)
        self._environment.set_account(PAID)  # The stack gets no event of it, so parked events stay parked.
        after, letters = self._environment.settings(), self._environment.dead_letters()
        self._show(
            outcomes_table(scenario, changes(before, after)), parked_events_table(letters, self._environment.name_of)
        )
        events = [event for phase in scenario for event in phase.events]
        self.problems += self._outcome_problems(events, after)
        parked = Counter(event.event_id for event in events if event.expected in PARKED)
        if Counter(letter.event_id or "" for letter in letters) != parked:
            self.problems.append(f"the DLQs hold {len(letters)} events; expected are {parked.total()}")

    def explain(self) -> None:
        """Explain the company that pays for hourly syncs and has daily ones."""
        explanation = self._environment.explain(EXPLAINED)
        self._show(Rule("codat-sync explain", align="left"), render_explanation(explanation, now()), Rule())
        if explanation.finding is not Finding.DEGRADED or not explanation.letters:
            self.problems.append(
                f"explain: {EXPLAINED} should be degraded, with its event in a DLQ: {explanation.because}"
            )

    def pay_bill(self, waiting: Sequence[ScenarioEvent]) -> None:
        """Pay Codat's bill, tell the stack, and check that every waiting event is redriven and applied."""
        started, before = time.monotonic(), self._environment.settings()
        with self._console.status("Codat's bill is paid"):
            self._environment.send_request("codat_plan_upgraded")
            self._environment.wait_until_settled(waiting, times=2)
            after, letters = self._environment.settings(), self._environment.dead_letters()
        self._log(f"Codat's bill is paid: {len(waiting)} events redriven", started)
        self._show(redriven_events_table(waiting, changes(before, after)))
        self.problems += [
            f"{event.company} is not at the preset of {event.plan}, though Codat's bill is paid"
            for event in waiting
            if not self._environment.at_preset(event, after[event.company])
        ]
        left = [letter for letter in letters if letter.dlq is Dlq.PAYMENT_REQUIRED]
        if left:
            self.problems.append(f"{len(left)} events are still in the payment-required DLQ")

    def repair_drift(self) -> None:
        """Change settings in Codat's Portal, reconcile all companies, and check that exactly these are repaired."""
        started, before = time.monotonic(), self._environment.settings()
        for name, frequencies in CHANGED_AT_CODAT.items():
            self._environment.change_at_codat(name, frequencies)
        with self._console.status("Changed in Codat's Portal"):
            request_id = self._environment.send_request("reconciliation_requested")
            run = self._environment.wait_until_reconciled(request_id)
            found = self._announced_drift(request_id)
            after = self._environment.settings()
        not_repaired = {name for name, settings in after.items() if differences(settings, before[name])}
        self._log(f"Changed in Codat's Portal: {run.counts['checked']} companies reconciled", started)
        self._show(drift_table(found, not_repaired, now()), render_run(run, now()))
        if found.keys() != CHANGED_AT_CODAT.keys():
            self.problems.append(f"drift was found of {_names(found)}; expected is {_names(CHANGED_AT_CODAT)}")
        self.problems += [f"{name} was changed in Codat's Portal and not repaired" for name in sorted(not_repaired)]

    def _run_phase(self, phase: Phase) -> None:
        started = time.monotonic()
        with self._console.status(f"{phase.title}: {len(phase.events)} events"):
            self._environment.set_account(phase.account)
            for event in phase.events:
                self._environment.send(event)
            self._environment.wait_until_settled(phase.events)
        self._log(f"{phase.title}: {len(phase.events)} events settled", started)

    def _outcome_problems(self, events: Sequence[ScenarioEvent], after: Mapping[str, SyncSettings]) -> list[str]:
        problems = [
            f"{event.title} ({event.company}): {event.outcome.value}, not {event.expected.value}. "
            f"{event.settled[0].get('words', 'The function gave no reason.')}"
            for event in events
            if event.outcome is not event.expected
        ]
        problems += [
            f"{event.title} ({event.company}): Codat is not at the preset of {event.plan}"
            for event in events
            if event.outcome in {Outcome.APPLIED, Outcome.UNCHANGED, Outcome.DEGRADED}
            and not self._environment.at_preset(
                event, after[event.company], without_hourly=event.outcome is Outcome.DEGRADED
            )
        ]
        return problems

    def _announced_drift(self, run_id: str) -> dict[str, dict[str, Any]]:
        """Return the drift that the stack has announced on its bus, by company."""
        detail_type = SyncSettingsDrifted.detail_type

        def received() -> dict[str, dict[str, Any]]:
            announced = self._environment.subscriber.received(detail_type, caused_by=run_id)
            return {self._environment.name_of(each["companyId"]): each for each in announced}

        self._environment.wait(lambda: len(received()) >= len(CHANGED_AT_CODAT), lambda: detail_type)
        return received()

    def _log(self, text: str, since: float) -> None:
        self._console.print(f"  {text} [dim]{time.monotonic() - since:4.1f} s[/]")

    def _show(self, *parts: RenderableType) -> None:
        self._console.print()
        for part in parts:
            self._console.print(part)


def _names(companies: Mapping[str, object]) -> str:
    return ", ".join(sorted(companies)) or "none"
