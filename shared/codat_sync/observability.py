"""Logs and metrics. No traces: the event id, which every line carries as correlation_id, ties an event together.

Both speak to standard output, in JSON, so that nothing here can fail for want of a network.
"""

from collections import Counter
from collections.abc import Iterable
from functools import cache
from typing import Final

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit, single_metric

from codat_sync.triage import Outcome

NAMESPACE: Final = "CodatSync"
"""Of every metric."""
NO_PLAN: Final = "none"


@cache
def logger() -> Logger:
    """The one logger of the process; POWERTOOLS_SERVICE_NAME names the function."""
    return Logger(utc=True)


def count_outcomes(outcomes: Iterable[tuple[Outcome, str | None]], reasons: Iterable[str]) -> None:
    """Write one metric for each outcome, ``Events`` by outcome and plan, and ``Failures`` by reason, for a batch.

    In CloudWatch's embedded metric format.
    """
    by_plan = Counter((outcome, plan or NO_PLAN) for outcome, plan in outcomes)
    by_outcome: Counter[Outcome] = Counter()
    for (outcome, plan), count in by_plan.items():
        by_outcome[outcome] += count
        with single_metric(name="Events", unit=MetricUnit.Count, value=count, namespace=NAMESPACE) as metric:
            metric.add_dimension("outcome", outcome.value)
            metric.add_dimension("plan", plan)
    for reason, count in Counter(reasons).items():
        with single_metric(name="Failures", unit=MetricUnit.Count, value=count, namespace=NAMESPACE) as metric:
            metric.add_dimension("reason", reason)
    metrics = Metrics(namespace=NAMESPACE)
    for outcome, count in by_outcome.items():
        metrics.add_metric(name=outcome.value.title().replace("_", ""), unit=MetricUnit.Count, value=count)
    metrics.flush_metrics()


def count_pause(reason: str) -> None:
    """Write that calls to Codat were paused, by reason."""
    with single_metric(name="PausesBegun", unit=MetricUnit.Count, value=1, namespace=NAMESPACE) as metric:
        metric.add_dimension("reason", reason)
