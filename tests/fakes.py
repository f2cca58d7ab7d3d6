"""Small real implementations of what convergence and the consumer stand on."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from botocore.exceptions import ClientError

from codat_sync.codat.client import ApiKey
from codat_sync.codat.errors import PaymentRequired, PaymentRequiredKind
from codat_sync.codat.models import Frequency, SyncSchedule, SyncSetting, SyncSettings
from codat_sync.companies.records import AppliedPreset, CompanyPage, CompanyPlan, DesiredPlan, NotedFailure
from codat_sync.consuming.consume import START_SECONDS
from codat_sync.consuming.deliveries import Settled
from codat_sync.deadline import Deadline
from codat_sync.outcomes.dead_letters import ReceivedEvent
from codat_sync.outcomes.triage import Failure, Outcome

NOW = datetime(2026, 2, 1, 12, 0, tzinfo=UTC)
COMPANY = UUID("8a210b68-6988-4001-a1eb-0242ac120001")
OTHER_COMPANY = UUID("8a210b68-6988-4002-a1eb-0242ac120002")


def deadline(seconds: float | Callable[[], float] = 900.0) -> Deadline:
    """A deadline that allows calls to Codat as long as the functions' own does."""
    return Deadline(seconds if callable(seconds) else lambda: seconds, seconds_for_a_call=START_SECONDS)


def fixed_key(key: str) -> ApiKey:
    """A key that is never looked up afresh."""

    def answer(*, rejected: str | None = None) -> str:
        return rejected or key

    return answer


def setting(data_type: str, frequency: Frequency = Frequency.MONTHLY, **more: Any) -> SyncSetting:  # noqa: ANN401
    """A setting as Codat shows it in the hours dialect."""
    schedule = SyncSchedule(interval_hours=frequency)
    return SyncSetting(data_type=data_type, fetch_on_first_link=True, sync_schedule=schedule, **more)


def settings(*listed: SyncSetting) -> SyncSettings:
    """A company's settings, which override the account's."""
    return SyncSettings(settings=listed, overrides_defaults=True)


def hourly_types(shown: SyncSettings) -> set[str]:
    """The data types that are pulled every hour."""
    return {
        each.data_type
        for each in shown.settings
        if isinstance(each.sync_schedule, SyncSchedule) and each.sync_schedule.interval_hours is Frequency.HOURLY
    }


@dataclass
class FakeCodat:
    """Codat with a memory. ``failures`` are raised by the next calls, one each; None lets a call pass."""

    companies: dict[UUID, SyncSettings] = field(default_factory=dict)
    defaults: SyncSettings = field(default_factory=SyncSettings)
    has_hourly: bool = True
    failures: list[Exception | None] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    before_write: Callable[[], None] = lambda: None

    def get_sync_settings(self, company_id: UUID) -> SyncSettings:
        self._answer("get")
        return self.companies.setdefault(company_id, settings(setting("invoices"), setting("company")))

    def get_account_sync_settings(self) -> SyncSettings:
        self._answer("get account")
        return self.defaults

    def update_sync_settings(self, company_id: UUID, settings: SyncSettings) -> None:
        self.before_write()
        self._answer("update")
        if not self.has_hourly and hourly_types(settings):
            raise PaymentRequired("Sync schedule not allowed", kind=PaymentRequiredKind.HOURLY_NOT_ALLOWED)
        self.companies[company_id] = settings

    def queue_refresh(self, company_id: UUID, data_type: str) -> bool:
        self._answer(f"refresh {data_type}")
        return company_id in self.companies

    def frequency(self, company_id: UUID, data_type: str) -> Frequency:
        """What is in force for one data type."""
        (shown,) = (each for each in self.companies[company_id].settings if each.data_type == data_type)
        assert isinstance(shown.sync_schedule, SyncSchedule)
        return shown.sync_schedule.interval_hours

    def _answer(self, call: str) -> None:
        self.calls.append(call)
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None:
            raise failure


@dataclass
class FakePlans:
    """The table, with its conditions. ``failures`` are raised by the next calls, one each; None lets a call pass."""

    items: dict[UUID, CompanyPlan] = field(default_factory=dict)
    failures: list[Exception | None] = field(default_factory=list)
    noted: dict[UUID, tuple[str, str]] = field(default_factory=dict)
    writes: int = 0

    def record(self, company_id: UUID, desired: DesiredPlan, *, at: datetime) -> CompanyPlan:
        assert at.tzinfo
        self._answer()
        stored = self.items.get(company_id)
        if stored is None:
            self.items[company_id] = CompanyPlan(company_id, desired, at)
        elif stored.desired.order < desired.order:
            self.items[company_id] = replace(stored, desired=desired, desired_at=at)
        return self.items[company_id]

    def confirm(self, company_id: UUID, desired: DesiredPlan, applied: AppliedPreset, *, at: datetime) -> CompanyPlan:
        assert at.tzinfo
        self._answer()
        if self.items[company_id].desired.order == desired.order:
            self.items[company_id] = replace(self.items[company_id], applied=applied, applied_at=at)
        return self.items[company_id]

    def get(self, company_id: UUID) -> CompanyPlan | None:
        return self.items.get(company_id)

    def note_failure(self, company_id: UUID, event_id: str, failure: str, *, at: datetime) -> None:
        assert at.tzinfo
        self._answer()
        if company_id in self.items:
            self.noted[company_id] = (event_id, failure)
            reason, _, words = failure.partition(": ")
            noted = NotedFailure(reason, words, event_id, at)
            self.items[company_id] = replace(self.items[company_id], last_failure=noted)

    def page(self, after: str | None, limit: int) -> CompanyPage:
        """In the order of the ids."""
        rest = sorted(str(each) for each in self.items if str(each) > (after or ""))
        companies = tuple(self.items[UUID(each)] for each in rest[:limit])
        return CompanyPage(companies, rest[limit - 1] if len(rest) > limit else None)

    def note_drift(self, company_id: UUID, times: int, *, at: datetime) -> None:
        self.writes += 1
        self.items[company_id] = replace(self.items[company_id], times_drifted=times, drifted_at=at)

    def note_in_step(self, company_id: UUID) -> None:
        self.writes += 1
        self.items[company_id] = replace(self.items[company_id], times_drifted=0)

    def _answer(self) -> None:
        self.writes += 1
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None:
            raise failure


@dataclass
class FakeDeadLetters:
    """DLQs that one can look into."""

    parked: list[tuple[ReceivedEvent, Outcome, Failure]] = field(default_factory=list)
    failure: Exception | None = None

    def park(self, event: ReceivedEvent, outcome: Outcome, failure: Failure) -> None:
        if self.failure is not None:
            raise self.failure
        self.parked.append((event, outcome, failure))


@dataclass
class FakeQueue:
    """A source queue that remembers how long each message was hidden for."""

    waits: dict[str, int] = field(default_factory=dict)
    failure: Exception | None = None

    def defer(self, seconds_by_receipt_handle: Mapping[str, int]) -> None:
        if self.failure is not None:
            raise self.failure
        self.waits.update(seconds_by_receipt_handle)


@dataclass
class FakeMessage:
    """A message on a queue. ``handle`` is the receipt of whoever holds it."""

    message_id: str
    body: str
    attributes: Mapping[str, Any]
    sent_at: datetime
    handle: str | None = None


@dataclass
class FakeSqs:
    """Queues that one can look into, by name. ``before`` and ``after`` see each call's name, and may raise."""

    queues: dict[str, list[FakeMessage]]
    now: Callable[[], datetime] = lambda: NOW
    before: Callable[[str], None] = lambda _: None
    after: Callable[[str], None] = lambda _: None
    calls: list[str] = field(default_factory=list)
    exceptions: Any = field(default_factory=lambda: SimpleNamespace(OverLimit=type("OverLimit", (ClientError,), {})))
    sent: int = 0

    def bodies(self, name: str) -> list[str]:
        """What lies on a queue, held by somebody or not."""
        return sorted(each.body for each in self.queues[name])

    def send_message(self, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401
        return self._call("send_message", lambda: self._send(arguments["QueueUrl"], arguments))

    def send_message_batch(self, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401
        def send() -> None:
            for entry in arguments["Entries"]:
                self._send(arguments["QueueUrl"], entry)

        return self._call("send_message_batch", send)

    def receive_message(self, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401
        free = [each for each in self.queues[arguments["QueueUrl"]] if each.handle is None]
        shown = free[: arguments["MaxNumberOfMessages"]]

        def hold() -> None:
            for each in shown:
                each.handle = f"handle of {each.message_id}"

        self._call("receive_message", hold)
        return {
            "Messages": [
                {
                    "MessageId": each.message_id,
                    "ReceiptHandle": each.handle,
                    "Body": each.body,
                    "Attributes": {"SentTimestamp": str(int(each.sent_at.timestamp() * 1000))},
                    "MessageAttributes": each.attributes,
                }
                for each in shown
            ]
        }

    def delete_message_batch(self, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401
        handles = {entry["ReceiptHandle"] for entry in arguments["Entries"]}
        queue = self.queues[arguments["QueueUrl"]]

        def delete() -> None:
            queue[:] = [each for each in queue if each.handle not in handles]

        return self._call("delete_message_batch", delete)

    def change_message_visibility_batch(self, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401
        handles = {entry["ReceiptHandle"] for entry in arguments["Entries"]}

        def release() -> None:
            for each in self.queues[arguments["QueueUrl"]]:
                each.handle = None if each.handle in handles else each.handle

        return self._call("change_message_visibility_batch", release)

    def get_queue_url(self, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401
        if arguments["QueueName"] not in self.queues:
            raise ClientError({"Error": {"Code": "NonExistentQueue", "Message": "no"}}, "GetQueueUrl")
        return {"QueueUrl": arguments["QueueName"]}

    def get_queue_attributes(self, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401
        held = sum(each.handle is not None for each in self.queues[arguments["QueueUrl"]])
        return {"Attributes": {"ApproximateNumberOfMessagesNotVisible": str(held)}}

    def _send(self, name: str, entry: Mapping[str, Any]) -> None:
        self.sent += 1
        attributes = entry.get("MessageAttributes", {})
        self.queues[name].append(FakeMessage(f"m{self.sent}", entry["MessageBody"], attributes, self.now()))

    def _call(self, name: str, effect: Callable[[], None]) -> dict[str, Any]:
        self.calls.append(name)
        self.before(name)
        effect()
        self.after(name)
        return {}


@dataclass
class FakeAnnouncer:
    """Somebody who remembers how events ended. ``meanwhile`` is what happens while it is told."""

    told: list[Settled] = field(default_factory=list)
    meanwhile: Callable[[], None] = lambda: None

    def announce(self, settled: Sequence[Settled]) -> None:
        self.meanwhile()
        self.told += settled


class FakeContext:
    """A context whose remaining time is a list of answers, the last of which stands for ever."""

    def __init__(self, *remaining_seconds: float) -> None:
        self._answers = list(remaining_seconds) or [60.0]

    def get_remaining_time_in_millis(self) -> int:
        return int(1000 * (self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]))


def sqs_event(*bodies: str, receive_count: int = 1, attributes: Iterable[str] = ()) -> dict[str, Any]:
    """What Lambda hands to a function for a batch of messages; their ids are m0, m1, …"""
    return {
        "Records": [
            {
                "messageId": f"m{number}",
                "receiptHandle": f"handle-{number}",
                "body": body,
                "attributes": {"ApproximateReceiveCount": str(receive_count), "SentTimestamp": "1769947200000"},
                "messageAttributes": {name: {"dataType": "String", "stringValue": "x"} for name in attributes},
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:eu-west-2:123456789012:source",
                "awsRegion": "eu-west-2",
            }
            for number, body in enumerate(bodies)
        ]
    }
