"""The metrics of one run of a stack, in one small file."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from statistics import fmean
from typing import Any, Final, Self

FILE: Final = Path(__file__).parent / "recorded_metrics.json"

Values = list[float | None]
"""One value for each bucket of a recording. None means that the bucket has no value."""


@dataclass(frozen=True)
class Metric:
    """A metric of CloudWatch. Its dimensions name resources by their logical ids in template.yaml."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, namespace: str, name: str, dimensions: Mapping[str, str]) -> Self:
        return cls(namespace, name, tuple(sorted(dimensions.items())))


@dataclass
class Recording:
    """All values of a run, by metric and by bucket of ``bucket_seconds``. ``about`` says what the stack did."""

    stack: str
    about: str
    bucket_seconds: int
    values: dict[Metric, dict[int, list[float]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))

    def note(self, metric: Metric, at_seconds: float, *values: float) -> None:
        """Add values. ``at_seconds`` is Unix time."""
        self.values[metric][int(at_seconds // self.bucket_seconds)] += values

    @property
    def buckets(self) -> range:
        """The numbers of the buckets, from the first with a value to the last."""
        numbers = [number for by_bucket in self.values.values() for number in by_bucket]
        return range(min(numbers), max(numbers) + 1) if numbers else range(0)

    def series(self, metric: Metric, stat: str) -> Values:
        """Return a statistic of a metric: Sum, Average, Minimum, Maximum, SampleCount or a percentile such as p50."""
        by_bucket = self.values.get(metric, {})
        return [_statistic(stat)(by_bucket[each]) if by_bucket.get(each) else None for each in self.buckets]

    def matching(self, namespace: str, dimensions: Sequence[str], terms: Mapping[str, str]) -> Iterator[Metric]:
        """Yield, in order, the metrics with exactly these dimensions that match all terms. MetricName may be a term."""
        for metric in sorted(self.values, key=lambda each: (each.name, each.dimensions)):
            has = dict(metric.dimensions)
            is_in_schema = metric.namespace == namespace and has.keys() == set(dimensions)
            if is_in_schema and terms.items() <= (has | {"MetricName": metric.name}).items():
                yield metric

    def write(self, file: Path = FILE) -> None:
        first = self.buckets.start
        metrics = [
            {
                "namespace": metric.namespace,
                "name": metric.name,
                "dimensions": dict(metric.dimensions),
                "values": {
                    str(number - first): [_short(each) for each in by_bucket[number]] for number in sorted(by_bucket)
                },
            }
            for metric, by_bucket in sorted(self.values.items(), key=lambda each: str(each[0]))
        ]
        head = {"stack": self.stack, "about": self.about, "bucketSeconds": self.bucket_seconds}
        lines = ",\n".join(json.dumps(each, separators=(",", ":")) for each in metrics)
        file.write_text(json.dumps(head)[:-1] + f', "metrics": [\n{lines}\n]}}\n', encoding="utf-8")

    @classmethod
    def read(cls, file: Path = FILE) -> Self:
        content: dict[str, Any] = json.loads(file.read_text("utf-8"))
        recording = cls(content["stack"], content["about"], content["bucketSeconds"])
        for each in content["metrics"]:
            metric = Metric.of(each["namespace"], each["name"], each["dimensions"])
            for number, values in each["values"].items():
                recording.values[metric][int(number)] += values
        return recording


def _short(value: float) -> float:
    """Return 1 for 1.0."""
    return int(value) if value == int(value) else value


def _statistic(name: str) -> Callable[[list[float]], float]:
    if name.startswith("p"):
        share = float(name[1:]) / 100
        return lambda values: sorted(values)[ceil(share * len(values)) - 1]
    return _STATISTICS[name]


_STATISTICS: Final[Mapping[str, Callable[[list[float]], float]]] = {
    "Sum": sum,
    "Average": fmean,
    "Minimum": min,
    "Maximum": max,
    "SampleCount": len,
}
