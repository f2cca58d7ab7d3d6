"""Records what CloudWatch would know of a local stack, as far as the emulator says it.

Ours from the functions' logs, as CloudWatch takes them; Lambda's from the lines in which it reports each invocation;
the depth of the queues, and the age of what lies in the DLQs, by looking. What nobody says is not made up: the age of
the oldest message of a source queue, what SQS and DynamoDB count.
"""

import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from local.aws.clients import Aws
from local.aws.function_logs import NewEvents
from local.dashboard.recording import Metric, Recorded

if TYPE_CHECKING:
    from mypy_boto3_logs.type_defs import FilteredLogEventTypeDef

TICK_SECONDS: Final = 2.0
EVENT_BYTES: Final = 26
"""That CloudWatch Logs counts for each event beside its text: https://aws.amazon.com/cloudwatch/pricing/"""
_REPORT: Final = re.compile(r"^REPORT RequestId: .*\tDuration: ([\d.]+) ms")
_DEPTHS: Final = {
    "ApproximateNumberOfMessages": "ApproximateNumberOfMessagesVisible",
    "ApproximateNumberOfMessagesNotVisible": "ApproximateNumberOfMessagesNotVisible",
}
"""SQS's attributes, and CloudWatch's names for them."""


class Recorder:
    """Looks again and again at one stack."""

    def __init__(self, aws: Aws, recorded: Recorded, *, now: Callable[[], float] = time.time) -> None:
        self._sqs = aws.sqs
        self._recorded = recorded
        self._now = now
        pages = aws.cloudformation.get_paginator("list_stack_resources").paginate(StackName=recorded.stack)
        resources = [each for page in pages for each in page["StackResourceSummaries"]]
        names: dict[str, dict[str, str]] = {}
        for each in resources:
            names.setdefault(each["ResourceType"], {})[each["PhysicalResourceId"]] = each["LogicalResourceId"]
        self._queues: Mapping[str, str] = names["AWS::SQS::Queue"]
        self._groups: Mapping[str, str] = names["AWS::Logs::LogGroup"]
        self._new_events = NewEvents(aws.logs, list(self._groups))

    def record(self, *, sleep: Callable[[float], None] = time.sleep) -> None:
        """Until the stack is gone, or somebody interrupts."""
        try:
            while True:
                self.look()
                sleep(TICK_SECONDS)
        except (BotoCoreError, ClientError, KeyboardInterrupt):
            return

    def look(self) -> None:
        weights: Counter[str] = Counter()
        for group, event in self._new_events.read():
            weights[self._groups[group]] += len(event["message"].encode()) + EVENT_BYTES
            self._note_line(self._groups[group], event)
        for group, weight in weights.items():
            self._note("AWS/Logs", "IncomingBytes", {"LogGroupName": group}, weight)
        for url, name in self._queues.items():
            attributes = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
            said = {str(attribute): value for attribute, value in attributes.items()}
            for attribute, metric in _DEPTHS.items():
                self._note("AWS/SQS", metric, {"QueueName": name}, float(said[attribute]))
            if "RedrivePolicy" not in said:
                self._note("AWS/SQS", "ApproximateAgeOfOldestMessage", {"QueueName": name}, self._age(url))

    def _age(self, dlq: str) -> float:
        """Of the oldest of the first ten messages, which an emulator keeps in order. They stay visible."""
        seen = self._sqs.receive_message(
            QueueUrl=dlq, VisibilityTimeout=0, MaxNumberOfMessages=10, AttributeNames=["SentTimestamp"]
        ).get("Messages", [])
        sent = [int(each["Attributes"]["SentTimestamp"]) / 1000 for each in seen]
        return max(0.0, round(self._now() - min(sent))) if sent else 0.0

    def _note_line(self, group: str, event: "FilteredLogEventTypeDef") -> None:
        text, at = event["message"], event["timestamp"] / 1000
        report = _REPORT.match(text)
        if report:
            function = {"FunctionName": group.replace("LogGroup", "Function")}
            self._recorded.note(Metric.of("AWS/Lambda", "Invocations", function), at, 1)
            self._recorded.note(Metric.of("AWS/Lambda", "Duration", function), at, float(report[1]))
        for metric, at_seconds, values in embedded(text):
            self._recorded.note(metric, at_seconds, *values)

    def _note(self, namespace: str, name: str, dimensions: Mapping[str, str], value: float) -> None:
        self._recorded.note(Metric.of(namespace, name, dimensions), self._now(), value)


def embedded(line: str) -> Iterator[tuple[Metric, float, list[float]]]:
    """The metrics of a log line in CloudWatch's embedded metric format, when they were counted, and their values."""
    if not line.startswith('{"_aws"'):
        return
    said = json.loads(line)
    for directive in said["_aws"]["CloudWatchMetrics"]:
        for dimensions in directive["Dimensions"]:
            under = {name: said[name] for name in dimensions}
            for definition in directive["Metrics"]:
                metric = Metric.of(directive["Namespace"], definition["Name"], under)
                yield metric, said["_aws"]["Timestamp"] / 1000, said[definition["Name"]]
