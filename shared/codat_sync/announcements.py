"""The events that this stack puts on the bus: sync settings were applied, degraded, parked, or have drifted.

Best effort, by decision: an event's outcome is safe at Codat, in the record and in the DLQs before it is announced.
docs/events.md tells subscribers what to expect.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal, Self
from uuid import UUID

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import AfterValidator, BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from codat_sync.codat.differences import Difference
from codat_sync.companies.records import AppliedPreset
from codat_sync.consuming.deliveries import Settled
from codat_sync.observability import count_lost_announcements, logger
from codat_sync.outcomes.triage import Outcome
from codat_sync.reconciliation.findings import Drift

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_events.type_defs import PutEventsRequestEntryTypeDef

SOURCE: Final = "codat-sync"
"""The source of all announcements. No rule of this stack matches it, so an announcement never invokes a function."""

BATCH: Final = 10
LONGEST_DETAIL: Final = 25 * 1024
"""In bytes. Ten of them with their envelopes stay below 256 KB, the smallest limit that AWS ever had for a request, so
no batch has to be measured. https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevent-size.html"""
_LONGEST_TEXT: Final = 500


def _shortened(text: str) -> str:
    return text[:_LONGEST_TEXT]


_Text = Annotated[str, AfterValidator(_shortened)]


class _Contract(BaseModel):
    model_config = ConfigDict(
        frozen=True, alias_generator=to_camel, validate_by_name=True, use_attribute_docstrings=True
    )


class PresetInForce(_Contract):
    """The preset that was last put in force at Codat."""

    plan: _Text
    """The plan that it stands for."""
    fingerprint: _Text
    """Equal for equal settings, different for different ones."""

    @classmethod
    def of(cls, applied: AppliedPreset | None) -> Self | None:
        """Return the applied preset as announced; None where none was ever confirmed."""
        return None if applied is None else cls(plan=applied.plan, fingerprint=applied.fingerprint)


class SettingDifference(_Contract):
    """One change of a company's sync settings."""

    data_type: _Text | None
    """The data type that changed; null for the settings as a whole."""
    field: _Text
    """The field that changed, such as sync_schedule."""
    before: _Text
    """The value before, such as daily at 02:00; unset where there was none."""
    after: _Text
    """The value after, in the same form."""
    words: _Text
    """The whole change for people, such as invoices: daily → hourly."""

    @classmethod
    def of(cls, difference: Difference) -> Self:
        """Convert a difference into the form of the contract."""
        return cls(
            data_type=difference.data_type,
            field=difference.field,
            before=difference.before,
            after=difference.after,
            words=str(difference),
        )


class Announcement(_Contract):
    """The detail that all announcements share."""

    detail_type: ClassVar[str]

    company_id: UUID | None
    """Codat's id of the company."""
    plan: _Text | None
    """The plan that the company pays for: the newest one that an event named."""
    preset: PresetInForce | None
    """The preset that was last put in force at Codat, as far as known; null where none ever was."""
    caused_by: _Text | None
    """The id of the event that led to this; null where it had no readable id."""
    occurred_at: datetime
    """When it happened, in UTC."""

    def detail(self) -> str:
        """Return the detail as JSON, of no more than ``LONGEST_DETAIL`` bytes."""
        return self.model_dump_json(by_alias=True)


class _Changes(Announcement):
    company_id: UUID
    """Codat's id of the company."""
    plan: _Text
    """The plan that the company pays for: the newest one that an event named."""
    differences: tuple[SettingDifference, ...]
    """What changed at Codat."""
    differences_left_out: int = 0
    """How many more differences there are than fit into an event."""

    def detail(self) -> str:
        """Return the detail as JSON. Where that is too long, the last differences are left out and counted."""
        said = self
        while len((detail := said.model_dump_json(by_alias=True)).encode()) > LONGEST_DETAIL and said.differences:
            kept = len(said.differences) * 3 // 4
            left_out = len(self.differences) - kept
            said = said.model_copy(update={"differences": self.differences[:kept], "differences_left_out": left_out})
        return detail


class SyncSettingsApplied(_Changes):
    """Codat's settings for the company were changed, and are now those of its plan's preset."""

    detail_type: ClassVar[str] = "Company Sync Settings Applied"

    preset: PresetInForce
    """The preset that is in force at Codat now."""


class SyncSettingsDegraded(_Changes):
    """The Codat account has no hourly schedule: the fallback frequency is in force in the place of hourly."""

    detail_type: ClassVar[str] = "Company Sync Settings Degraded"

    preset: PresetInForce
    """The preset that is in force at Codat now, with the fallback frequency in the place of hourly."""
    degraded_to: _Text
    """The fallback frequency, until the Codat account has hourly."""
    words: _Text
    """Codat's own text."""


class SyncSettingsParked(Announcement):
    """An event could not be applied. It waits in a DLQ until Codat's bill is paid, or until a person handles it."""

    detail_type: ClassVar[str] = "Company Sync Settings Parked"

    company_id: UUID | None
    """Codat's id of the company; null where the event has no readable one."""
    plan: _Text | None
    """The plan that the company should have; null where it is not known."""
    reason: _Text
    """A stable slug, such as account_expired or malformed_event."""
    words: _Text
    """The refusing service's own text."""
    status: int | None
    """The HTTP status of Codat's answer; null where Codat did not refuse it."""
    correlation_id: _Text | None
    """Codat's own id of its answer, for its support desk."""
    dlq: Literal["payment_required", "failed"]
    """The DLQ in which the event waits."""


class SyncSettingsDrifted(_Changes):
    """A reconciliation run found that Codat's settings for the company have drifted from its preset."""

    detail_type: ClassVar[str] = "Company Sync Settings Drifted"

    differences: tuple[SettingDifference, ...]
    """From Codat's settings to those of the preset."""
    cause: Literal["changed_at_codat", "not_taken", "preset_changed", "not_applied"]
    """The settings were changed at Codat; Codat accepted a repair and does not show it; the plan's preset was changed;
    or the newest plan was never applied."""
    believed_since: datetime | None
    """When the preset was confirmed to be in force; null where it never was."""
    times_in_a_row: int
    """How many runs in a row, this one included, found the settings changed at Codat; 0 for another cause."""
    will_be_repaired: bool
    """Whether Codat is brought to the preset now; false where the run only reports, and for what Codat did not take."""


class Announcements:
    """The sender of announcements to the event bus."""

    def __init__(self, events: "EventBridgeClient", bus_name: str, now: Callable[[], datetime]) -> None:
        self._events = events
        self._bus_name = bus_name
        self._now = now

    def announce(self, settled: Sequence[Settled]) -> None:
        """Announce the events that changed a company's settings or were parked. Others are not announced."""
        at = self._now()
        self.say([said for each in settled if (said := _announcement(each, at)) is not None])

    def announce_drift(self, drifts: Sequence[Drift]) -> None:
        """Announce the companies that a reconciliation run found drifted."""
        at = self._now()
        self.say([_drifted(each, at) for each in drifts])

    def say(self, announcements: Sequence[Announcement]) -> None:
        """Put announcements on the bus, ten at a time. One that fails is logged and counted; nothing is raised."""
        for start in range(0, len(announcements), BATCH):
            batch = announcements[start : start + BATCH]
            try:
                answer = self._events.put_events(Entries=[self._entry(each) for each in batch])
            except (BotoCoreError, ClientError) as error:
                # The others would wait as long for the same error, and the function has no time for that.
                _lose(announcements[start:], type(error).__name__, str(error))
                return
            for announcement, entry in zip(batch, answer["Entries"], strict=False):
                if "ErrorCode" in entry:
                    _lose([announcement], entry["ErrorCode"], entry.get("ErrorMessage", ""))

    def _entry(self, announcement: Announcement) -> "PutEventsRequestEntryTypeDef":
        return {
            "EventBusName": self._bus_name,
            "Source": SOURCE,
            "DetailType": announcement.detail_type,
            "Time": announcement.occurred_at,
            "Detail": announcement.detail(),
        }


def _lose(announcements: Sequence[Announcement], reason: str, words: str) -> None:
    for each in announcements:
        about = {"correlation_id": each.caused_by, "company_id": str(each.company_id), "announcement": each.detail_type}
        logger().error("announcement_lost", extra=about | {"reason": reason, "words": words})
    count_lost_announcements(len(announcements))


def _announcement(settled: Settled, at: datetime) -> Announcement | None:
    """Return what to announce of an event, if anything. A stale one may have repaired Codat's settings."""
    company, failure = settled.company, settled.failure
    applied = company.applied if company else None
    about: dict[str, Any] = {
        "company_id": settled.company_id,
        "plan": company.desired.plan if company else settled.plan,
        "preset": PresetInForce.of(applied),
        "caused_by": settled.event_id,
        "occurred_at": at,
    }
    changes = about | {"differences": tuple(map(SettingDifference.of, settled.differences))}
    match settled.outcome:
        case Outcome.APPLIED | Outcome.STALE if settled.differences:
            return SyncSettingsApplied(**changes)
        case Outcome.DEGRADED if applied and failure:
            return SyncSettingsDegraded(**changes, degraded_to=applied.degraded_to, words=failure.words)
        case Outcome.PARKED_PAYMENT_REQUIRED | Outcome.PARKED_FAILED if failure:
            return SyncSettingsParked(
                **about,
                reason=failure.reason,
                words=failure.words,
                status=failure.status,
                correlation_id=failure.correlation_id,
                dlq="failed" if settled.outcome is Outcome.PARKED_FAILED else "payment_required",
            )
        case _:
            return None


def _drifted(drift: Drift, at: datetime) -> SyncSettingsDrifted:
    return SyncSettingsDrifted(
        company_id=drift.company_id,
        plan=drift.plan,
        preset=PresetInForce.of(drift.applied),
        caused_by=drift.run_id,
        occurred_at=at,
        differences=tuple(map(SettingDifference.of, drift.differences)),
        cause=drift.cause.value,
        believed_since=drift.believed_since,
        times_in_a_row=drift.times_in_a_row,
        will_be_repaired=drift.will_be_repaired,
    )
