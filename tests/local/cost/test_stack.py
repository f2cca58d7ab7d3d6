"""The parts of an idle stack are counted as AWS counts them."""

from pathlib import Path

import pytest

from local.cost.stack import IdleStack

TEMPLATE = """
Resources:
  Plain: {Type: AWS::CloudWatch::Alarm, Properties: {MetricName: A}}
  Math:
    Type: AWS::CloudWatch::Alarm
    Properties:
      Metrics: [{Id: sum, Expression: a + b}, {Id: a, MetricStat: {}}, {Id: b, MetricStat: {}}]
  Optional: {Type: AWS::CloudWatch::Alarm, Condition: HasQuietHours, Properties: {MetricName: A}}
  Composite: {Type: AWS::CloudWatch::CompositeAlarm, Condition: HasAlarmRecipient, Properties: {}}
  Queue: {Type: AWS::SQS::Queue, Properties: {}}
  Dlq: {Type: AWS::SQS::Queue, Properties: {}}
  Polling: {Type: AWS::Serverless::Function, Properties: {Events: {Queue: {Type: SQS}}}}
  Invoked: {Type: AWS::Serverless::Function, Properties: {}}
"""


@pytest.fixture
def stack(tmp_path: Path) -> IdleStack:
    path = tmp_path / "template.yaml"
    path.write_text(TEMPLATE, "utf-8")
    return IdleStack.of_template(path)


def test_an_alarm_counts_for_each_metric_that_it_reads(stack: IdleStack) -> None:
    assert stack.alarm_metrics == 1 + 2


def test_a_resource_counts_if_its_condition_holds_by_default(stack: IdleStack) -> None:
    assert (stack.composite_alarms, stack.dashboards) == (1, 0)


def test_only_queues_of_functions_are_polled(stack: IdleStack) -> None:
    assert (stack.queues, stack.polled_queues) == (2, 1)
