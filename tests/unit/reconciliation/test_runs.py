"""The progress of a run, of which a single invocation may write each step. The fake is held to the same claims."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import cast
from uuid import UUID

import pytest
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from mypy_boto3_dynamodb import DynamoDBClient

from codat_sync.companies.records import CompanyPlans
from codat_sync.consuming.deliveries import Settled
from codat_sync.events.requests import ReconciliationRequest
from codat_sync.outcomes.triage import Outcome
from codat_sync.reconciliation.runs import TALLIED, ReconciliationRuns, Run, Tally, run_id
from tests.fakes.clock import NOW
from tests.fakes.companies import COMPANY, OTHER_COMPANY
from tests.fakes.reconciliation import FakeRuns

LATER = NOW + timedelta(minutes=1)
NIGHT = ReconciliationRequest("night-1", NOW, report_only=False)
REPORT = ReconciliationRequest("report-1", NOW, report_only=True)


Runs = FakeRuns | ReconciliationRuns


@pytest.fixture
def runs_in_dynamodb(dynamodb: DynamoDBClient, table: str) -> ReconciliationRuns:
    return ReconciliationRuns(dynamodb, table)


@pytest.fixture(params=["fake", "DynamoDB"])
def runs(request: pytest.FixtureRequest) -> Runs:
    return FakeRuns() if request.param == "fake" else request.getfixturevalue("runs_in_dynamodb")


@pytest.fixture
def tally(runs: Runs) -> Tally:
    return Tally(cast("ReconciliationRuns", runs))


def begun(runs: Runs, request: ReconciliationRequest = NIGHT, in_place_of: Run | None = None) -> Run:
    run = runs.begin(request, in_place_of=in_place_of, at=NOW)
    assert run is not None
    return run


def test_a_run_that_was_begun_anew_does_not_continue_and_notes_its_presets(runs: Runs) -> None:
    run = begun(runs)
    anew = runs.begin(NIGHT, in_place_of=run, at=LATER, presets="newer")
    assert anew is not None
    assert runs.advance(run, further(run)) is None
    assert runs.advance(anew, further(anew)) == further(anew)
    assert (run.presets, anew.presets) == (None, "newer")


def begun_as(run: Run) -> Run:
    """Return the run as it was before its first step."""
    return Run(run.run_id, report_only=run.report_only, started_at=run.started_at, progress_at=run.started_at)


def further(run: Run, cursor: str = "c1") -> Run:
    return replace(
        run,
        cursor=cursor,
        progress_at=LATER,
        counts=Counter(checked=100, in_step=99, changed_at_codat=1),
        by_data_type=Counter({"invoices": 1, "banking-accounts": 1}),
        by_plan=Counter(growth=100),
        keeps_drifting=((str(COMPANY), 3),),
    )


def test_before_the_first_run_there_is_none(runs: Runs) -> None:
    assert runs.newest() is None


def test_a_run_begins_with_nothing_done(runs: Runs) -> None:
    assert begun(runs) == Run("night-1", report_only=False, started_at=NOW, progress_at=NOW)
    assert runs.newest() == Run("night-1", report_only=False, started_at=NOW, progress_at=NOW)


def test_of_two_requests_a_single_one_begins_a_run(runs: Runs) -> None:
    run = begun(runs)
    assert runs.begin(REPORT, in_place_of=None, at=NOW) is None
    assert runs.newest() == run


def test_a_run_is_replaced_also_after_more_outcomes_were_counted(runs: Runs) -> None:
    run = begun(runs)
    runs.tally("night-1", {"repaired": 1})
    assert begun(runs, REPORT, in_place_of=run).run_id == "report-1"


def test_progress_keeps_the_cursor_where_there_is_no_newer_one(runs: Runs) -> None:
    run = further(begun(runs))
    assert runs.advance(begun_as(run), run) == run
    last = replace(run, cursor=None, finished_at=LATER)
    assert runs.advance(run, last) == replace(run, finished_at=LATER)


def test_a_run_is_not_replaced_after_more_progress(runs: Runs) -> None:
    run = begun(runs)
    assert runs.advance(run, further(run))
    assert runs.begin(REPORT, in_place_of=run, at=NOW) is None
    assert begun(runs, REPORT, in_place_of=runs.newest()).run_id == "report-1"


def test_a_new_run_keeps_nothing_of_the_one_before(runs: Runs) -> None:
    run = begun(runs)
    finished = runs.advance(run, replace(further(run), finished_at=LATER))
    runs.tally("night-1", {"repaired": 1})
    assert finished is not None
    assert begun(runs, REPORT, finished) == Run("report-1", report_only=True, started_at=NOW, progress_at=NOW)


def test_progress_is_kept(runs: Runs) -> None:
    run = begun(runs)
    assert runs.advance(run, further(run)) == further(run) == runs.newest()


def test_of_two_invocations_at_one_page_a_single_one_notes_its_progress(runs: Runs) -> None:
    run = begun(runs)
    assert runs.advance(run, further(run)) is not None
    assert runs.advance(run, further(run)) is None
    second = further(run)
    assert runs.advance(second, further(second, "c2")) is not None
    assert runs.advance(second, further(second, "c2")) is None


def test_a_run_that_was_replaced_makes_no_more_progress(runs: Runs) -> None:
    run = begun(runs)
    newer = begun(runs, REPORT, in_place_of=run)
    assert runs.advance(run, further(run)) is None
    assert runs.newest() == newer


def test_a_finished_run_makes_no_more_progress(runs: Runs) -> None:
    run = begun(runs)
    finished = runs.advance(run, replace(run, finished_at=LATER))
    assert finished is not None
    assert (finished.finished_at, finished.cursor) == (LATER, None)
    assert runs.advance(finished, further(finished)) is None


# --- Which request a run satisfies ----------------------------------------------------------------------------------

FINISHED = Run("night-1", report_only=False, started_at=NOW, progress_at=LATER, finished_at=LATER)


def test_a_run_satisfies_the_request_that_began_it_at_each_delivery() -> None:
    assert FINISHED.satisfies(NIGHT)
    assert FINISHED.satisfies(replace(NIGHT, requested_at=LATER))


def test_a_run_satisfies_every_request_of_its_mode_that_was_made_before_it_began() -> None:
    assert FINISHED.satisfies(ReconciliationRequest("night-2", NOW, report_only=False))
    assert not FINISHED.satisfies(ReconciliationRequest("night-2", LATER, report_only=False))


def test_a_run_satisfies_no_request_of_the_other_mode_and_none_before_it_is_finished() -> None:
    assert not FINISHED.satisfies(ReconciliationRequest("night-1", NOW, report_only=True))
    assert not replace(FINISHED, finished_at=None).satisfies(NIGHT)


def test_the_event_ids_of_a_run_are_never_too_long() -> None:
    request = ReconciliationRequest("x" * 256, NOW, report_only=False)
    run = replace(FINISHED, run_id=run_id(request))
    assert run.satisfies(request)
    assert len(run.event_id(COMPANY)) <= 256


# --- The outcomes of the companies that were handed over ------------------------------------------------------------


def settled(outcome: Outcome, event_id: str | None = f"night-1/{COMPANY}", company: UUID = COMPANY) -> Settled:
    return Settled(SQSRecord({}), outcome, event_id, str(company))


def outcomes(runs: Runs) -> dict[str, int]:
    run = runs.newest()
    assert run is not None
    return dict(run.outcomes)


def test_outcomes_are_counted_with_their_run(runs: Runs, tally: Tally) -> None:
    begun(runs)
    tally.announce([settled(outcome) for outcome in Outcome])
    tally.announce([settled(Outcome.APPLIED), settled(Outcome.APPLIED, f"night-1/{OTHER_COMPANY}", OTHER_COMPANY)])
    assert outcomes(runs) == {**dict.fromkeys(TALLIED.values(), 1), "repaired": 3}


def test_outcomes_are_counted_with_a_run_whose_name_has_any_form(runs: Runs, tally: Tally) -> None:
    begun(runs, ReconciliationRequest("2026/02/night", NOW, report_only=False))
    tally.announce([settled(Outcome.APPLIED, f"2026/02/night/{COMPANY}")])
    assert outcomes(runs) == {"repaired": 1}


def test_progress_and_outcomes_are_independent_of_each_other(runs: Runs, tally: Tally) -> None:
    run = begun(runs)
    tally.announce([settled(Outcome.APPLIED)])
    advanced = runs.advance(run, further(run))
    assert advanced == replace(further(run), outcomes={"repaired": 1})


@pytest.mark.parametrize(
    "other",
    [
        settled(Outcome.APPLIED, f"night-0/{COMPANY}"),
        settled(Outcome.APPLIED, f"night/{COMPANY}"),
        settled(Outcome.APPLIED, "an event of another producer"),
        settled(Outcome.APPLIED, "night-1/somewhere"),
        settled(Outcome.APPLIED, f"/{COMPANY}"),
        settled(Outcome.PARKED_FAILED, None),
        settled(Outcome.DEFERRED),
        settled(Outcome.STALE),
    ],
)
def test_only_final_outcomes_of_companies_that_the_newest_run_handed_over_are_counted(
    runs: Runs, tally: Tally, other: Settled
) -> None:
    begun(runs)
    tally.announce([other])
    assert outcomes(runs) == {}


def test_before_the_first_run_nothing_is_counted(runs: Runs, tally: Tally) -> None:
    tally.announce([settled(Outcome.APPLIED)])
    assert runs.newest() is None


# --- In DynamoDB ----------------------------------------------------------------------------------------------------


def test_a_run_is_no_company(runs_in_dynamodb: ReconciliationRuns, dynamodb: DynamoDBClient, table: str) -> None:
    begun(runs_in_dynamodb)
    page = CompanyPlans(dynamodb, table).page(None, 10)
    assert (page.companies, page.unreadable) == ((), ())


def test_an_error_other_than_a_failed_condition_is_raised(
    runs_in_dynamodb: ReconciliationRuns, dynamodb: DynamoDBClient, table: str
) -> None:
    dynamodb.delete_table(TableName=table)
    with pytest.raises(dynamodb.exceptions.ResourceNotFoundException):
        runs_in_dynamodb.begin(NIGHT, in_place_of=None, at=NOW)


def test_a_batch_is_one_write_for_each_run(runs_in_dynamodb: ReconciliationRuns, dynamodb: DynamoDBClient) -> None:
    begun(runs_in_dynamodb)
    calls: list[str] = []
    dynamodb.meta.events.register(
        "before-call.dynamodb", lambda model, **_: calls.append(model.name), unique_id="calls"
    )
    try:
        Tally(runs_in_dynamodb).announce(
            [settled(Outcome.APPLIED), settled(Outcome.UNCHANGED), settled(Outcome.DEFERRED)]
        )
    finally:
        dynamodb.meta.events.unregister("before-call.dynamodb", unique_id="calls")
    assert calls == ["UpdateItem"]


def test_the_newest_run_is_read_consistent_with_every_earlier_write(
    dynamodb: DynamoDBClient, runs_in_dynamodb: ReconciliationRuns
) -> None:
    """A stale one would be continued from where another invocation has gone on long ago."""
    reads: list[object] = []
    dynamodb.meta.events.register_first(
        "before-parameter-build.dynamodb.GetItem", lambda params, **_: reads.append(params.get("ConsistentRead"))
    )
    runs_in_dynamodb.newest()
    assert reads == [True]
