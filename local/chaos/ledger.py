"""What the storm left behind, and whether it balances: read from the queues, the table and Codat alone.

The functions' logs say the same from the other side. They are counted beside it.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from codat_sync.codat.differences import differences
from codat_sync.codat.models import SyncSettings
from codat_sync.outcomes.parked_events import DeadLetterQueue, ParkedEvent
from codat_sync.outcomes.triage import Outcome
from codat_sync.presets.file import Presets
from local.chaos.storm import StormEvent, detail_of, key_of

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

READING_SECONDS: Final = 900.0
"""More than it takes to read a DLQ, or to empty it."""
_BATCH: Final = 10


@dataclass(frozen=True)
class Letter:
    """A message in a DLQ."""

    dlq: str
    """The template's output that names the DLQ."""
    body: str
    reason: str

    @property
    def key(self) -> str:
        return key_of(self.body)


@dataclass(frozen=True)
class CompanyState:
    """What is recorded of a company, and what is at Codat."""

    desired: str | None
    settings: SyncSettings
    writes: int
    """How many Codat accepted."""


@dataclass(frozen=True)
class Found:
    """All that was found when nothing moved any more."""

    waiting: int
    """Messages on the source queues."""
    undelivered: int
    """Messages in EventBridge's own DLQ."""
    letters: Sequence[Letter]
    companies: Mapping[UUID, CompanyState]
    unknown_records: int
    """Items of the table about companies that nobody told of."""


@dataclass
class Ledger:
    """The account of a storm. It balances where `problems` is empty."""

    sent: int
    deliveries: int
    settled: int
    parked: dict[str, tuple[int, int]]
    """By reason: how many events, and how many copies of them."""
    missing: list[str]
    """Events that had to be parked and are not."""
    wrongly_parked: list[str]
    """Events that had to be settled, or to be parked under another reason."""
    never_sent: list[str]
    altered: list[str]
    """Parked events that do not say what was sent."""
    copies_too_many: int
    """Parked more often than delivered. A kill between parking and deleting may do that to the ten of its batch."""
    wrong_records: list[UUID]
    """Companies with another desired plan than the newest."""
    wrong_settings: list[UUID]
    """Companies that are not at the preset of their newest plan."""
    untouched_written: list[UUID]
    """Companies that no good event was about, with a record or a write all the same."""
    companies: int
    writes: Sequence[int]
    problems: list[str] = field(default_factory=list)

    @property
    def named(self) -> dict[str, Sequence[object]]:
        """Everything that does not balance, by name."""
        lists: dict[str, Sequence[object]] = {
            "missing": self.missing,
            "wrongly parked": self.wrongly_parked,
            "never sent": self.never_sent,
            "altered": self.altered,
            "another plan": self.wrong_records,
            "not at the preset": self.wrong_settings,
            "changed without an event": self.untouched_written,
        }
        return {name: ids for name, ids in lists.items() if ids}

    @property
    def writes_in_words(self) -> str:
        least, most, middle = min(self.writes), max(self.writes), median(self.writes)
        return f"{sum(self.writes):,} (a company: {least} to {most}, {middle:g} at median)"


def balance(
    events: Sequence[StormEvent], newest: Mapping[UUID, str], presets: Presets, found: Found, *, kills: int
) -> Ledger:
    """Hold what was found against what was sent. `newest` is the plan at which each company has to be."""
    sent = {event.key: event for event in events}
    expected = {key: event.parked for key, event in sent.items() if event.parked is not None}
    copies = Counter(letter.key for letter in found.letters)
    reasons: dict[str, set[str]] = {}
    for letter in found.letters:
        reasons.setdefault(letter.reason, set()).add(letter.key)
    known = [letter for letter in found.letters if letter.key in sent]
    touched = {company: state for company, state in found.companies.items() if company in newest}
    ledger = Ledger(
        sent=len(sent),
        deliveries=sum(event.deliveries for event in events),
        settled=len(sent.keys() - copies.keys()),
        parked={
            reason: (len(keys), sum(letter.reason == reason for letter in found.letters))
            for reason, keys in sorted(reasons.items())
        },
        missing=sorted(expected.keys() - copies.keys()),
        wrongly_parked=sorted({letter.key for letter in known if expected.get(letter.key) != letter.reason}),
        never_sent=sorted(copies.keys() - sent.keys()),
        altered=sorted({letter.key for letter in known if not _says_the_same(letter.body, sent[letter.key])}),
        copies_too_many=sum(max(0, count - sent[key].deliveries) for key, count in copies.items() if key in sent),
        wrong_records=[company for company, state in touched.items() if state.desired != newest[company]],
        wrong_settings=[
            company for company, state in touched.items() if not at_preset(presets, newest[company], company, state)
        ],
        untouched_written=[
            company
            for company, state in found.companies.items()
            if company not in newest and (state.writes or state.desired)
        ],
        companies=len(found.companies),
        writes=[state.writes for state in found.companies.values()],
    )
    ledger.problems = list(_problems(ledger, found, len(events), kills))
    return ledger


def _says_the_same(body: str, event: StormEvent) -> bool:
    return body == event.unreadable if event.unreadable is not None else detail_of(body) == event.detail


def at_preset(presets: Presets, plan: str, company: UUID, state: CompanyState) -> bool:
    """Whether writing the plan's preset would change nothing at Codat."""
    return not differences(state.settings, presets.for_company(plan, company).over(state.settings))


def _problems(ledger: Ledger, found: Found, events: int, kills: int) -> Iterator[str]:
    counts = {
        "messages still wait on the source queues": found.waiting,
        "messages that EventBridge could not deliver": found.undelivered,
        "records of companies that nobody told of": found.unknown_records,
        "events went out under the id of another": events - ledger.sent,
        "events that had to be parked are missing": len(ledger.missing),
        "events are parked that should not be, or under another reason": len(ledger.wrongly_parked),
        "parked events were never sent": len(ledger.never_sent),
        "parked events do not say what was sent": len(ledger.altered),
        "companies have another desired plan than the newest": len(ledger.wrong_records),
        "companies are not at the preset of their newest plan": len(ledger.wrong_settings),
        "companies were changed that no event was about": len(ledger.untouched_written),
    }
    yield from (f"{count} {what}" for what, count in counts.items() if count)
    if ledger.copies_too_many > kills * _BATCH:
        yield f"{ledger.copies_too_many} copies in DLQs that {kills} kills do not explain"


def company_states(
    dynamodb: "DynamoDBClient", table: str, at_codat: Iterable[Mapping[str, Any]]
) -> dict[UUID, CompanyState]:
    """Every company of the simulator's state, with its record."""
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
    """The desired plan of every company that is recorded."""
    pages = dynamodb.get_paginator("scan").paginate(TableName=table)
    return {
        UUID(item["companyId"]["S"]): item["desiredPlan"]["S"]
        for page in pages
        for item in page["Items"]
        if "desiredPlan" in item  # The pause lies in the same table.
    }


def dead_letter_queue(sqs: "SQSClient", url: str) -> DeadLetterQueue:
    """One of the stack's DLQs, to look into and to empty."""
    return DeadLetterQueue(sqs, url, lambda: datetime.now(UTC))


def letters(sqs: "SQSClient", outputs: Mapping[str, str], dlqs: Iterable[str]) -> list[Letter]:
    """What lies in the DLQs."""
    return [
        Letter(dlq, event.body, reason_of(event))
        for dlq in dlqs
        for parked in dead_letter_queue(sqs, outputs[dlq]).read(lambda: READING_SECONDS)
        for event in parked
    ]


def reason_of(event: ParkedEvent) -> str:
    """Why it was parked; what SQS itself moved there says no reason."""
    return event.reason or "moved by SQS"


@dataclass
class OwnAccount:
    """What the functions say of themselves. What a killed worker was about to say is not in it."""

    outcomes: Counter[str] = field(default_factory=Counter)
    """Lines by outcome: one for each delivery and attempt."""
    deferred_for: Counter[str] = field(default_factory=Counter)
    """Deferrals by reason."""
    settled: set[str] = field(default_factory=set)
    """The ids of the events that have a line with a last outcome."""
    unreadable: int = 0
    """Lines about an outcome that are not JSON, and so do not say which."""
    seen_again: int = 0
    """Lines about messages that had been received before."""
    most_received: int = 0

    @classmethod
    def read(cls, functions_log: Path) -> "OwnAccount":
        account = cls()
        with functions_log.open(encoding="utf-8") as lines:
            for text in lines:
                if "event_settled" in text:
                    account._read_line(text)
        return account

    def _read_line(self, text: str) -> None:
        try:
            self._add(json.loads(text))
        except ValueError:
            self.unreadable += 1

    def _add(self, line: Mapping[str, Any]) -> None:
        outcome = line["outcome"]
        self.outcomes[outcome] += 1
        received = line.get("receive_count", 1)
        self.seen_again += received > 1
        self.most_received = max(self.most_received, received)
        if outcome == Outcome.DEFERRED:
            self.deferred_for[line.get("reason", "")] += 1
        elif "correlation_id" in line:
            self.settled.add(line["correlation_id"])

    def silent_about(self, events: Iterable[StormEvent]) -> list[str]:
        """The events of which the functions never said how they ended."""
        return [event.key for event in events if event.unreadable is None and event.event_id not in self.settled]
