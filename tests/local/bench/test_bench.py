"""The benchmark's own book-keeping. No test here asks how long anything took."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import boto3
import pytest
from moto import mock_aws

from codat_sync.companies.records import AppliedPreset, CompanyPlan, CompanyPlans, DesiredPlan
from codat_sync.events.company_events import Authority
from codat_sync.reconciliation.findings import Finding
from local.aws.clients import REGION
from local.aws.processes import StackError
from local.bench.aws import TABLE, pages_in_order, record
from local.bench.codat import codat
from local.bench.estimates import Each, nights
from local.bench.functions import Paced, Walk, Worked
from local.bench.measure import Measured, wrong
from local.bench.meter import Meter, Usage, item_bytes
from local.bench.population import Population
from local.bench.subprocesses import apart

ROOT = Path(__file__).parents[3]
COMPANIES: Final = 300
EVENTS: Final = 20
ROUNDS: Final = 3


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    file = tmp_path_factory.mktemp("bench") / "figures.json"
    command = [sys.executable, "-m", "local.bench", "--companies", str(COMPANIES), "--events", str(EVENTS)]
    ended = subprocess.run(  # noqa: S603 - this very interpreter.
        [*command, "--paced-seconds", "1", "--json", str(file)],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT / 'shared'}:{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    said: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return said


class TestSmallBench:
    """The whole of it, with a few hundred companies."""

    def test_finds_what_was_put_there(self, figures: dict[str, Any]) -> None:
        assert figures["walk"]["found"] == {
            "checked": 300,
            "in_step": 287,
            "drifted": 3,
            "changed_at_codat": 3,
            "gone": 5,
            "unanswered": 5,
            "handed_over": 8,
        }

    def test_a_company_in_step_costs_one_call_and_a_repair_two_more(self, figures: dict[str, Any]) -> None:
        assert figures["codat"]["calls_in_step"] == 1
        assert figures["codat"]["calls_drifted"] == 3

    def test_a_page_costs_one_scan_and_one_write_and_each_drift_a_write(self, figures: dict[str, Any]) -> None:
        pages, beginning, drifted = 4, 1, 3  # The run's own item is the one too many for three.
        requests = figures["requests"]["walk"]
        assert requests["dynamodb.Scan"] == figures["dynamodb"]["scans"] == pages
        assert requests["dynamodb.UpdateItem"] == pages + beginning + drifted

    def test_an_applied_change_costs_two_writes_and_the_same_event_again_one(self, figures: dict[str, Any]) -> None:
        requests = figures["live"]["requests"]
        assert requests["applied"]["dynamodb.UpdateItem"] == 2 * EVENTS
        assert requests["duplicate"]["dynamodb.UpdateItem"] == EVENTS

    def test_says_all_there_is_to_say(self, figures: dict[str, Any]) -> None:
        assert {part: set(said) for part, said in figures.items() if isinstance(said, dict)} == {
            "machine": {"cores", "python", "load_before", "load_after", "seconds", "seconds_of_seeding"},
            "walk": {
                "found",
                "seconds",
                "companies_per_second",
                "cpu_ms_per_company",
                "cpu_ms_per_company_by_tenths",
                "codat_cpu_ms_per_company",
                "aws_cpu_ms_per_company",
                "peak_bytes_at_percent",
                "peak_last_to_first",
                "logged_bytes_per_company",
            },
            "paced": {"calls_a_minute", "seconds", "calls_a_minute_measured", "cpu_share_of_a_core"},
            "codat": {"calls", "calls_per_company", "calls_in_step", "calls_drifted"},
            "dynamodb": {
                "scans",
                "bytes_per_company",
                "read_units_per_scan",
                "read_units_per_company",
                "writes_per_page",
                "write_units_per_page",
                "write_units_per_company",
            },
            "requests": {"walk", "repair"},
            "repair": {"companies", "cpu_ms_per_company"},
            "live": {"events", "rounds", "events_per_second", "cpu_ms_per_event", "requests"},
            "per_company": {
                "walk_calls",
                "repair_calls",
                "handed_over",
                "read_units",
                "write_units",
                "sqs_requests",
                "bus_events",
                "logged_bytes",
            },
        }
        assert set(figures["walk"]["peak_bytes_at_percent"]) == {"10", "50", "100"}
        for spreads in (figures["live"]["events_per_second"], figures["live"]["cpu_ms_per_event"]):
            assert set(spreads) == {"applied", "duplicate", "duplicate_to_applied"}
            assert all(0 < each["min"] <= each["median"] <= each["max"] for each in spreads.values())
        assert all(figure > 0 for figure in figures["per_company"].values())
        assert [(each["companies"], each["calls_a_minute"]) for each in figures["nights"]] == [
            (300, 300),
            (300, 1000),
            (1_000_000, 300),
            (1_000_000, 1000),
        ]


USAGE: Final = Usage(Counter({"dynamodb.Scan": 4, "sqs.SendMessageBatch": 1}), read_units=8, write_units=5)


def worked(count: int, **outcomes: int) -> Worked:
    return Worked(count, 1.0, 0.5, outcomes, USAGE, logged_bytes=100)


@pytest.fixture
def measured() -> Measured:
    """What a run over 300 companies has to come to."""
    found = {"checked": 300, "in_step": 287, "drifted": 3, "changed_at_codat": 3, "gone": 5, "unanswered": 5}
    walk = Walk(300, 3.0, 1.0, found | {"handed_over": 8}, USAGE, 900, parts=[0.003], peak_bytes={10: 1, 50: 1, 100: 1})
    return Measured(
        walk=walk,
        walk_calls=Counter({("GET", 200): 290, ("GET", 404): 5, ("GET", 503): 15}),
        codat_cpu_seconds=0.1,
        aws_cpu_seconds=0.1,
        repair=worked(8, repaired=3, unchanged=5),
        repair_calls=Counter({("GET", 200): 8, ("POST", 204): 3}),
        live=[(worked(EVENTS, applied=EVENTS), worked(EVENTS, unchanged=EVENTS))] * ROUNDS,
        live_calls=Counter({("GET", 200): 60, ("POST", 204): 60}),
        paced=Paced(1000, 1.0, 0.1),
        paced_calls=Counter({("GET", 200): 17}),
        seeding_seconds=1.0,
        seconds=9.0,
        load_before=(1.0, 1.0, 1.0),
        load_after=(2.0, 1.0, 1.0),
    )


class TestWrong:
    def test_nothing_is_wrong_with_what_was_put_there(self, measured: Measured) -> None:
        assert wrong(Population(COMPANIES), EVENTS, measured) == []

    @pytest.mark.parametrize(
        ("what", "altered"),
        [
            ("found", lambda m: replace(m, walk=replace(m.walk, outcomes={**m.walk.outcomes, "drifted": 2}))),
            ("handed over", lambda m: replace(m, repair=worked(8, repaired=2, unchanged=6))),
            ("writes to Codat on the walk", lambda m: replace(m, walk_calls=m.walk_calls | {("POST", 204): 1})),
            ("writes to Codat for repair", lambda m: replace(m, repair_calls={("GET", 200): 8})),
            ("calls to Codat for live", lambda m: replace(m, live_calls={("GET", 200): 61, ("POST", 204): 60})),
            ("how live events ended", lambda m: replace(m, live=[*m.live[:2], (worked(20, stale=20), m.live[0][1])])),
        ],
    )
    def test_a_run_that_came_to_something_else_means_nothing(
        self, measured: Measured, what: str, altered: Callable[[Measured], Measured]
    ) -> None:
        (sentence,) = wrong(Population(COMPANIES), EVENTS, altered(measured))
        assert what in sentence

    def test_what_a_company_took_is_that_of_the_walk_and_of_the_repairs(self, measured: Measured) -> None:
        assert measured.each() == Each(
            walk_calls=310 / 300,
            repair_calls=11 / 300,
            handed_over=8 / 300,
            read_units=16 / 300,
            write_units=10 / 300,
            sqs_requests=2 / 300,
            bus_events=6 / 300,
            logged_bytes=1000 / 300,
        )


class TestNights:
    EACH = Each(
        walk_calls=1,
        repair_calls=0.03,
        handed_over=0.01,
        read_units=0.12,
        write_units=0.05,
        sqs_requests=0.01,
        bus_events=0.02,
        logged_bytes=50,
    )

    def test_a_million_at_the_usual_pace_take_more_than_two_days(self) -> None:
        walk = nights(self.EACH, 1_000_000, 300)
        assert walk.hours == pytest.approx(55.56, abs=0.01)
        assert walk.invocations == 233  # Each walks for 861.6 s of its 900.
        assert walk.gb_seconds == pytest.approx(100_000)
        assert walk.walks_a_month == pytest.approx(13.14)
        assert walk.calls == 1_030_000

    def test_the_quota_is_a_days_and_so_are_the_calls(self) -> None:
        walk = nights(self.EACH, 1_000_000, 300)
        assert walk.calls_a_day == pytest.approx(1_030_000 * 24 / 55.56, rel=0.001)
        assert walk.quota_share == pytest.approx(0.000445, rel=0.01)

    def test_what_is_done_within_a_night_is_done_each_night(self) -> None:
        walk = nights(self.EACH, 100_000, 1000)
        assert walk.walks_a_month == 30
        assert walk.calls_a_day == walk.calls == 103_000

    def test_the_pace_says_how_fast_codat_has_to_answer(self) -> None:
        assert nights(self.EACH, 1_000_000, 300).slowest_answer_seconds == pytest.approx(0.8)
        assert nights(self.EACH, 1_000_000, 1000).slowest_answer_seconds == pytest.approx(0.24)

    def test_the_money_is_the_sum_of_what_is_used(self) -> None:
        walk = nights(self.EACH, 1_000_000, 300)
        assert walk.usd == pytest.approx(
            {
                "Lambda": (100_000 + 5_000) * 0.0000133334 + (233 + 1_000) / 1e6 * 0.20,
                "DynamoDB reads": 0.12 * 0.125,
                "DynamoDB writes": 0.05 * 0.625,
                "SQS": 0.01 * 0.40,
                "EventBridge": 0.02,
                "CloudWatch Logs": 0.05 * 0.50,
            }
        )
        assert walk.usd_a_walk == pytest.approx(sum(walk.usd.values()))
        assert walk.usd_a_month == pytest.approx(walk.usd_a_walk * walk.walks_a_month)


class TestPopulation:
    def test_one_in_a_hundred_has_drifted_whatever_its_plan(self) -> None:
        drifted = [each for each in Population(2_000) if each.finding is Finding.CHANGED_AT_CODAT]
        assert len(drifted) == 20
        assert len({each.plan for each in drifted}) == len({each.plan for each in Population(2_000)})

    def test_every_process_has_the_same(self) -> None:
        assert list(Population(500)) == list(Population(500))
        assert len({each.company_id for each in Population(500)}) == 500

    def test_the_findings_are_those_of_the_companies(self) -> None:
        assert Population(500).findings == Counter(each.finding for each in Population(500))


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Iterator[Population]:
    """Moto, in this process, with the companies of the benchmark in it."""
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    with mock_aws():
        population = Population(230)
        record(population, boto3.client("dynamodb"))
        yield population


def all_pages(plans: CompanyPlans, limit: int) -> list[tuple[CompanyPlan, ...]]:
    pages, after = [], None
    while True:
        page = plans.page(after, limit)
        pages.append(page.companies)
        if page.last is None:
            return pages
        after = page.last


class TestAws:
    @pytest.mark.parametrize("limit", [7, 23, 100, 230, 500])
    def test_pages_are_those_of_moto(self, table: Population, limit: int) -> None:
        plans = CompanyPlans(boto3.client("dynamodb"), TABLE)
        its_own = all_pages(plans, limit)
        with pages_in_order():
            assert all_pages(plans, limit) == its_own
        assert sum(map(len, its_own)) == table.companies

    def test_a_company_that_comes_in_between_is_on_a_page(self, table: Population) -> None:
        plans, first_and_last = CompanyPlans(boto3.client("dynamodb"), TABLE), (UUID(int=0), UUID(int=2**128 - 1))
        with pages_in_order():
            before = all_pages(plans, 100)
            for company_id in first_and_last:
                plans.record(company_id, DesiredPlan.assumed("free", "e1"), at=datetime.now(UTC))
            after = [each.company_id for page in all_pages(plans, 100) for each in page]
        assert sum(map(len, before)) == table.companies
        assert (after[0], after[-1]) == first_and_last

    def test_an_item_is_as_large_as_one_that_a_function_writes(self, table: Population) -> None:
        dynamodb = boto3.client("dynamodb")
        plans, at = CompanyPlans(dynamodb, TABLE), datetime.now(UTC) - timedelta(days=1)
        for company in list(table)[-8:]:
            key = {"companyId": {"S": str(company.company_id)}}
            item = dynamodb.get_item(TableName=TABLE, Key=key)["Item"]
            desired = DesiredPlan.named(company.plan, Authority.STATED, at, item["desiredBy"]["S"])
            applied = AppliedPreset(company.plan, "0123456789abcdef", desired.event_id, desired.order)
            plans.record(company.company_id, desired, at=at)
            plans.confirm(company.company_id, desired, applied, at=at)
            written = dynamodb.get_item(TableName=TABLE, Key=key)["Item"]
            assert written["desiredOrder"] != item["desiredOrder"]
            assert item_bytes(written) == item_bytes(item)


class TestMeter:
    def test_a_consistent_read_costs_twice_what_another_does(self, table: Population) -> None:
        meter, dynamodb = Meter(), boto3.client("dynamodb")
        key = {"companyId": {"S": str(next(iter(table)).company_id)}}
        dynamodb.get_item(TableName=TABLE, Key=key, ConsistentRead=True)
        dynamodb.get_item(TableName=TABLE, Key=key)
        usage = meter.take()
        assert usage.read_units == 1.5
        assert usage.requests == {"dynamodb.GetItem": 2}

    @pytest.mark.usefixtures("table")
    def test_a_scan_costs_its_page_rounded_up_to_4_kb(self) -> None:
        meter, dynamodb = Meter(), boto3.client("dynamodb")
        read = dynamodb.scan(TableName=TABLE, Limit=100, ConsistentRead=True)["Items"]
        usage = meter.take()
        assert usage.scanned_bytes == sum(map(item_bytes, read))
        assert usage.read_units == usage.scan_units == -(-usage.scanned_bytes // 4096) > 1

    def test_a_write_costs_the_same_whether_its_condition_holds_or_not(self, table: Population) -> None:
        meter, at = Meter(), datetime.now(UTC)
        plans, company_id = CompanyPlans(boto3.client("dynamodb"), TABLE), next(iter(table)).company_id
        large = DesiredPlan.named("free", Authority.STATED, at, "e" * 600)
        plans.record(company_id, large, at=at)
        assert meter.take().write_units == 2
        plans.record(company_id, large, at=at)
        assert meter.take().write_units == 2

    def test_what_was_taken_is_not_counted_again(self, table: Population) -> None:
        meter = Meter()
        CompanyPlans(boto3.client("dynamodb"), TABLE).page(None, table.companies)
        meter.take()
        assert meter.take() == Usage()

    def test_each_scan_is_told(self, table: Population) -> None:
        told: list[str] = []
        meter = Meter(lambda: told.append("scan"))
        all_pages(CompanyPlans(boto3.client("dynamodb"), TABLE), table.companies // 2)
        assert told == ["scan", "scan"]
        assert meter.usage.of("dynamodb") == 2

    @pytest.mark.parametrize(
        ("value", "size"),
        [
            ({"S": "grün"}, 5),
            ({"N": "0"}, 1),
            ({"N": "-1200"}, 2),
            ({"N": "12.5"}, 3),
            ({"BOOL": True}, 1),
            ({"NULL": True}, 1),
            ({"L": []}, 3),
            ({"L": [{"S": "ab"}]}, 6),
            ({"M": {"key": {"S": "ab"}}}, 9),
        ],
    )
    def test_a_size_is_what_dynamodb_documents(self, value: dict[str, Any], size: int) -> None:
        assert item_bytes({"name": value}) == len("name") + size


def test_a_process_that_ends_is_an_error_and_no_silence(capfd: pytest.CaptureFixture[str]) -> None:
    with apart(codat, "no population", "key") as part, pytest.raises(StackError, match="codat ended"):
        part.answer()
    assert "Traceback" in capfd.readouterr().err
