"""What this stack says on the event bus of its own accord: settings were applied, degraded or parked, or had drifted.

Best effort, by decision: what an event did is safe at Codat, in the record and in the DLQs before a word is said of it.
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
from codat_sync.consuming.consume import Settled
from codat_sync.observability import count_lost_announcements, logger
from codat_sync.outcomes.triage import Outcome
from codat_sync.reconciliation.findings import Drift

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_events.type_defs import PutEventsRequestEntryTypeDef

SOURCE: Final = "codat-sync"
"""Of all that is said here. No rule of this stack matches it, so that nothing we say can call us again."""

CONNECT_SECONDS: Final = 2
READ_SECONDS: Final = 3
ATTEMPTS: Final = 2
BACKOFF_SECONDS: Final = 1
SLOWEST_SECONDS: Final = ATTEMPTS * (CONNECT_SECONDS + READ_SECONDS) + (ATTEMPTS - 1) * BACKOFF_SECONDS
"""One request at its slowest. The consumer keeps that much time for it."""

BATCH: Final = 10
LONGEST_DETAIL: Final = 25 * 1024
"""In bytes. Ten of them with their envelopes stay below 256 KB, the least that AWS has ever allowed a request, so that
no batch has to be weighed. https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevent-size.html"""
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
    """The same for the same settings, another for others."""

    @classmethod
    def of(cls, applied: AppliedPreset | None) -> Self | None:
        """None where none was ever confirmed."""
        return None if applied is None else cls(plan=applied.plan, fingerprint=applied.fingerprint)


class SettingDifference(_Contract):
    """One change of a company's sync settings."""

    data_type: _Text | None
    """The data type that it concerns; null: the settings as a whole."""
    field: _Text
    """What of it, such as sync_schedule."""
    before: _Text
    """In words, such as daily at 02:00; unset where there was nothing."""
    after: _Text
    """In words, too."""
    words: _Text
    """All of it for people, such as invoices: daily → hourly."""

    @classmethod
    def of(cls, difference: Difference) -> Self:
        """The same in the terms of the contract."""
        return cls(
            data_type=difference.data_type,
            field=difference.field,
            before=difference.before,
            after=difference.after,
            words=str(difference),
        )


class Announcement(_Contract):
    """What every one of our events says in its detail."""

    detail_type: ClassVar[str]

    company_id: UUID | None
    """Codat's id of the company."""
    plan: _Text | None
    """The plan that the company pays for: the newest that an event named."""
    preset: PresetInForce | None
    """What was last put in force at Codat, as far as is known; null where nothing ever was."""
    caused_by: _Text | None
    """The id of the event that led to this; null where it had none that could be read."""
    occurred_at: datetime
    """When, in UTC."""

    def detail(self) -> str:
        """As JSON, of no more than ``LONGEST_DETAIL`` bytes."""
        return self.model_dump_json(by_alias=True)


class _Changes(Announcement):
    company_id: UUID
    """Codat's id of the company."""
    plan: _Text
    """The plan that the company pays for: the newest that an event named."""
    differences: tuple[SettingDifference, ...]
    """What changed at Codat."""
    differences_left_out: int = 0
    """How many more there are, that have no place in an event."""

    def detail(self) -> str:
        """As JSON. Where that is too long the last of the differences are left out, and counted."""
        said = self
        while len((detail := said.model_dump_json(by_alias=True)).encode()) > LONGEST_DETAIL and said.differences:
            kept = len(said.differences) * 3 // 4
            left_out = len(self.differences) - kept
            said = said.model_copy(update={"differences": self.differences[:kept], "differences_left_out": left_out})
        return detail


class SyncSettingsApplied(_Changes):
    """Codat's settings for the company were changed, and are at its plan's preset now."""

    detail_type: ClassVar[str] = "Company Sync Settings Applied"

    preset: PresetInForce
    """What is in force at Codat now."""


class SyncSettingsDegraded(_Changes):
    """The Codat account has no hourly schedule: the company's settings are at what is left of its preset without it."""

    detail_type: ClassVar[str] = "Company Sync Settings Degraded"

    preset: PresetInForce
    """What is in force at Codat now: the preset with another frequency in the place of hourly."""
    degraded_to: _Text
    """The frequency that stands in for hourly until Codat's bill is paid."""
    words: _Text
    """What Codat said."""


class SyncSettingsParked(Announcement):
    """An event could not be put in force. It waits in a DLQ for somebody to pay Codat's bill, or to look at it."""

    detail_type: ClassVar[str] = "Company Sync Settings Parked"

    company_id: UUID | None
    """Codat's id of the company; null where the event names none that could be read."""
    plan: _Text | None
    """The plan that the company should be at; null where nobody can say."""
    reason: _Text
    """A stable slug, such as account_expired or malformed_event."""
    words: _Text
    """What whoever refused it said."""
    status: int | None
    """The status of Codat's answer; null where it was not Codat that refused."""
    correlation_id: _Text | None
    """Codat's own id of its answer, for its support desk."""
    dlq: Literal["payment_required", "failed"]
    """Where the event waits: for Codat's bill, or for somebody to look at it."""


class SyncSettingsDrifted(_Changes):
    """A reconciliation found Codat's settings for the company elsewhere than they should be."""

    detail_type: ClassVar[str] = "Company Sync Settings Drifted"

    differences: tuple[SettingDifference, ...]
    """From what is at Codat to what should be."""
    cause: Literal["changed_at_codat", "preset_changed", "not_applied"]
    """Somebody changed them at Codat; the plan's preset was changed here; or the newest plan never got there."""
    believed_since: datetime | None
    """Since when we believed the preset to be in force; null where we never did."""
    times_in_a_row: int
    """How many reconciliations in a row have found them changed at Codat, this one among them; 0 for another cause."""
    will_be_repaired: bool
    """Whether Codat is now brought to the preset; false where somebody asked for a report alone."""


class Announcements:
    """Our voice on the event bus."""

    def __init__(self, events: "EventBridgeClient", bus_name: str, now: Callable[[], datetime]) -> None:
        """``events`` gives up as early as ``SLOWEST_SECONDS`` says."""
        self._events = events
        self._bus_name = bus_name
        self._now = now

    def announce(self, settled: Sequence[Settled]) -> None:
        """Say which events changed a company's settings, and which were parked. All others are passed over."""
        at = self._now()
        self.say([said for each in settled if (said := _announcement(each, at)) is not None])

    def announce_drift(self, drifts: Sequence[Drift]) -> None:
        """Say which companies a reconciliation found elsewhere than they should be."""
        at = self._now()
        self.say([_drifted(each, at) for each in drifts])

    def say(self, announcements: Sequence[Announcement]) -> None:
        """Put these on the bus, ten at a time. What does not get there is logged and counted, and nothing is raised."""
        for start in range(0, len(announcements), BATCH):
            batch = announcements[start : start + BATCH]
            try:
                answer = self._events.put_events(Entries=[self._entry(each) for each in batch])
            except (BotoCoreError, ClientError) as error:
                # The others would have to wait as long for the same answer, and the function has no time for that.
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
    """What there is to say of an event, if anything. A stale one may have repaired what it found at Codat."""
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
