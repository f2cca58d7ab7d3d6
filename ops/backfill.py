"""Backfill: request every company of the Codat account that has no record yet."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Final, Protocol
from uuid import UUID

from codat_sync.codat.models import Company
from codat_sync.companies.records import LONGEST_BATCH
from codat_sync.events.company_events import tagged_plan
from codat_sync.presets.file import Presets
from codat_sync.reconciliation.queue import CompanyRequest

TAG_LENGTH: Final = 64
"""How many characters a survey keeps of a tag that names no plan."""


class Records(Protocol):
    """The part of the company table that a backfill reads."""

    def known(self, company_ids: Collection[UUID]) -> set[UUID]:
        """Return those of the companies that have a record."""


@dataclass(frozen=True)
class Survey:
    """Counts of companies at Codat. Surveys of different companies can be added.

    ``known`` companies have a record. The others are counted by the plan that they get, in ``plans``. Among them are
    ``untagged`` companies, which get the default plan because they have no tag, and those of ``unknown_tags``, which
    get it because their tag names no plan. ``products`` counts those that are enrolled in each of Codat's products,
    which keeps sync settings of its own.
    """

    known: int = 0
    plans: Counter[str] = field(default_factory=Counter)
    untagged: int = 0
    unknown_tags: Counter[str] = field(default_factory=Counter)
    products: Counter[str] = field(default_factory=Counter)

    def __add__(self, other: "Survey") -> "Survey":
        return Survey(
            self.known + other.known,
            self.plans + other.plans,
            self.untagged + other.untagged,
            self.unknown_tags + other.unknown_tags,
            self.products + other.products,
        )


class Backfill:
    """One backfill. It may be stopped and started again: companies with a record are skipped, repeats do no harm."""

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
        """Take the ports. ``name``, at most 200 characters, begins the id of each event of this backfill."""
        self._list_companies = list_companies
        self._records = records
        self._presets = presets
        self._send = send
        self._plan_tag = plan_tag
        self._name = name
        self._now = now

    def survey(self) -> Iterator[Survey]:
        """Count all companies, a hundred at a time, and change nothing. Raises ``CodatError``.

        A company is counted twice where Codat lists it twice, which can happen while companies are created or deleted.
        """
        return (survey for survey, _ in self._pages())

    def enqueue(self) -> Iterator[Survey]:
        """Request each company without a record, a hundred at a time; each survey counts what was just requested.

        The plan is that of the company's tag, else the default plan. A plan that billing or onboarding names wins over
        it, whether that event comes earlier or later. Raises ``CodatError`` and ``NotHandedOver``.
        """
        for survey, requests in self._pages():
            self._send(requests)
            yield survey

    def _pages(self) -> Iterator[tuple[Survey, list[CompanyRequest]]]:
        companies = iter(self._list_companies())
        while page := {company.id: company for company in islice(companies, LONGEST_BATCH)}:
            known = self._records.known(page.keys())
            yield self._survey(known, [company for company in page.values() if company.id not in known])

    def _survey(self, known: set[UUID], others: Sequence[Company]) -> tuple[Survey, list[CompanyRequest]]:
        tags = {company.id: tagged_plan(company.tags, self._plan_tag) or "" for company in others}
        plans = {company_id: tag if self._presets.knows(tag) else None for company_id, tag in tags.items()}
        survey = Survey(
            known=len(known),
            plans=Counter(plan or self._presets.default_plan for plan in plans.values()),
            untagged=sum(not tag for tag in tags.values()),
            unknown_tags=Counter(tag[:TAG_LENGTH] for company_id, tag in tags.items() if tag and not plans[company_id]),
            products=Counter(product for company in others for product in company.products),
        )
        now = self._now()
        return survey, [CompanyRequest(f"{self._name}/{each}", each, now, plan) for each, plan in plans.items()]
