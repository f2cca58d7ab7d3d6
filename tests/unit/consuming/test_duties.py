"""A request stays on its queue until its duty is done, whatever number of invocations that takes."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from codat_sync.codat.errors import RateLimited, Unauthorized
from codat_sync.consuming.duties import AFTER_A_FAILURE, PATIENCE, DutyConsumer
from codat_sync.deadline import Deadline
from codat_sync.events.requests import ReconciliationRequest, read_reconciliation_request
from codat_sync.outcomes.deferral import longest_wait
from codat_sync.outcomes.triage import Outcome, triage
from tests.fakes.lambda_ import FakeContext, sqs_event
from tests.fakes.outcomes import FakeDeadLetters, FakeQueue

SENT_AT = datetime.fromtimestamp(1769947200, UTC)
BODY = json.dumps({"id": "night-1", "detail-type": "Reconciliation Requested", "detail": {"reportOnly": True}})
MALFORMED = json.dumps({"id": "night-2", "detail-type": "Something Else", "detail": {}})


class FakeDuty:
    """A duty with these answers, one for each invocation: a wait, None for done, or an error."""

    def __init__(self, *answers: timedelta | Exception | None) -> None:
        self._answers = list(answers)
        self.requests: list[ReconciliationRequest] = []
        self.seconds_left: list[float] = []

    def carry_out(self, request: ReconciliationRequest, deadline: Deadline) -> timedelta | None:
        self.requests.append(request)
        self.seconds_left.append(deadline.seconds_left)
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


class Bench:
    """A consumer of one duty on fakes."""

    def __init__(self, *answers: timedelta | Exception | None) -> None:
        self.duty, self.dead_letters, self.queue = FakeDuty(*answers), FakeDeadLetters(), FakeQueue()
        self.now = SENT_AT

    def consume(self, *bodies: str, context: FakeContext | None = None) -> set[str]:
        """Return the ids of the messages that stay on the queue."""
        consumer = DutyConsumer(read_reconciliation_request, self.duty, self.dead_letters, self.queue, lambda: self.now)
        answer = consumer.consume(sqs_event(*bodies), context or FakeContext(900.0))
        return {str(each["itemIdentifier"]) for each in answer["batchItemFailures"]}


def throttled() -> ClientError:
    return ClientError({"Error": {"Code": "ThrottlingException", "Message": "no"}}, "SendMessage")


def test_the_request_of_a_finished_duty_leaves_the_queue() -> None:
    bench = Bench(None)
    assert bench.consume(BODY) == set()
    assert bench.queue.waits == {}
    assert bench.duty.requests == [ReconciliationRequest("night-1", SENT_AT, report_only=True)]


def test_a_duty_gets_the_deadline_of_the_function() -> None:
    bench = Bench(None)
    bench.consume(BODY, context=FakeContext(900.0, 890.0, 880.0))
    assert bench.duty.seconds_left == [890.0]


def test_the_request_of_an_unfinished_duty_comes_back_at_its_time() -> None:
    bench = Bench(timedelta(minutes=15))
    assert bench.consume(BODY) == {"m0"}
    assert bench.queue.waits == {"handle-0": 900}


def test_a_request_that_continues_at_once_is_hidden_for_a_second() -> None:
    bench = Bench(timedelta(0))
    assert bench.consume(BODY) == {"m0"}
    assert bench.queue.waits == {"handle-0": 1}


def test_a_wait_is_rounded_up_to_whole_seconds() -> None:
    bench = Bench(timedelta(seconds=1, microseconds=1))
    bench.consume(BODY)
    assert bench.queue.waits == {"handle-0": 2}


def test_no_wait_is_longer_than_sqs_allows_since_the_receipt() -> None:
    bench = Bench(timedelta(hours=20))
    bench.consume(BODY, context=FakeContext(900.0, 500.0))
    assert bench.queue.waits == {"handle-0": longest_wait(400)}


@pytest.mark.parametrize(
    ("error", "wait"),
    [
        (RateLimited("quota", retry_after=timedelta(hours=3)), timedelta(hours=3)),
        (RateLimited("too many at once", retry_after=None), AFTER_A_FAILURE),
        (Unauthorized("who are you"), AFTER_A_FAILURE),
        (throttled(), AFTER_A_FAILURE),
        (ZeroDivisionError("a bug"), AFTER_A_FAILURE),
    ],
    ids=lambda each: type(each).__name__,
)
def test_the_request_of_a_failed_duty_stays_on_the_queue(error: Exception, wait: timedelta) -> None:
    bench = Bench(error)
    assert bench.consume(BODY) == {"m0"}
    assert bench.queue.waits == {"handle-0": wait.total_seconds()}
    assert bench.dead_letters.parked == []


@pytest.mark.parametrize("error", [RateLimited("quota", retry_after=timedelta(hours=3)), ZeroDivisionError("a bug")])
def test_a_request_whose_duty_still_fails_after_three_days_is_parked_with_the_reason(error: Exception) -> None:
    bench = Bench(error, error)
    bench.now += PATIENCE - timedelta(seconds=1)
    assert bench.consume(BODY) == {"m0"}
    bench.now += timedelta(seconds=1)
    assert bench.consume(BODY) == set()
    ((event, outcome, failure),) = bench.dead_letters.parked
    assert (event.body, outcome, failure.reason) == (BODY, Outcome.PARKED_FAILED, triage(error).reason)


def test_a_request_whose_duty_goes_on_is_never_too_old() -> None:
    bench = Bench(timedelta(hours=12))
    bench.now += 2 * PATIENCE
    assert bench.consume(BODY) == {"m0"}
    assert bench.dead_letters.parked == []


def test_an_unexpected_error_is_logged_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    Bench(ZeroDivisionError("a bug")).consume(BODY)
    (line,) = [each for each in caplog.records if each.msg == "duty_failed"]
    assert vars(line)["reason"] == "unexpected_error"
    assert line.exc_info
    caplog.clear()
    Bench(Unauthorized("who are you")).consume(BODY)
    (line,) = [each for each in caplog.records if each.msg == "duty_failed"]
    assert (vars(line)["reason"], vars(line)["words"]) == ("unauthorized", "who are you")
    assert not line.exc_info


def test_a_malformed_request_is_parked_and_the_others_are_carried_out() -> None:
    bench = Bench(None)
    assert bench.consume(MALFORMED, BODY) == set()
    ((event, outcome, failure),) = bench.dead_letters.parked
    assert (event.body, event.event_id) == (MALFORMED, "night-2")
    assert (outcome, failure.reason) == (Outcome.PARKED_FAILED, "malformed_event")
    assert len(bench.duty.requests) == 1


def test_a_malformed_request_that_cannot_be_parked_stays_on_the_queue() -> None:
    bench = Bench()
    bench.dead_letters.failure = throttled()
    assert bench.consume(MALFORMED) == {"m0"}
    assert bench.queue.waits == {"handle-0": AFTER_A_FAILURE.total_seconds()}


def test_a_request_that_sqs_does_not_hide_stays_on_the_queue() -> None:
    bench = Bench(timedelta(0))
    bench.queue.failure = throttled()
    assert bench.consume(BODY) == {"m0"}
