"""The storm: thousands of events through the deployed stack, with faults and kills, and a ledger of what they led to.

Exits 0 only if the ledger balances: no event is missing, none is parked that should not be, and every company is at
Codat at the preset of its newest plan.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Final
from uuid import UUID

from rich.console import Console
from rich.table import Table

from codat_sync.codat.errors import PaymentRequiredKind
from codat_sync.codat.models import Dialect
from codat_sync.outcomes.triage import Outcome
from local.aws.processes import StackError, ending_on_signals
from local.aws.stack import LocalStack, local_stack
from local.chaos.faults import STEADY, Killer, Simulator, too_many_requests
from local.chaos.ledger import Found, Ledger, OwnAccount, balance, company_states, desired_plans, letters
from local.chaos.on_call import FAILED_EVENTS, PAYMENT_REQUIRED, OnCall
from local.chaos.producers import Producers
from local.chaos.storm import SOURCE_QUEUES, new_uuid, newest_plans, storm
from local.codat_simulator.company_settings import settings_at
from local.presets import local_presets

UNDELIVERED = "UndeliveredEventsQueueUrl"

FIRST_DEFERRAL_SECONDS: Final = 2
VISIBILITY_SECONDS: Final = 70
"""Of the source queues while the storm lasts: above the functions' timeout of 60 s, and far below the 360 s deployed.
So what a killed worker held comes back within the storm."""
BACKLOG: Final = 600
"""Senders wait while more than this many messages can be received: long queues make MiniStack slow."""
TICK_SECONDS: Final = 0.5
KILL_SECONDS: Final = 1.5
"""Between two kills, so that it is known what the last one did."""
SAY_SECONDS: Final = 10.0
QUIET_TICKS: Final = 6
"""How many looks in a row have to find the source queues empty."""
STUCK_SECONDS: Final = 900.0
"""Longer than any deferral here, and than a pause."""
ROUNDS: Final = 6
EVENTS_OF_A_CYCLE: Final = 25_000
SHOWN: Final = 10
LATE_COMPANIES: Final = 0.02
"""Companies that Codat gets to know only when the first events about them are there."""
CONCURRENT_COMPANIES: Final = 5


@dataclass(frozen=True)
class Turn:
    """Something that happens when a share of the events has gone out, and what undoes it some seconds later."""

    at: float
    name: str
    begin: Callable[[], None]
    end: Callable[[], None]
    seconds: float


@dataclass
class Depth:
    """How many messages are on the source queues."""

    visible: int = 0
    in_flight: int = 0
    delayed: int = 0

    @property
    def total(self) -> int:
        return self.visible + self.in_flight + self.delayed


@dataclass
class Report:
    """What the ledger cannot show."""

    began: float = field(default_factory=time.monotonic)
    sending_seconds: float = 0.0
    settling_seconds: float = 0.0
    statuses: Counter[tuple[str, str]] = field(default_factory=Counter)


class Chaos:
    """One storm over one stack."""

    def __init__(self, stack: LocalStack, arguments: argparse.Namespace, console: Console) -> None:
        self._stack = stack
        self._console = console
        self._kills: int = arguments.kills
        self._random = Random(arguments.seed)  # noqa: S311 - a storm that can be had again.
        self._presets = local_presets()
        self._simulator = Simulator(stack.codat.base_url)
        self._on_call = OnCall(stack)
        self._killer = Killer(stack.processes[0].pid, stack.logs / "ministack.log", Random(arguments.seed))  # noqa: S311
        self._companies = [new_uuid(self._random) for _ in range(arguments.companies)]
        late = self._random.sample(self._companies, k=round(len(self._companies) * LATE_COMPANIES))
        self._late = frozenset(late)
        self._events = storm(
            self._random,
            count=arguments.events,
            companies=self._companies,
            plans=self._presets.plans,
            now=datetime.now(UTC),
        )
        self._report = Report()
        self._weather = "calm"
        self._expired = self._paused = False
        self._refusal = ""
        self._said = 0.0

    def blow(self) -> tuple[Ledger, OwnAccount]:
        """The whole storm, and what people do after it."""
        self._prepare()
        self._send()
        self._simulator.delete("faults")
        self._account(free=False, expired=False)
        self._weather = "calm"
        self._say("All sent, faults off: waiting for the source queues to be empty")
        self._settle()
        return self._close()

    def _prepare(self) -> None:
        self._simulator.post("account", {"dialect": "object"})
        self._create_at_codat([company for company in self._companies if company not in self._late])
        for output in SOURCE_QUEUES:
            self._stack.aws.sqs.set_queue_attributes(
                QueueUrl=self._stack.outputs[output], Attributes={"VisibilityTimeout": str(VISIBILITY_SECONDS)}
            )
        self._simulator.post("faults", {"faults": list(STEADY)})
        self._say(
            f"{len(self._events):,} events about {len(self._companies):,} companies, {self._kills} kills. "
            f"The source queues' visibility timeout is {VISIBILITY_SECONDS} s for the storm, 360 s as deployed"
        )

    def _create_at_codat(self, companies: Sequence[UUID]) -> None:
        plans = [None, *self._presets.plans]
        self._simulator.post(
            "companies",
            {
                "companies": [
                    {
                        "id": str(company),
                        "settings": settings_at(self._presets, self._random.choice(plans), company, Dialect.OBJECT),
                    }
                    for company in companies
                ]
            },
        )

    def _turns(self) -> list[Turn]:
        """What happens beside the steady faults, in order: the same again every so many events."""
        cycles = max(1, len(self._events) // EVENTS_OF_A_CYCLE)
        one = [
            *(Turn(at, "429 to all", self._refuse_all, self._refuse_no_more, 3.0) for at in (0.15, 0.55, 0.85)),
            Turn(0.35, "account free", lambda: self._account(free=True), lambda: self._account(free=False), 8.0),
            Turn(
                0.70, "account expired", lambda: self._account(expired=True), lambda: self._account(expired=False), 2.0
            ),
        ]
        turns = [replace(turn, at=(cycle + turn.at) / cycles) for cycle in range(cycles) for turn in one]
        turns.append(Turn(0.25 / cycles, "late companies created", self._create_late_companies, lambda: None, 1.0))
        return sorted(turns, key=lambda turn: turn.at)

    def _refuse_all(self) -> None:
        self._refusal = self._simulator.post("faults", {"faults": [too_many_requests(self._random)]})["ids"][0]

    def _refuse_no_more(self) -> None:
        self._simulator.delete(f"faults/{self._refusal}")

    def _account(self, **flags: bool) -> None:
        self._simulator.post("account", flags)
        self._expired = flags.get("expired", self._expired)

    def _create_late_companies(self) -> None:
        self._create_at_codat(sorted(self._late))

    def _send(self) -> None:
        """The storm itself: until all is sent, all turns are over, and all kills are done or find nobody at work."""
        turns = self._turns()
        under_way: list[tuple[float, Turn]] = []
        next_kill = 0.0
        with Producers(self._stack, self._events) as producers:
            while True:
                depth = self._tick(producers.sent)
                if producers.failed:
                    raise StackError(f"the storm could not be sent: {producers.failed[0]}")
                if depth.visible > BACKLOG:
                    producers.open.clear()
                else:
                    producers.open.set()
                progress = max(0, producers.sent - depth.total) / len(self._events)
                now = time.monotonic()
                for due in [each for each in under_way if each[0] <= now]:
                    under_way.remove(due)
                    due[1].end()
                # A turn that nobody calls Codat in would pass unnoticed.
                if turns and not under_way and not self._paused and turns[0].at <= progress:
                    turn = turns.pop(0)
                    turn.begin()
                    under_way.append((now + turn.seconds, turn))
                self._weather = ", ".join(turn.name for _, turn in under_way) or "steady faults"
                if self._paused:
                    self._weather += ", paused"
                if depth.in_flight and now >= next_kill and self._killer.cut_off < self._kills * progress:
                    self._killer.kill()
                    next_kill = now + KILL_SECONDS
                over = producers.done and not turns and not under_way
                if over and (self._killer.cut_off >= self._kills or not depth.total):
                    break
        self._report.sending_seconds = time.monotonic() - self._report.began

    def _tick(self, sent: int) -> Depth:
        """Look around, say so now and then, and lift a pause whose bill is paid."""
        time.sleep(TICK_SECONDS)
        self._stack.check_running()
        self._killer.count()
        pause = self._on_call.pause()
        if pause.get("reason") == PaymentRequiredKind.ACCOUNT_EXPIRED and not self._expired:
            self._on_call.lift_pause()
        self._paused = bool(pause) and datetime.fromisoformat(pause["until"]) > datetime.now(UTC)
        depth = self._depth()
        now = time.monotonic()
        if now - self._said >= SAY_SECONDS:
            self._said = now
            self._say(
                f"{sent:>7,} sent, {depth.visible:>5,} visible, {depth.in_flight:>5,} in flight, "
                f"{self._killer.cut_off:>3} cut off; {self._weather}"
            )
        return depth

    def _depth(self) -> Depth:
        depth = Depth()
        for output in SOURCE_QUEUES:
            attributes = self._stack.aws.sqs.get_queue_attributes(
                QueueUrl=self._stack.outputs[output], AttributeNames=["All"]
            )["Attributes"]
            depth.visible += int(attributes["ApproximateNumberOfMessages"])
            depth.in_flight += int(attributes["ApproximateNumberOfMessagesNotVisible"])
            depth.delayed += int(attributes["ApproximateNumberOfMessagesDelayed"])
        return depth

    def _settle(self) -> None:
        """Until nothing moves and nothing is parked but what has to be: somebody puts all else back."""
        for _ in range(ROUNDS):
            self._wait_until_empty()
            count = self._on_call.put_parked_events_back()
            if not count:
                break
            self._say(f"Source queues empty. Put back from the DLQs: {count:,} events")
        self._report.settling_seconds = time.monotonic() - self._report.began - self._report.sending_seconds

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

    def _close(self) -> tuple[Ledger, OwnAccount]:
        aws, outputs = self._stack.aws, self._stack.outputs
        state = self._simulator.get("state")
        for counter in state["counters"]:
            status = "no answer" if counter["status"] is None else str(counter["status"])
            self._report.statuses[counter["method"], status] += counter["count"]
        companies = company_states(aws.dynamodb, outputs["CompanyPlansTableName"], state["companies"])
        recorded = desired_plans(aws.dynamodb, outputs["CompanyPlansTableName"])
        parked = letters(aws.sqs, outputs, (PAYMENT_REQUIRED, FAILED_EVENTS, UNDELIVERED))
        found = Found(
            waiting=self._depth().total,
            undelivered=sum(letter.dlq == UNDELIVERED for letter in parked),
            letters=parked,
            companies=companies,
            unknown_records=len(recorded.keys() - companies.keys()),
        )
        newest = newest_plans(self._events, self._presets)
        ledger = balance(self._events, newest, self._presets, found, kills=self._killer.cut_off)
        self._stack.function_logs.collect()
        return ledger, OwnAccount.read(self._stack.logs / "functions.log")

    def tables(self, ledger: Ledger, own: OwnAccount) -> list[Table]:
        """The ledger as people read it."""
        return [self._ledger_table(ledger, own), self._storm_table(ledger)]

    def _ledger_table(self, ledger: Ledger, own: OwnAccount) -> Table:
        table = Table(title="The ledger", title_justify="left", title_style="bold")
        table.add_column("")
        table.add_column("by Codat, queues and table", justify="right")
        table.add_column("by the functions' own account", justify="right")
        told = Counter(own.outcomes)
        rows: list[tuple[str, str, str]] = [
            ("events sent", f"{ledger.sent:,}", ""),
            ("  in so many deliveries", f"{ledger.deliveries:,}", f"{told.total() - told[Outcome.DEFERRED]:,} settled"),
            ("settled: on no queue any more", f"{ledger.settled:,}", ""),
            *(
                (f"parked: {reason}", f"{count:,} ({copies:,} copies)", "")
                for reason, (count, copies) in ledger.parked.items()
            ),
            ("settled + parked", f"{ledger.settled + sum(count for count, _ in ledger.parked.values()):,}", ""),
            ("events that are missing", str(len(ledger.missing)), str(len(own.silent_about(self._events)))),
            ("events parked that should not be", str(len(ledger.wrongly_parked)), ""),
            ("events parked that were never sent", str(len(ledger.never_sent)), ""),
            ("events parked that say something else", str(len(ledger.altered)), ""),
            ("copies parked more often than delivered", str(ledger.copies_too_many), ""),
            ("companies", f"{ledger.companies:,}", ""),
            ("  with another plan than the newest", str(len(ledger.wrong_records)), ""),
            ("  not at the preset of the newest plan", str(len(ledger.wrong_settings)), ""),
            ("  changed though no event was about them", str(len(ledger.untouched_written)), ""),
            (
                "writes that Codat accepted",
                ledger.writes_in_words,
                f"{told[Outcome.APPLIED] + told[Outcome.DEGRADED]:,}",
            ),
        ]
        for name, found, said in rows:
            table.add_row(name, found, said)
        table.add_section()
        for outcome, count in told.most_common():
            table.add_row(f"{outcome.replace('_', ' ')}", "", f"{count:,}")
        for reason, count in own.deferred_for.most_common():
            table.add_row(f"  deferred: {reason.replace('_', ' ')}", "", f"{count:,}")
        table.add_row(
            "seen again (received more than once)", "", f"{own.seen_again:,}, {own.most_received} times at most"
        )
        return table

    def _storm_table(self, ledger: Ledger) -> Table:
        report, killer = self._report, self._killer
        table = Table(title="The storm", title_justify="left", title_style="bold", show_header=False)
        table.add_column("")
        table.add_column("", justify="right")
        table.add_row("sending", f"{report.sending_seconds:.0f} s")
        table.add_row("settling", f"{report.settling_seconds:.0f} s")
        seconds = report.sending_seconds + report.settling_seconds
        table.add_row("deliveries a second", f"{ledger.deliveries / seconds:.1f}")
        table.add_row("workers killed (SIGKILL)", str(killer.sent))
        table.add_row("  invocations that were cut off by it", f"{killer.cut_off} of {self._kills} wanted")
        table.add_row("invocations that failed of themselves", str(killer.failed))
        table.add_row("pauses lifted by hand", str(self._on_call.lifted))
        for (dlq, reason), count in sorted(self._on_call.put_back.items()):
            table.add_row(f"put back: {dlq.removesuffix('QueueUrl')}, {reason}", f"{count:,}")
        for (method, status), count in sorted(report.statuses.items()):
            table.add_row(f"Codat: {method} {status}", f"{count:,}")
        return table

    def problems(self, ledger: Ledger) -> list[str]:
        """Why the storm is not a success, in words."""
        found = list(ledger.problems)
        if self._killer.cut_off < self._kills:
            found.append(f"kills cut off only {self._killer.cut_off} of {self._kills} invocations")
        return found

    def _say(self, text: str) -> None:
        seconds = time.monotonic() - self._report.began
        self._console.print(f"  [dim]{seconds:6.1f} s[/]  {text}")


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local.chaos", description=__doc__)
    parser.add_argument("--events", type=int, default=5_000, help="different events; a tenth is delivered twice")
    parser.add_argument("--companies", type=int, default=300)
    parser.add_argument("--kills", type=int, default=20, help="invocations to cut off by killing their worker")
    parser.add_argument("--concurrency", type=int, default=6, help="MaximumConcurrency of each function")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path(".local"), help="where the stack keeps its files")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    arguments = _arguments(argv)
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=150)
    try:
        with (
            ending_on_signals(),
            local_stack(
                folder=arguments.folder,
                parameters={
                    "FirstDeferralSeconds": str(FIRST_DEFERRAL_SECONDS),
                    "MaximumConcurrency": str(arguments.concurrency),
                    "MaxConcurrentCompanies": str(CONCURRENT_COMPANIES),
                },
                on_step=lambda step, seconds: console.print(f"  {step:<18} [dim]{seconds:4.1f} s[/]"),
            ) as stack,
        ):
            chaos = Chaos(stack, arguments, console)
            ledger, own = chaos.blow()
            for table in chaos.tables(ledger, own):
                console.print()
                console.print(table)
            problems = chaos.problems(ledger)
            for name, ids in ledger.named.items():
                console.print(f"[bold]{name}[/]: {', '.join(map(str, ids[:SHOWN]))}")
    except StackError as error:
        console.print(f"[bold red]chaos:[/] {error}")
        return 1
    except KeyboardInterrupt:
        return 130
    for problem in problems:
        console.print(f"[bold red]✗[/] {problem}")
    if not problems:
        console.print("[bold green]✓[/] The ledger balances: nothing is missing, and nothing is there twice.")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
