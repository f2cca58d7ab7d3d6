"""How far a reconciliation has come: what two walkers may both write, and what only one may."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import boto3
import pytest
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from moto import mock_aws
from mypy_boto3_dynamodb import DynamoDBClient

from codat_sync.companies.records import CompanyPlans
from codat_sync.consuming.deliveries import Settled
from codat_sync.events.requests import ReconciliationRequest
from codat_sync.outcomes.triage import Outcome
from codat_sync.reconciliation.runs import TALLIED, ReconciliationRuns, Run, Tally, run_id
from tests.fakes.clock import NOW
from tests.fakes.companies import COMPANY, OTHER_COMPANY

TABLE = "company-plans"
LATER = NOW + timedelta(minutes=1)
NIGHT = ReconciliationRequest("night-1", NOW, report_only=False)
REPORT = ReconciliationRequest("report-1", NOW, report_only=True)


@pytest.fixture(scope="module")
def client() -> Iterator[DynamoDBClient]:
    with mock_aws():
        yield boto3.client("dynamodb", region_name="eu-west-2")


@pytest.fixture
def dynamodb(client: DynamoDBClient) -> Iterator[DynamoDBClient]:
    client.create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": "companyId", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "companyId", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    yield client
    if TABLE in client.list_tables()["TableNames"]:
        client.delete_table(TableName=TABLE)


@pytest.fixture
def runs(dynamodb: DynamoDBClient) -> ReconciliationRuns:
    return ReconciliationRuns(dynamodb, TABLE)


def begun(runs: ReconciliationRuns, request: ReconciliationRequest = NIGHT, in_place_of: Run | None = None) -> Run:
    run = runs.begin(request, in_place_of=in_place_of, at=NOW)
    assert run is not None
    return run


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


def test_before_the_first_run_there_is_none(runs: ReconciliationRuns) -> None:
    assert runs.newest() is None


def test_a_run_begins_with_nothing_done(runs: ReconciliationRuns) -> None:
    assert begun(runs) == Run("night-1", report_only=False, started_at=NOW, progress_at=NOW)
    assert runs.newest() == Run("night-1", report_only=False, started_at=NOW, progress_at=NOW)


def test_a_run_is_no_company(runs: ReconciliationRuns, dynamodb: DynamoDBClient) -> None:
    begun(runs)
    page = CompanyPlans(dynamodb, TABLE).page(None, 10)
    assert (page.companies, page.unreadable) == ((), ())


def test_only_one_of_two_begins(runs: ReconciliationRuns) -> None:
    run = begun(runs)
    assert runs.begin(REPORT, in_place_of=None, at=NOW) is None
    assert runs.newest() == run


def test_a_run_is_replaced_only_as_it_was_seen(runs: ReconciliationRuns) -> None:
    run = begun(runs)
    assert runs.advance(run, further(run))
    assert runs.begin(REPORT, in_place_of=run, at=NOW) is None
    assert begun(runs, REPORT, in_place_of=runs.newest()).run_id == "report-1"


def test_a_new_run_has_nothing_of_the_one_before(runs: ReconciliationRuns) -> None:
    run = begun(runs)
    finished = runs.advance(run, replace(further(run), finished_at=LATER))
    runs.tally("night-1", {"repaired": 1})
    assert finished is not None
    assert begun(runs, REPORT, finished) == Run("report-1", report_only=True, started_at=NOW, progress_at=NOW)


def test_progress_is_kept(runs: ReconciliationRuns) -> None:
    run = begun(runs)
    assert runs.advance(run, further(run)) == further(run) == runs.newest()


def test_of_two_walkers_at_one_page_one_notes_it(runs: ReconciliationRuns) -> None:
    run = begun(runs)
    assert runs.advance(run, further(run)) is not None
    assert runs.advance(run, further(run)) is None
    second = further(run)
    assert runs.advance(second, further(second, "c2")) is not None
    assert runs.advance(second, further(second, "c2")) is None


def test_a_run_that_was_replaced_does_not_go_on(runs: ReconciliationRuns) -> None:
    run = begun(runs)
    newer = begun(runs, REPORT, in_place_of=run)
    assert runs.advance(run, further(run)) is None
    assert runs.newest() == newer


def test_a_finished_run_does_not_go_on(runs: ReconciliationRuns) -> None:
    run = begun(runs)
    finished = runs.advance(run, replace(run, finished_at=LATER))
    assert finished is not None
    assert (finished.finished_at, finished.cursor) == (LATER, None)
    assert runs.advance(finished, further(finished)) is None


def test_what_is_no_error_of_a_condition_is_the_callers(runs: ReconciliationRuns, dynamodb: DynamoDBClient) -> None:
    dynamodb.delete_table(TableName=TABLE)
    with pytest.raises(dynamodb.exceptions.ResourceNotFoundException):
        runs.begin(NIGHT, in_place_of=None, at=NOW)


# --- Which request a run satisfies ----------------------------------------------------------------------------------

FINISHED = Run("night-1", report_only=False, started_at=NOW, progress_at=LATER, finished_at=LATER)


def test_a_run_satisfies_the_request_that_began_it_however_often_it_comes() -> None:
    assert FINISHED.satisfies(NIGHT)
    assert FINISHED.satisfies(replace(NIGHT, requested_at=LATER))


def test_a_run_satisfies_every_request_of_its_mode_that_was_made_before_it_began() -> None:
    assert FINISHED.satisfies(ReconciliationRequest("night-2", NOW, report_only=False))
    assert not FINISHED.satisfies(ReconciliationRequest("night-2", LATER, report_only=False))


def test_a_run_satisfies_no_request_of_the_other_mode_and_none_before_it_is_done() -> None:
    assert not FINISHED.satisfies(ReconciliationRequest("night-1", NOW, report_only=True))
    assert not replace(FINISHED, finished_at=None).satisfies(NIGHT)


def test_the_ids_of_a_runs_events_are_never_too_long() -> None:
    request = ReconciliationRequest("x" * 256, NOW, report_only=False)
    run = replace(FINISHED, run_id=run_id(request))
    assert run.satisfies(request)
    assert len(run.event_id(COMPANY)) <= 256


# --- What became of those that were handed over ---------------------------------------------------------------------


def settled(outcome: Outcome, event_id: str | None = f"night-1/{COMPANY}", company: UUID = COMPANY) -> Settled:
    return Settled(SQSRecord({}), outcome, event_id, str(company))


def outcomes(runs: ReconciliationRuns) -> dict[str, int]:
    run = runs.newest()
    assert run is not None
    return dict(run.outcomes)


def test_outcomes_are_counted_with_their_run(runs: ReconciliationRuns) -> None:
    begun(runs)
    tally = Tally(runs)
    tally.announce([settled(outcome) for outcome in Outcome])
    tally.announce([settled(Outcome.APPLIED), settled(Outcome.APPLIED, f"night-1/{OTHER_COMPANY}", OTHER_COMPANY)])
    assert outcomes(runs) == {**dict.fromkeys(TALLIED.values(), 1), "repaired": 3}


def test_progress_and_outcomes_do_not_touch_each_other(runs: ReconciliationRuns) -> None:
    run = begun(runs)
    Tally(runs).announce([settled(Outcome.APPLIED)])
    advanced = runs.advance(run, further(run))
    assert advanced == replace(further(run), outcomes={"repaired": 1})


@pytest.mark.parametrize(
    "other",
    [
        settled(Outcome.APPLIED, f"night-0/{COMPANY}"),
        settled(Outcome.APPLIED, f"night/{COMPANY}"),
        settled(Outcome.APPLIED, "an event of somebody else"),
        settled(Outcome.APPLIED, "night-1/somewhere"),
        settled(Outcome.APPLIED, f"/{COMPANY}"),
        settled(Outcome.PARKED_FAILED, None),
        settled(Outcome.DEFERRED),
        settled(Outcome.STALE),
    ],
)
def test_what_the_newest_run_did_not_hand_over_and_what_is_still_open_is_not_counted(
    runs: ReconciliationRuns, other: Settled
) -> None:
    begun(runs)
    Tally(runs).announce([other])
    assert outcomes(runs) == {}


def test_before_the_first_run_nothing_is_counted(runs: ReconciliationRuns) -> None:
    Tally(runs).announce([settled(Outcome.APPLIED)])
    assert runs.newest() is None


def test_a_batch_is_one_write_for_each_run(runs: ReconciliationRuns, dynamodb: DynamoDBClient) -> None:
    begun(runs)
    calls: list[str] = []
    dynamodb.meta.events.register(
        "before-call.dynamodb", lambda model, **_: calls.append(model.name), unique_id="calls"
    )
    try:
        Tally(runs).announce([settled(Outcome.APPLIED), settled(Outcome.UNCHANGED), settled(Outcome.DEFERRED)])
    finally:
        dynamodb.meta.events.unregister("before-call.dynamodb", unique_id="calls")
    assert calls == ["UpdateItem"]
