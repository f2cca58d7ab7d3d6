"""Each row is the product of what is used and of its price, and agrees with the template and the functions."""

from pathlib import Path
from typing import Any

import pytest
from cfnlint.decode import cfn_yaml

from local.cost import month, usage
from local.cost.month import Month
from local.cost.stack import IdleStack

TEMPLATE: dict[str, Any] = cfn_yaml.load(str(Path(__file__).parents[3] / "template.yaml"))
STACK = IdleStack(alarm_metrics=30, composite_alarms=1, dashboards=1, queues=8, polled_queues=5, tables=1)
SMALL, LARGE = Month(1_000, STACK), Month(1_000_000, STACK)
HOURS = 730


def test_alarms_are_charged_by_the_metrics_that_they_read() -> None:
    assert SMALL.alarms == pytest.approx(30 * 0.10 + 0.50)


def test_a_metric_is_charged_for_the_hours_in_which_it_is_written() -> None:
    """Of 2,000 events, each makes one hour of a metric by outcome; five metrics of calls are there in any hour."""
    by_night = 3 * SMALL.run_hours + usage.PLANS * 30
    assert SMALL.metrics == pytest.approx((2_000 + 5 * HOURS + 100 + by_night) * 0.30 / HOURS)


def test_no_metric_is_charged_for_more_hours_than_the_month_has() -> None:
    most = usage.OUTCOMES + 5 + usage.FAILURE_REASONS + 3 + usage.PLANS
    assert LARGE.metrics < most * 0.30
    assert LARGE.detailed_metrics <= (usage.OUTCOMES * (5 + 3) + usage.DRIFTING_TYPES) * 0.30


def test_a_short_run_writes_its_metrics_in_two_hours_at_most() -> None:
    assert 30 < SMALL.run_hours < 2 * 30
    assert LARGE.run_hours == HOURS


def test_a_queue_costs_its_polls_and_three_requests_for_each_event() -> None:
    polls = 5 * 5 * 3 * 60 * HOURS
    assert SMALL.sqs == pytest.approx((polls + 3 * 2_000) * 0.40 / 1e6)


def test_events_are_paid_for_on_the_bus_in_the_table_in_lambda_and_in_the_logs() -> None:
    assert LARGE.rows["EventBridge"] == pytest.approx(2 * 2 * 1.00)
    assert LARGE.dynamodb == pytest.approx(2 * 2 * 0.625 + 2 * 2 * 0.125 + 0.45 * 0.45)
    assert LARGE.lambda_for_events == pytest.approx(2e6 * 0.3 * 0.0000133334 + 2 * 0.20)
    assert LARGE.logs == pytest.approx(6 * (0.50 + 3 * 0.03))


def test_the_secret_is_read_once_for_each_event_until_the_processes_live_longer() -> None:
    assert SMALL.secret == pytest.approx(0.40 + 2_000 * 5 / 1e6)
    assert LARGE.secret == pytest.approx(0.40 + 4 * 12 * HOURS * 5 / 1e6)


def test_a_dashboard_costs_its_price_and_the_logs_that_it_reads() -> None:
    read = 100 / 30 * (2 * 2_000 * 3_000 + 30 * 1_000 * 28) / 1e9
    assert SMALL.dashboard == pytest.approx(3.00 + read * 0.005)


def test_a_key_costs_its_price_and_its_requests() -> None:
    periods = 12 * HOURS
    requests = (2 * 8 + 5) * periods + 4 * periods + 2 * 2 * 2_000
    assert SMALL.key == pytest.approx(1.00 + requests * 0.03 / 10_000)


def test_the_rows_are_summed_without_the_options() -> None:
    assert SMALL.total == pytest.approx(sum(SMALL.rows.values()))
    assert set(SMALL.options) <= set(TEMPLATE["Parameters"])


def test_to_watch_the_stack_costs_ten_dollars_at_most_for_a_thousand_companies() -> None:
    """Alarms, dashboard and custom metrics, with all parameters at their defaults but AlarmEmail."""
    assert Month(1_000, IdleStack.of_template()).watching <= 10


def test_the_assumptions_that_the_template_decides_are_those_of_the_template() -> None:
    parameters, resources = TEMPLATE["Parameters"], TEMPLATE["Resources"].values()
    queues = [each["Properties"] for each in resources if each["Type"] == "AWS::SQS::Queue"]
    assert parameters["ReconcileCallsPerMinute"]["Default"] == month.CALLS_A_MINUTE
    assert parameters["LogRetentionDays"]["Default"] == month.STORED_MONTHS * 30
    assert 2 * parameters["MaximumConcurrency"]["Default"] == usage.PROCESSES
    assert {each["ReceiveMessageWaitTimeSeconds"] for each in queues if "RedrivePolicy" in each} == {usage.POLL_SECONDS}
    assert TEMPLATE["Globals"]["Function"]["MemorySize"] == 512
    assert "KmsDataKeyReusePeriodSeconds" not in str(queues)  # So that it is SQS's default, KEY_SECONDS.
