"""The ledger of a storm: what was sent, held against what was observed afterwards."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final
from uuid import UUID

from codat_sync.codat.differences import differences
from codat_sync.presets.file import Presets
from local.chaos.observations import CompanyState, Observations, ParkedMessage
from local.chaos.storm import StormEvent, detail_of

_BATCH: Final = 10


@dataclass(frozen=True)
class EventLedger:
    """The events of a storm, each of them settled or parked."""

    sent: int
    deliveries: int
    settled: int
    parked: Mapping[str, tuple[int, int]]
    """By reason: the number of events, and of copies of them."""
    missing: Sequence[str]
    """Events that had to be parked and are not."""
    wrongly_parked: Sequence[str]
    """Events that had to be settled, or to be parked for another reason."""
    never_sent: Sequence[str]
    """Parked events that are not the storm's."""
    altered: Sequence[str]
    """Parked events whose content differs from what was sent."""
    excess_copies: int
    """Copies beyond the deliveries. A kill between parking and deleting may cause one for each event of its batch."""


@dataclass(frozen=True)
class CompanyLedger:
    """The companies of a storm, each of them at its newest plan."""

    count: int
    wrong_plans: Sequence[UUID]
    """Companies whose recorded desired plan is not the newest."""
    wrong_settings: Sequence[UUID]
    """Companies that are not at the preset of their newest plan."""
    changed_without_event: Sequence[UUID]
    """Companies that no valid event concerned, with a record or a write all the same."""
    writes: Sequence[int]
    """How many writes Codat accepted, for each company."""

    @property
    def writes_in_words(self) -> str:
        """The sum, the least, the most and the median."""
        least, most, middle = min(self.writes), max(self.writes), median(self.writes)
        return f"{sum(self.writes):,} (a company: {least} to {most}, {middle:g} at median)"


@dataclass(frozen=True)
class Ledger:
    """The account of a storm. It balances where there are no `problems`."""

    events: EventLedger
    companies: CompanyLedger
    problems: Sequence[str]

    @property
    def discrepancies(self) -> dict[str, Sequence[object]]:
        """The events and companies that do not balance, by name."""
        lists: dict[str, Sequence[object]] = {
            "missing": self.events.missing,
            "wrongly parked": self.events.wrongly_parked,
            "never sent": self.events.never_sent,
            "altered": self.events.altered,
            "another plan": self.companies.wrong_plans,
            "not at the preset": self.companies.wrong_settings,
            "changed without an event": self.companies.changed_without_event,
        }
        return {name: ids for name, ids in lists.items() if ids}


def balance(
    events: Sequence[StormEvent], newest: Mapping[UUID, str], presets: Presets, observed: Observations, *, kills: int
) -> Ledger:
    """Hold what was observed against what was sent. `newest` is the plan at which each company has to be."""
    of_events = _event_ledger(events, observed.parked)
    of_companies = _company_ledger(newest, presets, observed.companies)
    reused_ids = len(events) - of_events.sent
    problems = list(_problems(of_events, of_companies, observed, reused_ids, kills))
    return Ledger(of_events, of_companies, problems)


def _event_ledger(events: Sequence[StormEvent], parked: Sequence[ParkedMessage]) -> EventLedger:
    sent = {event.key: event for event in events}
    expected = {key: event.parked_for for key, event in sent.items() if event.parked_for is not None}
    copies = Counter(message.key for message in parked)
    known = [message for message in parked if message.key in sent]
    return EventLedger(
        sent=len(sent),
        deliveries=sum(event.deliveries for event in events),
        settled=len(sent.keys() - copies.keys()),
        parked=_by_reason(parked),
        missing=sorted(expected.keys() - copies.keys()),
        wrongly_parked=sorted({each.key for each in known if expected.get(each.key) != each.reason}),
        never_sent=sorted(copies.keys() - sent.keys()),
        altered=sorted({each.key for each in known if not _is_unaltered(each.body, sent[each.key])}),
        excess_copies=sum(max(0, count - sent[key].deliveries) for key, count in copies.items() if key in sent),
    )


def _by_reason(parked: Sequence[ParkedMessage]) -> dict[str, tuple[int, int]]:
    keys: dict[str, list[str]] = {}
    for message in parked:
        keys.setdefault(message.reason, []).append(message.key)
    return {reason: (len(set(each)), len(each)) for reason, each in sorted(keys.items())}


def _is_unaltered(body: str, event: StormEvent) -> bool:
    return body == event.raw_body if event.raw_body is not None else detail_of(body) == event.detail


def _company_ledger(
    newest: Mapping[UUID, str], presets: Presets, companies: Mapping[UUID, CompanyState]
) -> CompanyLedger:
    concerned = {company: state for company, state in companies.items() if company in newest}
    return CompanyLedger(
        count=len(companies),
        wrong_plans=[company for company, state in concerned.items() if state.desired != newest[company]],
        wrong_settings=[
            company for company, state in concerned.items() if not _at_preset(presets, newest[company], company, state)
        ],
        changed_without_event=[
            company for company, state in companies.items() if company not in newest and (state.writes or state.desired)
        ],
        writes=[state.writes for state in companies.values()],
    )


def _at_preset(presets: Presets, plan: str, company: UUID, state: CompanyState) -> bool:
    """Tell whether writing the plan's preset would change nothing at Codat."""
    return not differences(state.settings, presets.for_company(plan, company).over(state.settings))


def _problems(
    events: EventLedger, companies: CompanyLedger, observed: Observations, reused_ids: int, kills: int
) -> Iterator[str]:
    counts = {
        "messages are still on the source queues": observed.waiting,
        "messages could not be delivered by EventBridge": observed.undelivered,
        "records are about companies that no event concerned": observed.unknown_records,
        "events were sent under the id of another": reused_ids,
        "events that had to be parked are missing": len(events.missing),
        "events are parked that should not be, or for another reason": len(events.wrongly_parked),
        "parked events were never sent": len(events.never_sent),
        "parked events differ from what was sent": len(events.altered),
        "companies have another desired plan than the newest": len(companies.wrong_plans),
        "companies are not at the preset of their newest plan": len(companies.wrong_settings),
        "companies were changed that no event concerned": len(companies.changed_without_event),
    }
    yield from (f"{count} {what}" for what, count in counts.items() if count)
    if events.excess_copies > kills * _BATCH:
        yield f"{events.excess_copies} excess copies are parked, which {kills} kills do not explain"
