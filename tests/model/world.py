"""The world that the protocol lives in, small enough to be searched.

Real are the consumer, convergence, the pause, the records of both, parking, deferring, the events' contracts and the
code of the presets. Modelled are Codat's account (codat.py), DynamoDB and SQS (aws.py), a process (process.py),
Lambda's poller and the clock (here).
"""

import json
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from codat_sync.codat.differences import differences
from codat_sync.codat.errors import CodatError
from codat_sync.events.company_events import Authority
from codat_sync.outcomes.triage import Outcome
from codat_sync.presets.file import Presets
from codat_sync.presets.preset import CompanyPreset
from tests.fakes.clock import NOW
from tests.model.aws import Message, Queues, Table
from tests.model.codat import Account, ModelCodat
from tests.model.gate import PASS, Crashed, Effect, Fate
from tests.model.process import BILLING, GIVEN_UP, LATENESS, ONBOARDING, BrokenPromise, LateWrite, Process

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
"""Growth is weekly now."""
BATCHES_TO_REST: Final = 1_000


@dataclass(frozen=True)
class Sent:
    """What an event says, in the producer's own terms: the plan, and how much that counts.

    ``sequence`` is -1 where the producer has none.
    """

    company: UUID
    plan: str
    authority: Authority
    minute: int
    sequence: int = -1


class World:
    """Everything outside the processes, and the processes. Only one thread at a time is in it."""

    def __init__(self) -> None:
        self._now = NOW
        self.table = Table()
        self.codat = ModelCodat(self.now, shows_nothing_for=COMPANIES[1])
        self.queues = Queues(self.now)
        self.presets = Presets.parse(PRESETS.encode())
        self.late: list[LateWrite] = []
        self.pause_changed_at = NOW
        self.sent: dict[str, Sent] = {}
        self.processes = [
            Process(self, "billing-1", BILLING),
            Process(self, "billing-2", BILLING),
            Process(self, "onboarding-1", ONBOARDING),
        ]
        self._deployed = [self.presets]
        self._recorded: dict[UUID, dict[str, datetime]] = {}
        self._newest: dict[UUID, str] = {}
        self._applied: dict[UUID, str] = {}
        self._broken: list[str] = []

    def now(self) -> datetime:
        """The one clock."""
        return self._now

    @property
    def paused_until(self) -> datetime | None:
        """What the table holds of a pause, lapsed or not."""
        until = self.table.items.get("#pause", {}).get("until")
        return None if until is None else datetime.fromisoformat(until)

    def confirmed_plan(self, company: UUID) -> str | None:
        """Of which plan a preset was last confirmed to be in force."""
        return self.table.items.get(str(company), {}).get("appliedPlan")

    # ---- What happens.

    def billing(self, company: UUID, plan: str | None, minute: int, sequence: int | None = None) -> None:
        """A company's plan changed, or was cancelled where None is given."""
        detail = {"companyId": str(company), "sequence": sequence, **({"plan": plan} if plan else {})}
        detail_type = "Company Changed Plan" if plan else "Company Cancelled Plan"
        plan = plan or self.presets.on_cancelled
        self._publish(BILLING, detail_type, detail, Sent(company, plan, Authority.STATED, minute, _counted(sequence)))

    def onboarding(self, company: UUID, plan: str | None, minute: int, sequence: int | None = None) -> None:
        """A company connected; its plan is known, or not."""
        detail = {
            "companyId": str(company),
            "connectionId": "ee2eb431-c0fa-4dc9-93fa-d29781c12bcd",
            "sequence": sequence,
            **({"plan": plan} if plan else {}),
        }
        sent = self._said(company, plan, Authority.STATED, minute)
        self._publish(ONBOARDING, "New Connection", detail, replace(sent, sequence=_counted(sequence)))

    def tagged(self, company: UUID, plan: str | None, minute: int, _: int | None = None) -> None:
        """Codat says that a company connected; a tag may name its plan."""
        payload = {"referenceCompany": {"id": str(company), "tags": {"plan": plan} if plan else {}}}
        sent = self._said(company, plan, Authority.TAGGED, minute)
        self._publish(ONBOARDING, "connection.connected", {"payload": payload}, sent)

    def nonsense(self, queue: str) -> None:
        """Something that is no event."""
        self.queues.send("{", queue)

    def again(self, message: Message) -> None:
        """The bus, or its producer, delivers an event once more."""
        self.queues.send(message.body, message.queue)

    def receive(self, number: int, *, skip: int = 0, most: int = 10) -> bool:
        """Lambda waits for messages and hands some to an idle process; False where there are none to wait for."""
        process = self.processes[number]
        assert process.step is None, f"{process.name} is at work"
        visible = self.queues.visible(process.queue)
        due = [message.visible_at for message in self.queues.messages if message.queue == process.queue]
        if due and not visible:
            self.wait((min(due) - self._now).total_seconds())
            visible = self.queues.visible(process.queue)
        if not visible:
            return False
        if process.is_dead or process.presets is not self.presets:
            process = self.processes[number] = Process(self, process.name, process.queue)
        skip %= len(visible)
        process.receive([*visible[skip:], *visible[:skip]][:most])
        self.check()
        return True

    def resume(self, number: int, fate: Fate = PASS) -> None:
        """The call that a process waits to make has its fate."""
        self.processes[number].resume(fate)
        self.check()

    def run(self, number: int, until: str | None = None) -> None:
        """A process goes on undisturbed, until it is about to make that call, or to its end."""
        process = self.processes[number]
        while process.step is not None and process.step != until:
            self.resume(number)

    def crash(self, number: int, effect: Effect = Effect.NEVER) -> None:
        """A process is gone, before its call, after it, or while it is under way."""
        self.resume(number, Fate(effect, Crashed()))

    def wait(self, seconds: float) -> None:
        """Time moves on. Late requests land, and Lambda cuts off who takes too long."""
        self._now += timedelta(seconds=seconds)
        for number, process in enumerate(self.processes):
            if process.step is not None and process.attempt is not None and process.attempt.deadline <= self._now:
                self.crash(number)
        for due in [each for each in self.late if each.at_the_latest <= self._now]:
            self.land(due)

    def land(self, late: LateWrite) -> None:
        """A late request reaches Codat."""
        self.late.remove(late)
        with suppress(CodatError):
            late.land()
        self.check()

    def redrive(self, dead: Message, *, says_so: bool = True) -> None:
        """Somebody brings a message back from a DLQ, and says so, or does not."""
        self.queues.redrive(dead, says_so=says_so)

    def deploy(self) -> None:
        """The presets change. New batches meet the new ones; who is at work ends with the old ones."""
        self.presets = Presets.parse(PRESETS_AFTER_A_DEPLOY.encode())
        self._deployed.append(self.presets)

    # ---- What is promised.

    def recorded(self, company: UUID, message: Message) -> None:
        """The table knows what this message's event desires, and when it came."""
        arrivals = self._recorded.setdefault(company, {})
        arrivals[message.event_id] = min(message.first_arrived, arrivals.get(message.event_id, message.first_arrived))
        before, self._newest[company] = self._newest.get(company), self.table.items[str(company)]["desiredBy"]
        if before == message.event_id != self._newest[company]:
            message.wrote_under.add(self._newest[company])

    @property
    def is_broken(self) -> bool:
        """Whether there is no point in going on."""
        return bool(self._broken)

    def broken(self, promise: str) -> None:
        """From within a process, where an exception would be one more thing to handle."""
        self._broken.append(promise)

    def check(self) -> None:
        """What holds at all times, and for each company that nothing is under way for."""
        if not self.is_broken:
            under_way = {self.company_of(message) for message in self.queues.messages} | {
                each.company for each in self.late
            }
            for company in COMPANIES:
                item = self.table.items.get(str(company))
                if item is not None:
                    self._check_record(company, item)
                    if company not in under_way:
                        self._check_settings(company, item)
        if self.is_broken:
            raise BrokenPromise(self._broken[0])

    def come_to_rest(self) -> None:
        """No more faults, no more events; all that is on the queues comes to its end."""
        for number in range(len(self.processes)):
            self.run(number)
        for turn in range(BATCHES_TO_REST):
            number = turn % len(self.processes)
            if self.receive(number):
                self.run(number)
            if not self.queues.messages:
                break
        else:
            raise BrokenPromise("there is no end to it")
        self.wait(LATENESS.total_seconds())
        self.check()

    def replay_everything(self) -> None:
        """Codat's bill is paid, its quota is back, and whoever is on call brings back all that is in the DLQs."""
        self.codat.account = Account.PAID
        self.wait(timedelta(hours=26).total_seconds())
        for dead in list(self.queues.dead_letters):
            self.redrive(dead)
        self.come_to_rest()
        for dead in self.queues.dead_letters:
            if self.company_of(dead) is not None and self.sent[dead.event_id].plan in self.presets.plans:
                raise BrokenPromise(f"{dead} cannot be brought back")

    def is_at(self, company: UUID, preset: CompanyPreset) -> bool:
        """Whether there is nothing for the preset to change."""
        current = self.codat.in_force(company)
        return not differences(current, preset.over(current))

    def close(self) -> None:
        """End all threads."""
        for process in self.processes:
            if process.step is not None:
                process.resume(Fate(Effect.NEVER, Crashed()))

    def _check_record(self, company: UUID, item: dict[str, str]) -> None:
        """What is desired is what the newest of all recorded events says; what it notes as applied was desired then."""
        arrivals = self._recorded.get(company, {})

        def rank(event_id: str) -> tuple[Authority, int, int, datetime, str]:
            sent = self.sent[event_id]
            if sent.authority is Authority.ASSUMED:
                return Authority.ASSUMED, 0, -1, NOW, ""
            return sent.authority, sent.minute, sent.sequence, arrivals[event_id], event_id

        newest = max(arrivals, key=rank)
        if (rank(item["desiredBy"]), item["desiredPlan"]) != (rank(newest), self.sent[newest].plan):
            self.broken(f"{company} should desire {newest}: {self.sent[newest]}, of {arrivals}, and desires {item}")
        applied = item.get("appliedOrder", "")
        if applied not in {"", self._applied.get(company, ""), item["desiredOrder"]}:
            self.broken(f"{company} notes as applied what is not desired: {item}")
        self._applied[company] = applied

    def _check_settings(self, company: UUID, item: dict[str, str]) -> None:
        """The company is at its newest plan, or a message in a DLQ says why not, and will see to it.

        A deploy alone changes nothing at Codat: the preset may be one that was deployed before.
        """
        presets = [each.for_company(item["desiredPlan"], company) for each in self._deployed]
        dead = [each for each in self.queues.dead_letters if self.company_of(each) == company]
        if any(each.ended == Outcome.DEGRADED for each in dead):
            presets += filter(None, [each.degraded() for each in presets])
        if any(self.is_at(company, each) for each in presets) or any(self._excuses(each, item) for each in dead):
            return
        self.broken(f"{company} should be at {item['desiredPlan']}: {item}, {self.codat.in_force(company)}")

    def _excuses(self, dead: Message, item: dict[str, str]) -> bool:
        """Whether a company may be elsewhere than at its newest plan, because this message was given up on.

        Either it is the very event that named the newest plan, or the one that made it the newest by turning out to be
        older, or an attempt on it wrote to Codat since that one was recorded. What was written before, the newest event
        has seen.
        """
        newest = item["desiredBy"]
        return dead.ended in GIVEN_UP and (dead.event_id == newest or newest in dead.wrote_under)

    def company_of(self, message: Message) -> UUID | None:
        """The company that an attempt on a message may change: none, where it states a plan that there is none of."""
        sent = self.sent.get(message.event_id)
        return (
            sent.company if sent and (sent.plan in self.presets.plans or sent.authority is Authority.TAGGED) else None
        )

    def _said(self, company: UUID, plan: str | None, authority: Authority, minute: int) -> Sent:
        return Sent(company, plan or self.presets.default_plan, authority if plan else Authority.ASSUMED, minute)

    def _publish(self, queue: str, detail_type: str, detail: dict[str, Any], sent: Sent) -> None:
        """Ids come in no order, and the moment is the envelope's."""
        number = len(self.sent)
        event_id = f"{7 * number % 10}-{number}"
        self.sent[event_id] = sent
        body = {"id": event_id, "detail-type": detail_type, "time": _moment(sent.minute), "detail": detail}
        self.queues.send(json.dumps(body), queue)


def _counted(sequence: int | None) -> int:
    return -1 if sequence is None else sequence


def _moment(minute: int) -> str:
    return (NOW - timedelta(hours=1) + timedelta(minutes=minute)).isoformat()
