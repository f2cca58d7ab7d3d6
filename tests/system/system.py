"""A deployed stack, with its inputs and outputs: the bus, Codat, the queues, the table."""

import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

from codat_sync.codat.differences import differences
from codat_sync.codat.models import SyncSettings
from codat_sync.deadline import Deadline
from codat_sync.outcomes.parked_events import DeadLetterQueue
from codat_sync.presets.file import Presets
from codat_sync.reconciliation.runs import ReconciliationRuns, Run
from local.aws.processes import StackError
from local.aws.sam import Project
from local.aws.stack import LocalStack, local_stack
from local.codat_simulator.control_client import ControlClient
from local.presets import FILE
from ops.bus import Bus
from ops.stack import Stack

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = ROOT / ".local/system"
"""The folder of the project's copy, of sam's builds of it, and of the stacks. sam finds its earlier downloads there."""

LOCAL: Final = FILE.read_text("utf-8")
PRESETS: Final = f"""{LOCAL}
[plans.enterprise]
frequency = "hourly"
"""
"""One plan more than LOCAL, without a fallback for a Codat account without hourly schedules."""

DEADLINE_SECONDS: Final = 60.0
POLL_SECONDS: Final = 0.1
LOOK_SECONDS: Final = 30.0
SOURCE_QUEUES: Final = (
    "CompanyPlanChangedQueueUrl",
    "NewConnectionQueueUrl",
    "ReconciliationsQueueUrl",
    "CompanyReconciliationsQueueUrl",
    "RedrivesQueueUrl",
)
DLQS: Final = ("PaymentRequiredQueueUrl", "FailedEventsQueueUrl", "UndeliveredEventsQueueUrl")


def now() -> datetime:
    """Return the time in UTC."""
    return datetime.now(UTC)


class System:
    """One deployed stack."""

    def __init__(self, stack: LocalStack, presets: Presets) -> None:
        self.stack = stack
        self.presets = presets
        self.deployed = Stack.local(stack.endpoints)
        """The stack as `codat-sync` reaches it."""
        self.simulator = ControlClient(stack.codat.base_url)
        self._bus = Bus(self.deployed.events, self.deployed.output("EventBusName"))
        self._runs = ReconciliationRuns(self.deployed.dynamodb, self.deployed.output("CompanyPlansTableName"))

    def put(self, detail_type: str, **detail: object) -> str:
        """Put an event on the bus, as a producer does; return its id."""
        (event_id,) = self.put_all([(detail_type, detail)])
        return event_id

    def put_all(self, events: Sequence[tuple[str, Mapping[str, object]]]) -> list[str]:
        """Put several events on the bus, each a detail-type and a detail; return their ids."""
        return self._bus.put(
            [
                {"Source": "tests", "DetailType": detail_type, "Detail": json.dumps(detail)}
                for detail_type, detail in events
            ]
        )

    def change_plan(self, company: UUID, plan: str) -> str:
        """Send billing's event that the company is on this plan now; return its id."""
        return self.put("Company Changed Plan", companyId=str(company), plan=plan, occurredAt=now().isoformat())

    def connect(self, company: UUID, plan: str) -> str:
        """Send onboarding's event that the company has connected its accounting software; return its id."""
        return self.put(
            "New Connection",
            companyId=str(company),
            connectionId=str(uuid4()),
            plan=plan,
            occurredAt=now().isoformat(),
        )

    def create_companies(self, count: int) -> list[UUID]:
        """Create companies at Codat, without settings of their own. The stack has no record of them yet."""
        ids = [uuid4() for _ in range(count)]
        self.simulator.post("companies", {"companies": [{"id": str(each)} for each in ids]})
        return ids

    def create_known_companies(self, count: int, plan: str) -> list[UUID]:
        """Create companies that the stack has brought to the preset of a plan."""
        companies = self.create_companies(count)
        for company in companies:
            self.change_plan(company, plan)
        self.wait_until(lambda: all(self.is_applied(company, plan) for company in companies))
        return companies

    def is_applied(self, company: UUID, plan: str) -> bool:
        """Tell whether the company's record names the plan as applied."""
        record = self.deployed.plans.get(company)
        return record is not None and record.applied is not None and record.applied.plan == plan

    def at_codat(self, company: UUID) -> SyncSettings:
        """Return the settings in force at Codat, read past the account's state and any faults."""
        shown = self.simulator.get(f"companies/{company}")
        return SyncSettings.model_validate(
            {"settings": shown["effectiveSettings"], "overridesDefaults": shown["overridesDefaults"]}
        )

    def at_preset(self, company: UUID, plan: str, presets: Presets | None = None) -> bool:
        """Tell whether writing the plan's preset would change nothing at Codat."""
        shown = self.at_codat(company)
        preset = (presets or self.presets).for_company(plan, company)
        return not differences(shown, preset.over(shown))

    def account(self, **flags: bool) -> None:
        """Set `free` or `expired` of the Codat account, as Codat's billing does."""
        self.simulator.post("account", flags)

    def forget_calls(self) -> None:
        """Start counting the calls to Codat from zero."""
        self.simulator.delete("calls")

    def writes(self) -> list[int]:
        """Return the status of each POST of sync settings since then."""
        calls = self.simulator.get("calls?method=POST")["calls"]
        return [call["status"] for call in calls if call["path"].endswith("/syncSettings")]

    def messages_in(self, dlq: str) -> dict[str, tuple[str, Mapping[str, Any]]]:
        """Return body and attributes of each message in a DLQ, by its id. All messages stay there."""
        queue = DeadLetterQueue(self.deployed.sqs, self.deployed.output(dlq), now)
        parked = [event for batch in queue.read(Deadline(lambda: LOOK_SECONDS)) for event in batch]
        return {event.message_id: (event.body, event.attributes) for event in parked}

    def count(self, *queues: str) -> int:
        """Return the number of messages on these queues: visible, in flight and delayed."""
        depth = 0
        for output in queues:
            answer = self.deployed.sqs.get_queue_attributes(
                QueueUrl=self.deployed.output(output),
                AttributeNames=[
                    "ApproximateNumberOfMessages",
                    "ApproximateNumberOfMessagesDelayed",
                    "ApproximateNumberOfMessagesNotVisible",
                ],
            )
            depth += sum(map(int, answer["Attributes"].values()))
        return depth

    def newest_run(self) -> Run | None:
        """Return the newest reconciliation run."""
        return self._runs.newest()

    def has_logged(self, message: str, event_id: str) -> bool:
        """Tell whether a function has logged this message about the request of that id."""
        return any(line.get("request_id") == event_id for line in self.stack.function_logs.lines(message))

    def wait_until(self, done: Callable[[], bool]) -> None:
        """Poll until `done()`; raise StackError if a part of the stack ends or the deadline passes."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not done():
            self.stack.check_running()
            if time.monotonic() > deadline:
                raise StackError(f"not done after {DEADLINE_SECONDS:.0f} s: see {self.stack.logs}/functions.log")
            time.sleep(POLL_SECONDS)


def copied(presets: str) -> Project:
    """Return a copy of the project, with these presets."""
    source = FOLDER / "project"
    shutil.rmtree(source, ignore_errors=True)
    for folder in ("functions", "shared"):
        shutil.copytree(ROOT / folder, source / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("template.yaml", "samconfig.toml"):
        shutil.copy(ROOT / file, source / file)
    set_presets(source, presets)
    return Project(source, FOLDER / "sam")


def set_presets(source: Path, presets: str) -> None:
    """Replace the presets of a copy, as a product manager edits them."""
    (source / "shared/codat_sync/presets/presets.toml").write_text(presets, encoding="utf-8")


@contextmanager
def deployed(folder: Path, presets: str = PRESETS) -> Iterator[System]:
    """Deploy a stack that keeps its files in this folder."""
    # As fast as the template allows, since the tests wait for it.
    parameters = {"ReconcileCallsPerMinute": "1000"}
    with local_stack(folder=folder, project=copied(presets), parameters=parameters) as stack:
        yield System(stack, Presets.parse(presets.encode()))
