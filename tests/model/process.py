"""A process of the model: the code under test, each of whose calls waits until a test decides its result."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast
from uuid import UUID

from botocore.exceptions import ClientError

from codat_sync.codat.errors import CodatError
from codat_sync.companies.pause import CACHE, PausingCodat, StoredPause
from codat_sync.consuming.consume import Consuming
from codat_sync.outcomes.triage import Outcome
from codat_sync.presets.file import Presets
from tests.model.codat import ModelCodat
from tests.model.gate import CallResult, Crashed, Effect, Gate, Gated
from tests.model.manners import Manners
from tests.model.rules import Call, Rule
from tests.model.sqs import Message

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

    from tests.model.world import World


LATENESS: Final = timedelta(seconds=5)
"""The longest time after its caller gave up in which a write may still take effect at Codat: no longer than the
shortest deferral."""
WRITE: Final = "update_sync_settings"
CODAT_CALLS: Final = ("get_sync_settings", "get_account_sync_settings", WRITE, "queue_refresh")


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

    TIMEOUT = timedelta(seconds=120)
    """The function's timeout."""
    BATCH = 10
    """The most messages that the function gets at a time."""

    def __init__(self, world: "World", name: str, queue: str, presets: Presets) -> None:
        """``presets`` are those of the process's version."""
        super().__init__(name)
        self.queue = queue
        self.presets = presets
        self.attempt: Attempt | None = None
        self.world = world
        self._may_probe = False
        self._lease: datetime | None = None
        self._manners = Manners(world.now, lambda how: world.violated(f"{name}: {how}"))
        self._dynamodb = cast("DynamoDBClient", Gated(world.table, self._call))
        self._sqs = cast("SQSClient", Gated(world.queues, self._call))
        codat = cast("ModelCodat", Gated(world.codat, self._call))
        self._codat = PausingCodat(codat, StoredPause(self._dynamodb, "table"), world.now)
        self._consumer = self._wire()

    def _wire(self) -> Consuming:
        """Return the function's consumer, made of the code under test."""
        raise NotImplementedError

    def _settle(self, stays: set[str]) -> None:
        """Do what Lambda's poller does with the answer: delete each message that did not fail. Check its outcome."""
        raise NotImplementedError

    def receive(self, messages: list[Message], starts_after: float = 0) -> None:
        """Receive a batch, and process it up to the first call. ``starts_after``: seconds from the receive."""
        for message in messages:
            self.world.queues.receive(message)
        batch = [(message, message.receipt_handle) for message in messages]
        event = {"Records": [message.as_lambda_gets_it() for message in messages]}
        self.world.wait(starts_after)
        self.attempt = Attempt(batch, self.world.now() + self.TIMEOUT, to_record=list(messages))

        def invoke() -> None:
            answer = self._consumer.consume(event, self)
            self._call("answer", self._settle, {each["itemIdentifier"] for each in answer["batchItemFailures"]})

        self.start(invoke)

    def get_remaining_time_in_millis(self) -> int:
        """Return the time left, as Lambda's context does."""
        assert self.attempt is not None
        return int((self.attempt.deadline - self.world.now()).total_seconds() * 1000)

    def _call(self, name: str, effect: Callable[..., Any], *args: Any, **request: Any) -> Any:  # noqa: ANN401
        """Make one call to the world, with the result that the test decides on."""
        step = _step(name, request)
        if not self.is_dead:
            self._check_pause(step, request)
            self._die_of_a_killer(step)
            self._tell(lambda rule: rule.before(Call(self, step, args, request)))
        ended = partial(self._manners.after, step, self.world.now(), args[0] if step in CODAT_CALLS and args else None)
        result = self.wait(step)
        if step == WRITE:
            effect = self._noted(effect, args[0])
        answer: Any = None
        if result.effect is Effect.LATE:
            self.world.late.append(LateWrite(args[0], partial(effect, *args), self.world.now() + LATENESS))
        elif result.effect is Effect.NOW:
            try:
                answer = self._take_effect(step, result, partial(effect, *args, **request), request)
            except (ClientError, CodatError) as refusal:
                ended(refusal)
                raise
            call = Call(self, step, args, request, answer, is_answered=result.raises is None)
            self._tell(lambda rule: rule.took_effect(call))
        ended(result.raises)
        if result.raises is not None:
            error = result.raises
            self._tell(lambda rule: rule.failed(Call(self, step, args, request), error))
            raise error
        if step == "park":
            self._note_parked()
        return answer

    def _tell(self, tell: Callable[[Rule], None]) -> None:
        for each in self.world.rules:
            tell(each)

    def _die_of_a_killer(self, step: str) -> None:
        """Crash where the event that is being recorded kills each process that handles it."""
        recording = self.attempt and self.attempt.recording
        if step == "record" and recording and recording.event_id in self.world.killers:
            self.is_dead = True
            raise Crashed

    def _note_parked(self) -> None:
        assert self.attempt is not None
        parked = self.attempt.settling or self.attempt.batch[0][0]
        copy = self.world.queues.dead_letters[-1]
        copy.first_arrived = parked.first_arrived
        self.attempt.parked.append(copy)

    def _take_effect(self, step: str, result: CallResult, effect: Callable[[], Any], request: dict[str, Any]) -> Any:  # noqa: ANN401
        """Let a call take effect; return its answer, or raise what the caller meets instead."""
        paused_until = self.world.paused_until
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
        self.world.note_recorded(company, self.attempt.recording)

    def _note_pause(self, request: dict[str, Any], paused_until: datetime | None) -> None:
        """Allow one call to the process that takes over a lapsed pause. Check that no other takes over its lease."""
        self.world.pause_changed_at = self.world.now()
        if ":old" in request["ExpressionAttributeValues"]:
            has_lapsed = paused_until is not None and paused_until <= self.world.now()
            if not has_lapsed and paused_until != self._lease:
                self.world.violated(f"{self.name} takes over the probe of another")
            self._may_probe = has_lapsed
            self._lease = self.world.paused_until if has_lapsed else None

    def _noted(self, write: Callable[..., None], company: UUID) -> Callable[..., None]:
        """Return the write, which notes itself with the messages that it is made for when it takes effect."""
        assert self.attempt is not None
        made_for = [message for message, _ in self.attempt.batch if self.world.company_of(message) == company]

        def write_and_note(*args: object) -> None:
            write(*args)
            newest = self.world.table.items[str(company)]["desiredBy"]
            for message in made_for:
                message.wrote_under.add(newest)

        return write_and_note

    def _check_pause(self, step: str, request: dict[str, Any]) -> None:
        """Check that no process calls Codat during a pause but the probe, and who asks about the whole account."""
        self._manners.before(step)
        if step == "pause" and ":old" not in request["ExpressionAttributeValues"]:
            self._manners.before_pause()
        if step in CODAT_CALLS and not self._manners.is_asking:
            now, until = self.world.now(), self.world.paused_until
            is_known = now - self.world.pause_changed_at >= CACHE
            if until is not None and now < until and is_known and not self._may_probe:
                self.world.violated(f"{self.name} called Codat during a pause")
            self._may_probe = False


_UPDATES: Final = {
    "desiredPlan": "record",
    "appliedPlan": "confirm",
    "lastFailure": "note",
    "timesDrifted": "note_drift",
    "notTaken": "note_not_taken",
    "runId": "begin",
    "progressAt": "advance",
}
"""A name for each update of the table, by the field that it sets first."""
_NAMES: Final = {
    "send_message": "park",
    "send_message_batch": "hand_over",
    "change_message_visibility_batch": "defer",
    "scan": "page",
}
_OWN_ITEMS: Final = {"#pause": "read_pause", "#reconciliation": "read_run"}


def _step(name: str, request: dict[str, Any]) -> str:
    """Return a name for a call that tells its purpose."""
    match name, request.get("Key", {}).get("companyId", {}).get("S"):
        case "update_item", "#pause":
            return "pause"
        case "update_item", _:
            verb, field_name = request["UpdateExpression"].split()[:2]
            return "tally" if verb == "ADD" else _UPDATES[field_name]
        case "get_item", key:
            return _OWN_ITEMS.get(key, "read_record")
    return _NAMES.get(name, name)
