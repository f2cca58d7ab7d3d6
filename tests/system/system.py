"""A deployed stack, and what can be done and seen at its ends: the bus, Codat, the queues, the table."""

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
from codat_sync.outcomes.parked_events import DeadLetterQueue
from codat_sync.presets.file import Presets
from codat_sync.reconciliation.runs import ReconciliationRuns, Run
from local.aws.processes import StackError
from local.aws.sam import Project
from local.aws.stack import LocalStack, local_stack
from local.chaos.faults import Simulator
from ops.bus import Bus
from ops.stack import Stack

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = ROOT / ".local/system"
"""Where the copy of the project is, and what sam makes of it: there it finds what it has downloaded before."""

PACKAGED: Final = (ROOT / "shared/codat_sync/presets/presets.toml").read_text("utf-8")
PRESETS: Final = f"""{PACKAGED}
[plans.enterprise]
frequency = "hourly"
"""
"""With one plan more, that has no fallback where Codat's account has no hourly schedule."""

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
    """In UTC."""
    return datetime.now(UTC)


class System:
    """One deployed stack."""

    def __init__(self, stack: LocalStack, presets: Presets) -> None:
        self.stack = stack
        self.presets = presets
        self.on_call = Stack.local(stack.endpoints)
        self.simulator = Simulator(stack.codat.base_url)
        self._bus = Bus(self.on_call.events, self.on_call.output("EventBusName"))
        self._runs = ReconciliationRuns(self.on_call.dynamodb, self.on_call.output("CompanyPlansTableName"))

    def put(self, detail_type: str, **detail: object) -> str:
        """Put an event on the bus, as a producer does; its id."""
        (event_id,) = self.put_all([(detail_type, detail)])
        return event_id

    def put_all(self, events: Sequence[tuple[str, Mapping[str, object]]]) -> list[str]:
        """Several at once, each a detail-type and a detail; their ids."""
        return self._bus.put(
            [
                {"Source": "tests", "DetailType": detail_type, "Detail": json.dumps(detail)}
                for detail_type, detail in events
            ]
        )

    def change_plan(self, company: UUID, plan: str) -> str:
        """Billing says that the company is on this plan now; the event's id."""
        return self.put("Company Changed Plan", companyId=str(company), plan=plan, occurredAt=now().isoformat())

    def connect(self, company: UUID, plan: str) -> str:
        """Onboarding says that the company has connected its accounting software, and is on this plan."""
        return self.put(
            "New Connection",
            companyId=str(company),
            connectionId=str(uuid4()),
            plan=plan,
            occurredAt=now().isoformat(),
        )

    def create_companies(self, count: int) -> list[UUID]:
        """At Codat, without settings of their own. The stack does not know them yet."""
        ids = [uuid4() for _ in range(count)]
        self.simulator.post("companies", {"companies": [{"id": str(each)} for each in ids]})
        return ids

    def create_known_companies(self, count: int, plan: str) -> list[UUID]:
        """At Codat, at the preset of a plan, and known to the stack."""
        companies = self.create_companies(count)
        for company in companies:
            self.change_plan(company, plan)
        self.wait_until(lambda: all(self.is_applied(company, plan) for company in companies))
        return companies

    def is_applied(self, company: UUID, plan: str) -> bool:
        """Whether the record says that the plan is in force."""
        record = self.on_call.plans.get(company)
        return record is not None and record.applied is not None and record.applied.plan == plan

    def at_codat(self, company: UUID) -> SyncSettings:
        """What applies to the company there, whatever Codat's account or a fault would answer."""
        shown = self.simulator.get(f"companies/{company}")
        return SyncSettings.model_validate(
            {"settings": shown["effectiveSettings"], "overridesDefaults": shown["overridesDefaults"]}
        )

    def at_preset(self, company: UUID, plan: str, presets: Presets | None = None) -> bool:
        """Whether writing the plan's preset would change nothing at Codat."""
        shown = self.at_codat(company)
        preset = (presets or self.presets).for_company(plan, company)
        return not differences(shown, preset.over(shown))

    def account(self, **flags: bool) -> None:
        """As Codat's billing does: free, expired."""
        self.simulator.post("account", flags)

    def forget_calls(self) -> None:
        """Count Codat's calls anew."""
        self.simulator.delete("calls")

    def writes(self) -> list[int]:
        """How Codat answered each POST of sync settings since then."""
        calls = self.simulator.get("calls?method=POST")["calls"]
        return [call["status"] for call in calls if call["path"].endswith("/syncSettings")]

    def lying_in(self, dlq: str) -> dict[str, tuple[str, Mapping[str, Any]]]:
        """Body and attributes of each message, by its id; all of them can be seen again afterwards."""
        queue = DeadLetterQueue(self.on_call.sqs, self.on_call.output(dlq), now)
        parked = [event for batch in queue.read(lambda: LOOK_SECONDS) for event in batch]
        return {event.message_id: (event.body, event.attributes) for event in parked}

    def count(self, *queues: str) -> int:
        """How many messages are on these queues, at hand, held by a function or hidden."""
        depth = 0
        for output in queues:
            answer = self.on_call.sqs.get_queue_attributes(
                QueueUrl=self.on_call.output(output),
                AttributeNames=[
                    "ApproximateNumberOfMessages",
                    "ApproximateNumberOfMessagesDelayed",
                    "ApproximateNumberOfMessagesNotVisible",
                ],
            )
            depth += sum(map(int, answer["Attributes"].values()))
        return depth

    def newest_run(self) -> Run | None:
        """The newest reconciliation of all companies."""
        return self._runs.newest()

    def has_said(self, message: str, event_id: str) -> bool:
        """Whether a duty has said this of the request of that id."""
        return any(line.get("request_id") == event_id for line in self.stack.function_logs.said(message))

    def wait_until(self, done: Callable[[], bool]) -> None:
        """Poll until `done()`; raise StackError if a part ends or the deadline passes."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not done():
            self.stack.check_running()
            if time.monotonic() > deadline:
                raise StackError(f"not done after {DEADLINE_SECONDS:.0f} s: see {self.stack.logs}/functions.log")
            time.sleep(POLL_SECONDS)


def copied(presets: str) -> Project:
    """The project, but with these presets."""
    source = FOLDER / "project"
    shutil.rmtree(source, ignore_errors=True)
    for folder in ("functions", "shared"):
        shutil.copytree(ROOT / folder, source / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("template.yaml", "samconfig.toml"):
        shutil.copy(ROOT / file, source / file)
    set_presets(source, presets)
    return Project(source, FOLDER / "sam")


def set_presets(source: Path, presets: str) -> None:
    """As a product manager edits them."""
    (source / "shared/codat_sync/presets/presets.toml").write_text(presets, encoding="utf-8")


@contextmanager
def deployed(folder: Path, presets: str = PRESETS) -> Iterator[System]:
    """A stack of its own, that keeps its files in this folder."""
    # As fast as the template allows: these tests wait for it.
    parameters = {"ReconcileCallsPerMinute": "1000"}
    with local_stack(folder=folder, project=copied(presets), parameters=parameters) as stack:
        yield System(stack, Presets.parse(presets.encode()))
