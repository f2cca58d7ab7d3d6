"""The state that a storm left behind, read from the queues, the table and Codat alone."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from codat_sync.codat.models import SyncSettings
from codat_sync.deadline import Deadline
from codat_sync.outcomes.parked_events import DeadLetterQueue, ParkedEvent
from local.chaos.storm import key_of

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

READING_SECONDS: Final = 900.0
"""More time than reading or emptying a DLQ takes."""


@dataclass(frozen=True)
class ParkedMessage:
    """A message in a DLQ."""

    dlq: str
    """The output of template.yaml that names the DLQ."""
    body: str
    reason: str

    @property
    def key(self) -> str:
        """The key of its event."""
        return key_of(self.body)


@dataclass(frozen=True)
class CompanyState:
    """A company's record, and its settings at Codat."""

    desired: str | None
    """The recorded desired plan; None without a record."""
    settings: SyncSettings
    writes: int
    """How many writes Codat accepted."""


@dataclass(frozen=True)
class Observations:
    """The state of everything once no message moved any more."""

    waiting: int
    """Messages on the source queues."""
    undelivered: int
    """Messages in EventBridge's own DLQ."""
    parked: Sequence[ParkedMessage]
    companies: Mapping[UUID, CompanyState]
    """Every company that is at Codat."""
    unknown_records: int
    """Items of the table about other companies."""


def company_states(
    dynamodb: "DynamoDBClient", table: str, at_codat: Iterable[Mapping[str, Any]]
) -> dict[UUID, CompanyState]:
    """Return every company of the simulator's state, with its record."""
    desired = desired_plans(dynamodb, table)
    return {
        (company := UUID(shown["id"])): CompanyState(
            desired=desired.get(company),
            settings=SyncSettings.model_validate(
                {"settings": shown["settings"], "overridesDefaults": shown["overridesDefaults"]}
            ),
            writes=shown["writeCount"],
        )
        for shown in at_codat
    }


def desired_plans(dynamodb: "DynamoDBClient", table: str) -> dict[UUID, str]:
    """Return the desired plan of every company with a record."""
    pages = dynamodb.get_paginator("scan").paginate(TableName=table)
    return {
        UUID(item["companyId"]["S"]): item["desiredPlan"]["S"]
        for page in pages
        for item in page["Items"]
        if "desiredPlan" in item  # The pause is in the same table.
    }


def dead_letter_queue(sqs: "SQSClient", url: str) -> DeadLetterQueue:
    """Return one of the stack's DLQs, to read or to empty."""
    return DeadLetterQueue(sqs, url, lambda: datetime.now(UTC))


def parked_messages(sqs: "SQSClient", outputs: Mapping[str, str], dlqs: Iterable[str]) -> list[ParkedMessage]:
    """Return every message in the DLQs."""
    return [
        ParkedMessage(dlq, event.body, reason_of(event))
        for dlq in dlqs
        for batch in dead_letter_queue(sqs, outputs[dlq]).read(Deadline(lambda: READING_SECONDS))
        for event in batch
    ]


def reason_of(event: ParkedEvent) -> str:
    """Return the reason of a parked event. A message that SQS itself moved to the DLQ has none."""
    return event.reason or "moved by SQS"
