"""Log lines carry the version; alarms and the dashboard find each metric under its dimensions, at little cost."""

import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from http import HTTPMethod
from random import Random
from typing import Any

import pytest

from codat_sync import __version__
from codat_sync.codat.client import Answer
from codat_sync.codat.rate_limits import RateLimit
from codat_sync.companies.converge import Convergence
from codat_sync.consuming.consume import Consumer, ConsumerSettings
from codat_sync.consuming.duties import DutyConsumer
from codat_sync.consuming.settle import Settlement
from codat_sync.deadline import Deadline
from codat_sync.events.company_events import read_plan_event
from codat_sync.events.requests import ReconciliationRequest, read_reconciliation_request
from codat_sync.observability import (
    MANY_ANSWERS,
    CodatCalls,
    count_companies,
    count_lost_announcements,
    count_outcomes,
    count_pause,
    count_presets_unusable,
    count_reconciled,
    count_redrive,
    logger,
)
from codat_sync.outcomes.triage import Outcome
from local.presets import local_presets
from tests.fakes.clock import NOW
from tests.fakes.codat import FakeCodat
from tests.fakes.companies import FakePlans
from tests.fakes.lambda_ import PATIENCE, FakeContext, sqs_event
from tests.fakes.outcomes import FakeDeadLetters, FakeQueue

Said = Callable[[], list[dict[str, Any]]]
QUOTA = RateLimit(limit=1000, remaining=7)


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Said:
    """Return a function that gives the metrics written since its last call."""
    return lambda: [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.fixture
def new_process(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Start without a logger, as a function does; return the function's name."""
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", request.node.name)
    logger.cache_clear()
    yield request.node.name
    logger.cache_clear()


@pytest.fixture
def in_detail(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a stack with DetailedMetrics."""
    monkeypatch.setenv("DETAILED_METRICS", "true")


def answer(status: int | None = 200, seconds: float = 0.25, quota: RateLimit = QUOTA) -> Answer:
    return Answer(HTTPMethod.GET, status, seconds, quota)


def dimensions(line: dict[str, Any]) -> dict[str, str]:
    """Return the only set of dimensions of a line's metrics."""
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    (names,) = directive["Dimensions"]
    return {name: line[name] for name in names}


@pytest.mark.parametrize(
    ("write", "name", "under"),
    [
        (
            partial(count_outcomes, [(Outcome.APPLIED, "growth")], []),
            "Events",
            {"outcome": "applied"},
        ),
        (partial(count_outcomes, [], ["forbidden"]), "Failures", {"reason": "forbidden"}),
        (partial(count_pause, "rate_limited", 1), "PauseSeconds", {"reason": "rate_limited"}),
        (partial(count_presets_unusable, "invalid"), "PresetsUnusable", {"reason": "invalid"}),
        (partial(count_redrive, {"company_limit": 1}, []), "Redriven", {"reason": "company_limit"}),
        (partial(count_redrive, {}, ["company_limit"]), "RedriveRefused", {"reason": "company_limit"}),
        (partial(count_companies, {"growth": 3}), "CompaniesByPlan", {"plan": "growth"}),
    ],
)
def test_a_metric_of_all_functions_has_no_function_as_dimension(
    write: Callable[[], None], name: str, under: dict[str, str], said: Said
) -> None:
    """An alarm reads one set of dimensions, and finds only what was written under exactly this set."""
    write()
    (line,) = [line for line in said() if name in line]
    assert dimensions(line) == under


@pytest.mark.parametrize(
    ("write", "name"),
    [
        (partial(count_lost_announcements, 2), "AnnouncementsLost"),
        (partial(count_reconciled, 9, 2, 1, {}), "CompaniesChecked"),
        (partial(count_reconciled, 9, 2, 1, {}), "CompaniesDrifted"),
        (partial(count_reconciled, 9, 2, 1, {}), "CompaniesKeepDrifting"),
    ],
)
def test_a_metric_of_one_function_has_its_name_as_dimension(write: Callable[[], None], name: str, said: Said) -> None:
    write()
    (line,) = [line for line in said() if name in line]
    assert dimensions(line) == {"service": "tests"}


@pytest.mark.parametrize(("plan", "field"), [("growth", "growth"), (None, "none")])
def test_an_events_plan_is_in_its_line_and_no_dimension(plan: str | None, field: str, said: Said) -> None:
    """So that Logs Insights counts by plan, and CloudWatch charges for no metric of each plan."""
    count_outcomes([(Outcome.APPLIED, plan)], [])
    (line,) = said()
    assert dimensions(line) == {"outcome": "applied"}
    assert (line["plan"], line["Events"]) == (field, [1])


def test_drift_by_data_type_is_a_line_and_no_metric(said: Said) -> None:
    count_reconciled(9, 2, 1, {"invoices": 2})
    assert [line for line in said() if "_aws" not in line] == [{"dataType": "invoices", "Drift": [2]}]


@pytest.mark.usefixtures("in_detail")
def test_in_detail_an_event_is_counted_by_outcome_by_plan_and_by_function(said: Said) -> None:
    count_outcomes([(Outcome.PARKED_FAILED, "growth")], [])
    event, total = said()
    (directive,) = event["_aws"]["CloudWatchMetrics"]
    assert directive["Dimensions"] == [["outcome"], ["outcome", "plan"]]
    assert (event["outcome"], event["plan"], event["Events"]) == ("parked_failed", "growth", [1])
    assert (dimensions(total), total["ParkedFailed"]) == ({"service": "tests"}, [1])


@pytest.mark.usefixtures("in_detail")
def test_in_detail_drift_by_data_type_is_a_metric(said: Said) -> None:
    count_reconciled(9, 2, 1, {"invoices": 2})
    (line,) = [line for line in said() if "Drift" in line]
    assert (dimensions(line), line["Drift"]) == ({"dataType": "invoices"}, [2])


@pytest.mark.parametrize(
    ("plan", "dimension"),
    [
        ("Team + Annual", "Team + Annual"),
        ("Größe L", r"Gr\xf6\xdfe L"),
        ("成長", r"\u6210\u9577"),
        ("😀", r"\U0001f600"),
    ],
)
@pytest.mark.usefixtures("in_detail")
@pytest.mark.parametrize(
    "write",
    [lambda plan: count_outcomes([(Outcome.APPLIED, plan)], []), lambda plan: count_companies({plan: 3})],
    ids=["Events", "CompaniesByPlan"],
)
def test_a_plan_in_a_dimension_is_escaped_where_cloudwatch_refuses_it(
    write: Callable[[str], None], plan: str, dimension: str, said: Said
) -> None:
    write(plan)
    assert [line["plan"] for line in said() if "plan" in str(line.get("_aws"))] == [dimension]


def test_the_longest_plan_is_not_too_long_for_a_dimension(said: Said) -> None:
    """CloudWatch allows 1,024 characters. https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_Dimension.html."""
    count_companies({"😀" * 64: 1})
    (line,) = said()
    assert line["plan"].isascii()
    assert len(line["plan"]) <= 1024


def test_metrics_are_in_the_namespace_of_the_stack(said: Said) -> None:
    count_outcomes([(Outcome.APPLIED, "growth")], ["forbidden"])
    CodatCalls().note(answer())
    assert {each["Namespace"] for line in said() for each in line["_aws"]["CloudWatchMetrics"]} == {"codat-sync"}


def test_where_there_is_nothing_to_count_no_line_is_written(said: Said) -> None:
    count_outcomes([], [])
    CodatCalls().write()
    assert said() == []


def test_calls_are_counted_by_status(said: Said) -> None:
    calls = CodatCalls()
    for status in (200, 429, 200, None):
        calls.note(answer(status))
    calls.note(replace(answer(403), is_codats=False))
    calls.note(replace(answer(200), is_codats=False))
    calls.write()
    counted = {line["status"]: line["CodatCalls"] for line in said() if "CodatCalls" in line}
    assert counted == {"200": [2], "429": [1], "no_answer": [1], "not_codat": [2]}


def test_the_latency_of_each_answer_is_in_whole_milliseconds(said: Said) -> None:
    calls = CodatCalls()
    for status, seconds in ((200, 0.0804), (500, 1.5), (None, 6.0)):
        calls.note(answer(status, seconds))
    calls.note(replace(answer(403, 0.001, RateLimit()), is_codats=False))
    calls.write()
    (line,) = [line for line in said() if "CodatLatency" in line]
    assert line["CodatLatency"] == [80, 1500]
    assert dimensions(line) == {"service": "codat"}


@pytest.mark.parametrize(
    ("quota", "written"),
    [
        (QUOTA, {"CodatQuotaRemaining": [7], "CodatQuotaLimit": [1000]}),
        (RateLimit(limit=1000, remaining=0), {"CodatQuotaRemaining": [0], "CodatQuotaLimit": [1000]}),
        (RateLimit(remaining=7), {"CodatQuotaRemaining": [7]}),
        (RateLimit(), {}),
    ],
)
def test_the_quota_is_that_of_the_newest_answer_that_came(
    quota: RateLimit, written: dict[str, list[int]], said: Said
) -> None:
    calls = CodatCalls()
    calls.note(answer(quota=RateLimit(limit=9, remaining=9)))
    calls.note(answer(quota=quota))
    calls.note(answer(None, quota=RateLimit()))
    calls.write()
    (line,) = [line for line in said() if "CodatLatency" in line]
    assert {name: value for name, value in line.items() if name.startswith("CodatQuota")} == written


def test_an_answer_is_written_once(said: Said) -> None:
    calls = CodatCalls()
    calls.note(answer())
    calls.write()
    assert said() != []
    calls.write()
    assert said() == []


def test_many_answers_are_written_before_the_end_of_the_batch(said: Said) -> None:
    calls = CodatCalls()
    for _ in range(MANY_ANSWERS - 1):
        calls.note(answer())
    assert said() == []
    calls.note(answer())
    assert len(said()) == 2


def test_threads_lose_no_answer_and_no_line_exceeds_its_limit(said: Said) -> None:
    calls = CodatCalls()
    with ThreadPoolExecutor(10) as threads:
        list(threads.map(lambda number: calls.note(answer(seconds=number / 1000)), range(2_000)))
    calls.write()
    lines = [line["CodatLatency"] for line in said() if "CodatLatency" in line]
    assert sorted(value for line in lines for value in line) == list(range(2_000))
    assert max(map(len, lines)) < 100


def test_the_calls_of_a_batch_are_less_than_a_kilobyte(capsys: pytest.CaptureFixture[str]) -> None:
    """Ten events make two calls each at most. A line for each call would be eleven kilobytes."""
    calls = CodatCalls()
    for number in range(20):
        calls.note(answer(200 + 4 * (number % 2), seconds=0.1 + number / 100))
    calls.write()
    assert len(capsys.readouterr().out) < 1024


@pytest.mark.parametrize(
    "write",
    [
        lambda: logger().info("event_settled", extra={"reason": "forbidden"}),
        lambda: logger().warning("request_parked", reason="forbidden"),
        lambda: logger().error("unexpected_error", exc_info=ZeroDivisionError("a bug")),
    ],
    ids=["extra", "keywords", "exception"],
)
def test_a_log_line_carries_the_version_and_the_function(
    write: Callable[[], None], new_process: str, said: Said
) -> None:
    write()
    (line,) = said()
    assert (line["version"], line["service"]) == (__version__, new_process)


def test_the_time_of_a_log_line_is_utc_as_rfc_3339_writes_it(new_process: str, said: Said) -> None:  # noqa: ARG001
    """https://www.rfc-editor.org/rfc/rfc3339#section-5.6"""
    logger().info("event_settled")
    (line,) = said()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}(\+00:00|Z)", line["timestamp"])


def test_a_batch_writes_the_metrics_of_its_calls_last() -> None:
    written: list[str] = []
    consumer = Consumer(
        read_plan_event,
        Convergence(FakeCodat(), FakePlans(), local_presets(), lambda: NOW),
        Settlement(FakeDeadLetters(), PATIENCE, lambda: NOW),
        FakeQueue(),
        ConsumerSettings(PATIENCE, max_concurrent_companies=1),
        now=lambda: NOW,
        random=Random(0),  # noqa: S311  # No test waits.
        write_metrics=lambda: written.append("written"),
    )
    consumer.consume(sqs_event("{"), FakeContext())
    assert written == ["written"]


class FailingDuty:
    """A duty that notes its call, and fails."""

    def __init__(self, log: list[str]) -> None:
        self._log = log

    def carry_out(self, _request: ReconciliationRequest, _deadline: Deadline) -> timedelta | None:
        self._log.append("carried out")
        raise ZeroDivisionError


def test_a_failed_duty_writes_the_metrics_of_its_calls() -> None:
    log: list[str] = []
    consumer = DutyConsumer(
        read_reconciliation_request,
        FailingDuty(log),
        FakeDeadLetters(),
        FakeQueue(),
        lambda: NOW,
        lambda: log.append("written"),
    )
    night = {"id": "night-1", "detail-type": "Reconciliation Requested", "detail": {}, "time": str(datetime.now(UTC))}
    consumer.consume(sqs_event(json.dumps(night)), FakeContext(900.0))
    assert log == ["carried out", "written"]
