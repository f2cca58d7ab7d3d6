"""What a widget asks of CloudWatch, answered from a record: the part of its language that the template speaks.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
"""

import ast
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from local.dashboard.recording import Metric, Recorded, Values

_OPERATORS: Final[Mapping[type[ast.operator], Callable[[float, float], float]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_SCHEMA: Final = re.compile(r'\{"([^"]+)",([\w,]+)\} (.*)')
_TERM: Final = re.compile(r'(\w+)="([^"]*)"')


class UnknownQuery(ValueError):
    """The template speaks more of CloudWatch's language than is understood here."""


@dataclass(frozen=True)
class Series:
    """One line of a graph."""

    label: str
    values: Values
    identity: str = ""
    """By which expressions know it."""

    @property
    def is_recorded(self) -> bool:
        return any(value is not None for value in self.values)


def lines(properties: Mapping[str, Any], recorded: Recorded) -> list[Series]:
    """What a metric widget shows, in the order in which it names it. Its period is that of the record."""
    answer = _Answer(properties, recorded)
    return [series for entry in properties["metrics"] for series in answer.to(entry)]


class _Answer:
    def __init__(self, properties: Mapping[str, Any], recorded: Recorded) -> None:
        self._recorded = recorded
        self._stat = properties.get("stat", "Average")
        named = [entry for entry in properties["metrics"] if "expression" not in entry[0]]
        self._named = [each for each in map(self._metric, named) if each.identity]

    def to(self, entry: list[Any]) -> list[Series]:
        if isinstance(entry[0], dict):
            label = entry[0]["label"]
            found = self._evaluate(ast.parse(entry[0]["expression"], mode="eval").body, label)
            # An empty label leaves each line its own; https://docs.aws.amazon.com/cdk/api/v2/ says so.
            return [replace(each, label=label or each.label) for each in found] if "${" not in label else found
        series = self._metric(entry)
        return [series] if _options(entry).get("visible", True) else []

    def _metric(self, entry: list[Any]) -> Series:
        options = _options(entry)
        names = [each for each in entry if isinstance(each, str)]
        metric = Metric.of(names[0], names[1], dict(zip(names[2::2], names[3::2], strict=True)))
        values = self._recorded.series(metric, options.get("stat", self._stat))
        return Series(options.get("label", metric.name), values, options.get("id", ""))

    def _evaluate(self, node: ast.expr, label: str) -> list[Series]:
        match node:
            case ast.Constant(value=int() | float() as number):
                return [Series(str(number), [float(number)] * len(self._recorded.buckets))]
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
        found = self._recorded.matching(schema[1], schema[2].split(","), dict(_TERM.findall(schema[3])))
        return [Series(_labelled(label, each), self._recorded.series(each, stat)) for each in found]


def _options(entry: list[Any]) -> dict[str, Any]:
    return entry[-1] if isinstance(entry[-1], dict) else {}


def _labelled(label: str, metric: Metric) -> str:
    """https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/graph-dynamic-labels.html"""
    has = dict(metric.dimensions)
    return re.sub(r"\$\{PROP\('Dim\.(\w+)'\)\}", lambda found: has[found[1]], label)


def _combined(how: Callable[[float, float], float], left: list[Series], right: list[Series]) -> list[Series]:
    """Each of several with the one of the other side."""
    pairs = [(one, other) for one in left for other in right]
    if len(pairs) not in {len(left), len(right)}:
        raise UnknownQuery("several lines with several others")
    return [
        replace(
            one if len(right) == 1 else other,
            values=[
                how(a, b) if a is not None and b is not None else None
                for a, b in zip(one.values, other.values, strict=True)
            ],
        )
        for one, other in pairs
    ]


def _sum(several: list[Series]) -> Series:
    columns = zip(*(each.values for each in several), strict=True)
    known = [[value for value in column if value is not None] for column in columns]
    return Series("SUM", [sum(values) if values else None for values in known])
