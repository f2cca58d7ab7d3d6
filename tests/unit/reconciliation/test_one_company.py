"""One company is not the account: a run passes by the companies that Codat refuses, and hands each over once."""

from datetime import timedelta

import pytest

from codat_sync.codat.errors import (
    CodatError,
    Forbidden,
    PaymentRequired,
    PaymentRequiredKind,
    RateLimited,
    Unauthorized,
)
from codat_sync.companies.converge import Convergence
from codat_sync.companies.pause import PausingCodat
from codat_sync.outcomes.triage import triage
from codat_sync.reconciliation.findings import DLQ_KEEPS, TRIED_EVERY
from codat_sync.reconciliation.reconcile import FEW
from tests.fakes.companies import FakePause
from tests.unit.reconciliation.bench import DAY, UNANSWERED, WEEKLY_GROWTH, Bench, company

REFUSALS = [
    PaymentRequired("Payment Required", kind=PaymentRequiredKind.ACCOUNT_EXPIRED),
    RateLimited("quota used up", retry_after=timedelta(hours=20)),
    RateLimited("too many at once", retry_after=None),
    Unauthorized("who are you", status=401),
    UNANSWERED,
]


def behind_the_pause(bench: Bench) -> Convergence:
    """Return the convergence of the deployed function, which confirms what sounds account-wide."""
    codat = PausingCodat(bench.codat, FakePause(), lambda: bench.now)
    return Convergence(codat, bench.records, bench.presets, lambda: bench.now)


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda each: f"{each.reason} {each}")
def test_a_company_that_codat_refuses_for_ever_keeps_no_other_from_its_preset(
    bench: Bench, refusal: CodatError
) -> None:
    bench.at_plan(*range(9))
    bench.codat.refusals[company(3)] = refusal
    for night in range(3):
        bench.tamper(2, 7)
        assert bench.night(f"night-{night}", convergence=behind_the_pause(bench)) is None
        assert set(bench.handed_over) - {3} == {2, 7}
        assert bench.counted("checked", "in_step", "drifted") == (9, 6, 2)
        bench.queue.requests = [each for each in bench.queue.requests if each.company_id != company(3)]
        bench.repair()


@pytest.mark.parametrize(
    ("refusal", "finding"), [(REFUSALS[0], "refused"), (REFUSALS[1], "unanswered"), (REFUSALS[3], "unanswered")]
)
def test_a_company_that_was_passed_by_is_counted_and_named(
    bench: Bench, caplog: pytest.LogCaptureFixture, refusal: CodatError, finding: str
) -> None:
    bench.at_plan(1, 2)
    bench.codat.refusals[company(1)] = refusal
    bench.night(convergence=behind_the_pause(bench))
    assert bench.counted(finding, "in_step") == (1, 1)
    (line,) = [vars(each) for each in caplog.records if each.msg == "company_not_shown"]
    assert (line["company_id"], line["reason"]) == (str(company(1)), refusal.reason)


@pytest.mark.parametrize("refusal", [REFUSALS[1], REFUSALS[3], UNANSWERED], ids=lambda each: each.reason)
def test_a_company_without_an_answer_is_handed_over_once_and_not_every_night(bench: Bench, refusal: CodatError) -> None:
    bench.at_plan(1, 2)
    bench.codat.refusals[company(1)] = refusal
    copies = 0
    for night in range(13):
        bench.night(f"night-{night}", convergence=behind_the_pause(bench))
        copies += len(bench.handed_over)
        if bench.queue.requests:
            (request,) = bench.queue.requests
            failure = triage(refusal)
            bench.records.note_failure(
                request.company_id, request.event_id, f"{failure.reason}: {failure.words}", at=bench.now
            )
            bench.queue.requests.clear()
    assert copies == 1
    bench.now += DLQ_KEEPS
    bench.night("later", convergence=behind_the_pause(bench))
    assert bench.handed_over == [1], "the DLQ may have lost the first copy"


def test_a_company_that_codat_answers_for_again_is_handed_over_again(bench: Bench) -> None:
    bench.at_plan(1)
    bench.tamper(1)
    bench.records.note_failure(company(1), "night-0", "server_error: oh no", at=bench.now + timedelta(hours=1))
    bench.night("night-1")
    assert bench.handed_over == [1]


@pytest.mark.parametrize(("ago", "handed_over"), [(TRIED_EVERY - timedelta(seconds=1), []), (TRIED_EVERY, [1])])
def test_a_drifted_company_whose_event_is_still_retried_is_not_handed_over_again(
    bench: Bench, ago: timedelta, handed_over: list[int]
) -> None:
    bench.at_plan(1)
    bench.tamper(1)
    bench.records.note_failure(company(1), "night-0/x", "server_error: oh no", at=bench.now + DAY - ago)
    bench.night("night-1")
    assert bench.handed_over == handed_over
    assert bench.counted("changed_at_codat") == (1,)


@pytest.mark.parametrize("refusal", [RateLimited("later", retry_after=timedelta(hours=3)), UNANSWERED])
def test_where_tonights_answer_is_another_than_last_nights_a_parked_company_is_not_handed_over_again(
    bench: Bench, refusal: CodatError
) -> None:
    bench.at_plan(1)
    bench.codat.refusals[company(1)] = refusal
    bench.records.note_failure(company(1), "night-0/x", "unreachable: cut", at=bench.now + timedelta(hours=1))
    bench.night("night-1")
    assert bench.handed_over == []


def test_a_company_that_is_parked_for_one_reason_and_refused_for_another_is_handed_over(bench: Bench) -> None:
    bench.at_plan(1, 2)
    for number, reason in ((1, "server_error"), (2, "forbidden")):
        bench.codat.refusals[company(number)] = Forbidden("not the profile", status=403)
        bench.records.note_failure(company(number), "night-0/x", f"{reason}: no", at=bench.now + timedelta(hours=1))
    bench.night("night-1")
    assert bench.handed_over == [1]


def test_a_company_whose_preset_was_changed_is_not_handed_over_again_while_its_event_is_retried(bench: Bench) -> None:
    bench.at_plan(1, 2)
    bench.deploy(WEEKLY_GROWTH)
    bench.records.note_failure(company(1), "night-0/x", "server_error: oh no", at=bench.now + DAY - timedelta(hours=1))
    bench.night("night-1")
    assert (bench.handed_over, bench.counted("preset_changed")) == ([2], (2,))


def test_a_failure_that_was_made_good_since_holds_nothing_back(bench: Bench) -> None:
    bench.at_plan(1)
    bench.records.note_failure(company(1), "night-0/x", "server_error: oh no", at=bench.now + DAY - timedelta(hours=2))
    bench.now += DAY - timedelta(hours=1)
    bench.converge(1)
    bench.tamper(1)
    bench.now += timedelta(minutes=30)
    bench.go_on("night-1")
    assert bench.handed_over == [1]


def test_many_companies_without_an_answer_do_not_stop_a_run_while_codat_answers_for_the_account(bench: Bench) -> None:
    bench.at_plan(*range(FEW + 4))
    bench.codat.refusals = {company(number): UNANSWERED for number in range(FEW + 4)}
    assert bench.night(page_size=100) is None
    assert bench.handed_over == list(range(FEW + 4))
    assert bench.codat.calls[-1] == "get account"


def test_one_answer_among_many_companies_without_one_shows_that_codat_answers(bench: Bench) -> None:
    bench.at_plan(*range(FEW + 4))
    bench.codat.refusals = {company(number): UNANSWERED for number in range(1, FEW + 4)}
    bench.codat.calls.clear()
    assert bench.night(page_size=100) is None
    assert bench.handed_over == list(range(1, FEW + 4))
    assert bench.codat.calls == ["get"], "no call that concerns no company"
