"""Parts of the code under test that tell the model what they are doing."""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from botocore.exceptions import BotoCoreError, ClientError

from codat_sync.companies.desired import DesiredPlan
from codat_sync.companies.records import CompanyPlan, CompanyPlans
from codat_sync.consuming.deliveries import Settled
from codat_sync.consuming.settle import Settlement
from codat_sync.errors import SyncError
from codat_sync.outcomes.dead_letters import DeadLetters, ReceivedEvent
from codat_sync.outcomes.triage import Failure, Outcome
from tests.model.process import InvariantViolated, Process

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

KNOWN_ERRORS: Final = (SyncError, ClientError, BotoCoreError)


class WatchedPlans(CompanyPlans):
    """The table of all companies, which notes each message as it is recorded."""

    def __init__(self, dynamodb: "DynamoDBClient", table_name: str, process: Process) -> None:
        super().__init__(dynamodb, table_name)
        self._process = process

    def record(self, company_id: UUID, desired: DesiredPlan, *, at: datetime) -> CompanyPlan:
        """Record the plan. Of several messages of one event, the consumer records the first one first."""
        attempt = self._process.attempt
        assert attempt is not None
        attempt.recording = next(each for each in attempt.to_record if each.event_id == desired.event_id)
        attempt.to_record.remove(attempt.recording)
        company = super().record(company_id, desired, at=at)
        # Also where nothing was written: then the table has a newer event.
        self._process.note_recorded(company_id)
        return company


class WatchedSettlement(Settlement):
    """The settlement of messages, which notes each outcome as it is decided."""

    def __init__(self, dead_letters: DeadLetters, process: Process, now: Callable[[], datetime]) -> None:
        super().__init__(dead_letters, process.world.patience, now)
        self._process = process

    def settle(
        self,
        record: SQSRecord,
        received: ReceivedEvent,
        outcome: Outcome,
        failure: Failure | None = None,
        **more: object,
    ) -> Settled:
        attempt = self._process.attempt
        assert attempt is not None
        attempt.settling = next(message for message, _ in attempt.batch if message.id == record.message_id)
        settled = super().settle(record, received, outcome, failure, **more)
        attempt.outcomes.setdefault(record.message_id, []).append(settled.outcome)
        for each in self._process.world.rules:
            each.settled(attempt.settling, settled.outcome, failure)
        return settled

    def settle_failure(self, record: SQSRecord, received: ReceivedEvent, error: Exception) -> Settled:
        if not isinstance(error, KNOWN_ERRORS):
            raise InvariantViolated(f"{error!r} is unexpected") from error
        return super().settle_failure(record, received, error)
