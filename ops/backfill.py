"""Companies that Codat has and we do not know: which plan each would get, and asking for it."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Final, Protocol
from uuid import UUID

from codat_sync.codat.models import Company
from codat_sync.companies.records import LONGEST_BATCH
from codat_sync.presets.file import Presets
from codat_sync.reconciliation.queue import CompanyRequest

WORDS: Final = 64
"""How much is shown of a tag that names no plan."""


class Records(Protocol):
    """The table of all companies, as far as a backfill needs it."""

    def known(self, company_ids: Collection[UUID]) -> set[UUID]:
        """Which of these have a record."""


@dataclass(frozen=True)
class Surveyed:
    """Some of Codat's companies: how many we know, and what the others would get.

    ``plans`` counts the others by plan, ``untagged`` those among them that get the default plan for want of a tag, and
    ``unknown_tags`` those that get it since their tag names no plan.
    """

    known: int = 0
    plans: Counter[str] = field(default_factory=Counter)
    untagged: int = 0
    unknown_tags: Counter[str] = field(default_factory=Counter)

    def __add__(self, other: "Surveyed") -> "Surveyed":
        return Surveyed(
            self.known + other.known,
            self.plans + other.plans,
            self.untagged + other.untagged,
            self.unknown_tags + other.unknown_tags,
        )


class Backfill:
    """The use case. Begun anew at any time: whom we know by then is left alone, and asking twice does no harm."""

    def __init__(
        self,
        list_companies: Callable[[], Iterable[Company]],
        records: Records,
        presets: Presets,
        send: Callable[[Sequence[CompanyRequest]], None],
        *,
        plan_tag: str,
        name: str,
        now: Callable[[], datetime],
    ) -> None:
        """``name`` is of this backfill, no longer than 200 characters: its events' ids begin with it."""
        self._list_companies = list_companies
        self._records = records
        self._presets = presets
        self._send = send
        self._plan_tag = plan_tag
        self._name = name
        self._now = now

    def survey(self) -> Iterator[Surveyed]:
        """What is to be done, a hundred companies at a time. Changes nothing; raises ``CodatError``.

        Codat may list a company twice while others come and go: then it is counted twice.
        """
        return (surveyed for surveyed, _ in self._pages())

    def enqueue(self) -> Iterator[Surveyed]:
        """Ask for every company that we do not know, a hundred at a time: each yield says what was asked for.

        The plan is that of its tag if that names one, else the default plan. It overrules nothing that billing or
        onboarding says, before or after. Raises ``CodatError`` and ``NotHandedOver``.
        """
        for surveyed, requests in self._pages():
            self._send(requests)
            yield surveyed

    def _pages(self) -> Iterator[tuple[Surveyed, list[CompanyRequest]]]:
        companies = iter(self._list_companies())
        while some := {company.id: company for company in islice(companies, LONGEST_BATCH)}:
            known = self._records.known(some.keys())
            yield self._survey(known, [company for company in some.values() if company.id not in known])

    def _survey(self, known: set[UUID], others: Sequence[Company]) -> tuple[Surveyed, list[CompanyRequest]]:
        tags = {company.id: str(company.tags.get(self._plan_tag) or "").strip() for company in others}
        plans = {company_id: tag if self._presets.knows(tag) else None for company_id, tag in tags.items()}
        surveyed = Surveyed(
            known=len(known),
            plans=Counter(plan or self._presets.default_plan for plan in plans.values()),
            untagged=sum(not tag for tag in tags.values()),
            unknown_tags=Counter(tag[:WORDS] for company_id, tag in tags.items() if tag and not plans[company_id]),
        )
        now = self._now()
        return surveyed, [CompanyRequest(f"{self._name}/{each}", each, now, plan) for each, plan in plans.items()]
