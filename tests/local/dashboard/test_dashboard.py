"""The picture in the README is the template's dashboard, and all in it was recorded."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from xml.etree.ElementTree import fromstring

import pytest
from botocore.exceptions import EndpointConnectionError

from local.aws.clients import Aws
from local.dashboard.__main__ import PICTURE, main
from local.dashboard.picture import picture
from local.dashboard.queries import UnknownQuery, lines
from local.dashboard.recorder import Recorder, embedded
from local.dashboard.recording import FILE, Metric, Recorded
from local.dashboard.widgets import widgets

NOW = 1_000_000_000.0
RECORDED = Recorded.read()
WIDGETS = widgets(RECORDED.stack)
DEPTH = "ApproximateNumberOfMessagesVisible"


def of_three_buckets(*metrics: tuple[str, Mapping[str, str], list[list[float]]]) -> Recorded:
    """A record of metrics in the namespace ours: each with its dimensions and the values in each bucket."""
    recorded = Recorded("ours", "A test.", 10)
    for name, dimensions, buckets in metrics:
        for number, values in enumerate(buckets):
            recorded.note(Metric.of("ours", name, dimensions), NOW + 10 * number, *values)
    return recorded


def shown(recorded: Recorded, *entries: list[Any], **properties: Any) -> dict[str, list[float | None]]:  # noqa: ANN401
    return {each.label: each.values for each in lines({"metrics": list(entries), **properties}, recorded)}


# --- The picture ----------------------------------------------------------------------------------------------------


def test_the_picture_is_what_is_drawn_from_the_template_today(tmp_path: Path) -> None:
    """`make dashboard` draws it anew."""
    assert main(["--picture", str(tmp_path / "dashboard.svg")]) == 0
    assert (tmp_path / "dashboard.svg").read_text("utf-8") == PICTURE.read_text("utf-8")


def test_picture_and_record_are_small_enough_to_be_kept() -> None:
    assert PICTURE.stat().st_size < 300_000
    assert FILE.stat().st_size < 100_000


def test_every_widget_is_drawn_with_its_title() -> None:
    texts = [each.text for each in fromstring(PICTURE.read_text("utf-8")).iter() if each.text]  # noqa: S314
    titles = [each["properties"]["title"] for each in WIDGETS if each["type"] != "text"]
    assert [title for title in titles if texts.count(title) != 1] == []


def test_where_nothing_was_recorded_nothing_is_drawn() -> None:
    empty = picture(WIDGETS, Recorded("codat-sync", "Nothing.", 10))
    graphs = [each for each in WIDGETS if each["type"] == "metric"]
    assert empty.count("nothing recorded") == len(graphs)
    assert "polygon" not in empty


@pytest.mark.parametrize("stacked", [True, False])
@pytest.mark.parametrize("count", [1, 3, 30])
def test_any_number_of_lines_finds_its_place(count: int, *, stacked: bool) -> None:
    recorded = of_three_buckets(*(("Events", {"plan": f"plan-{n}"}, [[float(n)], [], [2.5]]) for n in range(count)))
    search = {"expression": "SEARCH('{\"ours\",plan} MetricName=\"Events\"', 'Sum')", "label": "${PROP('Dim.plan')}"}
    marks = {"horizontal": [{"label": "alarm", "value": 1_500_000, "color": "#000000"}]}
    properties = {"title": "<&>", "metrics": [[search]], "stacked": stacked, "annotations": marks}
    drawn = picture([{"type": "metric", "x": 0, "y": 0, "width": 6, "height": 6, "properties": properties}], recorded)
    texts = {each.text for each in fromstring(drawn).iter()}  # noqa: S314
    assert {"<&>", "alarm", "plan-0", "1M"} <= texts
    assert any(str(text).startswith("+") for text in texts) == (count == 30)


def test_few_values_are_bars_and_many_are_areas() -> None:
    search = {"expression": "SEARCH('{\"ours\",plan} MetricName=\"Events\"', 'Sum')", "label": "events"}
    widget = {"type": "metric", "x": 0, "y": 0, "width": 6, "height": 6}
    widget["properties"] = {"title": "events", "metrics": [[search]], "stacked": True}
    few = of_three_buckets(("Events", {"plan": "growth"}, [[1.0], *[[]] * 8]), ("Other", {}, [[0.0]] * 9))
    many = of_three_buckets(("Events", {"plan": "growth"}, [[1.0]] * 9))
    assert "polygon" not in picture([widget], few)
    assert "polygon" in picture([widget], many)


# --- What a widget asks ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stat", "values"),
    [
        ("Sum", [6.0, None, 5.0]),
        ("Average", [2.0, None, 5.0]),
        ("Minimum", [1.0, None, 5.0]),
        ("Maximum", [3.0, None, 5.0]),
        ("SampleCount", [3.0, None, 1.0]),
        ("p50", [2.0, None, 5.0]),
        ("p99", [3.0, None, 5.0]),
    ],
)
def test_a_statistic_is_made_of_the_values_of_a_bucket(stat: str, values: list[float | None]) -> None:
    recorded = of_three_buckets(("Latency", {"service": "codat"}, [[3.0, 1.0, 2.0], [], [5.0]]))
    assert shown(recorded, ["ours", "Latency", "service", "codat", {"stat": stat}]) == {"Latency": values}


def test_a_search_finds_what_stands_under_exactly_its_dimensions() -> None:
    recorded = of_three_buckets(
        ("Events", {"outcome": "applied", "plan": "growth"}, [[1.0]]),
        ("Events", {"outcome": "applied", "plan": "free"}, [[2.0]]),
        ("Events", {"outcome": "stale", "plan": "free"}, [[3.0]]),
        ("Events", {"plan": "free"}, [[4.0]]),
        ("Other", {"outcome": "applied", "plan": "free"}, [[5.0]]),
    )
    search = 'SEARCH(\'{"ours",outcome,plan} MetricName="Events" outcome="applied"\', \'Sum\')'
    found = shown(recorded, [{"expression": search, "label": "now: ${PROP('Dim.plan')}"}])
    assert found == {"now: free": [2.0], "now: growth": [1.0]}


def test_expressions_calculate_with_what_is_hidden() -> None:
    recorded = of_three_buckets(
        ("Age", {"queue": "a"}, [[60.0], [120.0], []]),
        ("Age", {"queue": "b"}, [[30.0], [], []]),
        ("C", {}, [[1.0]] * 3),
    )
    hidden = [["ours", "Age", "queue", name, {"id": f"age{name}", "label": name, "visible": False}] for name in "ab"]
    each = shown(recorded, [{"expression": 'METRICS("age") / 60', "label": ""}], *hidden, stat="Maximum")
    assert each == {"a": [1.0, 2.0, None], "b": [0.5, None, None]}
    total = shown(recorded, [{"expression": '2 * SUM(METRICS("age"))', "label": "all"}], *hidden, stat="Maximum")
    assert total == {"all": [180.0, 240.0, None]}
    one = shown(recorded, [{"expression": "agea - ageb + 1", "label": "more"}], *hidden, stat="Maximum")
    assert one == {"more": [31.0, None, None]}


@pytest.mark.parametrize(
    "expression",
    [
        "FILL(agea, 0)",
        "SEARCH('ours', 'Sum')",
        'SEARCH(\'{"ours",queue} MetricName="Age" OR queue="a"\', \'Sum\')',
        'METRICS("age") / METRICS("age")',
    ],
)
def test_what_is_not_understood_is_said_and_not_drawn_wrong(expression: str) -> None:
    recorded = of_three_buckets(("Age", {"queue": "a"}, [[60.0]]))
    metrics = [["ours", "Age", "queue", name, {"id": f"age{name}"}] for name in "ab"]
    with pytest.raises(UnknownQuery):
        shown(recorded, [{"expression": expression, "label": "x"}], *metrics)


# --- What is recorded -----------------------------------------------------------------------------------------------


def test_a_record_that_was_written_is_read_as_it_was(tmp_path: Path) -> None:
    recorded = of_three_buckets(("Latency", {"service": "codat"}, [[3.0, 1.0], [], [5.0]]))
    recorded.write(tmp_path / "recorded.json")
    read = Recorded.read(tmp_path / "recorded.json")
    metric = Metric.of("ours", "Latency", {"service": "codat"})
    assert (read.stack, read.about, read.bucket_seconds) == ("ours", "A test.", 10)
    assert read.series(metric, "Sum") == recorded.series(metric, "Sum") == [4.0, None, 5.0]


def test_a_line_of_embedded_metrics_is_read_as_cloudwatch_reads_it() -> None:
    directive = {"Namespace": "ours", "Dimensions": [["plan"], []], "Metrics": [{"Name": "Events"}, {"Name": "Other"}]}
    line = {
        "_aws": {"Timestamp": 1500, "CloudWatchMetrics": [directive]},
        "plan": "growth",
        "Events": [1, 2],
        "Other": [3],
    }
    assert list(embedded(json.dumps(line, separators=(",", ":")))) == [
        (Metric.of("ours", "Events", {"plan": "growth"}), 1.5, [1, 2]),
        (Metric.of("ours", "Other", {"plan": "growth"}), 1.5, [3]),
        (Metric.of("ours", "Events", {}), 1.5, [1, 2]),
        (Metric.of("ours", "Other", {}), 1.5, [3]),
    ]


@pytest.mark.parametrize("line", ["", "START RequestId: x", '{"message":"event_settled"}'])
def test_other_lines_hold_no_metrics(line: str) -> None:
    assert list(embedded(line)) == []


class FakeStack:
    """A stack with a source queue, a DLQ that holds one message, and one function's log; it goes away after a while."""

    def __init__(self, messages: list[str], *, looks: int = 1) -> None:
        events = [{"logStreamName": "x", "message": each, "timestamp": int(NOW * 1000)} for each in messages]
        self.logs = self._paginating({"events": events})
        resources = {
            "source": ("AWS::SQS::Queue", "CompanyPlanChangedQueue"),
            "dlq": ("AWS::SQS::Queue", "FailedEventsQueue"),
            "group": ("AWS::Logs::LogGroup", "CompanyPlanChangedLogGroup"),
        }
        self.cloudformation = self._paginating(
            {
                "StackResourceSummaries": [
                    {"ResourceType": kind, "LogicalResourceId": name, "PhysicalResourceId": physical}
                    for physical, (kind, name) in resources.items()
                ]
            }
        )
        self.sqs = self
        self._looks = looks

    @staticmethod
    def _paginating(page: dict[str, Any]) -> SimpleNamespace:
        return SimpleNamespace(get_paginator=lambda _: SimpleNamespace(paginate=lambda **_: [page]))

    def get_queue_attributes(self, *, QueueUrl: str, AttributeNames: list[str]) -> dict[str, Any]:  # noqa: N803
        assert AttributeNames == ["All"]
        if self._looks == 0:
            raise EndpointConnectionError(endpoint_url="gone")
        self._looks -= QueueUrl == "dlq"
        depth = {"ApproximateNumberOfMessages": "1", "ApproximateNumberOfMessagesNotVisible": "2"}
        return {"Attributes": depth | ({"RedrivePolicy": "{}"} if QueueUrl == "source" else {})}

    def receive_message(self, *, QueueUrl: str, VisibilityTimeout: int, **_: object) -> dict[str, Any]:  # noqa: N803
        assert (QueueUrl, VisibilityTimeout) == ("dlq", 0)
        return {"Messages": [{"Attributes": {"SentTimestamp": str(int((NOW - 90) * 1000))}}]}


def recorded_of(stack: FakeStack) -> Recorded:
    recorded = Recorded("ours", "A test.", 10)
    Recorder(cast("Aws", stack), recorded, now=lambda: NOW).record(sleep=lambda _: None)
    return recorded


def test_a_stack_is_recorded_until_it_is_gone() -> None:
    recorded = recorded_of(FakeStack([], looks=3))
    assert recorded.values[Metric.of("AWS/SQS", DEPTH, {"QueueName": "FailedEventsQueue"})] == {100_000_000: [1, 1, 1]}


def test_the_age_of_what_lies_in_a_dlq_is_recorded_and_source_queues_are_left_alone() -> None:
    recorded = recorded_of(FakeStack([]))
    ages = {dict(metric.dimensions)["QueueName"] for metric in recorded.values if "Age" in metric.name}
    assert ages == {"FailedEventsQueue"}
    age = Metric.of("AWS/SQS", "ApproximateAgeOfOldestMessage", {"QueueName": "FailedEventsQueue"})
    assert recorded.series(age, "Maximum") == [90]


def test_what_lambda_reports_and_what_a_log_weighs_is_recorded() -> None:
    report = "REPORT RequestId: 1\tDuration: 12.5 ms\tBilled Duration: 13 ms"
    recorded = recorded_of(FakeStack([report, "x"]))
    function = {"FunctionName": "CompanyPlanChangedFunction"}
    assert recorded.series(Metric.of("AWS/Lambda", "Invocations", function), "Sum") == [1]
    assert recorded.series(Metric.of("AWS/Lambda", "Duration", function), "Sum") == [12.5]
    group = {"LogGroupName": "CompanyPlanChangedLogGroup"}
    assert recorded.series(Metric.of("AWS/Logs", "IncomingBytes", group), "Sum") == [len(report) + 26 + 1 + 26]
