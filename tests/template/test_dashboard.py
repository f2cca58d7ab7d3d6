"""The dashboard shows each metric that the functions write, and every queue, function and table of the stack."""

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cfnlint.decode import cfn_yaml

from codat_sync import observability
from codat_sync.observability import CodatCalls
from codat_sync.outcomes.triage import Outcome
from local.dashboard.widgets import CONDITIONS, widgets
from tests.template.written_metrics import WRITERS, lines, written

ROOT = Path(__file__).parents[2]
TEMPLATE: dict[str, Any] = cfn_yaml.load(str(ROOT / "template.yaml"))
RESOURCES: dict[str, Any] = TEMPLATE["Resources"]
STACK = "codat-sync"


class Mode(NamedTuple):
    """A dashboard, and whether its stack has metrics in detail."""

    widgets: list[dict[str, Any]]
    in_detail: bool


BY_DEFAULT = Mode(widgets(STACK, [each for each in CONDITIONS if each != "HasDetailedMetrics"]), in_detail=False)
IN_DETAIL = Mode(widgets(STACK), in_detail=True)
MODES = pytest.mark.parametrize("mode", [BY_DEFAULT, IN_DETAIL], ids=["by default", "in detail"])
SEARCH = re.compile(r"SEARCH\('\{\"([^\"]+)\",([\w,]+)\} (.+)', '\w+'\)")


def named(kind: str) -> list[str]:
    return [name for name, each in RESOURCES.items() if each["Type"] == kind]


def graphs(shown: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [each["properties"] for each in shown if each["type"] == "metric"]


def expressions(shown: list[dict[str, Any]] = IN_DETAIL.widgets) -> list[str]:
    return [
        entry[0]["expression"] for graph in graphs(shown) for entry in graph["metrics"] if isinstance(entry[0], dict)
    ]


GRAPHS = graphs(IN_DETAIL.widgets)


def metrics(shown: list[dict[str, Any]] = IN_DETAIL.widgets) -> list[tuple[str, str, dict[str, str]]]:
    """Return each metric that a graph names: namespace, name, and the values of its dimensions."""
    entries = [
        [part for part in entry if isinstance(part, str)] for graph in graphs(shown) for entry in graph["metrics"]
    ]
    return [(each[0], each[1], dict(zip(each[2::2], each[3::2], strict=True))) for each in entries if each]


def searched(shown: list[dict[str, Any]] = IN_DETAIL.widgets) -> list[tuple[str, str, frozenset[str], dict[str, str]]]:
    """Return each metric that a graph searches for: namespace, name, dimensions, and the values that it filters by."""
    found = [match for each in expressions(shown) if (match := SEARCH.fullmatch(each))]
    terms = [dict(re.findall(r'(\w+)="([^"]+)"', match[3])) for match in found]
    return [
        (match[1], asked.pop("MetricName"), frozenset(match[2].split(",")), asked)
        for match, asked in zip(found, terms, strict=True)
    ]


@pytest.mark.parametrize("conditions", [CONDITIONS, (), CONDITIONS[:1], CONDITIONS[1:]])
def test_the_dashboard_shows_the_alarms_that_the_stack_has(conditions: tuple[str, ...]) -> None:
    (shown,) = [each["properties"]["alarms"] for each in widgets(STACK, conditions) if each["type"] == "alarm"]
    alarms = named("AWS::CloudWatch::Alarm") + named("AWS::CloudWatch::CompositeAlarm")
    assert sorted(shown) == sorted(
        name for name in alarms if RESOURCES[name].get("Condition", "always") in {"always", *conditions}
    )


def test_only_labels_are_left_for_cloudwatch_to_substitute() -> None:
    assert set(re.findall(r"\$\{(\w+)", json.dumps([*IN_DETAIL.widgets, *BY_DEFAULT.widgets]))) == {"PROP"}


@MODES
def test_widgets_fill_the_grid_without_overlap(mode: Mode) -> None:
    places = [
        {
            (x, y)
            for x in range(each["x"], each["x"] + each["width"])
            for y in range(each["y"], each["y"] + each["height"])
        }
        for each in mode.widgets
    ]
    assert all(0 <= x < 24 and y >= 0 for place in places for x, y in place)
    assert [pair for pair in combinations(range(len(places)), 2) if places[pair[0]] & places[pair[1]]] == []
    assert len(set().union(*places)) == 24 * max(each["y"] + each["height"] for each in mode.widgets), "there is a gap"


def test_it_leads_with_outcomes_by_plan() -> None:
    first_graph = min(
        (each for each in IN_DETAIL.widgets if each["type"] == "metric"), key=lambda each: (each["y"], each["x"])
    )
    assert "outcome,plan" in str(first_graph["properties"]["metrics"])


def test_by_default_it_counts_events_by_plan_in_the_logs() -> None:
    """The first row: all outcomes as a metric, and beside it, from the functions' logs, each outcome by plan."""
    graph, *logs = sorted((each for each in BY_DEFAULT.widgets if each["y"] == 2), key=lambda each: int(each["x"]))
    assert graph["properties"]["metrics"][0][0]["expression"].startswith('SEARCH(\'{"codat-sync",outcome} MetricName')
    assert [each["type"] for each in logs] == ["log", "log"]
    applied, others = (each["properties"]["query"] for each in logs)
    assert (" by plan" in applied, " as event " in others) == (True, True)
    assert ("outcome = 'applied'" in applied, "outcome != 'applied'" in others) == (True, True)


LOGS = {
    "Events": {"CompanyPlanChangedLogGroup", "NewConnectionLogGroup", "ReconcileCompanyLogGroup"},
    "Drift": {"ReconcileCompaniesLogGroup"},
}
"""The logs of the functions that write each of these."""


def queries() -> list[str]:
    return [each["properties"]["query"] for each in BY_DEFAULT.widgets if each["type"] == "log"]


@pytest.mark.parametrize("query", queries())
def test_a_query_of_the_logs_asks_for_fields_of_a_line_that_is_written_there(query: str) -> None:
    """Logs Insights names an element of a list by its number.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_AnalyzeLogData-discoverable-fields.html
    """
    sources = re.findall(r"SOURCE '(\w+)'", query)
    (value,) = set(re.findall(r"(\w+)\.0", query))
    asked = {"outcome", "plan", "dataType"} & set(re.findall(r"\w+", query))
    assert set(sources) == LOGS[value]
    assert all(isinstance(line[value], list) for line in map(json.loads, lines()) if value in line)
    assert any(asked <= line.keys() for line in map(json.loads, lines()) if value in line)


def test_every_outcome_is_shown_by_plan() -> None:
    shown = [asked["outcome"] for _, name, _, asked in searched() if name == "Events"]
    assert sorted(shown) == sorted(outcome.value for outcome in Outcome)


def test_every_writer_of_metrics_is_listed() -> None:
    writers = {name for name in vars(observability) if name.startswith("count_")} | {CodatCalls.__name__}
    assert writers == set(WRITERS)


@MODES
def test_a_named_metric_is_written_under_exactly_these_dimensions(mode: Mode) -> None:
    ours = {(name, frozenset(values)) for namespace, name, values in metrics(mode.widgets) if namespace == STACK}
    assert set() < ours <= written(in_detail=mode.in_detail)


@MODES
def test_a_searched_metric_is_written_under_exactly_these_dimensions(mode: Mode) -> None:
    found = searched(mode.widgets)
    assert {namespace for namespace, _, _, _ in found} == {STACK}
    assert {(name, dimensions) for _, name, dimensions, _ in found} <= written(in_detail=mode.in_detail)
    assert all(asked.keys() <= dimensions for _, _, dimensions, asked in found)


@MODES
def test_every_expression_has_a_known_form(mode: Mode) -> None:
    """CloudWatch shows an empty graph for an expression that is wrong."""
    known = [
        SEARCH,
        re.compile(r'(SUM\()?METRICS\("(\w+)"\)\)?( / 1000 \* [\d.]+| / \d+)?'),
        re.compile(r"quota \* \(100 - \d+\) / 100"),
    ]
    assert [each for each in expressions(mode.widgets) if not any(form.fullmatch(each) for form in known)] == []


@pytest.mark.parametrize("graph", GRAPHS, ids=lambda graph: graph["title"])
def test_an_expression_refers_to_metrics_of_its_graph(graph: dict[str, Any]) -> None:
    identities = [entry[-1]["id"] for entry in graph["metrics"] if isinstance(entry[-1], dict) and "id" in entry[-1]]
    asked = {
        name
        for entry in graph["metrics"]
        if isinstance(entry[0], dict)
        for name in re.findall(r"\b[a-z]+\b", entry[0]["expression"])
        if "SEARCH" not in entry[0]["expression"]
    }
    assert len(identities) == len(set(identities))
    assert {each.rstrip("0123456789") for each in identities} == asked


@pytest.mark.parametrize("name", named("AWS::SQS::Queue"))
def test_the_dashboard_shows_the_depth_of_a_queue(name: str) -> None:
    assert ("AWS/SQS", "ApproximateNumberOfMessagesVisible", {"QueueName": name}) in metrics()


LIVE_QUEUES = ["CompanyPlanChangedQueue", "NewConnectionQueue"]
DLQS = [name for name in named("AWS::SQS::Queue") if "RedrivePolicy" not in RESOURCES[name]["Properties"]]


@pytest.mark.parametrize("name", [*LIVE_QUEUES, *DLQS])
def test_the_dashboard_shows_the_age_of_the_oldest_message(name: str) -> None:
    assert ("AWS/SQS", "ApproximateAgeOfOldestMessage", {"QueueName": name}) in metrics()


def test_a_dlq_keeps_an_event_for_as_long_as_its_graph_says() -> None:
    (hours,) = re.findall(r"in hours \(kept for (\d+)\)", str([graph["title"] for graph in GRAPHS]))
    assert {RESOURCES[name]["Properties"]["MessageRetentionPeriod"] for name in DLQS} == {int(hours) * 3600}


AT_WORK = [name for name in named("AWS::Serverless::Function") if "Events" in RESOURCES[name]["Properties"]]
"""The functions that a queue invokes. AppConfig invokes the validator, once per deployment of presets."""


@pytest.mark.parametrize("name", AT_WORK)
def test_the_dashboard_shows_what_a_function_costs(name: str) -> None:
    group = RESOURCES[name]["Properties"]["LoggingConfig"]["LogGroup"]["Ref"]
    assert ("AWS/Lambda", "Invocations", {"FunctionName": name}) in metrics()
    assert ("AWS/Lambda", "Duration", {"FunctionName": name}) in metrics()
    assert ("AWS/Logs", "IncomingBytes", {"LogGroupName": group}) in metrics()


def test_gigabyte_seconds_follow_from_the_functions_memory() -> None:
    (gigabytes,) = re.findall(r"/ 1000 \* ([\d.]+)", "".join(expressions()))
    assert float(gigabytes) * 1024 == TEMPLATE["Globals"]["Function"]["MemorySize"]
    assert [name for name in named("AWS::Serverless::Function") if "MemorySize" in RESOURCES[name]["Properties"]] == []


def test_the_dashboard_shows_what_queues_and_table_cost() -> None:
    polled = [each["Properties"]["Events"]["Queue"]["Properties"]["Queue"]["Fn::GetAtt"][0] for each in functions()]
    for queue in polled:
        assert ("AWS/SQS", "NumberOfEmptyReceives", {"QueueName": queue}) in metrics()
    assert ("AWS/DynamoDB", "ConsumedWriteCapacityUnits", {"TableName": "CompanyPlansTable"}) in metrics()


def functions() -> list[dict[str, Any]]:
    return [RESOURCES[name] for name in AT_WORK]


def test_the_dashboards_name_is_unique_across_regions() -> None:
    assert RESOURCES["Dashboard"]["Properties"]["DashboardName"] == {"Fn::Sub": "${AWS::StackName}-${AWS::Region}"}
