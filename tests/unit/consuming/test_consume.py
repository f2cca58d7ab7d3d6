"""A batch: outcome for each message, park or defer, and nothing lost."""

import json
import threading
from datetime import datetime, timedelta
from functools import cache, partial
from random import Random
from typing import Any
from uuid import UUID

import pytest
from aws_lambda_powertools import Logger
from botocore.exceptions import ClientError

from codat_sync.codat.errors import (
    BadRequest,
    NotFound,
    PaymentRequired,
    PaymentRequiredKind,
    RateLimited,
    ServerError,
    Unreachable,
)
from codat_sync.codat.models import Frequency
from codat_sync.companies.converge import Convergence
from codat_sync.consuming import consume as consumer
from codat_sync.consuming.consume import START_SECONDS, Consumer, ConsumerSettings, ReadEvent
from codat_sync.consuming.settle import Settlement
from codat_sync.deadline import OutOfTime
from codat_sync.events.company_events import read_connection_event, read_plan_event
from codat_sync.outcomes.triage import Outcome
from local.presets import local_presets
from tests.fakes import (
    COMPANY,
    NOW,
    OTHER_COMPANY,
    FakeAnnouncer,
    FakeCodat,
    FakeContext,
    FakeDeadLetters,
    FakePlans,
    FakeQueue,
    sqs_event,
)

PRESETS = local_presets()
CONNECTED = partial(read_connection_event, plan_tag="plan")


def plan_event(plan: str, *, minutes: int = 0, company: UUID = COMPANY, event_id: str = "") -> str:
    """The body of a message, as a producer would send it."""
    occurred_at = (NOW + timedelta(minutes=minutes)).isoformat()
    return json.dumps(
        {
            "id": event_id or f"{plan}-{minutes}",
            "detail-type": "Company Changed Plan",
            "time": NOW.isoformat(),
            "detail": {"companyId": str(company), "plan": plan, "occurredAt": occurred_at},
        }
    )


def connection_event(event_id: str = "connected") -> str:
    """Onboarding's word that the company connected."""
    detail = {"companyId": str(COMPANY), "connectionId": "ee2eb431-c0fa-4dc9-93fa-d29781c12bcd"}
    return json.dumps({"id": event_id, "detail-type": "New Connection", "time": NOW.isoformat(), "detail": detail})


def access_denied() -> ClientError:
    return ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "SendMessage")


def lose_the_answer(bench: "Bench") -> None:
    """A write takes effect, and its caller never comes to know it."""
    bench.codat.before_write = lambda: None
    preset = PRESETS.for_company("growth", COMPANY)
    bench.codat.update_sync_settings(COMPANY, preset.over(bench.codat.companies[COMPANY]))
    raise Unreachable("the answer was lost")


class Bench:
    """A consumer on fakes, and what it logged."""

    def __init__(self, caplog: pytest.LogCaptureFixture, read: ReadEvent = read_plan_event) -> None:
        self.codat, self.plans = FakeCodat(), FakePlans()
        self.dead_letters, self.queue = FakeDeadLetters(), FakeQueue()
        self.announcer = FakeAnnouncer()
        self.other_announcer = FakeAnnouncer()
        self.caplog = caplog
        caplog.set_level("INFO")
        self._consumer = Consumer(
            read,
            Convergence(self.codat, self.plans, PRESETS, lambda: NOW),
            Settlement(self.dead_letters, max_receive_count=10),
            self.queue,
            ConsumerSettings(first_deferral_seconds=60, max_concurrent_companies=2),
            now=lambda: NOW,
            random=Random(7),  # noqa: S311  # Jitter that a test can repeat.
            announcers=[self.announcer, self.other_announcer],
        )

    def consume(
        self, *bodies: str, receive_count: int = 1, attributes: tuple[str, ...] = (), context: FakeContext | None = None
    ) -> list[str]:
        """The outcomes that were logged, by message; and what stays on the queue is what was deferred."""
        event = sqs_event(*bodies, receive_count=receive_count, attributes=attributes)
        answer = self._consumer.consume(event, context or FakeContext())
        self.logged = [vars(record) for record in self.caplog.records]
        self.caplog.clear()
        settled = [line for line in self.logged if line["msg"] == "event_settled"]
        assert len(settled) == len(bodies), "every message has exactly one outcome"
        stays = [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]
        assert len(stays) == sum(line["outcome"] == Outcome.DEFERRED for line in settled)
        self.stays = set(stays)
        return [line["outcome"] for line in settled]

    def lines(self, message: str) -> list[dict[str, Any]]:
        """What was logged under this message by the last batch."""
        return [line for line in self.logged if line["msg"] == message]


@pytest.fixture
def bench(caplog: pytest.LogCaptureFixture) -> Bench:
    return Bench(caplog)


@pytest.fixture
def connections(caplog: pytest.LogCaptureFixture) -> Bench:
    return Bench(caplog, CONNECTED)


def test_a_plan_event_is_applied_and_leaves_the_queue(bench: Bench) -> None:
    assert bench.consume(plan_event("growth")) == ["applied"]
    assert bench.stays == set()
    assert bench.codat.frequency(COMPANY, "invoices") is Frequency.DAILY


def test_a_duplicate_that_is_in_force_costs_no_call_to_codat(bench: Bench) -> None:
    bench.consume(plan_event("growth"))
    bench.codat.calls.clear()
    assert bench.consume(plan_event("growth")) == ["unchanged"]
    assert bench.codat.calls == []


def test_a_newer_event_that_names_the_plan_in_force_costs_one_look_at_codat(bench: Bench) -> None:
    bench.consume(plan_event("growth"))
    bench.codat.calls.clear()
    assert bench.consume(plan_event("growth", minutes=5)) == ["unchanged"]
    assert bench.codat.calls == ["get"]


def test_a_plan_that_comes_back_after_another_ones_lost_answer_is_put_in_force(bench: Bench) -> None:
    """What the model found: the record still said that the first plan was in force."""
    bench.consume(plan_event("free"))
    bench.codat.before_write = lambda: lose_the_answer(bench)
    assert bench.consume(plan_event("growth", minutes=1)) == ["deferred"]
    assert bench.consume(plan_event("free", minutes=2)) == ["applied"]
    assert bench.codat.frequency(COMPANY, "invoices") is Frequency.MONTHLY


def test_an_old_event_that_arrives_late_is_stale(bench: Bench) -> None:
    bench.consume(plan_event("growth", minutes=5))
    bench.codat.calls.clear()
    assert bench.consume(plan_event("free")) == ["stale"]
    assert bench.codat.calls == []


@pytest.mark.parametrize("receive_count", [1, 3])
def test_what_is_seen_again_looks_at_codat_whatever_the_record_says(bench: Bench, receive_count: int) -> None:
    """A crash after a write to Codat leaves a record that knows nothing of it; the redelivery puts it right."""
    bench.consume(plan_event("growth", minutes=5))
    bench.codat.companies[COMPANY] = local_presets().for_company("free", COMPANY).over(bench.codat.companies[COMPANY])
    attributes = ("parkedAt",) if receive_count == 1 else ()
    assert bench.consume(plan_event("free"), receive_count=receive_count, attributes=attributes) == ["stale"]
    assert bench.codat.frequency(COMPANY, "invoices") is Frequency.DAILY


def test_events_of_one_company_in_one_batch_are_converged_once(bench: Bench) -> None:
    outcomes = bench.consume(plan_event("free"), plan_event("growth", minutes=2), plan_event("starter", minutes=1))
    assert outcomes == ["stale", "applied", "stale"]
    assert bench.codat.calls == ["get", "update"]
    assert bench.codat.frequency(COMPANY, "invoices") is Frequency.DAILY


def test_the_same_event_twice_in_one_batch_is_applied_once(bench: Bench) -> None:
    assert bench.consume(plan_event("growth"), plan_event("growth")) == ["applied", "unchanged"]


def test_companies_of_one_batch_do_not_hold_each_other_up(bench: Bench) -> None:
    bench.plans.failures = [access_denied()]
    outcomes = bench.consume(plan_event("growth"), plan_event("growth", company=OTHER_COMPANY))
    assert sorted(outcomes) == ["applied", "deferred"]


def test_a_company_that_cannot_be_found_is_deferred_and_parked_by_nobody(bench: Bench) -> None:
    bench.codat.failures = [NotFound("No company was found", status=404)]
    assert bench.consume(plan_event("growth")) == ["deferred"]
    assert bench.stays == {"m0"}
    assert bench.dead_letters.parked == []


def test_a_company_that_is_never_found_is_parked_with_the_reason_at_the_last_receive(bench: Bench) -> None:
    bench.codat.failures = [NotFound("No company was found", status=404)] * 2
    assert bench.consume(plan_event("growth"), receive_count=9) == ["deferred"]
    assert bench.consume(plan_event("growth"), receive_count=10) == ["parked_failed"]
    ((_, outcome, failure),) = bench.dead_letters.parked
    assert (outcome, failure.reason, failure.status) == (Outcome.PARKED_FAILED, "company_not_found", 404)


def test_the_last_failure_stays_with_the_company(bench: Bench) -> None:
    bench.codat.failures = [NotFound("No company was found", status=404)]
    bench.consume(plan_event("growth"))
    assert bench.plans.noted[COMPANY] == ("growth-0", "company_not_found: No company was found")


def test_a_failure_that_cannot_be_noted_changes_no_outcome(bench: Bench) -> None:
    bench.codat.failures = [NotFound("No company was found", status=404)]
    bench.plans.failures = [None, access_denied()]
    assert bench.consume(plan_event("growth")) == ["deferred"]
    assert "note_failed" in {line["msg"] for line in bench.logged}


def test_402_is_parked_and_not_retried(bench: Bench) -> None:
    bench.codat.failures = [PaymentRequired("Account expired", kind=PaymentRequiredKind.ACCOUNT_EXPIRED)]
    assert bench.consume(plan_event("growth")) == ["parked_payment_required"]
    assert bench.stays == set()
    assert bench.codat.calls == ["get"]
    ((parked, outcome, failure),) = bench.dead_letters.parked
    assert outcome is Outcome.PARKED_PAYMENT_REQUIRED
    assert (parked.body, parked.event_id, parked.company_id, parked.plan) == (
        plan_event("growth"),
        "growth-0",
        str(COMPANY),
        "growth",
    )
    assert failure.reason == "account_expired"
    assert parked.source_queue == "arn:aws:sqs:eu-west-2:123456789012:source"


def test_hourly_without_a_paid_account_is_degraded_and_parked(bench: Bench) -> None:
    bench.codat.has_hourly = False
    assert bench.consume(plan_event("scale")) == ["degraded"]
    assert bench.codat.frequency(COMPANY, "invoices") is Frequency.DAILY
    ((_, outcome, failure),) = bench.dead_letters.parked
    assert (outcome, failure.outcome, failure.reason) == (Outcome.DEGRADED, Outcome.DEGRADED, "hourly_not_allowed")


def test_a_degraded_event_that_comes_back_after_the_bill_is_paid_gets_its_hourly(bench: Bench) -> None:
    bench.codat.has_hourly = False
    bench.consume(plan_event("scale"))
    bench.codat.has_hourly = True
    assert bench.consume(plan_event("scale"), attributes=("parkedAt",)) == ["applied"]
    assert bench.codat.frequency(COMPANY, "invoices") is Frequency.HOURLY


def test_an_old_event_that_meets_the_402_on_the_newest_plans_way_back_is_parked_for_it(bench: Bench) -> None:
    """Its redelivery found Codat changed behind the record. Without a parked event hourly would never come back."""
    bench.consume(plan_event("scale", minutes=5))
    bench.codat.companies[COMPANY] = PRESETS.for_company("free", COMPANY).over(bench.codat.companies[COMPANY])
    bench.codat.has_hourly = False
    assert bench.consume(plan_event("free"), receive_count=2) == ["degraded"]
    assert len(bench.dead_letters.parked) == 1
    bench.codat.has_hourly = True
    assert bench.consume(plan_event("free"), attributes=("parkedAt",)) == ["stale"]
    assert bench.codat.frequency(COMPANY, "invoices") is Frequency.HOURLY


def test_the_logger_is_made_before_the_threads_that_would_race_to_make_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    makers: list[threading.Thread] = []

    def make() -> Logger:
        makers.append(threading.current_thread())
        return Logger()

    monkeypatch.setattr(consumer, "logger", cache(make))
    bench.consume(plan_event("growth"), plan_event("growth", company=OTHER_COMPANY))
    assert makers == [threading.main_thread()]


def test_400_is_parked_as_failed(bench: Bench) -> None:
    bench.codat.failures = [None, BadRequest("not valid", status=400)]
    assert bench.consume(plan_event("growth")) == ["parked_failed"]
    assert bench.stays == set()


@pytest.mark.parametrize(
    ("body", "reason"),
    [("not JSON", "malformed_event"), ("", "malformed_event"), (plan_event("gold"), "unknown_plan")],
)
def test_what_cannot_be_used_is_parked_with_the_reason(bench: Bench, body: str, reason: str) -> None:
    assert bench.consume(body) == ["parked_failed"]
    ((parked, _, failure),) = bench.dead_letters.parked
    assert (parked.body, failure.reason) == (body, reason)
    assert bench.plans.items == {}


def test_a_bad_event_does_not_hold_up_a_good_one(bench: Bench) -> None:
    assert sorted(bench.consume("{", plan_event("growth"))) == ["applied", "parked_failed"]


def test_an_event_that_cannot_be_parked_stays_on_its_queue(bench: Bench) -> None:
    bench.dead_letters.failure = access_denied()
    assert bench.consume("{") == ["deferred"]
    assert bench.stays == {"m0"}


def test_a_degraded_event_that_cannot_be_parked_stays_on_its_queue(bench: Bench) -> None:
    bench.codat.has_hourly = False
    bench.dead_letters.failure = access_denied()
    assert bench.consume(plan_event("scale")) == ["deferred"]


def test_the_wait_that_codat_asks_for_is_kept(bench: Bench) -> None:
    bench.codat.failures = [RateLimited("slow down", retry_after=timedelta(hours=2))]
    bench.consume(plan_event("growth"))
    assert 7200 < bench.queue.waits["handle-0"] <= 7200 + 60 + 0.05 * 7200


def test_an_event_that_cannot_be_deferred_comes_back_when_the_queue_says(bench: Bench) -> None:
    bench.queue.failure = access_denied()
    bench.codat.failures = [ServerError("no", status=500)]
    assert bench.consume(plan_event("growth")) == ["deferred"]
    assert bench.stays == {"m0"}


def test_a_bug_is_logged_with_its_trace_and_loses_nothing(bench: Bench) -> None:
    bench.codat.failures = [ZeroDivisionError("a bug")]
    assert bench.consume(plan_event("growth")) == ["deferred"]
    (trace,) = [line for line in bench.logged if line["msg"] == "unexpected_error"]
    assert trace["exc_info"][0] is ZeroDivisionError


def test_a_bug_in_reading_an_event_loses_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def read(body: str, *, now: datetime) -> None:
        raise ZeroDivisionError(body, now)

    bench = Bench(caplog, read)  # type: ignore[arg-type]  # It never returns.
    assert bench.consume("x", "y") == ["deferred", "deferred"]


def test_a_company_is_not_started_without_time_for_it(bench: Bench) -> None:
    assert bench.consume(plan_event("growth"), context=FakeContext(START_SECONDS - 1)) == ["deferred"]
    assert bench.codat.calls == []
    assert bench.plans.items == {}


def test_a_call_that_time_does_not_allow_is_left_for_later(bench: Bench) -> None:
    context = FakeContext(60, 60, 60, START_SECONDS - 1)
    assert bench.consume(plan_event("growth"), context=context) == ["deferred"]
    assert bench.codat.calls == ["get"]


def test_a_lost_answer_is_deferred_and_the_redelivery_finds_it_done(bench: Bench) -> None:
    bench.codat.failures = [None, Unreachable("no answer")]
    assert bench.consume(plan_event("growth")) == ["deferred"]
    assert bench.consume(plan_event("growth"), receive_count=2) == ["applied"]


def test_a_failure_at_codat_does_not_keep_what_needs_nothing_of_codat(bench: Bench) -> None:
    bench.codat.failures = [ServerError("no", status=500)]
    assert bench.consume(plan_event("free"), plan_event("growth", minutes=1)) == ["stale", "deferred"]
    assert bench.stays == {"m1"}


def test_a_new_company_gets_the_default_plan(connections: Bench) -> None:
    assert connections.consume(connection_event()) == ["applied"]
    assert connections.plans.items[COMPANY].desired.plan == "free"


def test_a_connection_makes_sure_of_the_plan_that_the_company_has(bench: Bench, connections: Bench) -> None:
    connections.plans, connections.codat = bench.plans, bench.codat
    bench.consume(plan_event("growth"))
    connections = Bench(bench.caplog, CONNECTED)
    connections.plans.items.update(bench.plans.items)
    assert connections.consume(connection_event()) == ["applied"]
    assert connections.codat.frequency(COMPANY, "invoices") is Frequency.DAILY


def test_a_connection_looks_at_codat_although_the_record_says_all_is_well(connections: Bench) -> None:
    connections.consume(connection_event("first"))
    connections.codat.calls.clear()
    assert connections.consume(connection_event("second")) == ["unchanged"]
    assert connections.codat.calls == ["get"]


def test_a_duplicate_of_a_connection_costs_no_call_to_codat(connections: Bench) -> None:
    connections.consume(connection_event())
    connections.codat.calls.clear()
    assert connections.consume(connection_event()) == ["unchanged"]
    assert connections.codat.calls == []


def test_a_line_of_log_tells_what_changed_by_which_event(bench: Bench) -> None:
    bench.consume(plan_event("growth"))
    (line,) = [line for line in bench.logged if line["msg"] == "event_settled"]
    assert (line["correlation_id"], line["company_id"], line["plan"]) == ("growth-0", str(COMPANY), "growth")
    assert any(each.startswith("invoices: monthly → daily") for each in line["differences"])


def test_metrics_count_the_outcomes_by_plan(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    bench.consume(plan_event("growth"), plan_event("free"), "{", plan_event("gold"))
    metrics = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line]
    by_plan = {(line["outcome"], line["plan"]): line["Events"] for line in metrics if "Events" in line}
    assert by_plan == {("applied", "growth"): [1.0], ("stale", "free"): [1.0], ("parked_failed", "none"): [2.0]}
    by_reason = {line["reason"]: line["Failures"] for line in metrics if "Failures" in line}
    assert by_reason == {"malformed_event": [1.0], "unknown_plan": [1.0]}
    (totals,) = [line for line in metrics if not {"Events", "Failures"} & line.keys()]
    assert totals["ParkedFailed"] == [2.0]


# --- What is said of it ---------------------------------------------------------------------------------------------


def test_whoever_wants_to_know_is_told_how_each_event_ended(bench: Bench) -> None:
    bench.codat.failures = [None, None, ServerError("no", status=500)]
    bench.consume(plan_event("growth"), plan_event("free", company=OTHER_COMPANY), "{")
    for announcing in (bench.announcer, bench.other_announcer):
        assert {(each.event_id, each.company_id, each.outcome) for each in announcing.told} == {
            ("growth-0", str(COMPANY), Outcome.APPLIED),
            ("free-0", str(OTHER_COMPANY), Outcome.DEFERRED),
            (None, None, Outcome.PARKED_FAILED),
        }


def test_what_was_applied_is_told_with_the_record_and_the_differences(bench: Bench) -> None:
    bench.consume(plan_event("growth"))
    (told,) = bench.announcer.told
    assert told.company == bench.plans.items[COMPANY]
    assert {each.data_type for each in told.differences} >= {"invoices", "company"}


def test_one_event_of_a_company_alone_is_told_with_what_was_done(bench: Bench) -> None:
    bench.consume(plan_event("free"), plan_event("scale", minutes=2), plan_event("scale", minutes=2))
    assert [(bool(each.differences), bool(each.to_refresh)) for each in bench.announcer.told] == [
        (False, False),
        (True, True),
        (False, False),
    ]


def test_an_old_event_that_repaired_what_it_found_is_told_with_what_was_done(bench: Bench) -> None:
    bench.consume(plan_event("growth", minutes=5))
    bench.codat.companies[COMPANY] = PRESETS.for_company("free", COMPANY).over(bench.codat.companies[COMPANY])
    assert bench.consume(plan_event("free"), receive_count=2) == ["stale"]
    assert bench.announcer.told[-1].differences
    assert bench.lines("event_settled")[0]["differences"]


def test_a_failure_is_told_with_the_plan_that_the_company_should_be_at(bench: Bench) -> None:
    bench.codat.failures = [BadRequest("not valid", status=400)]
    bench.consume(plan_event("free"), plan_event("growth", minutes=1))
    stale, parked = bench.announcer.told
    assert (stale.failure, parked.failure and parked.failure.reason) == (None, "bad_request")
    assert parked.company is not None
    assert parked.company.desired.plan == "growth"


def test_nobody_is_told_before_all_is_safe(bench: Bench) -> None:
    safe: list[int] = []
    bench.announcer.meanwhile = lambda: safe.extend([len(bench.dead_letters.parked), len(bench.queue.waits)])
    bench.codat.failures = [ServerError("no", status=500)]
    bench.consume("{", plan_event("growth"))
    assert safe == [1, 1]


def test_whoever_cannot_be_told_changes_no_answer(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise ZeroDivisionError("a bug")

    bench.announcer.meanwhile = fail
    assert bench.consume(plan_event("growth"), "{") == ["parked_failed", "applied"]
    assert bench.stays == set()
    assert len(bench.lines("announcement_lost")) == 1
    assert len(bench.other_announcer.told) == 2
    metrics = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line]
    assert [line["AnnouncementsLost"] for line in metrics if "AnnouncementsLost" in line] == [[1.0]]


# --- Refresh on upgrade ---------------------------------------------------------------------------------------------


def refreshed(bench: Bench) -> list[str]:
    """The data types that Codat was asked to pull, in order."""
    return [call.removeprefix("refresh ") for call in bench.codat.calls if call.startswith("refresh ")]


def test_an_upgrade_has_codat_pull_what_became_more_frequent_once_it_is_confirmed(bench: Bench) -> None:
    bench.consume(plan_event("free"))
    bench.codat.calls.clear()
    assert bench.consume(plan_event("scale", minutes=1)) == ["applied"]
    assert bench.codat.calls[:3] == ["get", "update", f"refresh {refreshed(bench)[0]}"]
    assert bench.plans.items[COMPANY].applied is not None
    assert "invoices" in refreshed(bench)
    assert "company" not in refreshed(bench), "it was weekly before"
    (line,) = bench.lines("refresh_queued")
    assert (line["correlation_id"], line["company_id"]) == ("scale-1", str(COMPANY))
    assert line["queued"] == len(refreshed(bench))


def test_a_company_that_had_no_plan_before_is_upgraded_too(bench: Bench) -> None:
    bench.consume(plan_event("scale"))
    assert "invoices" in refreshed(bench)


def test_a_plan_that_does_not_ask_for_it_refreshes_nothing(bench: Bench) -> None:
    bench.consume(plan_event("growth"))
    assert refreshed(bench) == []


def test_a_repair_refreshes_nothing(bench: Bench) -> None:
    bench.consume(plan_event("scale"))
    bench.codat.companies[COMPANY] = PRESETS.for_company("free", COMPANY).over(bench.codat.companies[COMPANY])
    bench.codat.calls.clear()
    assert bench.consume(plan_event("scale", minutes=1)) == ["applied"]
    assert refreshed(bench) == []


def test_a_connection_refreshes_nothing_since_codat_pulls_a_new_source_by_itself(connections: Bench) -> None:
    event = json.loads(connection_event())
    assert connections.consume(json.dumps(event | {"detail": event["detail"] | {"plan": "scale"}})) == ["applied"]
    assert refreshed(connections) == []


def test_companies_of_one_batch_are_all_settled_before_any_is_refreshed(bench: Bench) -> None:
    bench.consume(plan_event("scale"), plan_event("scale", company=OTHER_COMPANY))
    calls = bench.codat.calls
    assert max(n for n, call in enumerate(calls) if call == "update") < calls.index(f"refresh {refreshed(bench)[0]}")


def test_a_degraded_upgrade_refreshes_what_was_written_for_it(bench: Bench) -> None:
    bench.codat.has_hourly = False
    assert bench.consume(plan_event("scale")) == ["degraded"]
    assert "invoices" in refreshed(bench)


def test_what_no_source_offers_does_not_keep_codat_from_pulling_the_rest(bench: Bench) -> None:
    bench.codat.failures = [None, None, BadRequest("not supported", status=400), NotFound("no data", status=404)]
    assert bench.consume(plan_event("scale")) == ["applied"]
    (line,) = bench.lines("refresh_queued")
    assert line["queued"] == len(refreshed(bench)) - 2


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (RateLimited("slow down", retry_after=timedelta(hours=2)), "rate_limited"),
        (ServerError("no", status=500), "server_error"),
        (PaymentRequired("Account expired", kind=PaymentRequiredKind.ACCOUNT_EXPIRED), "account_expired"),
    ],
)
def test_a_refresh_that_fails_ends_there_and_fails_no_event(bench: Bench, failure: Exception, reason: str) -> None:
    bench.codat.failures = [None, None, None, failure]
    assert bench.consume(plan_event("scale")) == ["applied"]
    assert (bench.stays, bench.dead_letters.parked, bench.plans.noted) == (set(), [], {})
    (line,) = bench.lines("refresh_failed")
    assert (line["levelname"], line["queued"], line["reason"]) == ("WARNING", 1, reason)
    assert not line["exc_info"]
    assert len(refreshed(bench)) == 2


def test_a_bug_in_a_refresh_is_logged_with_its_trace_and_fails_no_event(bench: Bench) -> None:
    bench.codat.failures = [None, None, ZeroDivisionError("a bug")]
    assert bench.consume(plan_event("scale")) == ["applied"]
    (line,) = bench.lines("refresh_failed")
    assert line["exc_info"][0] is ZeroDivisionError


def test_a_refresh_ends_where_time_does_not_allow_another_call(bench: Bench) -> None:
    context = FakeContext(*[60.0] * 6, START_SECONDS - 1)
    assert bench.consume(plan_event("scale"), context=context) == ["applied"]
    (line,) = bench.lines("refresh_failed")
    assert (line["queued"], line["reason"]) == (1, OutOfTime.reason)
    assert len(refreshed(bench)) == 1
