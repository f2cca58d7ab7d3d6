"""The announcements on the bus: for which events, with which fields, and that a failure changes no outcome."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast, get_args
from uuid import UUID

import pytest
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from botocore.exceptions import ClientError, EndpointConnectionError
from hypothesis import given
from hypothesis import strategies as st

from codat_sync.announcements import (
    BATCH,
    LONGEST_DETAIL,
    SOURCE,
    Announcement,
    Announcements,
    PresetInForce,
    SyncSettingsApplied,
    SyncSettingsDrifted,
)
from codat_sync.codat.differences import Difference
from codat_sync.companies.desired import DesiredPlan
from codat_sync.companies.records import AppliedPreset, CompanyPlan
from codat_sync.consuming.deliveries import Settled
from codat_sync.events.company_events import Authority
from codat_sync.outcomes.triage import Failure, Outcome
from codat_sync.reconciliation.findings import DRIFTED, Drift, Finding
from tests.fakes.aws import FakeEventBridge
from tests.fakes.clock import NOW
from tests.fakes.companies import COMPANY

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient

DAILY_TO_HOURLY = Difference("invoices", "sync_schedule", "daily at 02:00", "hourly")
OVERRIDES = Difference(None, "overrides_defaults", "no", "yes")
APPLIED = AppliedPreset("scale", "20d10c115c06c69d", "e1", "2#x#e1")
RECORD = CompanyPlan(COMPANY, DesiredPlan.named("scale", Authority.STATED, NOW, "e1"), NOW, APPLIED, NOW)
EXPIRED = Failure(Outcome.PARKED_PAYMENT_REQUIRED, "account_expired", "Account expired.", 402, "c0ffee")
MALFORMED = Failure(Outcome.PARKED_FAILED, "malformed_event", "detail.companyId: not a UUID")
HOURLY = Failure(Outcome.DEGRADED, "hourly_not_allowed", "Sync schedule not allowed", 402)
MESSAGE = SQSRecord({})


class Bench:
    """Announcements on a fake bus, and what was logged and counted."""

    def __init__(self, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> None:
        self.bus = FakeEventBridge()
        self.announcements = Announcements(cast("EventBridgeClient", self.bus), "the-bus", lambda: NOW)
        self._caplog = caplog
        self._capsys = capsys

    def announce(self, *settled: Settled) -> list[dict[str, Any]]:
        """Announce the events; return the entries that reached the bus."""
        self.announcements.announce(settled)
        return [entry for call in self.bus.calls for entry in call]

    @property
    def details(self) -> list[dict[str, Any]]:
        """The details of all entries that reached the bus."""
        return [json.loads(entry["Detail"]) for call in self.bus.calls for entry in call]

    @property
    def lost(self) -> list[dict[str, Any]]:
        """The log lines of lost announcements."""
        return [vars(each) for each in self._caplog.records if each.msg == "announcement_lost"]

    @property
    def counted(self) -> float:
        """The number of lost announcements by the metric."""
        lines = [json.loads(line) for line in self._capsys.readouterr().out.splitlines() if "_aws" in line]
        return sum(sum(line["AnnouncementsLost"]) for line in lines)


@pytest.fixture
def bench(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> Bench:
    return Bench(caplog, capsys)


def settled(outcome: Outcome, **more: Any) -> Settled:  # noqa: ANN401
    known = Settled(MESSAGE, outcome, event_id="e1", company_id=str(COMPANY), plan="scale", company=RECORD)
    return replace(known, **more)


def applied(number: int = 0, *differences: Difference) -> Announcement:
    """Return one of many announcements."""
    return SyncSettingsApplied.model_validate(
        {
            "companyId": UUID(int=number),
            "plan": "scale",
            "preset": {"plan": "scale", "fingerprint": "f"},
            "causedBy": f"e{number}",
            "occurredAt": NOW,
            "differences": [
                {"dataType": each.data_type, "field": each.field, "before": "", "after": "", "words": str(each)}
                for each in differences
            ],
        }
    )


def test_an_applied_event_is_announced_with_plan_preset_and_differences(bench: Bench) -> None:
    (entry,) = bench.announce(settled(Outcome.APPLIED, differences=(OVERRIDES, DAILY_TO_HOURLY)))
    detail = json.loads(entry.pop("Detail"))
    assert entry == {
        "EventBusName": "the-bus",
        "Source": "codat-sync",
        "DetailType": "Company Sync Settings Applied",
        "Time": NOW,
    }
    assert detail == {
        "companyId": str(COMPANY),
        "plan": "scale",
        "preset": {"plan": "scale", "fingerprint": "20d10c115c06c69d"},
        "causedBy": "e1",
        "occurredAt": "2026-02-01T12:00:00Z",
        "differences": [
            {
                "dataType": None,
                "field": "overrides_defaults",
                "before": "no",
                "after": "yes",
                "words": "overrides_defaults: no → yes",
            },
            {
                "dataType": "invoices",
                "field": "sync_schedule",
                "before": "daily at 02:00",
                "after": "hourly",
                "words": "invoices: daily at 02:00 → hourly",
            },
        ],
        "differencesLeftOut": 0,
    }


def test_a_degraded_event_is_announced_with_the_fallback_and_codats_words(bench: Bench) -> None:
    company = replace(RECORD, applied=replace(APPLIED, degraded_to="daily", fingerprint="d"))
    (entry,) = bench.announce(settled(Outcome.DEGRADED, company=company, failure=HOURLY, differences=(OVERRIDES,)))
    detail = json.loads(entry["Detail"])
    assert entry["DetailType"] == "Company Sync Settings Degraded"
    assert (detail["degradedTo"], detail["words"]) == ("daily", "Sync schedule not allowed")
    assert detail["preset"] == {"plan": "scale", "fingerprint": "d"}
    assert [each["field"] for each in detail["differences"]] == ["overrides_defaults"]


def test_an_event_parked_for_codats_bill_is_announced_with_its_dlq(bench: Bench) -> None:
    (entry,) = bench.announce(settled(Outcome.PARKED_PAYMENT_REQUIRED, failure=EXPIRED))
    assert entry["DetailType"] == "Company Sync Settings Parked"
    assert json.loads(entry["Detail"]) == {
        "companyId": str(COMPANY),
        "plan": "scale",
        "preset": {"plan": "scale", "fingerprint": "20d10c115c06c69d"},
        "causedBy": "e1",
        "occurredAt": "2026-02-01T12:00:00Z",
        "reason": "account_expired",
        "words": "Account expired.",
        "status": 402,
        "correlationId": "c0ffee",
        "dlq": "payment_required",
    }


def test_a_parked_message_without_a_company_is_announced_without_one(bench: Bench) -> None:
    bench.announce(Settled(MESSAGE, Outcome.PARKED_FAILED, failure=MALFORMED))
    (detail,) = bench.details
    assert (detail["companyId"], detail["plan"], detail["preset"], detail["causedBy"]) == (None,) * 4
    assert (detail["reason"], detail["status"], detail["dlq"]) == ("malformed_event", None, "failed")


def test_a_stale_event_is_announced_with_the_companys_desired_plan(bench: Bench) -> None:
    """A stale event, delivered again, may have repaired Codat, or met the 402 of the newest plan."""
    bench.announce(settled(Outcome.STALE, plan="free", differences=(DAILY_TO_HOURLY,)))
    assert [each["plan"] for each in bench.details] == ["scale"]


def test_an_unknown_plan_is_announced_as_the_event_names_it(bench: Bench) -> None:
    bench.announce(settled(Outcome.PARKED_FAILED, plan="gold", company=None, failure=MALFORMED))
    assert [each["plan"] for each in bench.details] == ["gold"]


@pytest.mark.parametrize(
    "nothing",
    [
        settled(Outcome.UNCHANGED),
        settled(Outcome.STALE),
        settled(Outcome.DEFERRED, failure=EXPIRED, differences=(OVERRIDES,)),
    ],
    ids=lambda nothing: nothing.outcome,
)
def test_an_event_that_changed_nothing_is_not_announced(bench: Bench, nothing: Settled) -> None:
    assert bench.announce(nothing) == []
    assert bench.bus.calls == []


def test_drift_is_announced_with_its_cause(bench: Bench) -> None:
    drift = Drift(
        company_id=COMPANY,
        plan="scale",
        cause=Finding.CHANGED_AT_CODAT,
        differences=(DAILY_TO_HOURLY,),
        believed_since=NOW - timedelta(days=3),
        times_in_a_row=2,
        will_be_repaired=True,
        applied=APPLIED,
        run_id="the-night",
    )
    bench.announcements.announce_drift([drift])
    ((entry,),) = bench.bus.calls
    detail = json.loads(entry["Detail"])
    assert entry["DetailType"] == "Company Sync Settings Drifted"
    assert [each["words"] for each in detail.pop("differences")] == ["invoices: daily at 02:00 → hourly"]
    assert detail == {
        "companyId": str(COMPANY),
        "plan": "scale",
        "preset": {"plan": "scale", "fingerprint": "20d10c115c06c69d"},
        "causedBy": "the-night",
        "occurredAt": "2026-02-01T12:00:00Z",
        "differencesLeftOut": 0,
        "cause": "changed_at_codat",
        "believedSince": "2026-01-29T12:00:00Z",
        "timesInARow": 2,
        "willBeRepaired": True,
    }


def test_the_causes_of_drift_are_those_that_a_reconciliation_finds() -> None:
    assert set(get_args(SyncSettingsDrifted.model_fields["cause"].annotation)) == DRIFTED | {Finding.NOT_TAKEN}


def test_a_company_without_an_applied_preset_has_no_preset_in_force() -> None:
    assert PresetInForce.of(None) is None


@pytest.mark.parametrize(("count", "calls"), [(0, []), (1, [1]), (10, [10]), (11, [10, 1]), (25, [10, 10, 5])])
def test_announcements_are_put_on_the_bus_ten_at_a_time(bench: Bench, count: int, calls: list[int]) -> None:
    bench.announcements.say([applied(number) for number in range(count)])
    assert [len(call) for call in bench.bus.calls] == calls
    assert [each["causedBy"] for each in bench.details] == [f"e{number}" for number in range(count)]


def test_an_entry_that_the_bus_refuses_is_logged_and_counted_and_the_others_are_sent(bench: Bench) -> None:
    refused = {"ErrorCode": "ThrottlingException", "ErrorMessage": "Rate exceeded"}
    bench.bus.answers = [{"FailedEntryCount": 1, "Entries": [{"EventId": "1"}, refused, {"EventId": "3"}]}]
    bench.announcements.say([applied(number) for number in range(3)])
    (line,) = bench.lost
    assert (line["correlation_id"], line["company_id"]) == ("e1", str(UUID(int=1)))
    assert (line["announcement"], line["reason"], line["words"]) == (
        "Company Sync Settings Applied",
        "ThrottlingException",
        "Rate exceeded",
    )
    assert bench.counted == 1


@pytest.mark.parametrize(
    "failure",
    [
        EndpointConnectionError(endpoint_url="https://events.eu-west-2.amazonaws.com"),
        ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "PutEvents"),
    ],
)
def test_a_bus_that_cannot_be_reached_raises_nothing_and_is_not_called_again(bench: Bench, failure: Exception) -> None:
    bench.bus.answers = [{}, failure]
    bench.announcements.say([applied(number) for number in range(25)])
    assert len(bench.bus.calls) == 2
    assert [line["correlation_id"] for line in bench.lost] == [f"e{number}" for number in range(10, 25)]
    assert bench.counted == 15


def test_ten_of_the_longest_announcements_fit_into_one_request() -> None:
    """Count as AWS does. https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevent-size.html."""
    envelope = 14 + len(SOURCE) + max(len(each.detail_type) for each in (SyncSettingsApplied, SyncSettingsDrifted))
    assert BATCH * (LONGEST_DETAIL + envelope) < 256 * 1024


@given(texts=st.lists(st.text(max_size=2_000), max_size=5), count=st.integers(0, 400))
def test_a_detail_that_is_too_long_leaves_differences_out_and_counts_them(texts: list[str], count: int) -> None:
    words = [text.encode("utf-8", "replace").decode() for text in texts] or ["invoices"]
    differences = [Difference(words[n % len(words)], "sync_schedule", "x", "y") for n in range(count)]
    detail = applied(1, *differences).detail()
    said = json.loads(detail)
    assert len(detail.encode()) <= LONGEST_DETAIL
    assert len(said["differences"]) + said["differencesLeftOut"] == count


def test_all_differences_of_a_new_company_fit_into_one_announcement() -> None:
    """These are 86 differences, of 43 data types whose names are longer than Codat's."""
    each = Difference("banking-transactionCategories", "fetch_on_first_link", "monthly at 14:00", "weekly at 14:00")
    assert json.loads(applied(1, *[each] * 86).detail())["differencesLeftOut"] == 0


def test_a_moment_is_announced_in_utc() -> None:
    said = json.loads(applied(1).model_copy(update={"occurred_at": datetime(2026, 2, 1, tzinfo=UTC)}).detail())
    assert said["occurredAt"] == "2026-02-01T00:00:00Z"
