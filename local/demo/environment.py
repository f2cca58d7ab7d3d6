"""Where the demo's story is played: the local stack, with the companies of the story in it."""

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
from local.chaos.faults import Simulator
from local.codat_simulator.company_settings import settings_at, settings_with
from local.demo.scenario import COMPANIES, Step
from local.demo.subscriber import SupportDesk
from local.presets import local_presets
from ops.dlq import OUTPUTS, DeadLetter, Dlqs, Filter
from ops.explain import Explainer, Explanation
from ops.reconcile import still_open
from ops.stack import Stack

EVENTS: Final = Path(__file__).parents[2] / "events"
DEADLINE_SECONDS: Final = 60.0
"""For whatever is waited for."""
POLL_SECONDS: Final = 0.1
LOOK_SECONDS: Final = 30.0
"""For one look into the DLQs."""


def now() -> datetime:
    """In UTC."""
    return datetime.now(UTC)


class Theatre:
    """The local stack with the companies of the story in it."""

    def __init__(self, stack: LocalStack) -> None:
        self._stack = stack
        self._on_call = Stack.local(stack.endpoints)
        self._simulator = Simulator(stack.codat.base_url)
        self._presets = local_presets()
        self._ids = {name: uuid4() for name in COMPANIES}
        self._runs = ReconciliationRuns(self._on_call.dynamodb, self._on_call.output("CompanyPlansTableName"))
        self.support_desk = SupportDesk(stack)

    def seed(self) -> None:
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
        """As Codat's billing does."""
        self._simulator.post("account", account)

    def change_at_codat(self, name: str, frequencies: Mapping[str, Frequency]) -> None:
        """Without an event, as somebody does by hand in Codat's Portal."""
        shown = self._on_call.codat.get_sync_settings(self._ids[name])
        self._simulator.post(
            f"companies/{self._ids[name]}", {"settings": settings_with(shown, frequencies, Dialect.HOURS)}
        )

    def settings(self) -> dict[str, SyncSettings]:
        """What each company is at."""
        return {name: self._on_call.codat.get_sync_settings(company_id) for name, company_id in self._ids.items()}

    def name_of(self, company_id: object) -> str:
        """The company's, or its id where nobody of that id plays here."""
        return next((name for name, known in self._ids.items() if str(known) == str(company_id)), str(company_id))

    def send(self, step: Step) -> None:
        """Through the bus; a repeat goes straight to the queue, since the bus gives each event a new id."""
        envelope = _sample(step.sample)
        detail = _about(envelope["detail"], self._ids[step.company]) | step.detail
        if step.repeats:
            detail |= step.repeats.detail
            step.event_id = step.repeats.event_id
            body = json.dumps(envelope | {"id": step.event_id, "detail": detail})
            self._stack.aws.sqs.send_message(
                QueueUrl=self._stack.outputs["CompanyPlanChangedQueueUrl"], MessageBody=body
            )
        else:
            step.event_id = self._put(envelope | {"detail": detail})

    def announce(self, sample: str) -> str:
        """Put an event that is about no one company on the bus; its id."""
        return self._put(_sample(sample))

    def wait_until_settled(self, steps: Sequence[Step], times: int = 1) -> None:
        """Until the functions have said of each step so many times how it ended."""

        def settled() -> bool:
            told: dict[str, list[Line]] = {}
            for line in self._stack.function_logs.said("event_settled"):
                told.setdefault(line.get("correlation_id", ""), []).append(line)
            for step in steps:
                # A repeated event has a line for each of its deliveries.
                step.settled = told.get(step.event_id, [])[1 if step.repeats else 0 :]
            return all(len(step.settled) >= times for step in steps)

        self.wait(settled, lambda: ", ".join(step.title for step in steps if len(step.settled) < times))

    def wait_until_reconciled(self, request_id: str) -> Run:
        """Until the walk is over, and something has become of each company that it handed over."""

        def done() -> bool:
            run = self._runs.newest()
            return run is not None and run.run_id == request_id and bool(run.finished_at) and not still_open(run)

        self.wait(done, lambda: f"the reconciliation {request_id}")
        run = self._runs.newest()
        if run is None:
            raise StackError(f"the record of the reconciliation {request_id} is gone")
        return run

    def wait(self, done: Callable[[], bool], missing: Callable[[], str]) -> None:
        """Poll until `done()`; raise StackError with what is missing if a part ends or the deadline passes."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not done():
            self._stack.check_running()
            if time.monotonic() > deadline:
                raise StackError(
                    f"nothing was heard for {DEADLINE_SECONDS:.0f} s of: {missing()}. "
                    f"See {self._stack.logs}/functions.log"
                )
            time.sleep(POLL_SECONDS)

    def at_preset(self, step: Step, shown: SyncSettings, *, without_hourly: bool = False) -> bool:
        """Whether a company is at the preset that the step leads to, or at what is left of it without hourly."""
        preset = self._presets.for_company(str(step.plan), self._ids[step.company])
        wanted = preset.degraded() if without_hourly else preset
        return wanted is not None and not differences(shown, wanted.over(shown))

    def dead_letters(self) -> list[DeadLetter]:
        """What lies in the DLQs."""
        return self._dlqs().find(Filter()).letters

    def explain(self, name: str) -> Explanation:
        """What `codat-sync explain` says of a company."""
        at = self._on_call
        return Explainer(at.codat, at.plans, self._presets, self._dlqs(), at.pause, now).explain(self._ids[name])

    def _dlqs(self) -> Dlqs:
        at = self._on_call
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
    """The same detail about another company, whichever of Codat's shapes it has."""
    if "payload" not in detail:
        return detail | {"companyId": str(company_id)}
    payload = detail["payload"]
    if "referenceCompany" in payload:
        payload = payload | {"referenceCompany": payload["referenceCompany"] | {"id": str(company_id)}}
    else:
        payload = payload | {"id": str(company_id)}
    return detail | {"payload": payload}
