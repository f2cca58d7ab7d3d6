"""One process of the model: the code under test, each of whose calls waits for its fate."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, Final, cast
from uuid import UUID

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from botocore.exceptions import BotoCoreError, ClientError

from codat_sync.codat.errors import CodatError, PaymentRequired, PaymentRequiredKind, RateLimited
from codat_sync.companies.converge import Convergence
from codat_sync.companies.desired import DesiredPlan
from codat_sync.companies.pause import CACHE, PausingCodat, StoredPause
from codat_sync.companies.records import CompanyPlan, CompanyPlans
from codat_sync.consuming.consume import Consumer, ConsumerSettings, ReadEvent
from codat_sync.consuming.deliveries import Settled
from codat_sync.consuming.settle import Settlement
from codat_sync.errors import SyncError
from codat_sync.events.company_events import read_connection_event, read_plan_event
from codat_sync.outcomes.dead_letters import DeadLetters, ReceivedEvent
from codat_sync.outcomes.deferral import SourceQueue
from codat_sync.outcomes.triage import Failure, Outcome
from tests.model.aws import MAX_RECEIVE_COUNT, Message
from tests.model.codat import ModelCodat
from tests.model.gate import Effect, Gate, Gated

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

    from tests.model.world import World


BILLING: Final = "company-plan-changed"
ONBOARDING: Final = "new-connection"
READ: Final[dict[str, ReadEvent]] = {
    BILLING: read_plan_event,
    ONBOARDING: partial(read_connection_event, plan_tag="plan"),
}
PAYMENT_REQUIRED: Final = "payment-required"
FAILED: Final = "failed-events"
FUNCTION_TIMEOUT: Final = timedelta(seconds=60)
FIRST_DEFERRAL_SECONDS: Final = 60
LATENESS: Final = timedelta(seconds=5)
"""How long after its caller gave up a request may still take effect at Codat: no longer than the shortest deferral."""
WRITE: Final = "update_sync_settings"
CODAT_CALLS: Final = ("get_sync_settings", "get_account_sync_settings", WRITE, "queue_refresh")
GIVEN_UP: Final = frozenset({Outcome.PARKED_PAYMENT_REQUIRED, Outcome.PARKED_FAILED, "moved_by_sqs"})
KNOWN_ERRORS: Final = (SyncError, ClientError, BotoCoreError)


class BrokenPromise(AssertionError):
    """What this whole model is there to find."""


@dataclass(frozen=True)
class LateWrite:
    """A request that is still under way to Codat, though nobody waits for its answer any more."""

    company: UUID
    land: Callable[[], None]
    at_the_latest: datetime


@dataclass
class Attempt:
    """One batch in the hands of one process."""

    batch: list[tuple[Message, str]]
    deadline: datetime
    outcomes: dict[str, list[Outcome]] = field(default_factory=dict)
    parked: list[Message] = field(default_factory=list)
    to_record: list[Message] = field(default_factory=list)
    recording: Message | None = None
    settling: Message | None = None


class Process(Gate):
    """A Lambda execution environment: it lives from its first batch until it crashes, or until a deploy."""

    def __init__(self, world: "World", name: str, queue: str) -> None:
        super().__init__(name)
        self.queue = queue
        self.presets = world.presets
        self.attempt: Attempt | None = None
        self._world = world
        self._may_probe = False
        self._lease: datetime | None = None
        self._owes_pause = False
        dynamodb = cast("DynamoDBClient", Gated(world.table, self._call))
        sqs = cast("SQSClient", Gated(world.queues, self._call))
        codat = cast("ModelCodat", Gated(world.codat, self._call))
        self._consumer = Consumer(
            READ[queue],
            Convergence(
                PausingCodat(codat, StoredPause(dynamodb, "table"), world.now),
                WatchedPlans(dynamodb, "table", self),
                world.presets,
                world.now,
            ),
            WatchedSettlement(
                DeadLetters(
                    sqs,
                    {
                        Outcome.DEGRADED: PAYMENT_REQUIRED,
                        Outcome.PARKED_PAYMENT_REQUIRED: PAYMENT_REQUIRED,
                        Outcome.PARKED_FAILED: FAILED,
                    },
                    world.now,
                ),
                self,
            ),
            SourceQueue(sqs, queue),
            # One thread at a time: which one moves is the test's to say.
            ConsumerSettings(first_deferral_seconds=FIRST_DEFERRAL_SECONDS, max_concurrent_companies=1),
            now=world.now,
            random=Random(0),  # noqa: S311  # Jitter that a test can repeat.
        )

    def receive(self, messages: list[Message]) -> None:
        """Begin to work on a batch."""
        for message in messages:
            self._world.queues.receive(message)
        batch = [(message, message.receipt_handle) for message in messages]
        self.attempt = Attempt(batch, self._world.now() + FUNCTION_TIMEOUT, to_record=list(messages))
        event = {"Records": [message.as_lambda_gets_it() for message in messages]}

        def invoke() -> None:
            answer = self._consumer.consume(event, self)
            self._call("answer", self._settle, {each["itemIdentifier"] for each in answer["batchItemFailures"]})

        self.start(invoke)

    def get_remaining_time_in_millis(self) -> int:
        """Lambda's context."""
        assert self.attempt is not None
        return int((self.attempt.deadline - self._world.now()).total_seconds() * 1000)

    def _call(self, name: str, effect: Callable[..., Any], *args: Any, **request: Any) -> Any:  # noqa: ANN401
        """One call of this process to the world."""
        step = _step(name, request)
        if not self.is_dead:
            self._check_manners(step)
        fate = self.wait(step)
        answer: Any = None
        if step == WRITE:
            effect = self._noted(effect, args[0])
        if fate.effect is Effect.LATE:
            self._world.late.append(LateWrite(args[0], partial(effect, *args), self._world.now() + LATENESS))
        elif fate.effect is Effect.NOW:
            paused_until = self._world.paused_until
            try:
                answer = effect(*args, **request)
            except (ClientError, CodatError) as refusal:
                self._note_refusal(fate.meets or refusal)
                raise fate.meets or refusal from None
            if step == "pause":
                self._count_pause(request, paused_until)
            if step == "record":
                self.note_recorded(UUID(request["Key"]["companyId"]["S"]))
        if fate.meets is not None:
            self._note_refusal(fate.meets)
            raise fate.meets
        if step == "park":
            assert self.attempt is not None
            assert self.attempt.settling is not None
            copy = self._world.queues.dead_letters[-1]
            copy.first_arrived = self.attempt.settling.first_arrived
            self.attempt.parked.append(copy)
        return answer

    def note_recorded(self, company: UUID) -> None:
        """The message that is being recorded counts from now on, whatever becomes of this process."""
        assert self.attempt is not None
        assert self.attempt.recording is not None
        self._world.recorded(company, self.attempt.recording)

    def _count_pause(self, request: dict[str, Any], paused_until: datetime | None) -> None:
        """Who takes a lapsed pause over may make one call; nobody else touches the pause before that one is done."""
        self._world.pause_changed_at = self._world.now()
        if ":old" in request["ExpressionAttributeValues"]:
            has_lapsed = paused_until is not None and paused_until <= self._world.now()
            if not has_lapsed and paused_until != self._lease:
                self._world.broken(f"{self.name} takes over the probe of another")
            self._may_probe = has_lapsed
            self._lease = self._world.paused_until if has_lapsed else None

    def _noted(self, write: Callable[..., None], company: UUID) -> Callable[..., None]:
        """A write that is noted with the messages that it is made for, at the moment when it takes effect."""
        assert self.attempt is not None
        made_for = [message for message, _ in self.attempt.batch if self._world.company_of(message) == company]

        def write_and_note(*args: object) -> None:
            write(*args)
            newest = self._world.table.items[str(company)]["desiredBy"]
            for message in made_for:
                message.wrote_under.add(newest)

        return write_and_note

    def _note_refusal(self, refusal: BaseException) -> None:
        """News that concerns the whole account is not kept to oneself."""
        match refusal:
            case RateLimited(retry_after=timedelta() as wait) if wait:
                self._owes_pause = True
            case PaymentRequired(kind=PaymentRequiredKind.ACCOUNT_EXPIRED):
                self._owes_pause = True

    def _check_manners(self, step: str) -> None:
        """A pause is noted at once, and nobody calls Codat in spite of one, but for the one who probes."""
        if self._owes_pause and step != "pause":
            self._world.broken(f"{self.name} met news of the whole account and went on to {step} without a pause")
        self._owes_pause = False
        if step in CODAT_CALLS:
            now, until = self._world.now(), self._world.paused_until
            is_known = now - self._world.pause_changed_at >= CACHE
            if until is not None and now < until and is_known and not self._may_probe:
                self._world.broken(f"{self.name} called Codat in spite of a pause")
            self._may_probe = False

    def _settle(self, stays: set[str]) -> None:
        """Lambda's poller has the answer: what did not fail is deleted. Each message must have its one outcome."""
        assert self.attempt is not None
        copies = list(self.attempt.parked)
        for message, receipt_handle in self.attempt.batch:
            outcomes = self.attempt.outcomes.get(message.id, [])
            if len(outcomes) != 1:
                self._world.broken(f"{message.id} has the outcomes {outcomes} from one attempt")
                continue
            (outcome,) = outcomes
            if (outcome is Outcome.DEFERRED) != (message.id in stays):
                self._world.broken(f"{message.id} is {outcome}, and {'stays' if message.id in stays else 'goes'}")
            if message.id in stays:
                continue
            if outcome is Outcome.DEGRADED or outcome in GIVEN_UP:
                copy = next((each for each in copies if each.body == message.body), None)
                if copy is None:
                    self._world.broken(f"{message.id} is {outcome}, is about to be deleted, and is in no DLQ")
                    continue
                copies.remove(copy)
                copy.ended = outcome
                if outcome in GIVEN_UP:
                    copy.wrote_under = message.wrote_under
            self._world.queues.delete(message, receipt_handle)
        if copies:
            self._world.broken(f"{copies[0].id} is in a DLQ, and no message ended so")


class WatchedPlans(CompanyPlans):
    """The table of all companies, and a look at which message is recorded."""

    def __init__(self, dynamodb: "DynamoDBClient", table_name: str, process: Process) -> None:
        super().__init__(dynamodb, table_name)
        self._process = process

    def record(self, company_id: UUID, desired: DesiredPlan, *, at: datetime) -> CompanyPlan:
        """Of several messages of one event, the consumer takes the first one first."""
        attempt = self._process.attempt
        assert attempt is not None
        attempt.recording = next(each for each in attempt.to_record if each.event_id == desired.event_id)
        attempt.to_record.remove(attempt.recording)
        company = super().record(company_id, desired, at=at)
        # Also where nothing was written: then the table knows of something newer.
        self._process.note_recorded(company_id)
        return company


class WatchedSettlement(Settlement):
    """The settlement of messages, and a look at each outcome as it is decided."""

    def __init__(self, dead_letters: DeadLetters, process: Process) -> None:
        super().__init__(dead_letters, max_receive_count=MAX_RECEIVE_COUNT)
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
        return settled

    def settle_failure(self, record: SQSRecord, received: ReceivedEvent, error: Exception) -> Settled:
        if not isinstance(error, KNOWN_ERRORS):
            raise BrokenPromise(f"nobody planned for {error!r}") from error
        return super().settle_failure(record, received, error)


def _step(name: str, request: dict[str, Any]) -> str:
    """A name for a call that says what it is for."""
    if name == "update_item":
        if request["Key"]["companyId"]["S"] == "#pause":
            return "pause"
        purposes = {"desiredPlan": "record", "appliedPlan": "confirm", "lastFailure": "note"}
        return next(purpose for field, purpose in purposes.items() if f"SET {field} " in request["UpdateExpression"])
    if name == "get_item":
        return "read_pause" if request["Key"]["companyId"]["S"] == "#pause" else "read_record"
    names = {"send_message": "park", "change_message_visibility_batch": "defer"}
    return names.get(name, name)
