"""Queries are answered as CloudWatch answers them, or refused."""

from typing import Any

import pytest

from local.dashboard.queries import UnknownQuery, series_of
from local.dashboard.recording import Recording
from tests.local.dashboard.recordings import of_three_buckets


def shown(recording: Recording, *entries: list[Any], **properties: Any) -> dict[str, list[float | None]]:  # noqa: ANN401
    return {each.label: each.values for each in series_of({"metrics": list(entries), **properties}, recording)}


@pytest.mark.parametrize(
    ("stat", "values"),
    [
        ("Sum", [6.0, None, 5.0]),
        ("Average", [2.0, None, 5.0]),
        ("Minimum", [1.0, None, 5.0]),
        ("Maximum", [3.0, None, 5.0]),
        ("SampleCount", [3.0, None, 1.0]),
        ("p50", [2.0, None, 5.0]),
        ("p99", [3.0, None, 5.0]),
    ],
)
def test_a_statistic_is_calculated_for_each_bucket(stat: str, values: list[float | None]) -> None:
    recording = of_three_buckets(("Latency", {"service": "codat"}, [[3.0, 1.0, 2.0], [], [5.0]]))
    assert shown(recording, ["ours", "Latency", "service", "codat", {"stat": stat}]) == {"Latency": values}


def test_a_search_finds_metrics_with_exactly_its_dimensions() -> None:
    recording = of_three_buckets(
        ("Events", {"outcome": "applied", "plan": "growth"}, [[1.0]]),
        ("Events", {"outcome": "applied", "plan": "free"}, [[2.0]]),
        ("Events", {"outcome": "stale", "plan": "free"}, [[3.0]]),
        ("Events", {"plan": "free"}, [[4.0]]),
        ("Other", {"outcome": "applied", "plan": "free"}, [[5.0]]),
    )
    search = 'SEARCH(\'{"ours",outcome,plan} MetricName="Events" outcome="applied"\', \'Sum\')'
    found = shown(recording, [{"expression": search, "label": "now: ${PROP('Dim.plan')}"}])
    assert found == {"now: free": [2.0], "now: growth": [1.0]}


def test_expressions_calculate_with_hidden_metrics() -> None:
    recording = of_three_buckets(
        ("Age", {"queue": "a"}, [[60.0], [120.0], []]),
        ("Age", {"queue": "b"}, [[30.0], [], []]),
        ("C", {}, [[1.0]] * 3),
    )
    hidden = [["ours", "Age", "queue", name, {"id": f"age{name}", "label": name, "visible": False}] for name in "ab"]
    each = shown(recording, [{"expression": 'METRICS("age") / 60', "label": ""}], *hidden, stat="Maximum")
    assert each == {"a": [1.0, 2.0, None], "b": [0.5, None, None]}
    total = shown(recording, [{"expression": '2 * SUM(METRICS("age"))', "label": "all"}], *hidden, stat="Maximum")
    assert total == {"all": [180.0, 240.0, None]}
    one = shown(recording, [{"expression": "agea - ageb + 1", "label": "more"}], *hidden, stat="Maximum")
    assert one == {"more": [31.0, None, None]}


@pytest.mark.parametrize(
    "expression",
    [
        "FILL(agea, 0)",
        "SEARCH('ours', 'Sum')",
        'SEARCH(\'{"ours",queue} MetricName="Age" OR queue="a"\', \'Sum\')',
        'METRICS("age") / METRICS("age")',
    ],
)
def test_an_unknown_query_is_refused_and_not_drawn_wrong(expression: str) -> None:
    recording = of_three_buckets(("Age", {"queue": "a"}, [[60.0]]))
    metrics = [["ours", "Age", "queue", name, {"id": f"age{name}"}] for name in "ab"]
    with pytest.raises(UnknownQuery):
        shown(recording, [{"expression": expression, "label": "x"}], *metrics)
