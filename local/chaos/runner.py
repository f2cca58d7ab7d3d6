"""Runs a storm against a local stack: sends the events, causes the faults, kills workers, and reads the results."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any, Final
from uuid import UUID

from rich.console import Console

from codat_sync.codat.errors import PaymentRequiredKind
from codat_sync.codat.models import Dialect
from local import presets
from local.aws.processes import StackError
from local.aws.sam import Project
from local.aws.stack import LocalStack, local_stack
from local.chaos.faults import STEADY, Throttling, dripping, too_many_requests
from local.chaos.killer import Killer
from local.chaos.ledger import balance
from local.chaos.log_summary import LogSummary
from local.chaos.observations import Observations, company_states, desired_plans, parked_messages
from local.chaos.producers import Producers
from local.chaos.queues import Depth, source_queues_depth
from local.chaos.recovery import FAILED_EVENTS, PAYMENT_REQUIRED, Recovery
from local.chaos.report import Report
from local.chaos.schedule import Schedule, ScheduledFault
from local.chaos.storm import SOURCE_QUEUES, new_uuid, newest_plans, storm
from local.codat_simulator.company_settings import settings_at
from local.codat_simulator.control_client import ControlClient

UNDELIVERED: Final = "UndeliveredEventsQueueUrl"

FIRST_DEFERRAL_SECONDS: Final = 2
VISIBILITY_SECONDS: Final = 130
"""The source queues' visibility timeout during the storm: above the functions' timeout of 120 s, and far below the 720
s that are deployed. So messages held by a killed worker come back during the storm."""
BACKLOG: Final = 600
"""Producers wait while more messages than this are visible: long queues make MiniStack slow."""
TICK_SECONDS: Final = 0.5
KILL_SECONDS: Final = 1.5
"""The least time between two kills, after which MiniStack has logged what the first one did."""
LOG_SECONDS: Final = 10.0
QUIET_TICKS: Final = 6
"""How many ticks in a row have to find the source queues empty."""
STUCK_SECONDS: Final = 900.0
"""The longest time without a change of the queues: more than any deferral here, and than a pause."""
ROUNDS: Final = 6
EVENTS_OF_A_CYCLE: Final = 25_000
SHOWN: Final = 10
"""How many events or companies are listed for each discrepancy."""
LATE_COMPANIES: Final = 0.02
"""The share of companies that Codat does not know yet when the first events about them arrive."""
CONCURRENT_COMPANIES: Final = 5
DRIPPING_COMPANIES: Final = 0.01
"""The share of companies, at least one, about which Codat's answers drip during the storm."""
CONSUMERS: Final = ("CompanyPlanChangedFunctionName", "NewConnectionFunctionName")
"""The outputs of template.yaml that name the functions of live events."""


@dataclass(frozen=True)
class Options:
    """The size of a storm. The same seed gives the same events."""

    events: int
    companies: int
    kills: int
    concurrency: int
    """MaximumConcurrency of each function."""
    seed: int
    folder: Path
    """The folder of the stack's files."""


def run_storm(console: Console, options: Options) -> list[str]:
    """Start a stack, run the storm, print its report, and end the stack; return the problems, in words."""
    console.print(f"Presets: {presets.description()}")
    with local_stack(
        folder=options.folder,
        project=Project(presets=presets.FILE),
        parameters={
            "FirstDeferralSeconds": str(FIRST_DEFERRAL_SECONDS),
            "MaximumConcurrency": str(options.concurrency),
            "MaxConcurrentCompanies": str(CONCURRENT_COMPANIES),
        },
        on_step=lambda step, seconds: console.print(f"  {step:<18} [dim]{seconds:4.1f} s[/]"),
    ) as stack:
        report = StormRun(stack, options, console).run()
    for table in (report.ledger_table(), report.storm_table()):
        console.print()
        console.print(table)
    for name, ids in report.ledger.discrepancies.items():
        console.print(f"[bold]{name}[/]: {', '.join(map(str, ids[:SHOWN]))}")
    return report.problems


class StormRun:
    """One storm against one stack."""

    def __init__(self, stack: LocalStack, options: Options, console: Console) -> None:
        self._stack = stack
        self._console = console
        self._kills = options.kills
        self._random = Random(options.seed)  # noqa: S311 - a storm has to be repeatable.
        self._presets = presets.local_presets()
        self._simulator = ControlClient(stack.codat.base_url)
        self._recovery = Recovery(stack)
        self._killer = Killer(stack.processes[0].pid, stack.logs / "ministack.log", Random(options.seed))  # noqa: S311
        self._companies = [new_uuid(self._random) for _ in range(options.companies)]
        late = self._random.sample(self._companies, k=round(len(self._companies) * LATE_COMPANIES))
        self._late = frozenset(late)
        self._events = storm(
            self._random,
            count=options.events,
            companies=self._companies,
            plans=self._presets.plans,
            now=datetime.now(UTC),
        )
        self._began = self._sent_at = time.monotonic()
        self._condition = "no faults"
        self._account_expired = self._paused = False
        self._next_kill = self._next_log = 0.0

    def run(self) -> Report:
        """Prepare, send, wait until everything is settled or parked as it has to be, and read the results."""
        self._prepare()
        self._send()
        self._simulator.delete("faults")
        self._set_account(free=False, expired=False)
        self._condition = "no faults"
        self._log("All sent, faults off: waiting until the source queues are empty")
        self._settle()
        return self._report(settled_at=time.monotonic())

    def _prepare(self) -> None:
        self._simulator.post("account", {"dialect": "object"})
        self._create_at_codat([company for company in self._companies if company not in self._late])
        for output in SOURCE_QUEUES:
            self._stack.aws.sqs.set_queue_attributes(
                QueueUrl=self._stack.outputs[output], Attributes={"VisibilityTimeout": str(VISIBILITY_SECONDS)}
            )
        known = [company for company in self._companies if company not in self._late]
        drips = dripping(self._random.sample(known, k=max(1, round(len(known) * DRIPPING_COMPANIES))))
        self._simulator.post("faults", {"faults": [*drips, *STEADY]})
        self._log(
            f"{len(self._events):,} events about {len(self._companies):,} companies, {self._kills} kills. "
            f"The source queues' visibility timeout is {VISIBILITY_SECONDS} s during the storm, 720 s as deployed"
        )

    def _create_at_codat(self, companies: Sequence[UUID]) -> None:
        plans = [None, *self._presets.plans]
        created = [
            {
                "id": str(company),
                "settings": settings_at(self._presets, self._random.choice(plans), company, Dialect.OBJECT),
            }
            for company in companies
        ]
        self._simulator.post("companies", {"companies": created})

    def _scheduled_faults(self) -> list[ScheduledFault]:
        """Return the faults beside the steady ones: the same again every EVENTS_OF_A_CYCLE events."""
        cycles = max(1, len(self._events) // EVENTS_OF_A_CYCLE)
        refusal = Refusal(self._simulator, self._random)
        throttling = Throttling(self._stack.aws.lambda_, [self._stack.outputs[each] for each in CONSUMERS])
        one_cycle = [
            *(ScheduledFault(at, "429 to all", refusal.begin, refusal.end, 3.0) for at in (0.15, 0.55, 0.85)),
            self._account_fault(0.35, "free", 8.0),
            ScheduledFault(0.45, "functions throttled", throttling.begin, throttling.end, 5.0),
            self._account_fault(0.70, "expired", 2.0),
        ]
        late = ScheduledFault(0.25 / cycles, "late companies created", self._create_late_companies, lambda: None, 1.0)
        return [replace(fault, at=(cycle + fault.at) / cycles) for cycle in range(cycles) for fault in one_cycle] + [
            late
        ]

    def _account_fault(self, at: float, flag: str, seconds: float) -> ScheduledFault:
        return ScheduledFault(
            at,
            f"account {flag}",
            lambda: self._set_account(**{flag: True}),
            lambda: self._set_account(**{flag: False}),
            seconds,
        )

    def _set_account(self, **flags: bool) -> None:
        self._simulator.post("account", flags)
        self._account_expired = flags.get("expired", self._account_expired)

    def _create_late_companies(self) -> None:
        self._create_at_codat(sorted(self._late))

    def _send(self) -> None:
        """Send until every event is sent, every fault is over, and every kill is done or finds no work left."""
        schedule = Schedule(self._scheduled_faults())
        with Producers(self._stack, self._events) as producers:
            over = False
            while not over:
                depth = self._tick(producers.sent)
                if producers.failed:
                    raise StackError(f"the events could not be sent: {producers.failed[0]}")
                producers.throttle(on=depth.visible > BACKLOG)
                progress = max(0, producers.sent - depth.total) / len(self._events)
                schedule.advance(progress, time.monotonic(), paused=self._paused)
                self._condition = (schedule.active or "steady faults") + (", paused" if self._paused else "")
                self._kill(depth, progress)
                kills_done = self._killer.interrupted >= self._kills or not depth.total
                over = producers.done and schedule.done and kills_done
        self._sent_at = time.monotonic()

    def _kill(self, depth: Depth, progress: float) -> None:
        """Kill a worker if the kills so far are less than their share of the storm's progress."""
        now = time.monotonic()
        if depth.in_flight and now >= self._next_kill and self._killer.interrupted < self._kills * progress:
            self._killer.kill()
            self._next_kill = now + KILL_SECONDS

    def _tick(self, sent: int) -> Depth:
        """Wait a moment, then read the state, log it now and then, and lift a pause once Codat's bill is paid."""
        time.sleep(TICK_SECONDS)
        self._stack.check_running()
        self._killer.count()
        pause = self._recovery.pause()
        if pause.get("reason") == PaymentRequiredKind.ACCOUNT_EXPIRED and not self._account_expired:
            self._recovery.lift_pause()
        self._paused = bool(pause) and datetime.fromisoformat(pause["until"]) > datetime.now(UTC)
        depth = source_queues_depth(self._stack)
        now = time.monotonic()
        if now >= self._next_log:
            self._next_log = now + LOG_SECONDS
            self._log(
                f"{sent:>7,} sent, {depth.visible:>5,} visible, {depth.in_flight:>5,} in flight, "
                f"{self._killer.interrupted:>3} interrupted; {self._condition}"
            )
        return depth

    def _settle(self) -> None:
        """Wait until the source queues are empty, and put parked events back, until none is left to put back."""
        for _ in range(ROUNDS):
            self._wait_until_empty()
            count = self._recovery.put_parked_events_back()
            if not count:
                break
            self._log(f"Source queues empty. Put back from the DLQs: {count:,} events")

    def _wait_until_empty(self) -> None:
        quiet, last, since = 0, -1, time.monotonic()
        while quiet < QUIET_TICKS:
            depth = self._tick(len(self._events))
            quiet = quiet + 1 if depth.total == 0 else 0
            if depth.total != last:
                last, since = depth.total, time.monotonic()
            if time.monotonic() - since > STUCK_SECONDS:
                raise StackError(
                    f"{depth.total} messages stay on the source queues: see {self._stack.logs}/functions.log"
                )

    def _report(self, *, settled_at: float) -> Report:
        state = self._simulator.get("state")
        newest = newest_plans(self._events, self._presets)
        observed = self._observe(state)
        kills = self._killer.interrupted
        self._stack.function_logs.collect()
        logs = LogSummary.read(self._stack.logs / "functions.log")
        return Report(
            ledger=balance(self._events, newest, self._presets, observed, kills=kills),
            logs=logs,
            without_outcome=logs.without_outcome(self._events),
            sending_seconds=self._sent_at - self._began,
            settling_seconds=settled_at - self._sent_at,
            kills_wanted=self._kills,
            kills_sent=self._killer.sent,
            interrupted=kills,
            failed=self._killer.failed,
            pauses_lifted=self._recovery.pauses_lifted,
            put_back=self._recovery.put_back,
            answers=_answers(state),
        )

    def _observe(self, state: dict[str, Any]) -> Observations:
        aws, outputs = self._stack.aws, self._stack.outputs
        companies = company_states(aws.dynamodb, outputs["CompanyPlansTableName"], state["companies"])
        recorded = desired_plans(aws.dynamodb, outputs["CompanyPlansTableName"])
        parked = parked_messages(aws.sqs, outputs, (PAYMENT_REQUIRED, FAILED_EVENTS, UNDELIVERED))
        return Observations(
            waiting=source_queues_depth(self._stack).total,
            undelivered=sum(message.dlq == UNDELIVERED for message in parked),
            parked=parked,
            companies=companies,
            unknown_records=len(recorded.keys() - companies.keys()),
        )

    def _log(self, text: str) -> None:
        self._console.print(f"  [dim]{time.monotonic() - self._began:6.1f} s[/]  {text}")


class Refusal:
    """A fault that answers 429 to every request, until it is taken back."""

    def __init__(self, simulator: ControlClient, random: Random) -> None:
        self._simulator = simulator
        self._random = random
        self._id = ""

    def begin(self) -> None:
        """Answer 429 from now on."""
        self._id = self._simulator.post("faults", {"faults": [too_many_requests(self._random)]})["ids"][0]

    def end(self) -> None:
        """Answer as before."""
        self._simulator.delete(f"faults/{self._id}")


def _answers(state: dict[str, Any]) -> Counter[tuple[str, str]]:
    """Count Codat's answers by method and status."""
    answers: Counter[tuple[str, str]] = Counter()
    for counter in state["counters"]:
        status = "no answer" if counter["status"] is None else str(counter["status"])
        answers[counter["method"], status] += counter["count"]
    return answers
