"""One message of a batch: how it came, and how it ended."""

from dataclasses import dataclass
from datetime import UTC, datetime

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from codat_sync.codat.differences import Difference
from codat_sync.companies.desired import DesiredPlan
from codat_sync.companies.records import CompanyPlan
from codat_sync.events.company_events import CompanyEvent
from codat_sync.outcomes.dead_letters import ReceivedEvent
from codat_sync.outcomes.triage import Failure, Outcome


def receive_count(record: SQSRecord) -> int:
    """Return how often SQS has handed out the message, this time included."""
    return int(record.attributes.approximate_receive_count or 1)


def waited(record: SQSRecord, now: datetime) -> float:
    """Return the seconds since the message was sent. A redrive sends it anew, which renews its patience."""
    return max(0.0, now.timestamp() - int(record.attributes.sent_timestamp) / 1000)


def arrived_at(record: SQSRecord) -> datetime | None:
    """Return when SQS first got the event: as noted when it was parked, else when SQS got this message.

    What version 0.1.0 parked says only when that was, which is the nearest that is known.
    """
    attributes = record.get("messageAttributes") or {}
    for name in ("arrivedAt", "parkedAt"):
        try:
            noted = datetime.fromisoformat(attributes[name]["stringValue"])
        except (KeyError, TypeError, ValueError):  # Absent, or not of our making.
            continue
        if noted.tzinfo:
            return noted
    sent_at = (record.get("attributes") or {}).get("SentTimestamp")
    return datetime.fromtimestamp(int(sent_at) / 1000, UTC) if sent_at else None


@dataclass(frozen=True)
class Delivery:
    """One message, the event in it, and the plan that the event asks for.

    ``promoted``: to record it has made the plan of another event the desired one, whose message may be gone.
    """

    record: SQSRecord
    event: CompanyEvent
    desired: DesiredPlan
    promoted: bool = False

    @property
    def received(self) -> ReceivedEvent:
        """What replay and triage need to know of the message."""
        return ReceivedEvent(
            body=self.record.body,
            source_queue=self.record.event_source_arn,
            event_id=self.event.event_id,
            company_id=str(self.event.company_id),
            plan=self.desired.plan,
            arrived_at=arrived_at(self.record),
        )

    @property
    def is_repeated(self) -> bool:
        """Whether an earlier attempt may have done part of the work, or was cut off after it had reached Codat.

        A redelivered message always reads Codat's settings. That repairs a crash between the write to Codat and the
        confirmation. An event that is replayed from an archive reads them, too: a repair is what a replay is for.
        """
        is_brought_back = "parkedAt" in (self.record.get("messageAttributes") or {})
        return receive_count(self.record) > 1 or is_brought_back or self.event.replayed

    def is_current(self, company: CompanyPlan) -> bool:
        """Return whether no newer event has come in. A connection is never stale: its settings are to be checked."""
        is_newest = (self.desired.order, self.desired.plan) == (company.desired.order, company.desired.plan)
        return self.event.connected or is_newest

    def needs_convergence(self, company: CompanyPlan, *, in_force: bool) -> bool:
        """Return whether Codat's settings must be read, although the record says that the preset is in force."""
        if self.is_repeated or self.promoted:
            return True
        if self.event.connected:
            already_checked = company.applied is not None and company.applied.event_id == self.event.event_id
            return not (in_force and already_checked)
        return self.is_current(company) and not in_force


@dataclass(frozen=True)
class Settled:
    """One message and its outcome. A field is None where it could not be told.

    ``plan`` is the one that the event asks for, ``company`` the record as it was left. Of the events of one company in
    a batch, one carries what was done: the ``differences`` that were written to Codat, and the data types to refresh.
    """

    record: SQSRecord
    outcome: Outcome
    event_id: str | None = None
    company_id: str | None = None
    plan: str | None = None
    failure: Failure | None = None
    company: CompanyPlan | None = None
    differences: tuple[Difference, ...] = ()
    to_refresh: tuple[str, ...] = ()
