"""Logs and metrics. No traces: every log line of an event carries its id as correlation_id.

Both are written to standard output as JSON, so that no network is involved. Metrics are in CloudWatch's embedded
metric format; POWERTOOLS_METRICS_NAMESPACE names their namespace, the stack's.

CloudWatch charges for each combination of a metric's name and the values of its dimensions, by the hour in which it was
written. So what has many combinations is a field of the line, which Logs Insights finds, and a metric only where
DETAILED_METRICS is ``true``. https://aws.amazon.com/cloudwatch/pricing/
"""

import json
import os
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from functools import cache
from threading import Lock
from typing import Final

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from codat_sync import __version__
from codat_sync.codat.client import Answer
from codat_sync.codat.rate_limits import RateLimit

NO_PLAN: Final = "none"
NO_ANSWER: Final = "no_answer"
NOT_CODAT: Final = "not_codat"
MANY_ANSWERS: Final = 50
"""Half of the values that one line may hold of a metric, so that values that other threads add meanwhile fit too.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html"""


@cache
def logger() -> Logger:
    """Return the one logger of the process. Each line has ``service`` (POWERTOOLS_SERVICE_NAME) and ``version``.

    And ``timestamp``, in UTC as RFC 3339 writes it.
    """
    return Logger(utc=True, use_rfc3339=True, version=__version__)


def count_outcomes(outcomes: Iterable[tuple[StrEnum, str | None]], reasons: Iterable[str]) -> None:
    """Write ``Events`` by outcome and ``Failures`` by reason, for a batch.

    In detail also ``Events`` by outcome and plan, and a metric for each outcome, by function.
    """
    by_plan = Counter((outcome, plan or NO_PLAN) for outcome, plan in outcomes)
    by_outcome: Counter[StrEnum] = Counter()
    for (outcome, plan), count in by_plan.items():
        by_outcome[outcome] += count
        _write_one("Events", MetricUnit.Count, count, {"outcome": outcome.value}, detail={"plan": plan})
    for reason, count in Counter(reasons).items():
        _count("Failures", count, reason=reason)
    if _in_detail():
        _count_by_function({outcome.value.title().replace("_", ""): count for outcome, count in by_outcome.items()})


def count_lost_announcements(count: int) -> None:
    """Write how many announcements may never have reached the event bus: ``AnnouncementsLost``, by function."""
    _count_by_function({"AnnouncementsLost": count})


def count_reconciled(checked: int, drifted: int, keep_drifting: int, by_data_type: Mapping[str, int]) -> None:
    """Write the findings of a page: ``CompaniesChecked``, ``CompaniesDrifted``, ``CompaniesKeepDrifting``.

    And, in detail, ``Drift`` by data type: how many of the companies differ in it.
    """
    _count_by_function(
        {"CompaniesChecked": checked, "CompaniesDrifted": drifted, "CompaniesKeepDrifting": keep_drifting}
    )
    for data_type, count in by_data_type.items():
        _write_one("Drift", MetricUnit.Count, count, {}, detail={"dataType": data_type})


def count_redrive(moved: Mapping[str, int], refused: Iterable[str]) -> None:
    """Write how many parked events went back to their queues, ``Redriven``, and which kinds a probe found unpaid.

    The latter is ``RedriveRefused``, 1 for each kind; both by reason.
    """
    for name, counts in (("Redriven", moved), ("RedriveRefused", dict.fromkeys(refused, 1))):
        for reason, count in counts.items():
            _count(name, count, reason=reason)


def count_presets_unusable(reason: str) -> None:
    """Write that AppConfig had no usable presets: ``PresetsUnusable``, by reason."""
    _count("PresetsUnusable", 1, reason=reason)


def count_pause(reason: str, seconds: float) -> None:
    """Write how long a pause lasts, ``PauseSeconds`` by reason: once for each pause that begins."""
    _write_one("PauseSeconds", MetricUnit.Seconds, seconds, {"reason": reason})


def count_companies(by_plan: Mapping[str, int]) -> None:
    """Write how many companies have each plan, ``CompaniesByPlan``, of all companies in one run."""
    for plan, count in by_plan.items():
        _count("CompaniesByPlan", count, plan=plan)


class CodatCalls:
    """Metrics of Codat's answers. Safe to share between threads.

    They are gathered, since CloudWatch charges by the byte: the twenty calls of a batch are three lines and 0.9 KB,
    where a line for each would be 11 KB.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._answers: list[Answer] = []

    def note(self, answer: Answer) -> None:
        """Note an answer. It is written by ``write``, or once there are many, so that a long run shows meanwhile."""
        with self._lock:
            self._answers.append(answer)
            full = len(self._answers) >= MANY_ANSWERS
        if full:
            self.write()

    def write(self) -> None:
        """Write ``CodatCalls`` by status and ``CodatLatency`` of what was noted, and the newest quota.

        The latter is ``CodatQuotaRemaining`` and ``CodatQuotaLimit``. These and the latency have the service ``codat``,
        whichever function called it. An answer that is not Codat's has the status ``not_codat``, and no latency.
        """
        with self._lock:
            answers, self._answers = self._answers, []
        statuses = Counter(_status_of(each) for each in answers)
        for status, count in statuses.items():
            _count("CodatCalls", count, status=status)
        _write_codat([each for each in answers if each.status is not None and each.is_codats])


def _status_of(answer: Answer) -> str:
    if not answer.is_codats:
        return NOT_CODAT
    return NO_ANSWER if answer.status is None else str(answer.status)


def _write_codat(answers: Sequence[Answer]) -> None:
    metrics = EphemeralMetrics(service="codat")
    for each in answers:
        metrics.add_metric("CodatLatency", MetricUnit.Milliseconds, round(each.seconds * 1000))
    newest = answers[-1].rate_limit if answers else RateLimit()
    for name, value in {"CodatQuotaRemaining": newest.remaining, "CodatQuotaLimit": newest.limit}.items():
        if value is not None:
            metrics.add_metric(name, MetricUnit.Count, value)
    _write(metrics)


def _count_by_function(counts: Mapping[str, int]) -> None:
    """Write counts with the dimension ``service``, which POWERTOOLS_SERVICE_NAME names."""
    metrics = EphemeralMetrics()
    for name, count in counts.items():
        metrics.add_metric(name, MetricUnit.Count, count)
    _write(metrics)


def _count(name: str, count: int, **dimensions: str) -> None:
    _write_one(name, MetricUnit.Count, count, dimensions)


def _write_one(
    name: str, unit: MetricUnit, value: float, dimensions: Mapping[str, str], *, detail: Mapping[str, str] | None = None
) -> None:
    """Write one value with these dimensions alone. With the function's name, an alarm on all functions misses it.

    ``detail`` is in the line in any case. If the stack has metrics in detail, it makes another metric, or the only one.
    """
    escaped = {dimension: _ascii(text) for dimension, text in dimensions.items()}
    details = {field: _ascii(text) for field, text in (detail or {}).items()}
    if not escaped and not _in_detail():
        _write_line({**details, name: [value]})
        return
    metrics = EphemeralMetrics()
    metrics.service = ""  # Or Powertools adds it.
    metrics.add_metric(name, unit, value)
    for dimension, text in (escaped or details).items():
        metrics.add_dimension(dimension, text)
    if escaped and details and _in_detail():
        metrics.add_dimensions(**escaped, **details)
    for field, text in details.items():
        metrics.add_metadata(field, text)
    _write(metrics)


def _in_detail() -> bool:
    """Tell whether the stack pays for metrics by plan, data type and function: the parameter DetailedMetrics."""
    return os.environ.get("DETAILED_METRICS") == "true"


def _ascii(value: str) -> str:
    """Escape what CloudWatch refuses in a dimension: all but ASCII. Names of plans may have more.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_Dimension.html
    """
    return value.encode("ascii", "backslashreplace").decode("ascii")


def _write(metrics: EphemeralMetrics) -> None:
    if metrics.metric_set:
        _write_line(metrics.serialize_metric_set())


def _write_line(fields: Mapping[str, object]) -> None:
    """Write a line at once: print() writes it and its end apart, and another thread's line may come between."""
    sys.stdout.write(json.dumps(fields, separators=(",", ":")) + "\n")
