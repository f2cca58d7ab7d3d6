"""The main job on this machine: sample events go through the bus, and a table shows what became of each.

Exits 0 only if every event ended in the outcome that it should end in, and every company is at its preset.
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import requests
from rich.console import Console
from rich.table import Table
from rich.text import Text

from codat_sync.codat.client import CodatClient
from codat_sync.codat.differences import Difference, differences
from codat_sync.codat.models import Dialect, SyncSettings
from codat_sync.presets import Presets
from codat_sync.triage import PARKED, Outcome
from local.companies import settings_at
from local.processes import StackError, ending_on_signals
from local.stack import LocalStack, local_stack

EVENTS = Path(__file__).parent.parent / "events"
SETTLE_SECONDS = 30.0
POLL_SECONDS = 0.1
NAMES_SHOWN = 3
STYLES = {
    Outcome.APPLIED: "bold green",
    Outcome.UNCHANGED: "green",
    Outcome.STALE: "dim",
    Outcome.DEGRADED: "bold yellow",
    Outcome.PARKED_PAYMENT_REQUIRED: "bold yellow",
    Outcome.PARKED_FAILED: "bold red",
    Outcome.DEFERRED: "magenta",
}


@dataclass
class Step:
    """One event of the story, and how it has to end."""

    title: str
    company: str
    sample: str
    expected: Outcome
    detail: dict[str, Any] = field(default_factory=dict)
    """What differs from the sample's detail."""
    repeats: "Step | None" = None
    """The step whose event is delivered once more, under the same id."""
    event_id: str = ""
    settled: dict[str, Any] = field(default_factory=dict)
    """The function's own line about it."""

    @property
    def outcome(self) -> Outcome:
        return Outcome(self.settled["outcome"])


@dataclass(frozen=True)
class Act:
    """Steps that may go side by side, and the state of the Codat account that they meet."""

    title: str
    account: dict[str, bool]
    steps: tuple[Step, ...]


PAID = {"free": False, "expired": False}
# The companies, and the plan whose preset each is at when the story begins.
COMPANIES = {
    "Toft Stores": "growth",
    "Ardent Cycles": "growth",
    "Bluebell Books": "scale",
    "Kew Cafe": None,
    "Harbour Fish": None,
    "Old Mill Bakery": "starter",
    "Pinecone Toys": "growth",
    "Lumen Lights": "starter",
    "Quarry Stone": "starter",
    "Summit Gear": "growth",
}


def story() -> list[Act]:
    """What happens, in order."""
    upgrade = Step("upgraded", "Toft Stores", "company_upgraded_plan", Outcome.APPLIED, {"plan": "scale"})
    late = {"plan": "starter", "occurredAt": "2026-01-11T08:00:00Z"}
    return [
        Act(
            "Paid Codat account",
            PAID,
            (
                upgrade,
                Step("downgraded", "Ardent Cycles", "company_downgraded_plan", Outcome.APPLIED, {"plan": "starter"}),
                Step("cancelled", "Bluebell Books", "company_cancelled_plan", Outcome.APPLIED),
                Step("new connection, no plan", "Kew Cafe", "new_connection", Outcome.APPLIED),
                Step("Codat: company created, tagged", "Harbour Fish", "codat.company_created", Outcome.APPLIED),
                Step("changed", "Old Mill Bakery", "company_changed_plan", Outcome.APPLIED, {"plan": "growth"}),
                Step("malformed: no UUID", "Pinecone Toys", "company_upgraded_plan", Outcome.PARKED_FAILED,
                     {"companyId": "pinecone-toys"}),
                Step("a plan without a preset", "Pinecone Toys", "company_changed_plan", Outcome.PARKED_FAILED,
                     {"plan": "platinum"}),
            ),
        ),
        Act(
            "The same again, and too late",
            PAID,
            (
                Step("delivered twice", "Toft Stores", upgrade.sample, Outcome.UNCHANGED, repeats=upgrade),
                Step("an old event, late", "Old Mill Bakery", "company_downgraded_plan", Outcome.STALE, late),
                Step("Codat: reconnected", "Bluebell Books", "codat.connection_reconnected", Outcome.UNCHANGED),
            ),
        ),
        Act(
            "Free Codat account",
            {"free": True},
            (Step("upgraded", "Lumen Lights", "company_upgraded_plan", Outcome.DEGRADED, {"plan": "scale"}),),
        ),
        Act(
            "Expired Codat account",
            {"expired": True},
            (
                Step("upgraded", "Quarry Stone", "company_upgraded_plan", Outcome.PARKED_PAYMENT_REQUIRED,
                     {"plan": "growth"}),
            ),
        ),
    ]  # fmt: skip


class Theatre:
    """The local stack with the companies of the story in it."""

    def __init__(self, stack: LocalStack) -> None:
        self._stack = stack
        self._presets = Presets.packaged()
        self._ids = {name: uuid4() for name in COMPANIES}
        self.codat = CodatClient(stack.codat.base_url, lambda *, rejected=None: rejected or stack.codat.api_key)

    def seed(self) -> None:
        """Create the companies at Codat, each at the preset of its plan."""
        companies = [
            {
                "id": str(self._ids[name]),
                "name": name,
                "settings": settings_at(self._presets, plan, self._ids[name], Dialect.HOURS),
            }
            for name, plan in COMPANIES.items()
        ]
        self._control("companies", {"companies": companies})

    def set_account(self, account: dict[str, bool]) -> None:
        self._control("account", account)

    def settings(self) -> dict[str, SyncSettings]:
        """What each company is at."""
        return {name: self.codat.get_sync_settings(company_id) for name, company_id in self._ids.items()}

    def name_of(self, company_id: str | None) -> str:
        return next((name for name, known in self._ids.items() if str(known) == company_id), company_id or "—")

    def send(self, step: Step) -> None:
        """Through the bus; a repeat goes straight to the queue, since the bus gives each event a new id."""
        envelope = json.loads((EVENTS / f"{step.sample}.json").read_text("utf-8"))
        detail = self._about(envelope["detail"], self._ids[step.company]) | step.detail
        if step.repeats:
            detail |= step.repeats.detail
            step.event_id = step.repeats.event_id
            body = json.dumps(envelope | {"id": step.event_id, "detail": detail})
            url = self._stack.outputs["CompanyPlanChangedQueueUrl"]
            self._stack.aws.sqs.send_message(QueueUrl=url, MessageBody=body)
            return
        answer = self._stack.aws.events.put_events(
            Entries=[
                {
                    "EventBusName": self._stack.outputs["EventBusName"],
                    "Source": envelope["source"],
                    "DetailType": envelope["detail-type"],
                    "Detail": json.dumps(detail),
                    "Time": envelope["time"],
                }
            ]
        )
        (entry,) = answer["Entries"]
        step.event_id = entry["EventId"]

    def wait_until_settled(self, steps: Sequence[Step]) -> None:
        """Until the functions have said of each step how it ended."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while not all(step.settled for step in steps):
            self._stack.check_running()
            if time.monotonic() > deadline:
                missing = ", ".join(step.title for step in steps if not step.settled)
                raise StackError(
                    f"no outcome after {SETTLE_SECONDS:.0f} s of: {missing}. See {self._stack.logs}/functions.log"
                )
            time.sleep(POLL_SECONDS)
            self._stack.function_logs.collect()
            told = self._settled_lines()
            for step in steps:
                # A repeated event has a line for each of its deliveries.
                lines = told.get(step.event_id, [])[1 if step.repeats else 0 :]
                if lines:
                    step.settled = lines[0]

    def at_preset(self, step: Step, shown: SyncSettings) -> bool:
        """Whether a company is at the preset that the step leads to, or at what is left of it without hourly."""
        preset = self._presets.for_company(step.settled["plan"], self._ids[step.company])
        wanted = preset.degraded() if step.outcome is Outcome.DEGRADED else preset
        return wanted is not None and not differences(shown, wanted.over(shown))

    def dead_letters(self) -> list[tuple[str, dict[str, str]]]:
        """What lies in each DLQ: the queue's output name, and the attributes of the message."""
        return [
            (queue, {name: value["StringValue"] for name, value in message["MessageAttributes"].items()})
            for queue in ("PaymentRequiredQueueUrl", "FailedEventsQueueUrl", "UndeliveredEventsQueueUrl")
            for message in self._messages(self._stack.outputs[queue])
        ]

    def _messages(self, url: str) -> Iterator[Any]:
        while messages := self._stack.aws.sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], WaitTimeSeconds=0
        ).get("Messages"):
            yield from messages

    def _settled_lines(self) -> dict[str, list[dict[str, Any]]]:
        lines: dict[str, list[dict[str, Any]]] = {}
        for text in (self._stack.logs / "functions.log").read_text("utf-8").splitlines():
            if '"event_settled"' in text:
                line = json.loads(text[text.index("{") :])
                lines.setdefault(line.get("correlation_id", ""), []).append(line)
        return lines

    @staticmethod
    def _about(detail: dict[str, Any], company_id: UUID) -> dict[str, Any]:
        """The same detail about another company, whichever of Codat's shapes it has."""
        if "payload" not in detail:
            return detail | {"companyId": str(company_id)}
        payload = detail["payload"]
        if "referenceCompany" in payload:
            payload = payload | {"referenceCompany": payload["referenceCompany"] | {"id": str(company_id)}}
        else:
            payload = payload | {"id": str(company_id)}
        return detail | {"payload": payload}

    def _control(self, path: str, body: dict[str, Any]) -> None:
        answer = requests.post(f"{self._stack.codat.base_url}/_simulator/{path}", json=body, timeout=10)
        if not answer.ok:
            raise StackError(f"the Codat simulator refused {path}: {answer.text}")


def in_short(changes: Sequence[Difference]) -> str:
    """Many data types change alike: "invoices, bills and 6 more: daily → hourly"."""
    alike: dict[str, list[str]] = {}
    for change in changes:
        if change.data_type is None:
            text = f"{change.field.replace('_', ' ')}: {change.before} → {change.after}"
            alike.setdefault(text, [])
        elif change.field == "sync_schedule":
            alike.setdefault(f"{change.before} → {change.after}", []).append(change.data_type)
    return "\n".join(f"{_some_of(names)}: {text}" if names else text for text, names in alike.items())


def _some_of(names: Sequence[str]) -> str:
    shown = ", ".join(names[:NAMES_SHOWN])
    return shown if len(names) <= NAMES_SHOWN else f"{shown} and {len(names) - NAMES_SHOWN} more"


def _outcomes_table(acts: Sequence[Act], changed: dict[str, str]) -> Table:
    table = Table(title="What became of each event", title_justify="left", title_style="bold", expand=True)
    for column, ratio in (("event", 5), ("company", 3), ("plan", 2), ("outcome", 4), ("what changed at Codat", 9)):
        table.add_column(column, ratio=ratio)
    for act in acts:
        table.add_section()
        table.add_row(Text(act.title, style="italic"))
        for step in act.steps:
            words = changed[step.company] if step.outcome in {Outcome.APPLIED, Outcome.DEGRADED} else "nothing"
            if "reason" in step.settled:
                words = f"{words}\n[dim]{step.settled['reason']}[/]"
            mark = "" if step.outcome is step.expected else f" [bold red](expected {step.expected.value})[/]"
            outcome = f"[{STYLES[step.outcome]}]{step.outcome.value.replace('_', ' ')}[/]{mark}"
            table.add_row(step.title, step.company, step.settled.get("plan", "—"), outcome, words)
    return table


def _dead_letters_table(letters: Sequence[tuple[str, dict[str, str]]], theatre: Theatre) -> Table:
    table = Table(title="What waits in the DLQs, and why", title_justify="left", title_style="bold", expand=True)
    for column, ratio in (("DLQ", 3), ("company", 3), ("plan", 2), ("reason", 4), ("in words", 11)):
        table.add_column(column, ratio=ratio)
    for queue, letter in letters:
        name = {"PaymentRequiredQueueUrl": "payment required", "FailedEventsQueueUrl": "failed events"}.get(
            queue, queue
        )
        company = theatre.name_of(letter.get("companyId"))
        table.add_row(name, company, letter.get("plan", "—"), letter.get("reason", "—"), letter.get("words", "—"))
    return table


def problems(
    acts: Sequence[Act], theatre: Theatre, after: dict[str, SyncSettings], letters: list[tuple[str, dict[str, str]]]
) -> list[str]:
    """Everything that is not as it should be, in words."""
    steps = [step for act in acts for step in act.steps]
    found = [
        f"{step.title} ({step.company}): {step.outcome.value}, not {step.expected.value}. "
        f"{step.settled.get('words', 'The function gave no reason.')}"
        for step in steps
        if step.outcome is not step.expected
    ]
    found += [
        f"{step.title} ({step.company}): Codat is not at the preset of {step.settled['plan']}"
        for step in steps
        if step.outcome in {Outcome.APPLIED, Outcome.UNCHANGED, Outcome.DEGRADED}
        and not theatre.at_preset(step, after[step.company])
    ]
    parked = Counter(step.event_id for step in steps if step.expected in PARKED)
    if Counter(letter.get("eventId", "") for _, letter in letters) != parked:
        found.append(f"the DLQs hold {len(letters)} events; {parked.total()} were to be parked")
    return found


def play(console: Console, folder: Path) -> list[str]:
    """The whole story; what was not as it should be."""
    began = time.monotonic()
    acts = story()
    with local_stack(
        folder=folder, on_step=lambda step, seconds: console.print(f"  {step:<18} [dim]{seconds:4.1f} s[/]")
    ) as stack:
        theatre = Theatre(stack)
        theatre.set_account(PAID)
        theatre.seed()
        before = theatre.settings()
        for act in acts:
            with console.status(f"{act.title}: {len(act.steps)} events"):
                theatre.set_account(act.account)
                started = time.monotonic()
                for step in act.steps:
                    theatre.send(step)
                theatre.wait_until_settled(act.steps)
            console.print(f"  {act.title}: {len(act.steps)} events settled [dim]{time.monotonic() - started:4.1f} s[/]")
        theatre.set_account(PAID)
        after = theatre.settings()
        letters = theatre.dead_letters()
        changed = {name: in_short(differences(before[name], after[name])) or "nothing" for name in after}
        console.print()
        console.print(_outcomes_table(acts, changed))
        console.print(_dead_letters_table(letters, theatre))
        found = problems(acts, theatre, after, letters)
    console.print(f"The functions' logs: {stack.logs}/functions.log. {time.monotonic() - began:.1f} s in all.")
    return found


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m local.demo", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path(".local"), help="where the stack keeps its files")
    arguments = parser.parse_args(argv)
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=150)
    try:
        with ending_on_signals():
            found = play(console, arguments.folder)
    except StackError as error:
        console.print(f"[bold red]demo:[/] {error}")
        return 1
    except KeyboardInterrupt:
        return 130
    for problem in found:
        console.print(f"[bold red]✗[/] {problem}")
    if not found:
        console.print("[bold green]✓[/] Every event ended as it should, and every company is at its preset.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
