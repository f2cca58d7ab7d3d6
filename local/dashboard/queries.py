"""Answers the queries of widgets from a recording: the part of CloudWatch's metric math that the template uses.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
"""

import ast
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from local.dashboard.recording import Metric, Recording, Values

_OPERATORS: Final[Mapping[type[ast.operator], Callable[[float, float], float]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_SCHEMA: Final = re.compile(r'\{"([^"]+)",([\w,]+)\} (.*)')
_TERM: Final = re.compile(r'(\w+)="([^"]*)"')


class UnknownQuery(ValueError):
    """The template uses a part of CloudWatch's metric math that is not implemented here."""


@dataclass(frozen=True)
class Series:
    """One line of a graph."""

    label: str
    values: Values
    identity: str = ""
    """The id by which expressions refer to it."""

    @property
    def is_recorded(self) -> bool:
        return any(value is not None for value in self.values)


def series_of(properties: Mapping[str, Any], recording: Recording) -> list[Series]:
    """Return the lines that a metric widget shows, in its order. The period is that of the recording."""
    query = _Query(properties, recording)
    return [series for entry in properties["metrics"] for series in query.answer(entry)]


class _Query:
    def __init__(self, properties: Mapping[str, Any], recording: Recording) -> None:
        self._recording = recording
        self._stat = properties.get("stat", "Average")
        named = [entry for entry in properties["metrics"] if "expression" not in entry[0]]
        self._named = [each for each in map(self._metric, named) if each.identity]

    def answer(self, entry: list[Any]) -> list[Series]:
        if isinstance(entry[0], dict):
            label = entry[0]["label"]
            found = self._evaluate(ast.parse(entry[0]["expression"], mode="eval").body, label)
            # With an empty label, each line keeps its own. Source: https://docs.aws.amazon.com/cdk/api/v2/
            return [replace(each, label=label or each.label) for each in found] if "${" not in label else found
        series = self._metric(entry)
        return [series] if _options(entry).get("visible", True) else []

    def _metric(self, entry: list[Any]) -> Series:
        options = _options(entry)
        names = [each for each in entry if isinstance(each, str)]
        metric = Metric.of(names[0], names[1], dict(zip(names[2::2], names[3::2], strict=True)))
        values = self._recording.series(metric, options.get("stat", self._stat))
        return Series(options.get("label", metric.name), values, options.get("id", ""))

    def _evaluate(self, node: ast.expr, label: str) -> list[Series]:
        match node:
            case ast.Constant(value=int() | float() as number):
                return [Series(str(number), [float(number)] * len(self._recording.buckets))]
            case ast.Name(id=identity):
                return [each for each in self._named if each.identity == identity]
            case ast.BinOp(left=left, op=op, right=right):
                return _combined(_OPERATORS[type(op)], self._evaluate(left, label), self._evaluate(right, label))
            case ast.Call(func=ast.Name(id="METRICS"), args=[ast.Constant(value=str() as part)]):
                return [each for each in self._named if part in each.identity]
            case ast.Call(func=ast.Name(id="SUM"), args=[several]):
                return [_sum(self._evaluate(several, label))]
            case ast.Call(
                func=ast.Name(id="SEARCH"), args=[ast.Constant(value=str() as query), ast.Constant(value=str() as stat)]
            ):
                return self._search(query, stat, label)
            case _:
                raise UnknownQuery(ast.unparse(node))

    def _search(self, query: str, stat: str, label: str) -> list[Series]:
        schema = _SCHEMA.fullmatch(query)
        if schema is None or _TERM.sub("", schema[3]).strip():
            raise UnknownQuery(query)
        found = self._recording.matching(schema[1], schema[2].split(","), dict(_TERM.findall(schema[3])))
        return [Series(_labelled(label, each), self._recording.series(each, stat)) for each in found]


def _options(entry: list[Any]) -> dict[str, Any]:
    return entry[-1] if isinstance(entry[-1], dict) else {}


def _labelled(label: str, metric: Metric) -> str:
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/graph-dynamic-labels.html
    dimensions = dict(metric.dimensions)
    return re.sub(r"\$\{PROP\('Dim\.(\w+)'\)\}", lambda found: dimensions[found[1]], label)


def _combined(operation: Callable[[float, float], float], left: list[Series], right: list[Series]) -> list[Series]:
    """Apply the operation bucket by bucket. One side may have several lines, the other has one."""
    pairs = [(one, other) for one in left for other in right]
    if len(pairs) not in {len(left), len(right)}:
        raise UnknownQuery("an operation on several lines and several others")
    return [
        replace(
            one if len(right) == 1 else other,
            values=[
                operation(a, b) if a is not None and b is not None else None
                for a, b in zip(one.values, other.values, strict=True)
            ],
        )
        for one, other in pairs
    ]


def _sum(several: list[Series]) -> Series:
    columns = zip(*(each.values for each in several), strict=True)
    known = [[value for value in column if value is not None] for column in columns]
    return Series("SUM", [sum(values) if values else None for values in known])
