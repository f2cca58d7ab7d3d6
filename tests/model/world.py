"""The world around the protocol, small enough to be searched.

The consumer, convergence, the pause, the records of both, parking, deferring, the readers of events, the presets and
reconciliation are the real code. Codat's account (codat.py), DynamoDB (dynamodb.py), SQS (sqs.py), Lambda's execution
environment (process.py), its poller and the clock (here) are models. workers.py makes the functions of the real code.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from codat_sync.codat.differences import differences
from codat_sync.codat.errors import CodatError
from codat_sync.events.company_events import Authority
from codat_sync.outcomes.deferral import Patience
from codat_sync.outcomes.triage import Outcome
from codat_sync.presets.file import Presets
from codat_sync.presets.preset import CompanyPreset
from codat_sync.reconciliation.queue import LONGEST_DEPLOYMENT
from tests.fakes.clock import NOW
from tests.model.codat import Account, ModelCodat
from tests.model.dynamodb import Table
from tests.model.gate import PASS, CallResult, Crashed, Effect
from tests.model.process import LATENESS, InvariantViolated, LateWrite
from tests.model.rules import Rule
from tests.model.sqs import BILLING, ONBOARDING, Message, Queues, QueueSettings
from tests.model.workers import GIVEN_UP, WORKERS

COMPANIES: Final = tuple(UUID(f"8a210b68-6988-400{number}-a1eb-0242ac120001") for number in range(3))
PRESETS: Final = """
default_plan = "free"
on_cancelled = "free"
[plans.free]
frequency = "monthly"
[plans.growth]
frequency = "daily"
[plans.scale]
frequency = "daily"
on_payment_required = "weekly"
refresh_on_upgrade = true
[plans.scale.data_types]
invoices = "hourly"
[plans.stubborn]
frequency = "hourly"
[plans.account]
use_account_defaults = true
"""
PRESETS_AFTER_A_DEPLOY: Final = PRESETS.replace("daily", "weekly", 1)
"""The plan growth is weekly here."""
BATCHES_TO_DRAIN: Final = 5_000
SELDOM: Final = timedelta(hours=6)
"""How long a message waits where its function is polled seldom. Many vain attempts would slow the search down."""
REQUEST: Final = "/"
"""Stands between the names of a run and of a company, in the id of the request by which the run hands it over."""


@dataclass(frozen=True)
class Sent:
    """An event as its producer means it: the plan, and what its newness depends on.

    ``sequence`` is -1 where the producer has none.
    """

    company: UUID
    plan: str
    authority: Authority
    minute: int
    sequence: int = -1


@dataclass(frozen=True)
class Surroundings:
    """How a world is set up: its processes by name, each with its queue, and what its queues and functions are set to.

    ``rules`` hold in addition to the invariants of the world itself.
    """

    processes: Mapping[str, str]
    patience: Patience
    queues: QueueSettings
    rules: Sequence[type[Rule]] = ()


PROTOCOL: Final = Surroundings(
    {"billing-1": BILLING, "billing-2": BILLING, "onboarding-1": ONBOARDING},
    # So short that an event is deferred once, and seldom received: the search reaches the end of both.
    Patience(timedelta(seconds=5), first_ceiling=60),
    QueueSettings(max_receive_count=2, retention=timedelta(days=10)),
)
"""The world in which the protocol of events is searched."""


class World:
    """The processes and all that is around them. A single thread runs at any time."""

    def __init__(self, surroundings: Surroundings = PROTOCOL) -> None:
        self._now = NOW
        self._violated: list[str] = []
        self.patience = surroundings.patience
        self.table = Table()
        self.codat = ModelCodat(self.now, shows_nothing_for=COMPANIES[1])
        self.queues = Queues(self.now, surroundings.queues, self.violated)
        self.presets, self._other_presets = (Presets.parse(each.encode()) for each in (PRESETS, PRESETS_AFTER_A_DEPLOY))
        self.late: list[LateWrite] = []
        self.pause_changed_at = NOW
        self.sent: dict[str, Sent] = {}
        self.killers: set[str] = set()
        self.rules = [rule(self) for rule in surroundings.rules]
        self.processes = [
            WORKERS[queue](self, name, queue, self.presets) for name, queue in surroundings.processes.items()
        ]
        self._versions = [self.presets for _ in self.processes]
        self._deployed_at = NOW
        self._deployed = [self.presets]
        self._recorded: dict[UUID, dict[str, datetime]] = {}
        self._newest: dict[UUID, str] = {}
        self._applied: dict[UUID, str] = {}

    def now(self) -> datetime:
        """Return the time of the one clock."""
        return self._now

    @property
    def paused_until(self) -> datetime | None:
        """The end of the stored pause, lapsed or not."""
        until = self.table.items.get("#pause", {}).get("until")
        return None if until is None else datetime.fromisoformat(until)

    def confirmed_plan(self, company: UUID) -> str | None:
        """Return the plan whose preset was confirmed last."""
        return self.table.items.get(str(company), {}).get("appliedPlan")

    # ---- Steps.

    def billing(self, company: UUID, plan: str | None, minute: int, sequence: int | None = None) -> None:
        """Send billing's event that a plan changed, or was cancelled where ``plan`` is None."""
        detail = {"companyId": str(company), "sequence": sequence, **({"plan": plan} if plan else {})}
        detail_type = "Company Changed Plan" if plan else "Company Cancelled Plan"
        plan = plan or self.presets.on_cancelled
        self._publish(BILLING, detail_type, detail, Sent(company, plan, Authority.STATED, minute, _counted(sequence)))

    def onboarding(self, company: UUID, plan: str | None, minute: int, sequence: int | None = None) -> None:
        """Send onboarding's event that a company connected, with its plan or None."""
        detail = {
            "companyId": str(company),
            "connectionId": "ee2eb431-c0fa-4dc9-93fa-d29781c12bcd",
            "sequence": sequence,
            **({"plan": plan} if plan else {}),
        }
        sent = self._said(company, plan, Authority.STATED, minute)
        self._publish(ONBOARDING, "New Connection", detail, replace(sent, sequence=_counted(sequence)))

    def tagged(self, company: UUID, plan: str | None, minute: int, _: int | None = None) -> None:
        """Send Codat's event that a company connected, whose tag may name its plan. It has no sequence."""
        payload = {"referenceCompany": {"id": str(company), "tags": {"plan": plan} if plan else {}}}
        sent = self._said(company, plan, Authority.TAGGED, minute)
        self._publish(ONBOARDING, "connection.connected", {"payload": payload}, sent)

    def send_malformed(self, queue: str) -> None:
        """Send a message that is no event."""
        self.queues.send("{", queue)

    def deliver_again(self, message: Message) -> None:
        """Deliver an event once more, as the bus or its producer may."""
        self.queues.send(message.body, message.queue)

    def receive(self, number: int, *, skip: int = 0, most: int = 10, starts_after: float = 0) -> bool:
        """Hand messages to an idle process, after waiting for them. Return False where the queue is empty.

        ``starts_after``: the seconds between the receive and the function's start.
        """
        process = self.processes[number]
        assert process.step is None, f"{process.name} is busy"
        visible = self.queues.visible(process.queue)
        due = [message.visible_at for message in self.queues.messages if message.queue == process.queue]
        if due and not visible:
            self.wait((min(due) - self._now).total_seconds())
            visible = self.queues.visible(process.queue)
        if not visible:
            return False
        if process.is_dead or process.presets is not self._versions[number]:
            version = self._versions[number]
            process = self.processes[number] = type(process)(self, process.name, process.queue, version)
        skip %= len(visible)
        process.receive([*visible[skip:], *visible[:skip]][: min(most, process.BATCH)], starts_after)
        self.check()
        return True

    def resume(self, number: int, result: CallResult = PASS) -> None:
        """Give the waiting call of a process its result."""
        self.processes[number].resume(result)
        self.check()

    def run(self, number: int, until: str | None = None) -> None:
        """Let a process run undisturbed until it is about to make that call, or to its end."""
        process = self.processes[number]
        while process.step is not None and process.step != until:
            self.resume(number)

    def crash(self, number: int, effect: Effect = Effect.NEVER) -> None:
        """Crash a process before its call, after it, or while it is in flight."""
        self.resume(number, CallResult(effect, Crashed()))

    def wait(self, seconds: float) -> None:
        """Move the clock. Late writes take effect, Lambda cuts off a process that takes too long, a deployment ends."""
        self._now += timedelta(seconds=seconds)
        self.queues.expire()
        for number, process in enumerate(self.processes):
            if process.step is not None and process.attempt is not None and process.attempt.deadline <= self._now:
                self.crash(number)
        for due in [each for each in self.late if each.at_the_latest <= self._now]:
            self.land(due)
        if self._now - self._deployed_at >= LONGEST_DEPLOYMENT:
            self._versions = [self.presets for _ in self.processes]

    def land(self, late: LateWrite) -> None:
        """Let a late write take effect at Codat."""
        self.late.remove(late)
        with suppress(CodatError):
            late.land()
        self.check()

    def redrive(self, dead: Message, *, marked: bool = True) -> None:
        """Bring a message back from a DLQ, marked with ``parkedAt`` or not."""
        self.queues.redrive(dead, marked=marked)

    def deploy(self) -> None:
        """Deploy other presets. New batches use them; a batch in progress ends with the old ones."""
        self.deploy_gradually()
        for number in range(len(self.processes)):
            self.shift(number)

    def deploy_gradually(self) -> None:
        """Begin to deploy the other presets, or to take them back.

        Each process has the old ones until it is shifted, or the longest deployment is over.
        """
        self.presets, self._other_presets = self._other_presets, self.presets
        self._deployed.append(self.presets)
        self._deployed_at = self._now

    def shift(self, number: int) -> None:
        """Give a process the newest presets. A batch in progress ends with the old ones."""
        self._versions[number] = self.presets

    # ---- Invariants.

    def note_recorded(self, company: UUID, message: Message) -> None:
        """Note that the table was asked to record a message's event, and when that event first arrived."""
        arrivals = self._recorded.setdefault(company, {})
        arrivals[message.event_id] = min(message.first_arrived, arrivals.get(message.event_id, message.first_arrived))
        before, self._newest[company] = self._newest.get(company), self.table.items[str(company)]["desiredBy"]
        if before == message.event_id != self._newest[company]:
            message.wrote_under.add(self._newest[company])

    @property
    def is_violated(self) -> bool:
        """Whether an invariant is violated, so that the search can stop."""
        return bool(self._violated)

    def violated(self, invariant: str) -> None:
        """Note a violation from within a process, whose code would handle an exception."""
        self._violated.append(invariant)

    def check(self) -> None:
        """Check what holds at all times, and for each company that no message and no write is in flight for."""
        for rule in self.rules:
            rule.holds()
        if not self.is_violated:
            in_flight = {self.company_of(message) for message in self.queues.messages} | {
                each.company for each in self.late
            }
            for company in COMPANIES:
                item = self.table.items.get(str(company))
                if item is not None:
                    self._check_record(company, item)
                    if company not in in_flight:
                        self._check_settings(company, item)
        if self.is_violated:
            raise InvariantViolated(self._violated[0])

    def drain(self, *, seldom: str = "") -> None:
        """Process all messages on the queues, without more faults and events.

        ``seldom``: a queue whose messages wait for ``SELDOM`` each time, and may be left at the end.
        """
        for number in range(len(self.processes)):
            self.run(number)
        for turn in range(BATCHES_TO_DRAIN):
            if all(each.queue == seldom for each in self.queues.messages):
                break
            first = min(
                self.queues.messages,
                key=lambda each: each.visible_at + (SELDOM if each.queue == seldom else timedelta(0)),
            )
            numbers = [n for n, process in enumerate(self.processes) if process.queue == first.queue]
            number = numbers[turn % len(numbers)]
            if self.receive(number):
                self.run(number)
        else:
            raise InvariantViolated("the queues are never empty")
        self.wait(LATENESS.total_seconds())
        self.check()

    def replay_everything(self) -> None:
        """Bring back all messages of the DLQs, with Codat's bill paid and its quota reset."""
        self.codat.account = Account.PAID
        self.wait(timedelta(hours=26).total_seconds())
        for dead in list(self.queues.dead_letters):
            self.redrive(dead)
        self.drain()
        for dead in self.queues.dead_letters:
            if self.company_of(dead) is not None and self.said_by(dead.event_id).plan in self.presets.plans:
                raise InvariantViolated(f"{dead} cannot be brought back")

    def is_at(self, company: UUID, preset: CompanyPreset) -> bool:
        """Return whether the company is at the preset."""
        current = self.codat.in_force(company)
        return not differences(current, preset.over(current))

    def close(self) -> None:
        """End all threads."""
        for process in self.processes:
            if process.step is not None:
                process.resume(CallResult(Effect.NEVER, Crashed()))

    def _check_record(self, company: UUID, item: dict[str, str]) -> None:
        """Check that the newest recorded event names the desired plan, and that the applied one was desired then."""
        arrivals = self._recorded.get(company, {})

        def rank(event_id: str) -> tuple[Authority, int, int, datetime, str]:
            sent = self.said_by(event_id)
            if sent.authority is Authority.ASSUMED:
                return Authority.ASSUMED, 0, -1, NOW, ""
            return sent.authority, sent.minute, sent.sequence, arrivals[event_id], event_id

        newest = max(arrivals, key=rank)
        if (rank(item["desiredBy"]), item["desiredPlan"]) != (rank(newest), self.said_by(newest).plan):
            self.violated(
                f"{company} should desire {newest}: {self.said_by(newest)}, of {arrivals}, and desires {item}"
            )
        applied = item.get("appliedOrder", "")
        if applied not in {"", self._applied.get(company, ""), item["desiredOrder"]}:
            self.violated(f"{company} has an applied preset that was not desired: {item}")
        self._applied[company] = applied

    def _check_settings(self, company: UUID, item: dict[str, str]) -> None:
        """Check that the company is at its newest plan, or that a message in a DLQ explains why it is not.

        The preset may be one that was deployed before: a deploy alone changes nothing at Codat. What was changed in
        Codat's Portal stays as it is until something is written there again.
        """
        if company in self.codat.edited:
            return
        presets = [each.for_company(item["desiredPlan"], company) for each in self._deployed]
        dead = [each for each in self.queues.dead_letters if self.company_of(each) == company]
        if any(each.ended == Outcome.DEGRADED for each in dead):
            presets += filter(None, [each.degraded() for each in presets])
        if any(self.is_at(company, each) for each in presets) or any(self._explains(each, item) for each in dead):
            return
        self.violated(f"{company} should be at {item['desiredPlan']}: {item}, {self.codat.in_force(company)}")

    def _explains(self, dead: Message, item: dict[str, str]) -> bool:
        """Return whether this message, which was given up on, explains why the company is not at its newest plan.

        Either it is the event that named the newest plan; or it made that event the newest by turning out to be older
        itself; or an attempt at it wrote to Codat since that event was recorded. The newest event has seen earlier
        writes.
        """
        newest = item["desiredBy"]
        return dead.ended in GIVEN_UP and (dead.event_id == newest or newest in dead.wrote_under)

    def company_of(self, message: Message) -> UUID | None:
        """Return the company that an attempt at a message may change; None where the event states an unknown plan."""
        is_known = message.event_id in self.sent or REQUEST in message.event_id
        sent = self.said_by(message.event_id) if is_known else None
        return (
            sent.company if sent and (sent.plan in self.presets.plans or sent.authority is Authority.TAGGED) else None
        )

    def said_by(self, event_id: str) -> Sent:
        """Return what an event means. The request of a run names a company, and no plan."""
        company = event_id.rpartition(REQUEST)[2]
        return self.sent.get(event_id) or Sent(UUID(company), self.presets.default_plan, Authority.ASSUMED, 0)

    def recorded_companies(self) -> list[UUID]:
        """Return the companies that have a record."""
        return [company for company in COMPANIES if str(company) in self.table.items]

    def _said(self, company: UUID, plan: str | None, authority: Authority, minute: int) -> Sent:
        return Sent(company, plan or self.presets.default_plan, authority if plan else Authority.ASSUMED, minute)

    def _publish(self, queue: str, detail_type: str, detail: dict[str, Any], sent: Sent) -> None:
        """Send an event. Its id says nothing about the order of events, and its moment is the envelope's."""
        number = len(self.sent)
        event_id = f"{7 * number % 10}-{number}"
        self.sent[event_id] = sent
        body = {"id": event_id, "detail-type": detail_type, "time": _moment(sent.minute), "detail": detail}
        self.queues.send(json.dumps(body), queue)


def _counted(sequence: int | None) -> int:
    return -1 if sequence is None else sequence


def _moment(minute: int) -> str:
    return (NOW - timedelta(hours=1) + timedelta(minutes=minute)).isoformat()
