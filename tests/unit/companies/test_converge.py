"""Record, converge, confirm: the newest plan is the last one written to Codat."""

from datetime import timedelta

import pytest

from codat_sync.codat.errors import (
    BadRequest,
    Conflict,
    NotFound,
    PaymentRequired,
    PaymentRequiredKind,
    RateLimited,
    ServerError,
    Unreachable,
)
from codat_sync.codat.models import Frequency, SyncSettings
from codat_sync.codat.rate_limits import SHORT_WAIT
from codat_sync.companies.converge import MAX_ROUNDS, TRIES, Convergence, PlanKeepsChanging
from codat_sync.companies.desired import DesiredPlan
from codat_sync.deadline import Deadline, OutOfTime, PacedDeadline
from codat_sync.events.company_events import Authority, CompanyEvent
from codat_sync.presets.file import Presets
from codat_sync.presets.preset import UnknownPlan
from tests.fakes.clock import NOW
from tests.fakes.codat import FakeCodat, hourly_types, setting, settings
from tests.fakes.companies import COMPANY, FakePlans
from tests.fakes.lambda_ import deadline

PRESETS = Presets.parse(b"""
default_plan = "free"
on_cancelled = "free"
[plans.free]
frequency = "monthly"
[plans.growth]
frequency = "daily"
[plans.scale]
frequency = "daily"
on_payment_required = "daily"
[plans.scale.data_types]
invoices = "hourly"
[plans.eager]
frequency = "daily"
on_payment_required = "weekly"
refresh_on_upgrade = true
[plans.eager.data_types]
bills = "monthly"
invoices = "hourly"
[plans.stubborn]
frequency = "hourly"
[plans.account]
use_account_defaults = true
""")


def desired(plan: str, minutes: int = 0) -> DesiredPlan:
    return DesiredPlan.named(plan, Authority.STATED, NOW + timedelta(minutes=minutes), f"event-{plan}-{minutes}")


@pytest.fixture
def codat() -> FakeCodat:
    return FakeCodat()


@pytest.fixture
def plans() -> FakePlans:
    return FakePlans()


@pytest.fixture
def convergence(codat: FakeCodat, plans: FakePlans) -> Convergence:
    return Convergence(codat, plans, PRESETS, lambda: NOW)


def event(**fields: object) -> CompanyEvent:
    known = {"event_id": "e", "company_id": COMPANY, "occurred_at": NOW, "authority": Authority.STATED}
    return CompanyEvent(**{**known, **fields})  # type: ignore[arg-type]  # The fields of the event under test.


def test_a_change_costs_two_calls_to_codat_and_two_writes(
    convergence: Convergence, codat: FakeCodat, plans: FakePlans
) -> None:
    company = convergence.record(COMPANY, desired("growth"))
    converged = convergence.converge(company, "e", Deadline.never())
    assert codat.calls == ["get", "update"]
    assert plans.writes == 2
    assert codat.frequency(COMPANY, "invoices") is Frequency.DAILY
    assert "invoices: monthly → daily" in [str(each).split(" at ")[0] for each in converged.differences]


def test_settings_that_are_at_the_preset_already_are_not_written(convergence: Convergence, codat: FakeCodat) -> None:
    company = convergence.record(COMPANY, desired("growth"))
    convergence.converge(company, "e", Deadline.never())
    codat.calls.clear()
    assert convergence.converge(company, "e", Deadline.never()).differences == ()
    assert codat.calls == ["get"]


def test_an_applied_preset_is_in_force_until_another_plan_is_desired(convergence: Convergence) -> None:
    company = convergence.record(COMPANY, desired("growth"))
    assert not convergence.in_force(company)
    company = convergence.converge(company, "e", Deadline.never()).company
    assert convergence.in_force(company)
    assert not convergence.in_force(convergence.record(COMPANY, desired("free", minutes=1)))


def test_a_plan_that_is_recorded_meanwhile_is_the_last_one_written(
    convergence: Convergence, codat: FakeCodat, plans: FakePlans
) -> None:
    company = convergence.record(COMPANY, desired("growth"))
    codat.before_write = lambda: void(plans.record(COMPANY, desired("free", minutes=1), at=NOW))
    converged = convergence.converge(company, "e", Deadline.never())
    assert converged.company.desired.plan == "free"
    assert codat.frequency(COMPANY, "invoices") is Frequency.MONTHLY
    assert convergence.in_force(plans.items[COMPANY])


def test_convergence_gives_up_for_now_where_plans_keep_changing(
    convergence: Convergence, codat: FakeCodat, plans: FakePlans
) -> None:
    minutes = iter(range(1, 100))

    def newer_plan() -> None:
        minute = next(minutes)
        plans.record(COMPANY, desired("free" if minute % 2 else "growth", minute), at=NOW)

    codat.before_write = newer_plan
    company = convergence.record(COMPANY, desired("growth"))
    with pytest.raises(PlanKeepsChanging):
        convergence.converge(company, "e", Deadline.never())
    assert codat.calls.count("update") == MAX_ROUNDS


def test_an_older_plan_changes_nothing(convergence: Convergence) -> None:
    convergence.record(COMPANY, desired("growth", minutes=1))
    assert convergence.record(COMPANY, desired("free")).desired.plan == "growth"


def test_hourly_without_a_paid_account_is_degraded_to_the_fallback(convergence: Convergence, codat: FakeCodat) -> None:
    codat.has_hourly = False
    converged = convergence.converge(convergence.record(COMPANY, desired("scale")), "e", Deadline.never())
    assert converged.degraded_by is not None
    assert converged.degraded_by.kind is PaymentRequiredKind.HOURLY_NOT_ALLOWED
    assert codat.frequency(COMPANY, "invoices") is Frequency.DAILY
    assert converged.company.applied is not None
    assert converged.company.applied.degraded_to == "daily"


def test_a_degraded_preset_does_not_count_as_in_force(convergence: Convergence, codat: FakeCodat) -> None:
    codat.has_hourly = False
    company = convergence.converge(convergence.record(COMPANY, desired("scale")), "e", Deadline.never()).company
    assert not convergence.in_force(company)
    codat.has_hourly = True
    converged = convergence.converge(company, "e", Deadline.never())
    assert converged.degraded_by is None
    assert hourly_types(codat.companies[COMPANY]) == {"invoices"}
    assert converged.company.applied is not None
    assert converged.company.applied.degraded_to is None


def test_hourly_without_a_fallback_raises_the_402(convergence: Convergence, codat: FakeCodat) -> None:
    codat.has_hourly = False
    with pytest.raises(PaymentRequired):
        convergence.converge(convergence.record(COMPANY, desired("stubborn")), "e", Deadline.never())


@pytest.mark.parametrize("kind", set(PaymentRequiredKind) - {PaymentRequiredKind.HOURLY_NOT_ALLOWED})
def test_any_other_402_has_no_fallback(convergence: Convergence, codat: FakeCodat, kind: PaymentRequiredKind) -> None:
    codat.failures = [None, PaymentRequired("no", kind=kind)]
    with pytest.raises(PaymentRequired):
        convergence.converge(convergence.record(COMPANY, desired("scale")), "e", Deadline.never())
    assert codat.calls == ["get", "update"]


def test_a_failure_confirms_nothing(convergence: Convergence, codat: FakeCodat, plans: FakePlans) -> None:
    codat.failures = [None, ServerError("no", status=500)]
    with pytest.raises(ServerError):
        convergence.converge(convergence.record(COMPANY, desired("growth")), "e", Deadline.never())
    assert plans.items[COMPANY].applied is None


def test_a_lost_answer_is_repaired_by_the_next_attempt(convergence: Convergence, codat: FakeCodat) -> None:
    company = convergence.record(COMPANY, desired("growth"))

    def take_effect_then_lose_the_answer() -> None:
        codat.before_write = lambda: None
        codat.update_sync_settings(COMPANY, settings(setting("invoices", Frequency.DAILY)))
        raise Unreachable("the answer was lost")

    codat.before_write = take_effect_then_lose_the_answer
    with pytest.raises(Unreachable):
        convergence.converge(company, "e", Deadline.never())
    converged = convergence.converge(company, "e", Deadline.never())
    assert convergence.in_force(converged.company)


def test_a_company_without_settings_starts_from_those_of_the_account(
    convergence: Convergence, codat: FakeCodat
) -> None:
    codat.companies[COMPANY] = SyncSettings()
    codat.defaults = SyncSettings(settings=(setting("invoices", syncOrder=7),))
    convergence.converge(convergence.record(COMPANY, desired("growth")), "e", Deadline.never())
    assert codat.calls == ["get", "get account", "update"]
    (invoices,) = codat.companies[COMPANY].settings
    assert (invoices.model_extra or {})["syncOrder"] == 7
    assert codat.companies[COMPANY].overrides_defaults


def test_a_plan_with_account_defaults_ends_the_override(convergence: Convergence, codat: FakeCodat) -> None:
    converged = convergence.converge(convergence.record(COMPANY, desired("account")), "e", Deadline.never())
    assert not codat.companies[COMPANY].overrides_defaults
    assert [str(each) for each in converged.differences] == ["overrides_defaults: yes → no"]


def test_no_call_starts_without_time_for_it(convergence: Convergence, codat: FakeCodat) -> None:
    with pytest.raises(OutOfTime):
        convergence.converge(convergence.record(COMPANY, desired("growth")), "e", deadline(0))
    assert codat.calls == []


def test_no_write_starts_without_time_for_it(convergence: Convergence, codat: FakeCodat) -> None:
    with pytest.raises(OutOfTime):
        convergence.converge(convergence.record(COMPANY, desired("growth")), "e", once())
    assert codat.calls == ["get"]


def test_data_types_that_an_upgrade_makes_more_frequent_are_to_be_refreshed(
    convergence: Convergence, codat: FakeCodat
) -> None:
    codat.companies[COMPANY] = settings(setting("invoices", Frequency.DAILY), setting("company"), setting("bills"))
    convergence.converge(convergence.record(COMPANY, desired("free")), "e", Deadline.never())
    converged = convergence.converge(convergence.record(COMPANY, desired("eager", minutes=1)), "e", Deadline.never())
    assert converged.to_refresh == ("invoices", "company")
    assert [call for call in codat.calls if call.startswith("refresh")] == []


@pytest.mark.parametrize("plan", ["growth", "account"])
def test_a_preset_without_refresh_on_upgrade_refreshes_nothing(convergence: Convergence, plan: str) -> None:
    assert convergence.converge(convergence.record(COMPANY, desired(plan)), "e", Deadline.never()).to_refresh == ()


def test_the_same_plan_again_is_no_upgrade(convergence: Convergence, codat: FakeCodat) -> None:
    """It is a repair, or a preset that a deploy has changed."""
    convergence.converge(convergence.record(COMPANY, desired("eager")), "e", Deadline.never())
    codat.companies[COMPANY] = settings(setting("invoices"), setting("company"))
    converged = convergence.converge(convergence.record(COMPANY, desired("eager", minutes=1)), "e", Deadline.never())
    assert converged.differences
    assert converged.to_refresh == ()


def test_a_degraded_upgrade_refreshes_data_types_that_became_more_frequent(
    convergence: Convergence, codat: FakeCodat
) -> None:
    codat.has_hourly = False
    codat.companies[COMPANY] = settings(setting("invoices", Frequency.WEEKLY), setting("company"), setting("bills"))
    converged = convergence.converge(convergence.record(COMPANY, desired("eager")), "e", Deadline.never())
    assert converged.degraded_by is not None
    assert converged.to_refresh == ("company",), "invoices were weekly before"


def test_a_refresh_is_one_call_for_each_data_type(convergence: Convergence, codat: FakeCodat) -> None:
    codat.companies[COMPANY] = settings()
    assert list(convergence.refresh(COMPANY, ["invoices", "bills"], Deadline.never())) == ["invoices", "bills"]
    assert codat.calls == ["refresh invoices", "refresh bills"]


def test_a_pull_that_is_in_progress_counts_as_queued(convergence: Convergence) -> None:
    assert list(convergence.refresh(COMPANY, ["invoices"], Deadline.never())) == ["invoices"]


@pytest.mark.parametrize("refusal", [BadRequest("not supported"), NotFound("no data"), Conflict("busy")])
def test_a_data_type_that_cannot_be_refreshed_is_skipped(
    convergence: Convergence, codat: FakeCodat, refusal: Exception
) -> None:
    codat.failures = [refusal]
    assert list(convergence.refresh(COMPANY, ["invoices", "bills"], Deadline.never())) == ["bills"]


def test_a_refresh_ends_with_the_first_failure_that_concerns_all_data_types(
    convergence: Convergence, codat: FakeCodat
) -> None:
    codat.failures = [None, ServerError("no", status=500)]
    refreshed = convergence.refresh(COMPANY, ["invoices", "bills", "items"], Deadline.never())
    assert next(refreshed) == "invoices"
    with pytest.raises(ServerError):
        next(refreshed)
    assert codat.calls == ["refresh invoices", "refresh bills"]


def test_no_refresh_starts_without_time_for_it(convergence: Convergence, codat: FakeCodat) -> None:
    refreshed = convergence.refresh(COMPANY, ["invoices", "bills"], once())
    assert next(refreshed) == "invoices"
    with pytest.raises(OutOfTime):
        next(refreshed)
    assert codat.calls == ["refresh invoices"]


def test_a_company_without_a_named_plan_gets_the_default_plan(convergence: Convergence) -> None:
    assert convergence.desired_by(event(authority=Authority.ASSUMED)).plan == "free"


def test_an_assumed_plan_never_overrules_a_named_one(convergence: Convergence) -> None:
    convergence.record(COMPANY, desired("growth"))
    later = event(authority=Authority.ASSUMED, occurred_at=NOW + timedelta(days=1))
    assert convergence.record(COMPANY, convergence.desired_by(later)).desired.plan == "growth"


def test_a_named_plan_overrules_an_assumed_one_of_a_later_time(convergence: Convergence) -> None:
    later = event(authority=Authority.ASSUMED, occurred_at=NOW + timedelta(days=1))
    convergence.record(COMPANY, convergence.desired_by(later))
    assert convergence.record(COMPANY, desired("growth")).desired.plan == "growth"


def test_a_tag_never_overrules_billing(convergence: Convergence) -> None:
    convergence.record(COMPANY, desired("growth"))
    tagged = event(authority=Authority.TAGGED, plan="free", occurred_at=NOW + timedelta(days=1))
    assert convergence.record(COMPANY, convergence.desired_by(tagged)).desired.plan == "growth"


def test_a_cancellation_leads_to_the_plan_for_cancelled_companies(convergence: Convergence) -> None:
    assert convergence.desired_by(event(cancelled=True)).plan == "free"


def test_a_plan_without_a_preset_is_never_recorded(convergence: Convergence, plans: FakePlans) -> None:
    with pytest.raises(UnknownPlan, match=r"'gold'.*free, growth, scale"):
        convergence.desired_by(event(plan="gold"))
    assert plans.items == {}


def test_a_plan_is_recorded_in_the_spelling_of_the_presets(codat: FakeCodat, plans: FakePlans) -> None:
    """The producer's Unicode form may be another one: an e and its accent as two characters."""
    presets = Presets.parse('default_plan = "é"\non_cancelled = "é"\n[plans."é"]\n'.encode())
    convergence = Convergence(codat, plans, presets, lambda: NOW)
    assert convergence.desired_by(event(plan="e\u0301")).plan == "é"


def test_a_plan_that_a_deploy_removed_is_named_in_the_error(convergence: Convergence, plans: FakePlans) -> None:
    company = plans.record(COMPANY, desired("legacy"), at=NOW)
    with pytest.raises(UnknownPlan, match="legacy"):
        convergence.converge(company, "e", Deadline.never())


class Turns:
    """A rate whose turns come at once, and are counted."""

    def __init__(self) -> None:
        self.taken = 0

    def wait(self, *, within: float) -> bool:
        self.taken += 1
        return within >= 0


REFUSED_FOR_A_WHILE = RateLimited("too many in this minute", retry_after=SHORT_WAIT)


def test_each_call_to_codat_takes_one_turn(convergence: Convergence, codat: FakeCodat) -> None:
    turns = Turns()
    company = convergence.record(COMPANY, desired("eager"))
    converged = convergence.converge(company, "e", PacedDeadline(Deadline.never(), turns))
    list(convergence.refresh(COMPANY, converged.to_refresh, PacedDeadline(Deadline.never(), turns)))
    assert turns.taken == len(codat.calls) > 2


@pytest.mark.parametrize("failed", [[REFUSED_FOR_A_WHILE], [None, REFUSED_FOR_A_WHILE, REFUSED_FOR_A_WHILE]])
def test_a_call_that_codat_refuses_for_a_short_while_is_made_again_in_its_turn(
    convergence: Convergence, codat: FakeCodat, failed: list[Exception | None]
) -> None:
    turns = Turns()
    codat.failures = failed
    company = convergence.record(COMPANY, desired("growth"))
    converged = convergence.converge(company, "e", PacedDeadline(Deadline.never(), turns))
    assert converged.company.applied is not None
    assert turns.taken == len(codat.calls)


def test_a_call_that_codat_refuses_again_and_again_is_given_up(convergence: Convergence, codat: FakeCodat) -> None:
    codat.failures = [RateLimited("too many at once", retry_after=None)] * TRIES
    with pytest.raises(RateLimited):
        convergence.current(COMPANY, PacedDeadline(Deadline.never(), Turns()))
    assert len(codat.calls) == TRIES


@pytest.mark.parametrize(
    ("error", "waiting"),
    [
        (RateLimited("the quota of the day", retry_after=SHORT_WAIT * 2), PacedDeadline(Deadline.never(), Turns())),
        (REFUSED_FOR_A_WHILE, Deadline.never()),
        (ServerError("no", status=503), PacedDeadline(Deadline.never(), Turns())),
    ],
    ids=["a long wait", "without a rate", "another error"],
)
def test_any_other_failure_ends_the_attempt_at_once(
    convergence: Convergence, codat: FakeCodat, error: Exception, waiting: Deadline
) -> None:
    codat.failures = [error]
    with pytest.raises(type(error)):
        convergence.current(COMPANY, waiting)
    assert codat.calls == ["get"]


def once() -> Deadline:
    """Return a deadline that allows one call."""
    left = iter([900.0])
    return deadline(lambda: next(left, 0.0))


def void(_: object) -> None:
    """Return nothing, for lambdas that are called for their effect."""
