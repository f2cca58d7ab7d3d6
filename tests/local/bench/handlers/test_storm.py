"""The storm has the events that the figures speak of."""

from collections import Counter
from random import Random
from uuid import NAMESPACE_URL, uuid5

import pytest

from local.bench.handlers.storm import EVENTS_A_COMPANY, LATE, REPEATED, batches_of, newest_plans, storm

COMPANIES = [uuid5(NAMESPACE_URL, str(number)) for number in range(200)]
STORM = storm(COMPANIES, ["basic", "plus"], Random(1), "storm")  # noqa: S311  # No secret.


def test_each_company_has_ten_deliveries_of_which_three_are_repeated() -> None:
    assert Counter(each.company_id for each in STORM) == dict.fromkeys(COMPANIES, EVENTS_A_COMPANY)
    assert 1 - len({each.event_id for each in STORM}) / len(STORM) == pytest.approx(REPEATED)


def test_about_a_fifth_of_the_events_come_after_a_newer_one() -> None:
    late = 0
    for company in COMPANIES:
        first = list(dict.fromkeys(each.occurred_at for each in STORM if each.company_id == company))
        late += sum(moment < max(first[:place], default=moment) for place, moment in enumerate(first))
    events = len({each.event_id for each in STORM})
    assert LATE / 2 < late / events < LATE * 1.5


def test_a_repeat_comes_after_its_event_and_is_the_same() -> None:
    bodies: dict[str, str] = {}
    for each in STORM:
        assert bodies.setdefault(each.event_id, each.body) == each.body


def test_the_newest_plan_is_that_of_the_last_event_in_business_time() -> None:
    (company, plan), *_ = newest_plans(STORM).items()
    assert plan == max((each for each in STORM if each.company_id == company), key=lambda each: each.occurred_at).plan


def test_the_companies_are_mixed_in_a_batch() -> None:
    first = batches_of(STORM)[0]["Records"]
    assert len({record["body"].partition("companyId")[2][:50] for record in first}) > len(first) / 2
