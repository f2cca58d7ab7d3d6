"""Redrive: one event of each kind of 402 probes whether the bill is paid; only then do the others go back."""

import json
from contextlib import suppress
from datetime import timedelta
from itertools import count
from typing import Any
from uuid import UUID

import pytest
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from codat_sync.codat.errors import (
    BadRequest,
    CodatUnavailable,
    Conflict,
    Forbidden,
    NotFound,
    PaymentRequiredKind,
    RateLimited,
    ServerError,
    Unauthorized,
)
from codat_sync.codat.models import Frequency
from codat_sync.companies.pause import CACHE, Pause
from codat_sync.consuming.consume import START_SECONDS
from codat_sync.consuming.duties import AFTER_A_FAILURE
from codat_sync.events.requests import RedriveRequest
from codat_sync.redrive._turns import PROBES
from tests.fakes.clock import NOW
from tests.fakes.codat import setting
from tests.fakes.codat import settings as shown
from tests.fakes.lambda_ import deadline
from tests.unit.redrive.bench import COMPANIES, DLQ, EXPIRED, HOURLY, LIMIT, PRESETS, SOURCES, UNKNOWN, Bench, refused


def nothing(_: str) -> None:
    """Let the call pass."""


class Killed(BaseException):
    """The process is killed: no later line of it runs."""


class Turns:
    """A rate of calls whose turns come at once."""

    def __init__(self) -> None:
        self.taken = 0

    def wait(self, *, within: float) -> bool:
        self.taken += 1
        return within > 0


def logged(caplog: pytest.LogCaptureFixture, line: str) -> list[dict[str, Any]]:
    return [vars(record) for record in caplog.records if record.msg == line]


class TestUnpaid:
    def test_costs_a_write_for_each_probe_and_leaves_every_event_parked(
        self, bench: Bench, caplog: pytest.LogCaptureFixture
    ) -> None:
        bodies = bench.park_degraded(COMPANIES)
        bench.codat.has_hourly = False
        assert bench.carry_out() is None
        assert bench.codat.calls == ["get", "update"] * PROBES
        assert bench.parked == bodies
        assert bench.back == []
        assert bench.announcer.said == []
        lines = logged(caplog, "redrive_refused")
        assert [(each["kind"], each["words"]) for each in lines] == [(HOURLY, "Sync schedule not allowed")] * PROBES
        (line,) = logged(caplog, "redrive_done")
        assert (line["moved"], line["refused"]) == ({}, {HOURLY: "Sync schedule not allowed"})

    def test_leaves_nothing_hidden(self, bench: Bench) -> None:
        bench.park_degraded(COMPANIES)
        bench.codat.has_hourly = False
        bench.carry_out()
        assert {message.handle for message in bench.sqs.queues[DLQ]} == {None}

    @pytest.mark.parametrize("kind", [LIMIT, UNKNOWN])
    def test_costs_no_more_writes_for_any_kind(self, bench: Bench, kind: PaymentRequiredKind) -> None:
        bodies = [bench.park(company, kind) for company in COMPANIES]
        bench.codat.failures = [None, refused(kind)] * PROBES
        bench.carry_out()
        assert (bench.writes, bench.parked) == (PROBES, bodies)

    def test_keeps_the_others_of_the_kind_and_moves_those_of_a_paid_kind(self, bench: Bench) -> None:
        hourly = bench.park_degraded(COMPANIES[:3])
        limit = [bench.park(company, LIMIT, plan="growth") for company in COMPANIES[3:6]]
        bench.codat.has_hourly = False
        assert bench.carry_out() is None
        assert (bench.parked, bench.back) == (hourly, limit)

    def test_an_expired_account_refuses_every_kind_at_the_cost_of_two_calls(self, bench: Bench) -> None:
        bodies = [bench.park(company, kind) for kind in (HOURLY, EXPIRED, LIMIT) for company in COMPANIES[:5]]
        bench.codat.failures = [refused(EXPIRED)] * 2
        assert bench.carry_out() is None
        assert bench.codat.calls == ["get", "get account"]
        assert bench.parked == bodies

    def test_reads_no_more_than_a_sample_once_every_kind_is_refused(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr("codat_sync.redrive.redrive.SAMPLE", 20)
        bench.park_degraded(COMPANIES)
        bench.codat.has_hourly = False
        bench.carry_out(HOURLY)
        assert bench.sqs.calls.count("receive_message") == 2
        assert len(logged(caplog, "redrive_done")) == 1

    def test_a_probe_that_meets_another_402_goes_back_to_be_parked_under_that_one(self, bench: Bench) -> None:
        probe, *others = (bench.park(company, UNKNOWN) for company in COMPANIES[:3])
        bench.codat.failures = [None, refused(LIMIT), None, refused(UNKNOWN), None, refused(UNKNOWN)]
        bench.carry_out()
        assert (bench.writes, bench.back, bench.parked) == (3, [probe], others)


class TestPaid:
    def test_brings_every_event_back_to_its_queue_and_empties_the_dlq(self, bench: Bench) -> None:
        bodies = bench.park_degraded(COMPANIES)
        bodies += [bench.park(company, source=SOURCES[1]) for company in COMPANIES[:4]]
        assert bench.carry_out() is None
        assert (bench.parked, bench.back) == ([], bodies)
        assert len(bench.sqs.bodies(SOURCES[1])) == 4

    def test_each_event_keeps_its_parked_at_so_that_its_redelivery_reads_codat(self, bench: Bench) -> None:
        bench.park_degraded(COMPANIES)
        bench.carry_out()
        assert all("parkedAt" in each.attributes for each in bench.sqs.queues[SOURCES[0]])

    def test_costs_one_write_of_its_own_which_brings_the_probes_company_to_its_preset(self, bench: Bench) -> None:
        bench.park_degraded(COMPANIES)
        bench.carry_out()
        assert bench.codat.calls == ["get", "update"]
        assert bench.codat.frequency(COMPANIES[0], "invoices") is Frequency.HOURLY
        applied = bench.plans.items[COMPANIES[0]].applied
        assert applied is not None
        assert (applied.plan, applied.degraded_to, applied.event_id) == ("scale", None, "request")

    def test_announces_what_the_probe_changed_since_its_event_will_find_nothing_to_do(self, bench: Bench) -> None:
        body, _ = bench.park_degraded(COMPANIES[:2])
        bench.carry_out()
        (said,) = bench.announcer.said
        assert said.detail_type == "Company Sync Settings Applied"
        assert (said.company_id, said.plan, said.caused_by) == (COMPANIES[0], "scale", json.loads(body)["id"])
        assert "invoices: daily at 19:00 → hourly" in said.detail()

    def test_logs_the_number_of_moved_events_by_kind(self, bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
        bench.park_degraded(COMPANIES[:3])
        bench.park(COMPANIES[4], LIMIT)
        bench.carry_out()
        (line,) = logged(caplog, "redrive_done")
        assert (line["moved"], line["refused"]) == ({HOURLY: 3, LIMIT: 1}, {})

    def test_counts_moved_events_and_refused_kinds_by_reason(
        self, bench: Bench, capsys: pytest.CaptureFixture[str]
    ) -> None:
        bench.park_degraded(COMPANIES[:3])
        for company in COMPANIES[4:6]:
            bench.park(company, LIMIT, plan="growth")
        bench.codat.has_hourly = False
        bench.carry_out()
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
        assert [(line["reason"], line.get("Redriven"), line.get("RedriveRefused")) for line in lines] == [
            (LIMIT, [2.0], None),
            (HOURLY, None, [1.0]),
        ]

    def test_any_answer_proves_that_the_account_is_no_longer_expired(self, bench: Bench) -> None:
        first, second = (bench.park(company, EXPIRED, plan="free") for company in COMPANIES[:2])
        bench.codat.companies[COMPANIES[0]] = PRESETS.for_company("free", COMPANIES[0]).over(shown(setting("invoices")))
        bench.carry_out()
        assert (bench.writes, bench.back) == (0, [first, second])

    def test_a_402_for_hourly_proves_that_the_account_is_no_longer_expired(self, bench: Bench) -> None:
        bodies = [bench.park(company, EXPIRED) for company in COMPANIES[:2]]
        bench.codat.has_hourly = False
        bench.carry_out()
        assert bench.back == bodies

    def test_a_write_without_hourly_proves_that_another_limit_is_lifted(self, bench: Bench) -> None:
        bodies = [bench.park(company, LIMIT) for company in COMPANIES[:2]]
        bench.codat.has_hourly = False
        bench.carry_out()
        assert bench.back == bodies


class TestNoProof:
    """Where the probe proves nothing of the bill, its event goes back, and the next event is the probe."""

    def test_of_a_company_that_is_at_its_preset_already(self, bench: Bench) -> None:
        at_it, *others = bench.park_degraded(COMPANIES[:3])
        bench.desire(COMPANIES[0], "free")
        bench.codat.companies[COMPANIES[0]] = PRESETS.for_company("free", COMPANIES[0]).over(shown(setting("invoices")))
        bench.codat.has_hourly = False
        bench.carry_out()
        assert (bench.writes, bench.back, bench.parked) == (2, [at_it], others)

    @pytest.mark.parametrize("kind", [LIMIT, UNKNOWN])
    def test_of_a_company_that_needs_no_write_for_any_kind(self, bench: Bench, kind: PaymentRequiredKind) -> None:
        at_it, *others = (bench.park(company, kind, plan="free") for company in COMPANIES[:3])
        bench.codat.companies[COMPANIES[0]] = PRESETS.for_company("free", COMPANIES[0]).over(shown(setting("invoices")))
        bench.codat.failures = [None, *[None, refused(kind)] * 2]
        bench.carry_out()
        assert (bench.writes, bench.back, bench.parked) == (2, [at_it], others)

    def test_of_a_write_that_asks_for_no_hourly(self, bench: Bench) -> None:
        changed, *others = bench.park_degraded(COMPANIES[:3])
        bench.plans.items.clear()
        for company, plan in zip(COMPANIES[:3], ("free", "scale", "scale"), strict=True):
            bench.desire(company, plan)
        bench.codat.has_hourly = False
        bench.carry_out()
        assert (bench.back, bench.parked) == ([changed], others)

    @pytest.mark.parametrize("company", [None, "no UUID", str(UUID(int=99))])
    def test_of_a_company_without_a_record(self, bench: Bench, company: str | None) -> None:
        strange = bench.park(company)
        others = bench.park_degraded(COMPANIES[:2])
        bench.codat.has_hourly = False
        bench.carry_out()
        assert (bench.writes, bench.back, bench.parked) == (2, [strange], others)

    @pytest.mark.parametrize("error", [BadRequest("no"), Forbidden("no"), NotFound("no"), Conflict("no")])
    @pytest.mark.parametrize("call", [0, 1])
    def test_of_an_error_that_concerns_the_company_alone(self, bench: Bench, error: Exception, call: int) -> None:
        strange, *others = bench.park_degraded(COMPANIES[:3])
        bench.codat.failures = [*[None] * call, error]
        bench.codat.has_hourly = False
        bench.carry_out()
        assert (bench.back, bench.parked) == ([strange], others)

    def test_of_a_plan_that_a_deploy_removed(self, bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
        strange = bench.park(COMPANIES[9], plan="platinum")
        others = bench.park_degraded(COMPANIES[:2])
        bench.codat.has_hourly = False
        bench.carry_out()
        assert (bench.back, bench.parked) == ([strange], others)
        (line,) = logged(caplog, "redrive_probe_undecided")
        assert (line["reason"], line["company_id"]) == ("unknown_plan", str(COMPANIES[9]))


class TestNoAnswer:
    @pytest.mark.parametrize(
        "error", [ServerError("down"), Unauthorized("key"), RateLimited("quota", retry_after=timedelta(hours=3))]
    )
    def test_stops_and_leaves_every_event_parked(
        self, bench: Bench, error: CodatUnavailable, caplog: pytest.LogCaptureFixture
    ) -> None:
        bodies = bench.park_degraded(COMPANIES)
        bench.codat.failures = [error] * 2
        with pytest.raises(type(error)):
            bench.carry_out()
        assert bench.codat.calls == ["get", "get account"]
        assert bench.parked == bodies
        assert {message.handle for message in bench.sqs.queues[DLQ]} == {None}
        assert len(logged(caplog, "redrive_goes_on")) == 1

    def test_moves_the_events_of_kinds_that_were_found_paid_before(self, bench: Bench) -> None:
        hourly, limit = bench.park_degraded(COMPANIES[:1]), bench.park(COMPANIES[1], LIMIT)
        bench.codat.failures = [None, None, ServerError("down"), ServerError("down")]
        with pytest.raises(ServerError):
            bench.carry_out()
        assert (bench.back, bench.parked) == (hourly, [limit])


class TestAskedFor:
    def test_one_reason_leaves_the_others(self, bench: Bench) -> None:
        hourly = bench.park_degraded(COMPANIES[:2])
        limit = bench.park(COMPANIES[2], LIMIT)
        bench.carry_out(HOURLY)
        assert (bench.back, bench.parked) == (hourly, [limit])

    def test_one_company_leaves_the_others_and_is_its_own_probe(self, bench: Bench) -> None:
        other, asked_for = bench.park_degraded(COMPANIES[:2])
        bench.carry_out(company=COMPANIES[1])
        assert (bench.back, bench.parked) == ([asked_for], [other])
        assert bench.codat.frequency(COMPANIES[0], "invoices") is Frequency.DAILY

    @pytest.mark.parametrize("ago", [timedelta(0), timedelta(minutes=-1)])
    def test_an_event_that_is_parked_after_the_request_is_not_moved(self, bench: Bench, ago: timedelta) -> None:
        meanwhile = bench.park(COMPANIES[0], ago=ago)
        bench.carry_out()
        assert (bench.back, bench.parked, bench.codat.calls) == ([], [meanwhile], [])

    def test_an_event_that_is_parked_for_another_reason_stays(self, bench: Bench) -> None:
        foreign = bench.park(COMPANIES[0], "malformed_event")
        assert bench.carry_out() is None
        assert (bench.parked, bench.codat.calls) == ([foreign], [])

    def test_an_empty_dlq_costs_nothing_at_codat(self, bench: Bench) -> None:
        assert bench.carry_out() is None
        assert bench.codat.calls == []


class TestPause:
    UNTIL = NOW + timedelta(minutes=10)

    @pytest.mark.parametrize("until", [UNTIL, NOW - timedelta(minutes=1)])
    def test_of_an_expired_account_is_lifted_before_any_event_is_moved(
        self,
        bench: Bench,
        until: Any,  # noqa: ANN401
    ) -> None:
        bodies = [bench.park(company, EXPIRED) for company in COMPANIES[:2]]
        bench.pause.pause = Pause(EXPIRED, "Account expired", until)
        sent_after: list[float] = []
        bench.sqs.before = lambda name: sent_after.append(sum(bench.slept)) if name == "send_message_batch" else None
        assert bench.carry_out() is None
        assert bench.pause.read() is None
        assert bench.back == bodies
        assert all(seconds >= CACHE.total_seconds() for seconds in sent_after), "no function has it cached any more"

    def test_stays_while_the_account_is_expired(self, bench: Bench) -> None:
        bench.park(COMPANIES[0], EXPIRED)
        bench.pause.pause = pause = Pause(EXPIRED, "Account expired", self.UNTIL)
        bench.codat.failures = [refused(EXPIRED)] * 2
        bench.carry_out()
        assert bench.pause.pause == pause

    def test_that_another_process_changes_at_the_same_moment_is_lifted_too(self, bench: Bench) -> None:
        bench.park(COMPANIES[0], EXPIRED)
        bench.pause.pause = Pause(EXPIRED, "Account expired", self.UNTIL)
        others = [Pause(EXPIRED, "Account expired", self.UNTIL + timedelta(minutes=1))]

        def interfere() -> None:
            if others:
                bench.pause.pause = others.pop()

        bench.pause.interfere = interfere
        bench.carry_out()
        assert bench.pause.pause is None

    def test_for_the_quota_is_waited_for_without_a_call(self, bench: Bench) -> None:
        body = bench.park(COMPANIES[0])
        bench.pause.pause = pause = Pause("rate_limited", "quota used up", self.UNTIL)
        assert bench.carry_out() == timedelta(minutes=10)
        assert (bench.codat.calls, bench.parked, bench.pause.pause) == ([], [body], pause)

    def test_for_the_quota_that_has_lapsed_does_not_hold_a_redrive_back(self, bench: Bench) -> None:
        body = bench.park(COMPANIES[0])
        bench.pause.pause = pause = Pause("rate_limited", "quota used up", NOW)
        bench.carry_out()
        assert (bench.back, bench.pause.pause) == ([body], pause), "the functions lift it themselves"


class TestTime:
    def test_keeps_the_pace(self, bench: Bench) -> None:
        bench.park_degraded(COMPANIES[:31])
        bench.carry_out(per_minute=60)
        assert sum(bench.slept) == 30

    def test_continues_once_the_messages_that_it_had_no_time_for_are_visible_again(
        self, bench: Bench, caplog: pytest.LogCaptureFixture
    ) -> None:
        bodies = bench.park_degraded(COMPANIES)
        bench.seconds = START_SECONDS + 20
        wait = bench.carry_out(per_minute=60)
        assert wait is not None
        assert timedelta(0) < wait <= timedelta(seconds=START_SECONDS + 1)
        assert len(bench.back) == 21
        assert sorted([*bench.back, *bench.parked]) == bodies
        assert len(logged(caplog, "redrive_goes_on")) == 1
        bench.seconds += 900
        assert bench.carry_out() is None
        assert bench.parked == []

    def test_starts_no_call_that_it_cannot_end(self, bench: Bench) -> None:
        body = bench.park_degraded(COMPANIES[:1])
        bench.seconds = START_SECONDS
        bench.codat.before_write = lambda: pytest.fail("there was no time for a write")
        left = iter([START_SECONDS] * 7)
        request = RedriveRequest("request", NOW)
        wait = bench.redrive().carry_out(request, deadline(lambda: next(left, START_SECONDS - 1)))
        assert wait is not None
        assert (bench.codat.calls, bench.parked) == (["get"], body)

    @pytest.mark.parametrize("seconds", [START_SECONDS - 1, 0.0, -3.0])
    def test_continues_a_second_after_its_time_is_up(self, bench: Bench, seconds: float) -> None:
        """By then SQS shows all messages again that it held."""
        bench.seconds = seconds
        assert bench.carry_out() == timedelta(seconds=max(seconds, 0) + 1)

    def test_each_call_to_codat_waits_for_a_turn_of_each_rate(self, bench: Bench) -> None:
        one, other = Turns(), Turns()
        bench.turns = [one, other]
        bench.park_degraded(COMPANIES[:3])
        bench.carry_out()
        assert bench.codat.calls == ["get", "update"]
        assert (one.taken, other.taken) == (2, 2)

    def test_continues_later_where_another_reader_holds_messages(self, bench: Bench) -> None:
        """Another redrive may hold messages, or an operator who inspects the DLQ."""
        bench.park_degraded(COMPANIES[:1])
        bench.sqs.queues[DLQ][0].handle = "the receipt of another reader"
        assert bench.carry_out() == AFTER_A_FAILURE

    def test_does_not_probe_again_for_messages_in_flight_while_the_bill_is_unpaid(self, bench: Bench) -> None:
        bench.park_degraded(COMPANIES[:2])
        bench.sqs.queues[DLQ][1].handle = "the receipt of another reader"
        bench.codat.has_hourly = False
        assert bench.carry_out() is None


class TestSqs:
    def test_an_event_without_an_existing_source_queue_stays_and_is_logged(
        self, bench: Bench, caplog: pytest.LogCaptureFixture
    ) -> None:
        nowhere, renamed = bench.park(COMPANIES[0], source=""), bench.park(COMPANIES[1], source="renamed")
        home = bench.park_degraded(COMPANIES[2:4])
        assert bench.carry_out() is None, "a retry would not help"
        assert (bench.parked, bench.back) == ([nowhere, renamed], home)
        (line,) = logged(caplog, "redrive_done")
        assert line["unknown_sources"] == {"None": 1, "arn:aws:sqs:eu-west-2:123456789012:renamed": 1}

    def test_an_event_that_sqs_refuses_is_moved_later(self, bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
        body = bench.park_degraded(COMPANIES[:1])
        calls = count()

        def fail_once(name: str) -> None:
            if name == "send_message_batch" and next(calls) == 0:
                raise ClientError({"Error": {"Code": "ServiceUnavailable", "Message": "later"}}, "SendMessageBatch")

        bench.sqs.before = fail_once
        assert bench.carry_out() == AFTER_A_FAILURE
        assert bench.parked == body
        (line,) = logged(caplog, "redrive_done")
        assert line["failed"] == {"ServiceUnavailable: later": 1}
        bench.codat.companies.clear()
        assert bench.carry_out() is None
        assert bench.back == body


@settings(deadline=None)
@given(
    kinds=st.lists(st.sampled_from([HOURLY, LIMIT, UNKNOWN, EXPIRED]), min_size=1, max_size=30),
    paid=st.booleans(),
    killed_at=st.integers(0, 12),
    before_effect=st.booleans(),
)
def test_wherever_a_redrive_is_killed_no_event_is_lost_and_the_next_one_completes_it(
    *, kinds: list[PaymentRequiredKind], paid: bool, killed_at: int, before_effect: bool
) -> None:
    bench = Bench()
    bodies = {bench.park(company, kind) for company, kind in zip(COMPANIES, kinds, strict=False)}
    bench.codat.has_hourly = paid
    calls = count()

    def kill(_: str) -> None:
        if next(calls) == killed_at:
            raise Killed

    bench.sqs.before, bench.sqs.after = (kill, nothing) if before_effect else (nothing, kill)
    with suppress(Killed):
        bench.carry_out()
    assert {*bench.back, *bench.parked} == bodies

    bench.sqs.before = bench.sqs.after = nothing
    for message in bench.sqs.queues[DLQ]:
        message.handle = None  # The visibility timeout of the killed reader has passed.
    bench.codat.has_hourly = True
    assert bench.carry_out() is None
    assert (bench.parked, set(bench.back)) == ([], bodies)
