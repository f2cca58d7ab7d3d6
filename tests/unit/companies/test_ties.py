"""Events of one authority and one moment: the producer's counter decides, then the arrival; a repeat changes nothing.

That holds in whatever order their messages are worked on.
"""

import json
from collections.abc import Sequence
from datetime import timedelta
from itertools import permutations
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codat_sync.companies.desired import MOST_TIED, DesiredPlan, newest_first, read_rivals, rivals_text
from codat_sync.companies.records import AppliedPreset, CompanyPlans, RecordBusy
from codat_sync.events.company_events import Authority
from tests.fakes.clock import NOW
from tests.fakes.companies import COMPANY, FakePlans
from tests.unit.companies.plans import APPLIED, LATER, stated

Plans = FakePlans | CompanyPlans


@pytest.fixture(params=["fake", "DynamoDB"])
def plans(request: pytest.FixtureRequest) -> Plans:
    if request.param == "fake":
        return FakePlans()
    return CompanyPlans(request.getfixturevalue("dynamodb"), request.getfixturevalue("table"))


def tied(event_id: str, arrived: float, plan: str = "", *, sequence: int | None = None) -> DesiredPlan:
    """Return a plan of the one moment, which arrived so many seconds after ``NOW``."""
    arrived_at = NOW + timedelta(seconds=arrived)
    return DesiredPlan.named(
        plan or f"plan of {event_id}", Authority.STATED, NOW, event_id, sequence=sequence, arrived_at=arrived_at
    )


def record_all(plans: Plans, deliveries: Sequence[DesiredPlan], company_id: UUID = COMPANY) -> str:
    """Return the id of the event whose plan is desired in the end."""
    return [plans.record(company_id, each, at=LATER) for each in deliveries][-1].desired.event_id


CASES = {
    "the later arrival wins, whatever the ids": ([tied("z", 1), tied("a", 2)], "a"),
    "a repeat that arrives later is not newer than what came between": (
        [tied("z", 1), tied("a", 2), tied("z", 3)],
        "a",
    ),
    "nor than several": ([tied("c", 1), tied("b", 2), tied("a", 3), tied("c", 4), tied("b", 5)], "a"),
    "the sequence decides before the arrival": ([tied("a", 2, sequence=7), tied("z", 1, sequence=8)], "z"),
    "sequences are numbers": ([tied("a", 1, sequence=10), tied("z", 2, sequence=9)], "a"),
    "no sequence is less than any": ([tied("a", 1, sequence=0), tied("z", 2)], "a"),
    "one sequence is a tie": ([tied("z", 1, sequence=7), tied("a", 2, sequence=7), tied("z", 3, sequence=7)], "a"),
    "where nothing else decides, the ids do": ([tied("a", 1), tied("z", 1)], "z"),
}


@pytest.mark.parametrize(("events", "newest"), CASES.values(), ids=CASES.keys())
def test_in_any_order_of_work(plans: Plans, events: list[DesiredPlan], newest: str) -> None:
    for number, deliveries in enumerate(permutations(events)):
        assert record_all(plans, deliveries, UUID(int=number)) == newest


DELIVERIES = st.lists(
    st.builds(
        tied,
        event_id=st.sampled_from("abcd"),
        arrived=st.integers(0, 5),
        plan=st.none() | st.just(""),
        sequence=st.sampled_from([None, 1, 2]),
    ),
    min_size=1,
    max_size=7,
)


@settings(deadline=None, max_examples=300)
@given(deliveries=DELIVERIES, data=st.data())
def test_the_order_of_work_does_not_matter(deliveries: list[DesiredPlan], data: st.DataObject) -> None:
    """An id has one sequence, as it has one content."""
    one_content = {each.event_id: each.sequence for each in deliveries}
    deliveries = [each for each in deliveries if each.sequence == one_content[each.event_id]]
    ends = []
    for order in (deliveries, data.draw(st.permutations(deliveries))):
        known: tuple[DesiredPlan, ...] = ()
        for each in order:
            known = newest_first(known, each)
            assert newest_first(known, each) == known, "a repeat changes nothing"
        ends.append(known)
    assert ends[0] == ends[1]


def test_an_id_that_is_used_again_keeps_its_first_content(plans: Plans) -> None:
    plans.record(COMPANY, tied("a", 1, "growth"), at=NOW)
    assert plans.record(COMPANY, tied("a", 2, "scale"), at=LATER).desired.plan == "growth"


def test_an_id_that_is_used_again_at_a_later_time_is_a_newer_event(plans: Plans) -> None:
    plans.record(COMPANY, stated("growth"), at=NOW)
    assert plans.record(COMPANY, stated("scale", minutes=1), at=LATER).desired.plan == "scale"


def test_a_plan_that_was_overtaken_and_leads_again_is_not_taken_to_be_in_force(plans: Plans) -> None:
    """Another plan may have been written to Codat in between."""
    plans.record(COMPANY, tied("a", 2), at=NOW)
    plans.confirm(COMPANY, tied("a", 2), AppliedPreset("plan of a", "f", "a", tied("a", 2).order), at=NOW)
    assert plans.record(COMPANY, tied("z", 3), at=NOW).desired.event_id == "z"
    leads_again = plans.record(COMPANY, tied("z", 1), at=LATER)
    assert leads_again.desired.event_id == "a"
    assert leads_again.applied is not None
    assert leads_again.applied.order == ""


def test_a_repeat_that_puts_another_event_in_front_says_so(plans: Plans) -> None:
    """The message of that event was settled as stale: who shows it to be the newest sees to its plan."""
    assert not plans.record(COMPANY, tied("a", 3), at=NOW).promoted
    assert not plans.record(COMPANY, tied("z", 2), at=NOW).promoted
    promoted = plans.record(COMPANY, tied("a", 1), at=LATER)
    assert (promoted.desired.event_id, promoted.promoted, promoted.desired_at) == ("z", True, LATER)
    assert not plans.record(COMPANY, tied("a", 1), at=LATER).promoted
    assert not plans.record(COMPANY, stated("free", minutes=-1), at=LATER).promoted


def test_a_newer_moment_ends_all_ties(plans: Plans) -> None:
    record_all(plans, [tied("a", 1), tied("z", 2, sequence=1)])
    assert record_all(plans, [stated("free", minutes=1), tied("c", 9, sequence=9)]) == "e1"


def test_of_very_many_tied_events_the_first_are_forgotten() -> None:
    known: tuple[DesiredPlan, ...] = ()
    for number in range(MOST_TIED + 5):
        known = newest_first(known, tied(f"e{number:02}", number))
    assert [each.event_id for each in known] == [f"e{number:02}" for number in range(MOST_TIED + 4, 4, -1)]


def test_rivals_are_kept_as_text() -> None:
    newest, *rivals = (tied("x#y", 3, sequence=1), tied('"', 2, sequence=1), tied("é", 1.5, sequence=1))
    assert read_rivals(rivals_text(rivals), newest) == tuple(rivals)


# --- In DynamoDB ----------------------------------------------------------------------------------------------------


def item(dynamodb: object, table: str) -> dict[str, str]:
    found = dynamodb.get_item(TableName=table, Key={"companyId": {"S": str(COMPANY)}})["Item"]  # type: ignore[attr-defined]
    return {name: value["S"] for name, value in found.items()}


def test_a_record_says_what_is_tied(dynamodb: object, table: str) -> None:
    plans = CompanyPlans(dynamodb, table)  # type: ignore[arg-type]  # Moto's client.
    record_all(plans, [tied("z", 1, sequence=5), tied("a", 2, sequence=5)])
    kept = item(dynamodb, table)
    assert (kept["desiredBy"], kept["desiredPlan"], kept["desiredSequence"]) == ("a", "plan of a", "5")
    assert kept["desiredArrivedAt"] == (NOW + timedelta(seconds=2)).isoformat()
    assert kept["desiredRivals"] == f'[["z", "plan of z", "{(NOW + timedelta(seconds=1)).isoformat()}"]]'
    plans.record(COMPANY, stated("free", minutes=1), at=LATER)
    assert not {"desiredSequence", "desiredArrivedAt", "desiredRivals"} & item(dynamodb, table).keys()


@pytest.mark.parametrize(("arrived", "newest"), [(-60, "b"), (60, "a")])
def test_in_a_record_of_version_010_the_event_arrived_when_it_was_recorded(
    dynamodb: object, table: str, arrived: float, newest: str
) -> None:
    old = {
        "companyId": str(COMPANY),
        "desiredPlan": "growth",
        "desiredOrder": "2#2026-02-01T12:00:00.000000+00:00#b",
        "desiredBy": "b",
        "desiredAt": NOW.isoformat(),
        "appliedPlan": "growth",
        "appliedFingerprint": "f",
        "appliedBy": "b",
        "appliedAt": NOW.isoformat(),
        "appliedOrder": "2#2026-02-01T12:00:00.000000+00:00#b",
    }
    dynamodb.put_item(TableName=table, Item={name: {"S": text} for name, text in old.items()})  # type: ignore[attr-defined]
    plans = CompanyPlans(dynamodb, table)  # type: ignore[arg-type]  # Moto's client.
    again = plans.record(COMPANY, tied("b", 5, "growth"), at=LATER)
    assert again.applied is not None
    assert again.applied.order == again.desired.order, "what was confirmed stays so"
    assert plans.record(COMPANY, tied("a", arrived), at=LATER).desired.event_id == newest


def test_a_tie_costs_two_writes_and_a_repeat_one(dynamodb: object, table: str) -> None:
    calls: list[str] = []
    plans = CompanyPlans(dynamodb, table)  # type: ignore[arg-type]  # Moto's client.
    events = dynamodb.meta.events  # type: ignore[attr-defined]
    events.register("before-call.dynamodb", lambda model, **_: calls.append(model.name), unique_id="calls")
    try:
        spent = []
        for each in (tied("a", 1), tied("a", 1), tied("b", 2), tied("a", 3), stated("free", minutes=1)):
            plans.record(COMPANY, each, at=NOW)
            spent.append(len(calls))
            calls.clear()
    finally:
        events.unregister("before-call.dynamodb", unique_id="calls")
    assert spent == [1, 1, 2, 1, 1]


@pytest.mark.parametrize(
    ("stands", "comes_between", "newest"),
    [(tied("a", 1), tied("z", 3), ["z", "b", "a"]), (tied("z", 9), tied("a", 3), ["z", "a", "b"])],
    ids=["leads", "does not lead"],
)
def test_a_tied_event_that_comes_between_is_remembered(
    dynamodb: object, table: str, stands: DesiredPlan, comes_between: DesiredPlan, newest: list[str]
) -> None:
    plans = CompanyPlans(dynamodb, table)  # type: ignore[arg-type]  # Moto's client.
    plans.record(COMPANY, stands, at=NOW)
    before: list[list[DesiredPlan]] = [[], [comes_between]]
    real = plans._update

    def update(*arguments: Any) -> dict[str, str]:  # noqa: ANN401  # As the real one's.
        plans._update = real  # type: ignore[method-assign]
        if before:
            for each in before.pop(0):
                plans.record(COMPANY, each, at=NOW)
            plans._update = update  # type: ignore[assignment, method-assign]
        return real(*arguments)

    plans._update = update  # type: ignore[assignment, method-assign]
    assert plans.record(COMPANY, tied("b", 2), at=LATER).desired.event_id == newest[0]
    rivals = json.loads(item(dynamodb, table)["desiredRivals"])
    assert [event_id for event_id, _, _ in rivals] == newest[1:]


def test_a_tie_that_is_never_settled_is_left_to_a_retry(dynamodb: object, table: str) -> None:
    plans = CompanyPlans(dynamodb, table)  # type: ignore[arg-type]  # Moto's client.
    plans.record(COMPANY, tied("a", 1), at=NOW)
    real, writes = plans._update, iter(range(100))

    def update(*arguments: Any) -> dict[str, str]:  # noqa: ANN401  # As the real one's.
        plans._update = real  # type: ignore[method-assign]
        plans.record(COMPANY, tied(f"other {next(writes)}", 3), at=NOW)
        plans._update = update  # type: ignore[assignment, method-assign]
        return real(*arguments)

    plans._update = update  # type: ignore[assignment, method-assign]
    with pytest.raises(RecordBusy):
        plans.record(COMPANY, tied("b", 2), at=LATER)


def test_a_confirmed_plan_stays_confirmed_where_a_tied_one_is_older(plans: Plans) -> None:
    plans.record(COMPANY, stated("growth"), at=NOW)
    confirmed = plans.confirm(COMPANY, stated("growth"), APPLIED, at=NOW)
    older = tied("e0", -5)
    assert plans.record(COMPANY, older, at=LATER).applied == confirmed.applied
