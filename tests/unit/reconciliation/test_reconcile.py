"""A run over all companies: what it hands over, where it stops and continues, and requests that meet."""

from collections import Counter
from datetime import timedelta
from uuid import UUID

import pytest
from botocore.exceptions import ClientError

from codat_sync.codat.errors import (
    CodatError,
    PaymentRequired,
    RateLimited,
    Unauthorized,
)
from codat_sync.codat.rate_limits import RateLimit
from codat_sync.consuming.consume import START_SECONDS
from codat_sync.events.requests import ReconciliationRequest
from codat_sync.reconciliation.queue import CompanyRequest, fingerprint
from codat_sync.reconciliation.reconcile import ANOTHER_AT_WORK, FEW, LOST
from codat_sync.reconciliation.runs import Run
from tests.fakes.clock import NOW
from tests.fakes.lambda_ import deadline
from tests.fakes.reconciliation import FakeRuns
from tests.unit.reconciliation.bench import DAY, EXPIRED, UNANSWERED, Bench, company, of_the_account


def test_a_company_is_handed_over_under_the_id_of_its_run(bench: Bench) -> None:
    bench.at_plan(1)
    bench.tamper(1)
    bench.night()
    presets = fingerprint(bench.presets)
    assert bench.queue.requests == [CompanyRequest(f"night-1/{company(1)}", company(1), bench.now, presets=presets)]


def test_a_run_over_an_empty_table_is_finished_at_once(bench: Bench) -> None:
    assert bench.night() is None
    assert bench.run.finished_at == bench.now


def test_companies_are_checked_side_by_side(bench: Bench) -> None:
    bench.at_plan(*range(50))
    bench.tamper(7, 30)
    assert bench.night(threads=4, page_size=20) is None
    assert bench.handed_over == [7, 30]
    assert bench.counted("checked") == (50,)


def test_a_run_continues_where_its_time_was_up(bench: Bench) -> None:
    bench.at_plan(*range(10))
    left = iter([900.0] * 7 + [START_SECONDS - 1] * 9)
    bench.seconds_left = lambda: next(left)
    assert bench.night() == timedelta(0)
    first = bench.asked
    assert 0 < len(first) < 10
    bench.seconds_left = lambda: 900.0
    assert bench.go_on() is None
    assert first + bench.asked == list(range(10))
    assert bench.counted("checked") == (10,)


def test_without_time_no_company_is_checked(bench: Bench) -> None:
    bench.at_plan(1)
    bench.seconds_left = lambda: START_SECONDS - 1
    assert bench.night() == timedelta(0)
    assert bench.asked == []


def test_an_invocation_ends_where_its_pace_allows_no_other_call(bench: Bench) -> None:
    bench.at_plan(*range(3))
    bench.calls_per_minute = 1
    bench.seconds_left = lambda: START_SECONDS + 59
    assert bench.night() == timedelta(0)
    assert bench.asked == [0]
    assert bench.go_on() == timedelta(0)
    assert bench.asked == [1]


def test_a_run_keeps_its_pace(bench: Bench) -> None:
    bench.at_plan(*range(5))
    bench.night()
    assert bench.slept == pytest.approx([0, 0.2, 0.4, 0.6, 0.8])


@pytest.mark.parametrize(
    "error",
    [
        of_the_account(RateLimited("quota", retry_after=timedelta(hours=3))),
        of_the_account(Unauthorized("who are you", status=401)),
        EXPIRED,
        ClientError({"Error": {"Code": "Throttled", "Message": ""}}, "GetItem"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_of_the_whole_account_stops_the_run_and_keeps_its_progress(bench: Bench, error: Exception) -> None:
    bench.at_plan(*range(10))
    bench.tamper(4)
    bench.codat.refusals[company(6)] = error
    with pytest.raises(type(error)):
        bench.night()
    assert bench.asked == list(range(7))
    assert bench.handed_over == [4]
    assert bench.counted("checked", "drifted") == (6, 1)
    bench.codat.refusals.clear()
    assert bench.go_on() is None
    assert bench.asked == [6, 7, 8, 9]
    assert bench.counted("checked", "drifted", "handed_over") == (10, 1, 1)


def test_an_error_of_the_whole_account_at_the_first_company_notes_no_progress(bench: Bench) -> None:
    bench.at_plan(1, 2)
    bench.codat.refusals[company(1)] = EXPIRED
    with pytest.raises(PaymentRequired):
        bench.night()
    assert (bench.run.cursor, dict(bench.run.counts), bench.asked) == (None, {}, [1])


def test_where_codat_does_not_answer_at_all_no_company_is_handed_over(bench: Bench) -> None:
    numbers = range(FEW + 2)
    bench.at_plan(*numbers)
    bench.now += DAY
    bench.named(99)  # Its event is left to apply it, without a call to Codat.
    bench.codat.refusals = {company(number): UNANSWERED for number in numbers}
    bench.codat.failures = [UNANSWERED]  # The call that concerns no company gets no answer either.
    with pytest.raises(CodatError, match="oh no"):
        bench.go_on(page_size=100)
    assert (bench.handed_over, dict(bench.run.counts)) == ([], {})
    bench.codat.refusals.clear()
    bench.records.items.pop(company(99))
    assert bench.go_on(page_size=100) is None
    assert bench.counted("in_step") == (FEW + 2,)


def test_a_few_companies_without_an_answer_do_not_stop_the_run(bench: Bench) -> None:
    bench.at_plan(*range(FEW))
    bench.codat.refusals = {company(number): UNANSWERED for number in range(FEW)}
    assert bench.night(page_size=100) is None
    assert bench.handed_over == list(range(FEW))


def test_a_run_that_has_used_its_share_of_the_quota_waits_for_a_new_one(bench: Bench) -> None:
    bench.at_plan(*range(10))
    bench.rate_limit = RateLimit(1000, 400, NOW + 2 * DAY)
    assert bench.night() == timedelta(hours=12)
    assert bench.asked == [0, 1, 2, 3]
    bench.rate_limit = RateLimit(1000, 990)
    assert bench.go_on() is None
    assert bench.asked == [4, 5, 6, 7, 8, 9]


def test_the_last_page_waits_for_no_quota(bench: Bench) -> None:
    bench.at_plan(1)
    bench.rate_limit = RateLimit(1000, 400)
    assert bench.night() is None


def begun(bench: Bench, name: str = "night-1", *, report_only: bool = False) -> None:
    """Begin a run that stops after its first page."""
    bench.rate_limit = RateLimit(1000, 400)
    assert bench.night(name, report_only=report_only) is not None
    bench.rate_limit = RateLimit()


def test_a_request_that_is_delivered_twice_is_carried_out_once(bench: Bench) -> None:
    bench.at_plan(*range(5))
    assert bench.night() is None
    assert bench.go_on() is None
    assert bench.asked == []


def test_a_later_request_continues_the_run_of_an_earlier_one_and_then_begins_its_own(bench: Bench) -> None:
    bench.at_plan(*range(8))
    begun(bench)
    assert bench.night("night-2") == timedelta(0)
    assert bench.asked == [4, 5, 6, 7]
    assert bench.go_on("night-2") is None
    assert (bench.asked, bench.run.run_id) == (list(range(8)), "night-2")


def test_one_run_satisfies_all_requests_that_waited_for_it(bench: Bench) -> None:
    bench.at_plan(*range(8))
    begun(bench)
    bench.now += timedelta(minutes=1)
    waiting = [ReconciliationRequest(name, bench.now, report_only=False) for name in ("a", "b", "c")]
    bench.now += timedelta(minutes=1)
    reconciliation = bench.reconciliation()
    assert reconciliation.carry_out(waiting[0], deadline(bench.seconds_left)) == timedelta(0)
    assert reconciliation.carry_out(waiting[1], deadline(bench.seconds_left)) is None
    bench.codat.asked.clear()
    assert [reconciliation.carry_out(each, deadline(bench.seconds_left)) for each in waiting] == [None] * 3
    assert bench.asked == []


def test_a_request_waits_for_a_run_of_the_other_mode(bench: Bench) -> None:
    bench.at_plan(*range(8))
    begun(bench)
    assert bench.go_on("look", report_only=True) == ANOTHER_AT_WORK
    assert bench.asked == []
    assert bench.go_on() is None
    assert bench.go_on("look", report_only=True) is None
    assert (bench.asked, bench.run.report_only) == (list(range(8)), True)


def test_a_run_of_the_other_mode_that_lost_its_message_is_replaced(bench: Bench) -> None:
    bench.at_plan(*range(8))
    begun(bench)
    bench.now += LOST - timedelta(seconds=1)
    assert bench.go_on("look", report_only=True) == ANOTHER_AT_WORK
    bench.now += timedelta(seconds=1)
    assert bench.go_on("look", report_only=True) is None
    assert bench.asked == list(range(8))


def test_an_invocation_that_begins_second_waits(bench: Bench) -> None:
    class Beaten(FakeRuns):
        def newest(self) -> Run | None:
            seen = self.run
            self.begin(ReconciliationRequest("other", NOW, report_only=True), in_place_of=None, at=NOW)
            return seen

    bench.runs = Beaten()
    assert bench.night() == ANOTHER_AT_WORK
    assert bench.run.run_id == "other"


def test_of_two_invocations_the_slower_waits_and_a_page_at_most_is_checked_twice(bench: Bench) -> None:
    bench.at_plan(*range(12))
    bench.tamper(5)
    other = bench.reconciliation()
    bench.now += DAY
    request = ReconciliationRequest("night-1", bench.now, report_only=False)

    def the_other_overtakes(company_id: UUID) -> None:
        if company_id == company(6):
            bench.codat.meanwhile = lambda _: None
            assert other.carry_out(request, deadline(bench.seconds_left)) is None

    bench.codat.meanwhile = the_other_overtakes
    bench.codat.asked.clear()
    assert bench.reconciliation().carry_out(request, deadline(bench.seconds_left)) == ANOTHER_AT_WORK
    assert Counter(bench.asked) == Counter([*range(12), 4, 5, 6, 7])
    assert bench.counted("checked", "drifted") == (12, 1)
    assert bench.records.items[company(5)].times_drifted == 1
