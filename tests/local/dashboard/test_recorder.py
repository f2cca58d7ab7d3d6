"""A running stack is recorded as CloudWatch would see it."""

import json
from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore.exceptions import EndpointConnectionError

from local.aws.clients import Aws
from local.dashboard.recorder import Recorder, embedded
from local.dashboard.recording import Metric, Recording
from tests.local.dashboard.recordings import NOW

DEPTH = "ApproximateNumberOfMessagesVisible"


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
    """A stack with a source queue, a DLQ with one message, and the log of one function. It ends after some reads."""

    def __init__(self, messages: list[str], *, reads: int = 1) -> None:
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
        self._reads = reads

    @staticmethod
    def _paginating(page: dict[str, Any]) -> SimpleNamespace:
        return SimpleNamespace(get_paginator=lambda _: SimpleNamespace(paginate=lambda **_: [page]))

    def get_queue_attributes(self, *, QueueUrl: str, AttributeNames: list[str]) -> dict[str, Any]:  # noqa: N803
        assert AttributeNames == ["All"]
        if self._reads == 0:
            raise EndpointConnectionError(endpoint_url="gone")
        self._reads -= QueueUrl == "dlq"
        depth = {"ApproximateNumberOfMessages": "1", "ApproximateNumberOfMessagesNotVisible": "2"}
        return {"Attributes": depth | ({"RedrivePolicy": "{}"} if QueueUrl == "source" else {})}

    def receive_message(self, *, QueueUrl: str, VisibilityTimeout: int, **_: object) -> dict[str, Any]:  # noqa: N803
        assert (QueueUrl, VisibilityTimeout) == ("dlq", 0)
        return {"Messages": [{"Attributes": {"SentTimestamp": str(int((NOW - 90) * 1000))}}]}


def record(stack: FakeStack) -> Recording:
    recording = Recording("ours", "A test.", 10)
    Recorder(cast("Aws", stack), recording, now=lambda: NOW).record(sleep=lambda _: None)
    return recording


def test_a_stack_is_recorded_until_it_ends() -> None:
    recording = record(FakeStack([], reads=3))
    assert recording.values[Metric.of("AWS/SQS", DEPTH, {"QueueName": "FailedEventsQueue"})] == {100_000_000: [1, 1, 1]}


def test_the_age_of_messages_is_recorded_for_dlqs_and_not_for_source_queues() -> None:
    recording = record(FakeStack([]))
    ages = {dict(metric.dimensions)["QueueName"] for metric in recording.values if "Age" in metric.name}
    assert ages == {"FailedEventsQueue"}
    age = Metric.of("AWS/SQS", "ApproximateAgeOfOldestMessage", {"QueueName": "FailedEventsQueue"})
    assert recording.series(age, "Maximum") == [90]


def test_reports_of_lambda_and_the_size_of_logs_are_recorded() -> None:
    report = "REPORT RequestId: 1\tDuration: 12.5 ms\tBilled Duration: 13 ms"
    recording = record(FakeStack([report, "x"]))
    function = {"FunctionName": "CompanyPlanChangedFunction"}
    assert recording.series(Metric.of("AWS/Lambda", "Invocations", function), "Sum") == [1]
    assert recording.series(Metric.of("AWS/Lambda", "Duration", function), "Sum") == [12.5]
    group = {"LogGroupName": "CompanyPlanChangedLogGroup"}
    assert recording.series(Metric.of("AWS/Logs", "IncomingBytes", group), "Sum") == [len(report) + 26 + 1 + 26]
