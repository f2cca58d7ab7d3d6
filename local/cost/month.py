"""What a stack costs in a month, row by row."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from local import prices
from local.bench.estimates import DAYS_OF_A_MONTH, RunEstimate, estimate_run
from local.cost import usage
from local.cost.stack import IdleStack
from local.prices import GIGABYTE, HOURS_OF_A_MONTH, MILLION

CALLS_A_MINUTE: Final = 300
"""ReconcileCallsPerMinute of template.yaml."""
STORED_MONTHS: Final = 3
"""LogRetentionDays of template.yaml."""
SECONDS_OF_A_MONTH: Final = HOURS_OF_A_MONTH * 3600


@dataclass(frozen=True)
class Month:
    """A month of a stack with so many companies. Money is in USD; each row is the most that the assumptions allow."""

    companies: int
    stack: IdleStack

    @property
    def events(self) -> int:
        """The live events of the month."""
        return usage.EVENTS_A_COMPANY * self.companies

    @property
    def rows(self) -> Mapping[str, float]:
        """What the stack costs with every parameter at its default but AlarmEmail."""
        return {
            "alarms": self.alarms,
            "dashboard, and its queries of the logs": self.dashboard,
            "custom metrics": self.metrics,
            "Lambda, for events": self.lambda_for_events,
            "reconciliation runs": self.run.usd_a_month,
            "SQS": self.sqs,
            "EventBridge": self.events * usage.APPLIED.bus_events * prices.EVENTBRIDGE_EVENTS / MILLION,
            "DynamoDB": self.dynamodb,
            "logs": self.logs,
            "secret": self.secret,
        }

    @property
    def options(self) -> Mapping[str, float]:
        """What parameters add to that."""
        return {"DetailedMetrics": self.detailed_metrics, "KmsKeyArn": self.key}

    @property
    def total(self) -> float:
        """The sum of the rows, without options."""
        return sum(self.rows.values())

    @property
    def watching(self) -> float:
        """What watching the stack costs: alarms, dashboard and custom metrics."""
        return self.alarms + self.dashboard + self.metrics

    @property
    def alarms(self) -> float:
        """By the metrics that they read, and by the composite alarms."""
        return (
            self.stack.alarm_metrics * prices.CLOUDWATCH_ALARM_METRIC
            + self.stack.composite_alarms * prices.CLOUDWATCH_COMPOSITE_ALARM
        )

    @property
    def dashboard(self) -> float:
        """With its three queries of the logs: two read those of the events, one those of the runs."""
        by_events = 2 * self.events * usage.APPLIED.logged_bytes
        by_runs = self.run.runs_a_month * self.companies * usage.RUN.logged_bytes
        read = usage.LOOKS * (by_events + by_runs) / DAYS_OF_A_MONTH / GIGABYTE
        return self.stack.dashboards * prices.CLOUDWATCH_DASHBOARD + read * prices.CLOUDWATCH_SCANNED_GB

    @property
    def metrics(self) -> float:
        """Of an event, each metric is charged for one hour, and no metric for more hours than the month has."""
        by_outcome = _hours(self.events, usage.OUTCOMES)
        of_calls = (usage.APPLIED.metrics - 1) * _hours(self.events)
        failures = _hours(usage.FAILING_SHARE * self.events, usage.FAILURE_REASONS)
        by_night = 3 * self.run_hours + usage.PLANS * self.run.runs_a_month
        return _usd(by_outcome + of_calls + failures + by_night)

    @property
    def detailed_metrics(self) -> float:
        """What ``DetailedMetrics`` adds: events by plan and by function, drift by data type."""
        by_plan = _hours(self.events, usage.OUTCOMES * (usage.PLANS + 1))
        by_function = _hours(self.events, usage.OUTCOMES * usage.CONSUMERS)
        return _usd(by_plan + by_function + usage.DRIFTING_TYPES * self.run_hours)

    @property
    def lambda_for_events(self) -> float:
        """One invocation for each event: the batches of a burst make it cheaper."""
        requests = self.events * prices.LAMBDA_REQUESTS / MILLION
        return self.events * usage.EVENT_GB_SECONDS * prices.LAMBDA_GB_SECOND + requests

    @property
    def run(self) -> RunEstimate:
        """A reconciliation run, and a month of them."""
        return estimate_run(usage.RUN, self.companies, CALLS_A_MINUTE)

    @property
    def run_hours(self) -> float:
        """The hours of the month in which a run writes metrics: of each run, one has begun."""
        return min(HOURS_OF_A_MONTH, (self.run.hours + 1) * self.run.runs_a_month)

    @property
    def sqs(self) -> float:
        """Mostly of Lambda's polling, whether or not there are events."""
        polls = self.stack.polled_queues * usage.POLLERS * SECONDS_OF_A_MONTH / usage.POLL_SECONDS
        return (self.events * usage.APPLIED.sqs_requests + polls) * prices.SQS_REQUESTS / MILLION

    @property
    def dynamodb(self) -> float:
        """Reads, writes, storage and backup; those of the runs are in theirs."""
        writes = self.events * usage.APPLIED.dynamodb_writes * prices.DYNAMODB_WRITE_UNITS / MILLION
        reads = self.events * usage.APPLIED.dynamodb_reads * prices.DYNAMODB_READ_UNITS / MILLION
        return writes + reads + self.companies * usage.RECORD_BYTES / GIGABYTE * prices.DYNAMODB_GB

    @property
    def logs(self) -> float:
        """Ingested, and stored without their compression."""
        gigabytes = self.events * usage.APPLIED.logged_bytes / GIGABYTE
        return gigabytes * (prices.CLOUDWATCH_LOGS_GB + STORED_MONTHS * prices.CLOUDWATCH_STORED_GB)

    @property
    def secret(self) -> float:
        """With its reads: one of each event at first, and one of each process every few minutes later."""
        by_time = usage.PROCESSES * SECONDS_OF_A_MONTH / usage.API_KEY_SECONDS
        reads = min(self.events * usage.APPLIED.secret_reads, by_time)
        return prices.SECRET + reads * prices.SECRET_READS / MILLION

    @property
    def key(self) -> float:
        """One customer-managed key. SQS asks for two keys for each sender and one for each receiver of a queue."""
        periods = SECONDS_OF_A_MONTH / usage.KEY_SECONDS
        queues = (2 * self.stack.queues + self.stack.polled_queues) * periods
        table = self.stack.tables * usage.PROCESSES * periods
        bus = self.events * usage.APPLIED.bus_events * usage.KEY_REQUESTS_A_BUS_EVENT
        return prices.KMS_KEY + (queues + table + bus) * prices.KMS_REQUESTS / MILLION


def _hours(occurrences: float, different: int = 1) -> float:
    """Return the metric-hours of what is written so often, as one of so many ``different`` metrics each time."""
    return min(occurrences, different * HOURS_OF_A_MONTH)


def _usd(metric_hours: float) -> float:
    return metric_hours * prices.CLOUDWATCH_METRIC / HOURS_OF_A_MONTH
