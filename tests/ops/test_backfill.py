"""A backfill, on fakes: companies without a record are requested with the plan of their tag."""

from collections import Counter
from collections.abc import Iterable, Sequence
from uuid import UUID

import pytest

from codat_sync.codat.models import Company
from codat_sync.companies.records import LONGEST_BATCH
from codat_sync.reconciliation.queue import CompanyRequest
from local.presets import local_presets
from ops.backfill import TAG_LENGTH, Backfill, Survey
from tests.fakes.clock import NOW

PRESETS = local_presets()


def company(number: int, **tags: str) -> Company:
    return Company(id=UUID(int=number), tags=dict(tags))


class FakeTable:
    """The company table: which companies have a record, and how many were read at a time."""

    def __init__(self, known: Iterable[int] = ()) -> None:
        self._known = {UUID(int=each) for each in known}
        self.asked: list[int] = []

    def known(self, company_ids: Iterable[UUID]) -> set[UUID]:
        asked = set(company_ids)
        self.asked.append(len(asked))
        return asked & self._known

    def add(self, requests: Iterable[CompanyRequest]) -> None:
        self._known |= {each.company_id for each in requests}


class Bench:
    """A backfill on fakes."""

    def __init__(self, *companies: Company, known: Iterable[int] = ()) -> None:
        self.companies: list[Company] = list(companies)
        self.table = FakeTable(known)
        self.sent: list[CompanyRequest] = []
        self.backfill = Backfill(
            lambda: iter(self.companies),
            self.table,
            PRESETS,
            self.send,
            plan_tag="plan",
            name="backfill-1",
            now=lambda: NOW,
        )

    def send(self, requests: Sequence[CompanyRequest]) -> None:
        self.sent += requests

    def survey(self) -> Survey:
        return sum(self.backfill.survey(), Survey())

    def enqueue(self) -> Survey:
        return sum(self.backfill.enqueue(), Survey())


EVERY_KIND = [
    company(1, plan="growth"),
    company(2, plan=" scale "),
    company(3, plan="gold"),
    company(4, region="uk"),
    company(5),
    company(6, plan="growth"),
]


def test_a_survey_says_how_many_companies_would_get_which_plan_and_changes_nothing() -> None:
    bench = Bench(*EVERY_KIND, known=[6])
    assert bench.survey() == Survey(
        known=1, plans=Counter(growth=1, scale=1, free=3), untagged=2, unknown_tags=Counter(gold=1)
    )
    assert bench.sent == []


def test_a_company_without_a_record_is_requested_with_the_plan_of_its_tag() -> None:
    bench = Bench(*EVERY_KIND, known=[6])
    surveyed = bench.survey()
    assert bench.enqueue() == surveyed
    assert [(each.company_id.int, each.plan) for each in bench.sent] == [
        (1, "growth"),
        (2, "scale"),
        (3, None),
        (4, None),
        (5, None),
    ]
    assert bench.sent[0] == CompanyRequest(f"backfill-1/{UUID(int=1)}", UUID(int=1), NOW, "growth")


def test_started_again_it_skips_the_companies_that_have_a_record_by_then() -> None:
    bench = Bench(*EVERY_KIND)
    bench.enqueue()
    bench.table.add(bench.sent[:4])
    bench.sent.clear()
    assert bench.enqueue() == Survey(known=4, plans=Counter(free=1, growth=1), untagged=1)
    assert [each.company_id.int for each in bench.sent] == [5, 6]


def test_requested_twice_it_is_the_same_event_twice() -> None:
    bench = Bench(company(1))
    bench.enqueue()
    bench.enqueue()
    assert bench.sent[0] == bench.sent[1]


def test_it_goes_through_all_companies_a_hundred_at_a_time() -> None:
    bench = Bench(*(company(number) for number in range(2 * LONGEST_BATCH + 1)))
    assert [each.plans.total() for each in bench.backfill.enqueue()] == [100, 100, 1]
    assert bench.table.asked == [100, 100, 1]
    assert len(bench.sent) == 201


def test_a_backfill_that_is_stopped_has_sent_the_pages_before() -> None:
    bench = Bench(*(company(number) for number in range(2 * LONGEST_BATCH)))
    next(bench.backfill.enqueue())
    assert len(bench.sent) == LONGEST_BATCH


def test_a_company_that_codat_lists_twice_on_one_page_is_one_company() -> None:
    bench = Bench(company(1), company(1))
    assert bench.enqueue().plans == Counter(free=1)
    assert len(bench.sent) == 1


def test_without_companies_there_is_nothing_to_do() -> None:
    bench = Bench()
    assert bench.survey() == bench.enqueue() == Survey()


@pytest.mark.parametrize("tag", [5, True, ["growth"], {"plan": "growth"}, "x" * 300])
def test_a_tag_that_names_no_plan_is_shown_and_the_company_gets_the_default_plan(tag: object) -> None:
    bench = Bench(Company.model_validate({"id": UUID(int=1), "tags": {"plan": tag}}))
    assert bench.enqueue() == Survey(plans=Counter(free=1), unknown_tags=Counter({str(tag)[:TAG_LENGTH]: 1}))
    assert bench.sent[0].plan is None


def test_companies_of_codats_products_are_counted_and_the_others_are_not() -> None:
    lending = Company(id=UUID(int=1), products=("lending", "expenses"))
    known = Company(id=UUID(int=3), products=("lending",))
    bench = Bench(lending, company(2), known, known=[3])
    assert bench.survey().products == Counter(lending=1, expenses=1)


def test_a_tag_in_another_unicode_composition_is_the_same_plan() -> None:
    """As it is for every other reader of tags."""
    composed, decomposed = "caf\N{LATIN SMALL LETTER E WITH ACUTE}", "cafe\N{COMBINING ACUTE ACCENT}"
    bench = Bench(company(1, plan=decomposed))
    assert bench.survey().unknown_tags == Counter({composed: 1})
