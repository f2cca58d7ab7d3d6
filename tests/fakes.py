"""Small real implementations of what convergence and the consumer stand on."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from codat_sync.codat.client import ApiKey
from codat_sync.codat.errors import PaymentRequired, PaymentRequiredKind
from codat_sync.codat.models import Frequency, SyncSchedule, SyncSetting, SyncSettings
from codat_sync.company_plans import AppliedPreset, CompanyPlan, DesiredPlan
from codat_sync.dead_letters import ReceivedEvent
from codat_sync.triage import Failure, Outcome

NOW = datetime(2026, 2, 1, 12, 0, tzinfo=UTC)
COMPANY = UUID("8a210b68-6988-4001-a1eb-0242ac120001")
OTHER_COMPANY = UUID("8a210b68-6988-4002-a1eb-0242ac120002")


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
            self.items[company_id] = CompanyPlan(company_id, desired)
        elif stored.desired.order < desired.order:
            self.items[company_id] = replace(stored, desired=desired)
        return self.items[company_id]

    def confirm(self, company_id: UUID, desired: DesiredPlan, applied: AppliedPreset, *, at: datetime) -> CompanyPlan:
        assert at.tzinfo
        self._answer()
        if self.items[company_id].desired.order == desired.order:
            self.items[company_id] = replace(self.items[company_id], applied=applied)
        return self.items[company_id]

    def note_failure(self, company_id: UUID, event_id: str, failure: str, *, at: datetime) -> None:
        assert at.tzinfo
        self._answer()
        if company_id in self.items:
            self.noted[company_id] = (event_id, failure)

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
