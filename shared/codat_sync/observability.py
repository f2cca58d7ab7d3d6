"""Logs and metrics. No traces: the event id, which every line carries as correlation_id, ties an event together.

Both speak to standard output, in JSON, so that nothing here can fail for want of a network.
"""

from collections import Counter
from collections.abc import Iterable
from functools import cache

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit, single_metric

from codat_sync.triage import Outcome

NO_PLAN = "none"


@cache
def logger() -> Logger:
    """The one logger of the process; POWERTOOLS_SERVICE_NAME names the function."""
    return Logger(utc=True)


def count_outcomes(outcomes: Iterable[tuple[Outcome, str | None]]) -> None:
    """Write one metric for each outcome, and ``Events`` by outcome and plan, for a batch.

    As CloudWatch's embedded metric format, under the namespace of POWERTOOLS_METRICS_NAMESPACE.
    """
    by_plan = Counter((outcome, plan or NO_PLAN) for outcome, plan in outcomes)
    by_outcome: Counter[Outcome] = Counter()
    for (outcome, plan), count in by_plan.items():
        by_outcome[outcome] += count
        with single_metric(name="Events", unit=MetricUnit.Count, value=count) as metric:
            metric.add_dimension("outcome", outcome.value)
            metric.add_dimension("plan", plan)
    metrics = Metrics()
    for outcome, count in by_outcome.items():
        metrics.add_metric(name=outcome.value.title().replace("_", ""), unit=MetricUnit.Count, value=count)
    metrics.flush_metrics()
