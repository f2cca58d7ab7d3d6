"""The picture in the README is the dashboard of the template, drawn from what was recorded."""

from pathlib import Path
from xml.etree.ElementTree import fromstring

import pytest

from local.dashboard.__main__ import PICTURE, main
from local.dashboard.picture import picture
from local.dashboard.recording import FILE, Recording
from local.dashboard.widgets import widgets
from tests.local.dashboard.recordings import of_three_buckets

RECORDING = Recording.read()
WIDGETS = widgets(RECORDING.stack)


def test_the_picture_in_docs_is_drawn_from_the_present_template(tmp_path: Path) -> None:
    # `make dashboard` draws it anew.
    assert main(["--picture", str(tmp_path / "dashboard.svg")]) == 0
    assert (tmp_path / "dashboard.svg").read_text("utf-8") == PICTURE.read_text("utf-8")


def test_picture_and_recording_are_small_enough_for_the_repository() -> None:
    assert PICTURE.stat().st_size < 300_000
    assert FILE.stat().st_size < 100_000


def test_every_widget_is_drawn_with_its_title() -> None:
    texts = [each.text for each in fromstring(PICTURE.read_text("utf-8")).iter() if each.text]  # noqa: S314
    titles = [each["properties"]["title"] for each in WIDGETS if each["type"] != "text"]
    assert [title for title in titles if texts.count(title) != 1] == []


def test_a_widget_without_recorded_values_says_so_and_draws_nothing() -> None:
    empty = picture(WIDGETS, Recording("codat-sync", "Nothing.", 10))
    graphs = [each for each in WIDGETS if each["type"] == "metric"]
    assert empty.count("nothing recorded") == len(graphs)
    assert "polygon" not in empty


@pytest.mark.parametrize("stacked", [True, False])
@pytest.mark.parametrize("count", [1, 3, 30])
def test_any_number_of_lines_is_drawn_and_the_legend_counts_those_without_room(count: int, *, stacked: bool) -> None:
    recording = of_three_buckets(*(("Events", {"plan": f"plan-{n}"}, [[float(n)], [], [2.5]]) for n in range(count)))
    search = {"expression": "SEARCH('{\"ours\",plan} MetricName=\"Events\"', 'Sum')", "label": "${PROP('Dim.plan')}"}
    marks = {"horizontal": [{"label": "alarm", "value": 1_500_000, "color": "#000000"}]}
    properties = {"title": "<&>", "metrics": [[search]], "stacked": stacked, "annotations": marks}
    drawn = picture([{"type": "metric", "x": 0, "y": 0, "width": 6, "height": 6, "properties": properties}], recording)
    texts = {each.text for each in fromstring(drawn).iter()}  # noqa: S314
    assert {"<&>", "alarm", "plan-0", "1M"} <= texts
    assert any(str(text).startswith("+") for text in texts) == (count == 30)


def test_few_values_are_bars_and_many_are_areas() -> None:
    search = {"expression": "SEARCH('{\"ours\",plan} MetricName=\"Events\"', 'Sum')", "label": "events"}
    widget = {"type": "metric", "x": 0, "y": 0, "width": 6, "height": 6}
    widget["properties"] = {"title": "events", "metrics": [[search]], "stacked": True}
    few = of_three_buckets(("Events", {"plan": "growth"}, [[1.0], *[[]] * 8]), ("Other", {}, [[0.0]] * 9))
    many = of_three_buckets(("Events", {"plan": "growth"}, [[1.0]] * 9))
    assert "polygon" not in picture([widget], few)
    assert "polygon" in picture([widget], many)
