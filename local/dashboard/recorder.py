"""Records the metrics that CloudWatch would have of a local stack, as far as the emulator can tell them.

The functions' own metrics come from their logs, as in CloudWatch, and those of Lambda from its report of each
invocation. The depth of the queues and the age of the messages in the DLQs are read from SQS. Metrics that the emulator
does not know are left out: the age of the oldest message of a source queue, and the counts of SQS and DynamoDB.
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
from local.dashboard.recording import Metric, Recording

if TYPE_CHECKING:
    from mypy_boto3_logs.type_defs import FilteredLogEventTypeDef

TICK_SECONDS: Final = 2.0
EVENT_BYTES: Final = 26
"""CloudWatch Logs adds these to the text of each event. https://aws.amazon.com/cloudwatch/pricing/"""
_REPORT: Final = re.compile(r"^REPORT RequestId: .*\tDuration: ([\d.]+) ms")
_DEPTHS: Final = {
    "ApproximateNumberOfMessages": "ApproximateNumberOfMessagesVisible",
    "ApproximateNumberOfMessagesNotVisible": "ApproximateNumberOfMessagesNotVisible",
}
"""Attributes of SQS, and their names in CloudWatch."""


class Recorder:
    """Records one stack. Its metrics are read every ``TICK_SECONDS``."""

    def __init__(self, aws: Aws, recording: Recording, *, now: Callable[[], float] = time.time) -> None:
        self._sqs = aws.sqs
        self._recording = recording
        self._now = now
        pages = aws.cloudformation.get_paginator("list_stack_resources").paginate(StackName=recording.stack)
        resources = [each for page in pages for each in page["StackResourceSummaries"]]
        names: dict[str, dict[str, str]] = {}
        for each in resources:
            names.setdefault(each["ResourceType"], {})[each["PhysicalResourceId"]] = each["LogicalResourceId"]
        self._queues: Mapping[str, str] = names["AWS::SQS::Queue"]
        self._groups: Mapping[str, str] = names["AWS::Logs::LogGroup"]
        self._new_events = NewEvents(aws.logs, list(self._groups))

    def record(self, *, sleep: Callable[[float], None] = time.sleep) -> None:
        """Record until the stack does not answer any more, or until Ctrl-C."""
        try:
            while True:
                self._read()
                sleep(TICK_SECONDS)
        except (BotoCoreError, ClientError, KeyboardInterrupt):
            return

    def _read(self) -> None:
        self._read_logs()
        self._read_queues()

    def _read_logs(self) -> None:
        sizes: Counter[str] = Counter()
        for group, event in self._new_events.read():
            sizes[self._groups[group]] += len(event["message"].encode()) + EVENT_BYTES
            self._note_line(self._groups[group], event)
        for group, size in sizes.items():
            self._note("AWS/Logs", "IncomingBytes", {"LogGroupName": group}, size)

    def _read_queues(self) -> None:
        for url, name in self._queues.items():
            attributes = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
            values = {str(attribute): value for attribute, value in attributes.items()}
            for attribute, metric in _DEPTHS.items():
                self._note("AWS/SQS", metric, {"QueueName": name}, float(values[attribute]))
            if "RedrivePolicy" not in values:
                self._note("AWS/SQS", "ApproximateAgeOfOldestMessage", {"QueueName": name}, self._age(url))

    def _age(self, dlq: str) -> float:
        """Return the age of the oldest of the first ten messages, in seconds. They stay visible.

        The emulator keeps the messages of a queue in order.
        """
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
            self._recording.note(Metric.of("AWS/Lambda", "Invocations", function), at, 1)
            self._recording.note(Metric.of("AWS/Lambda", "Duration", function), at, float(report[1]))
        for metric, at_seconds, values in embedded(text):
            self._recording.note(metric, at_seconds, *values)

    def _note(self, namespace: str, name: str, dimensions: Mapping[str, str], value: float) -> None:
        self._recording.note(Metric.of(namespace, name, dimensions), self._now(), value)


def embedded(line: str) -> Iterator[tuple[Metric, float, list[float]]]:
    """Yield the metrics of a log line in CloudWatch's embedded metric format, each with its Unix time and values."""
    if not line.startswith('{"_aws"'):
        return
    fields = json.loads(line)
    for directive in fields["_aws"]["CloudWatchMetrics"]:
        for dimensions in directive["Dimensions"]:
            values = {name: fields[name] for name in dimensions}
            for definition in directive["Metrics"]:
                metric = Metric.of(directive["Namespace"], definition["Name"], values)
                yield metric, fields["_aws"]["Timestamp"] / 1000, fields[definition["Name"]]
