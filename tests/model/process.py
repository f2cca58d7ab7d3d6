"""A process of the model: the code under test, each of whose calls waits until a test decides its result."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, Final, cast
from uuid import UUID

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from botocore.exceptions import BotoCoreError, ClientError

from codat_sync.codat.errors import CodatError
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
from codat_sync.outcomes.deferral import Patience, SourceQueue
from codat_sync.outcomes.triage import Failure, Outcome
from tests.model.aws import Message
from tests.model.codat import ModelCodat
from tests.model.gate import CallResult, Effect, Gate, Gated
from tests.model.manners import Manners

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
FUNCTION_TIMEOUT: Final = timedelta(seconds=120)
PATIENCE: Final = Patience(timedelta(seconds=5), first_ceiling=60)
"""So short that an event is deferred once: the search reaches the end of its patience."""
LATENESS: Final = timedelta(seconds=5)
"""The longest time after its caller gave up in which a write may still take effect at Codat: no longer than the
shortest deferral."""
WRITE: Final = "update_sync_settings"
CODAT_CALLS: Final = ("get_sync_settings", "get_account_sync_settings", WRITE, "queue_refresh")
GIVEN_UP: Final = frozenset({Outcome.PARKED_PAYMENT_REQUIRED, Outcome.PARKED_FAILED, "moved_by_sqs"})
KNOWN_ERRORS: Final = (SyncError, ClientError, BotoCoreError)


class InvariantViolated(AssertionError):
    """An order of steps that violates an invariant: the model searches for one."""


@dataclass(frozen=True)
class LateWrite:
    """A write that is still in flight to Codat after its caller has given up."""

    company: UUID
    land: Callable[[], None]
    at_the_latest: datetime


@dataclass
class Attempt:
    """The attempt of one process at one batch. ``batch`` has each message with its receipt handle."""

    batch: list[tuple[Message, str]]
    deadline: datetime
    outcomes: dict[str, list[Outcome]] = field(default_factory=dict)
    parked: list[Message] = field(default_factory=list)
    to_record: list[Message] = field(default_factory=list)
    recording: Message | None = None
    settling: Message | None = None


class Process(Gate):
    """A Lambda execution environment, from its first batch to a crash or a deploy."""

    def __init__(self, world: "World", name: str, queue: str) -> None:
        super().__init__(name)
        self.queue = queue
        self.presets = world.presets
        self.attempt: Attempt | None = None
        self._world = world
        self._may_probe = False
        self._lease: datetime | None = None
        self._manners = Manners(world.now, lambda how: world.violated(f"{name}: {how}"))
        self._consumer = self._wire()

    def _wire(self) -> Consumer:
        world = self._world
        dynamodb = cast("DynamoDBClient", Gated(world.table, self._call))
        sqs = cast("SQSClient", Gated(world.queues, self._call))
        codat = cast("ModelCodat", Gated(world.codat, self._call))
        pausing_codat = PausingCodat(codat, StoredPause(dynamodb, "table"), world.now)
        dlqs = {
            Outcome.DEGRADED: PAYMENT_REQUIRED,
            Outcome.PARKED_PAYMENT_REQUIRED: PAYMENT_REQUIRED,
            Outcome.PARKED_FAILED: FAILED,
        }
        return Consumer(
            READ[self.queue],
            Convergence(pausing_codat, WatchedPlans(dynamodb, "table", self), world.presets, world.now),
            WatchedSettlement(DeadLetters(sqs, dlqs, world.now), self, world.now),
            SourceQueue(sqs, self.queue),
            # A single thread runs at a time: the test decides which process moves.
            ConsumerSettings(PATIENCE, max_concurrent_companies=1),
            now=world.now,
            random=Random(0),  # noqa: S311  # Jitter that a test can repeat.
        )

    def receive(self, messages: list[Message]) -> None:
        """Receive a batch, and process it up to the first call."""
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
        """Return the time left, as Lambda's context does."""
        assert self.attempt is not None
        return int((self.attempt.deadline - self._world.now()).total_seconds() * 1000)

    def _call(self, name: str, effect: Callable[..., Any], *args: Any, **request: Any) -> Any:  # noqa: ANN401
        """Make one call to the world, with the result that the test decides on."""
        step = _step(name, request)
        if not self.is_dead:
            self._check_pause(step, request)
        ended = partial(self._manners.after, step, self._world.now(), args[0] if step in CODAT_CALLS and args else None)
        result = self.wait(step)
        if step == WRITE:
            effect = self._noted(effect, args[0])
        answer: Any = None
        if result.effect is Effect.LATE:
            self._world.late.append(LateWrite(args[0], partial(effect, *args), self._world.now() + LATENESS))
        elif result.effect is Effect.NOW:
            try:
                answer = self._take_effect(step, result, partial(effect, *args, **request), request)
            except (ClientError, CodatError) as refusal:
                ended(refusal)
                raise
        ended(result.raises)
        if result.raises is not None:
            raise result.raises
        if step == "park":
            assert self.attempt is not None
            assert self.attempt.settling is not None
            copy = self._world.queues.dead_letters[-1]
            copy.first_arrived = self.attempt.settling.first_arrived
            self.attempt.parked.append(copy)
        return answer

    def _take_effect(self, step: str, result: CallResult, effect: Callable[[], Any], request: dict[str, Any]) -> Any:  # noqa: ANN401
        """Let a call take effect; return its answer, or raise what the caller meets instead."""
        paused_until = self._world.paused_until
        try:
            answer = effect()
        except (ClientError, CodatError) as refusal:
            raise result.raises or refusal from None
        if step == "pause":
            self._note_pause(request, paused_until)
        if step == "record":
            self.note_recorded(UUID(request["Key"]["companyId"]["S"]))
        return answer

    def note_recorded(self, company: UUID) -> None:
        """Note that the table has the message that is being recorded, even if this process crashes afterwards."""
        assert self.attempt is not None
        assert self.attempt.recording is not None
        self._world.note_recorded(company, self.attempt.recording)

    def _note_pause(self, request: dict[str, Any], paused_until: datetime | None) -> None:
        """Allow one call to the process that takes over a lapsed pause. Check that no other takes over its lease."""
        self._world.pause_changed_at = self._world.now()
        if ":old" in request["ExpressionAttributeValues"]:
            has_lapsed = paused_until is not None and paused_until <= self._world.now()
            if not has_lapsed and paused_until != self._lease:
                self._world.violated(f"{self.name} takes over the probe of another")
            self._may_probe = has_lapsed
            self._lease = self._world.paused_until if has_lapsed else None

    def _noted(self, write: Callable[..., None], company: UUID) -> Callable[..., None]:
        """Return the write, which notes itself with the messages that it is made for when it takes effect."""
        assert self.attempt is not None
        made_for = [message for message, _ in self.attempt.batch if self._world.company_of(message) == company]

        def write_and_note(*args: object) -> None:
            write(*args)
            newest = self._world.table.items[str(company)]["desiredBy"]
            for message in made_for:
                message.wrote_under.add(newest)

        return write_and_note

    def _check_pause(self, step: str, request: dict[str, Any]) -> None:
        """Check that no process calls Codat during a pause but the probe, and who asks about the whole account."""
        self._manners.before(step)
        if step == "pause" and ":old" not in request["ExpressionAttributeValues"]:
            self._manners.before_pause()
        if step in CODAT_CALLS and not self._manners.is_asking:
            now, until = self._world.now(), self._world.paused_until
            is_known = now - self._world.pause_changed_at >= CACHE
            if until is not None and now < until and is_known and not self._may_probe:
                self._world.violated(f"{self.name} called Codat during a pause")
            self._may_probe = False

    def _settle(self, stays: set[str]) -> None:
        """Do what Lambda's poller does with the answer: delete each message that did not fail. Check its outcome."""
        assert self.attempt is not None
        copies = list(self.attempt.parked)
        for message, receipt_handle in self.attempt.batch:
            outcomes = self.attempt.outcomes.get(message.id, [])
            if len(outcomes) != 1:
                self._world.violated(f"{message.id} has the outcomes {outcomes} from one attempt")
                continue
            (outcome,) = outcomes
            if (outcome is Outcome.DEFERRED) != (message.id in stays):
                self._world.violated(f"{message.id} is {outcome}, and {'stays' if message.id in stays else 'goes'}")
            if message.id not in stays and self._is_safe(message, outcome, copies):
                self._world.queues.delete(message, receipt_handle)
        if copies:
            self._world.violated(f"{copies[0].id} is in a DLQ, and no message has that outcome")

    def _is_safe(self, message: Message, outcome: Outcome, copies: list[Message]) -> bool:
        """Return whether the message may be deleted. Take the copy of a parked one from those that are in a DLQ."""
        if outcome is not Outcome.DEGRADED and outcome not in GIVEN_UP:
            return True
        copy = next((each for each in copies if each.body == message.body), None)
        if copy is None:
            self._world.violated(f"{message.id} is {outcome}, is about to be deleted, and is in no DLQ")
            return False
        copies.remove(copy)
        copy.ended = outcome
        if outcome in GIVEN_UP:
            copy.wrote_under = message.wrote_under
        return True


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
        super().__init__(dead_letters, PATIENCE, now)
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
            raise InvariantViolated(f"{error!r} is unexpected") from error
        return super().settle_failure(record, received, error)


def _step(name: str, request: dict[str, Any]) -> str:
    """Return a name for a call that tells its purpose."""
    if name == "update_item":
        if request["Key"]["companyId"]["S"] == "#pause":
            return "pause"
        purposes = {"desiredPlan": "record", "appliedPlan": "confirm", "lastFailure": "note"}
        return next(purpose for field, purpose in purposes.items() if f"SET {field} " in request["UpdateExpression"])
    if name == "get_item":
        return "read_pause" if request["Key"]["companyId"]["S"] == "#pause" else "read_record"
    names = {"send_message": "park", "change_message_visibility_batch": "defer"}
    return names.get(name, name)
