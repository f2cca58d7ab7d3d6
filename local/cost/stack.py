"""Counts what a stack has that AWS charges for while it idles, in template.yaml."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from cfnlint.decode import cfn_yaml

TEMPLATE: Final = Path(__file__).parents[2] / "template.yaml"
CONDITIONS: Final = frozenset({"OwnEventBus", "HasAlarmRecipient", "OwnAlarmTopic"})
"""The conditions of the template that hold in a stack with AlarmEmail and all other parameters at their defaults."""


@dataclass(frozen=True)
class IdleStack:
    """The parts of one stack. ``alarm_metrics`` are the metrics that alarms read, one by one, as AWS counts them."""

    alarm_metrics: int
    composite_alarms: int
    dashboards: int
    queues: int
    polled_queues: int
    tables: int

    @classmethod
    def of_template(cls, path: Path = TEMPLATE) -> Self:
        """Count the resources of the template whose condition is one of ``CONDITIONS``, or that have none."""
        every = cfn_yaml.load(str(path))["Resources"].values()
        there = [each for each in every if each.get("Condition") is None or each["Condition"] in CONDITIONS]

        def of_type(kind: str) -> list[Mapping[str, Any]]:
            return [each["Properties"] for each in there if each["Type"] == kind]

        return cls(
            alarm_metrics=sum(map(_metrics, of_type("AWS::CloudWatch::Alarm"))),
            composite_alarms=len(of_type("AWS::CloudWatch::CompositeAlarm")),
            dashboards=len(of_type("AWS::CloudWatch::Dashboard")),
            queues=len(of_type("AWS::SQS::Queue")),
            polled_queues=sum(_queues(each) for each in of_type("AWS::Serverless::Function")),
            tables=len(of_type("AWS::DynamoDB::Table")),
        )


def _metrics(alarm: Mapping[str, Any]) -> int:
    return sum("MetricStat" in each for each in alarm.get("Metrics", [])) or 1


def _queues(function: Mapping[str, Any]) -> int:
    return sum(event["Type"] == "SQS" for event in function.get("Events", {}).values())
