"""The whole benchmark, with a few hundred companies. No test here depends on how long anything took."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

ROOT = Path(__file__).parents[3]
COMPANIES: Final = 300
EVENTS: Final = 20
FIELDS: Final = {
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
ESTIMATE_FIELDS: Final = {
    "companies",
    "calls_a_minute",
    "slowest_answer_seconds",
    "hours",
    "invocations",
    "gb_seconds",
    "calls",
    "calls_a_day",
    "quota_share",
    "usd",
    "usd_a_walk",
    "walks_a_month",
    "usd_a_month",
}


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    file = tmp_path_factory.mktemp("bench") / "figures.json"
    command = [sys.executable, "-m", "local.bench", "--companies", str(COMPANIES), "--events", str(EVENTS)]
    ended = subprocess.run(  # noqa: S603 - this interpreter.
        [*command, "--paced-seconds", "1", "--json", str(file)],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT / 'shared'}:{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    written: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return written


def test_the_run_finds_exactly_what_was_set_up(figures: dict[str, Any]) -> None:
    assert figures["walk"]["found"] == {
        "checked": 300,
        "in_step": 287,
        "drifted": 3,
        "changed_at_codat": 3,
        "gone": 5,
        "unanswered": 5,
        "handed_over": 8,
    }


def test_a_company_in_step_costs_one_call_and_a_verified_repair_three_more(figures: dict[str, Any]) -> None:
    assert figures["codat"]["calls_in_step"] == 1
    assert figures["codat"]["calls_drifted"] == 4


def test_a_page_costs_one_scan_and_one_write_and_each_drift_a_write(figures: dict[str, Any]) -> None:
    pages, beginning, drifted = 4, 1, 3  # The item of the run itself fills up the third page, so there are four.
    requests = figures["requests"]["walk"]
    assert requests["dynamodb.Scan"] == figures["dynamodb"]["scans"] == pages
    assert requests["dynamodb.UpdateItem"] == pages + beginning + drifted


def test_an_applied_change_costs_two_writes_and_its_second_delivery_one(figures: dict[str, Any]) -> None:
    requests = figures["live"]["requests"]
    assert requests["applied"]["dynamodb.UpdateItem"] == 2 * EVENTS
    assert requests["duplicate"]["dynamodb.UpdateItem"] == EVENTS


def test_the_json_has_all_figures(figures: dict[str, Any]) -> None:
    assert {part: set(fields) for part, fields in figures.items() if isinstance(fields, dict)} == FIELDS
    assert set(figures) == {*FIELDS, "companies", "nights"}
    assert set(figures["walk"]["peak_bytes_at_percent"]) == {"10", "50", "100"}
    assert all(figure > 0 for figure in figures["per_company"].values())


def test_the_figures_of_live_events_are_spreads_over_the_rounds(figures: dict[str, Any]) -> None:
    for spreads in (figures["live"]["events_per_second"], figures["live"]["cpu_ms_per_event"]):
        assert set(spreads) == {"applied", "duplicate", "duplicate_to_applied"}
        assert all(0 < each["min"] <= each["median"] <= each["max"] for each in spreads.values())


def test_estimates_are_for_these_companies_and_a_million_at_both_paces(figures: dict[str, Any]) -> None:
    assert [(each["companies"], each["calls_a_minute"]) for each in figures["nights"]] == [
        (300, 300),
        (300, 1000),
        (1_000_000, 300),
        (1_000_000, 1000),
    ]
    assert all(set(each) == ESTIMATE_FIELDS for each in figures["nights"])
