"""The demo's environment: the local stack, with the scenario's companies at its Codat."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

from codat_sync.codat.differences import differences
from codat_sync.codat.models import Dialect, Frequency, SyncSettings
from codat_sync.outcomes.parked_events import DeadLetterQueue
from codat_sync.reconciliation.runs import ReconciliationRuns, Run
from local.aws.function_logs import Line
from local.aws.processes import StackError
from local.aws.stack import LocalStack
from local.codat_simulator.company_settings import settings_at, settings_with
from local.codat_simulator.control_client import ControlClient
from local.demo.scenario import COMPANIES, ScenarioEvent
from local.demo.subscriber import Subscriber
from local.presets import local_presets
from ops.dlq import OUTPUTS, DeadLetter, Dlqs, Filter
from ops.explain import Explainer, Explanation
from ops.reconcile import still_open
from ops.stack import Stack

EVENTS: Final = Path(__file__).parents[2] / "events"
DEADLINE_SECONDS: Final = 60.0
"""The longest wait for one result."""
POLL_SECONDS: Final = 0.1
LOOK_SECONDS: Final = 30.0
"""The time for reading the DLQs once."""


def now() -> datetime:
    """Return the time in UTC."""
    return datetime.now(UTC)


class Environment:
    """One stack and one simulated Codat account, and what the demo does to them and sees of them."""

    def __init__(self, stack: LocalStack) -> None:
        """Subscribe to the stack's announcements. The companies are not created yet."""
        self._stack = stack
        self._deployed = Stack.local(stack.endpoints)
        self._simulator = ControlClient(stack.codat.base_url)
        self._presets = local_presets()
        self._ids = {name: uuid4() for name in COMPANIES}
        self._runs = ReconciliationRuns(self._deployed.dynamodb, self._deployed.output("CompanyPlansTableName"))
        self.subscriber = Subscriber(stack)

    def create_companies(self) -> None:
        """Create the companies at Codat, each at the preset of its plan."""
        companies = [
            {
                "id": str(self._ids[name]),
                "name": name,
                "settings": settings_at(self._presets, plan, self._ids[name], Dialect.HOURS),
            }
            for name, plan in COMPANIES.items()
        ]
        self._simulator.post("companies", {"companies": companies})

    def set_account(self, account: dict[str, bool]) -> None:
        """Change the state of the Codat account, as Codat's billing does."""
        self._simulator.post("account", account)

    def change_at_codat(self, name: str, frequencies: Mapping[str, Frequency]) -> None:
        """Change a company's settings as in Codat's Portal: no event tells the stack."""
        shown = self._deployed.codat.get_sync_settings(self._ids[name])
        self._simulator.post(
            f"companies/{self._ids[name]}", {"settings": settings_with(shown, frequencies, Dialect.HOURS)}
        )

    def settings(self) -> dict[str, SyncSettings]:
        """Return the settings of each company at Codat, by name."""
        return {name: self._deployed.codat.get_sync_settings(company_id) for name, company_id in self._ids.items()}

    def name_of(self, company_id: object) -> str:
        """Return the company's name; its id where the scenario has no such company."""
        return next((name for name, known in self._ids.items() if str(known) == str(company_id)), str(company_id))

    def send(self, event: ScenarioEvent) -> None:
        """Send an event through the bus; a repeat goes to the queue, since the bus would give the event another id."""
        envelope = _sample(event.sample)
        detail = _about(envelope["detail"], self._ids[event.company]) | event.detail
        if event.repeats:
            detail |= event.repeats.detail
            event.event_id = event.repeats.event_id
            body = json.dumps(envelope | {"id": event.event_id, "detail": detail})
            self._stack.aws.sqs.send_message(
                QueueUrl=self._stack.outputs["CompanyPlanChangedQueueUrl"], MessageBody=body
            )
        else:
            event.event_id = self._put(envelope | {"detail": detail})

    def send_request(self, sample: str) -> str:
        """Put a sample that concerns no single company on the bus; return its id."""
        return self._put(_sample(sample))

    def wait_until_settled(self, events: Sequence[ScenarioEvent], times: int = 1) -> None:
        """Wait until the functions have logged so many outcomes of each event."""

        def settled() -> bool:
            lines: dict[str, list[Line]] = {}
            for line in self._stack.function_logs.lines("event_settled"):
                lines.setdefault(line.get("correlation_id", ""), []).append(line)
            for event in events:
                # A repeated event has a line for each delivery.
                event.settled = lines.get(event.event_id, [])[1 if event.repeats else 0 :]
            return all(len(event.settled) >= times for event in events)

        self.wait(settled, lambda: ", ".join(event.title for event in events if len(event.settled) < times))

    def wait_until_reconciled(self, request_id: str) -> Run:
        """Wait until the reconciliation run is over and each company that it handed over has an outcome."""

        def done() -> bool:
            run = self._runs.newest()
            return run is not None and run.run_id == request_id and bool(run.finished_at) and not still_open(run)

        self.wait(done, lambda: f"the reconciliation run {request_id}")
        run = self._runs.newest()
        if run is None:
            raise StackError(f"the reconciliation run {request_id} has no record any more")
        return run

    def wait(self, done: Callable[[], bool], missing: Callable[[], str]) -> None:
        """Poll until `done()`; raise StackError if a part of the stack ends, or with `missing()` at the deadline."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not done():
            self._stack.check_running()
            if time.monotonic() > deadline:
                raise StackError(
                    f"after {DEADLINE_SECONDS:.0f} s there is no result of: {missing()}. "
                    f"See {self._stack.logs}/functions.log"
                )
            time.sleep(POLL_SECONDS)

    def at_preset(self, event: ScenarioEvent, shown: SyncSettings, *, without_hourly: bool = False) -> bool:
        """Tell whether the settings are the preset of the event's plan, or its fallback where hourly is unpaid."""
        preset = self._presets.for_company(str(event.plan), self._ids[event.company])
        wanted = preset.degraded() if without_hourly else preset
        return wanted is not None and not differences(shown, wanted.over(shown))

    def dead_letters(self) -> list[DeadLetter]:
        """Return every event in the DLQs."""
        return self._dlqs().find(Filter()).letters

    def explain(self, name: str) -> Explanation:
        """Explain a company as `codat-sync explain` does."""
        at = self._deployed
        return Explainer(at.codat, at.plans, at.presets, self._dlqs(), at.pause, now).explain(self._ids[name])

    def _dlqs(self) -> Dlqs:
        at = self._deployed
        queues = {dlq: DeadLetterQueue(at.sqs, at.output(output), now) for dlq, output in OUTPUTS.items()}
        return Dlqs(queues, seconds=LOOK_SECONDS, now=now, monotonic=time.monotonic)

    def _put(self, envelope: Mapping[str, Any]) -> str:
        answer = self._stack.aws.events.put_events(
            Entries=[
                {
                    "EventBusName": self._stack.outputs["EventBusName"],
                    "Source": envelope["source"],
                    "DetailType": envelope["detail-type"],
                    "Detail": json.dumps(envelope["detail"]),
                    "Time": envelope["time"],
                }
            ]
        )
        (entry,) = answer["Entries"]
        return entry["EventId"]


def _sample(name: str) -> dict[str, Any]:
    sample: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text("utf-8"))
    return sample


def _about(detail: dict[str, Any], company_id: UUID) -> dict[str, Any]:
    """Return the detail with another company's id, in our own form and in both forms of Codat's webhooks."""
    if "payload" not in detail:
        return detail | {"companyId": str(company_id)}
    payload = detail["payload"]
    if "referenceCompany" in payload:
        payload = payload | {"referenceCompany": payload["referenceCompany"] | {"id": str(company_id)}}
    else:
        payload = payload | {"id": str(company_id)}
    return detail | {"payload": payload}
