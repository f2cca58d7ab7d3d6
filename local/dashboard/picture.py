"""Widgets as an SVG, in the way of CloudWatch's console. The same metrics make the same bytes on every machine."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import ceil, floor, log10
from textwrap import wrap
from typing import Any, Final
from xml.sax.saxutils import escape

from local.dashboard.queries import Series, lines
from local.dashboard.recording import Recorded, Values

COLUMN: Final = 46
ROW: Final = 36
"""A unit of CloudWatch's grid, in pixels."""
MARGIN: Final = 12
GAP: Final = 8
COLORS: Final = (
    "#2f7ed8", "#f28f43", "#2ca25f", "#c9302c", "#8e6bbf", "#8c564b", "#d977b3", "#7f7f7f", "#b5a72c", "#1aadce",
)  # fmt: skip
SPARSE: Final = 0.25
"""Below this share of the buckets, what is stacked is drawn as bars: an area would be a row of needles."""
LEGEND_ROWS: Final = (3, 4)
"""The most of a widget of usual height, and of a high one."""
HIGH: Final = 7 * ROW - GAP
CAPTION: Final = 185
"""How many letters find place in a line below the widgets."""

Scale = Callable[[float], float]
"""From a bucket or a value to a place in the picture."""

_STYLE: Final = """
  text { font-family: -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; font-size: 11px; fill: #16191f; }
  .title { font-size: 12.5px; font-weight: 600; }
  .h1 { font-size: 19px; font-weight: 600; } .h2 { font-size: 15px; font-weight: 600; }
  .quiet { fill: #687078; } .link { fill: #0073bb; }
  .card { fill: #ffffff; stroke: #d5dbdb; } .tile { fill: #f2f3f3; stroke: #d5dbdb; }
  .grid { stroke: #eaeded; } .axis { stroke: #aab7b8; } .alarm { stroke-dasharray: 5 3; }
"""


def picture(widgets: Sequence[Mapping[str, Any]], recorded: Recorded) -> str:
    """All widgets where the template puts them, and below them what was recorded."""
    width = 24 * COLUMN + 2 * MARGIN
    bottom = max(each["y"] + each["height"] for each in widgets) * ROW + MARGIN
    parts = [part for each in widgets for part in _card(each, recorded)]
    about = wrap(f"{recorded.about} One point is {recorded.bucket_seconds} seconds.", CAPTION)
    height = bottom + 16 * len(about) + 2 * MARGIN
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">'
    return "\n".join(
        [
            head,
            f"<style>{_STYLE}</style>",
            f'<rect width="{width}" height="{height}" fill="#f2f3f3"/>',
            *parts,
            *(_text(MARGIN + GAP, bottom + 20 + 16 * row, line, "quiet") for row, line in enumerate(about)),
            "</svg>\n",
        ]
    )


def _card(widget: Mapping[str, Any], recorded: Recorded) -> Iterator[str]:
    x, y = widget["x"] * COLUMN + MARGIN + GAP / 2, widget["y"] * ROW + MARGIN + GAP / 2
    width, height = widget["width"] * COLUMN - GAP, widget["height"] * ROW - GAP
    properties = widget["properties"]
    yield f'<g transform="translate({x:g} {y:g})">'
    if widget["type"] == "text":
        yield from _markdown(properties["markdown"])
    else:
        yield f'<rect class="card" width="{width}" height="{height}" rx="6"/>'
        yield _text(12, 21, properties["title"], "title")
        if widget["type"] == "alarm":
            yield from _alarms(properties["alarms"], width, height)
        else:
            yield from _graph(properties, recorded, width, height)
    yield "</g>"


def _markdown(text: str) -> Iterator[str]:
    """Headings, lines and links: what the template's texts are made of."""
    y = 6
    for line in text.split("\n"):
        level = len(line) - len(line.lstrip("#"))
        y += 19 if level else 18
        words = escape(line.lstrip("# "))
        linked = re.sub(r"\[([^]]+)]\([^)]*\)", r'<tspan class="link">\1</tspan>', words)
        yield f'<text x="8" y="{y}"{f""" class="h{level}" """ if level else ""}>{linked}</text>'


def _alarms(names: Sequence[str], width: float, height: float) -> Iterator[str]:
    """Without their states: nobody recorded those."""
    columns = 2
    rows = ceil(len(names) / columns)
    tile_width, tile_height = (width - 24) / columns, (height - 42) / rows
    for number, name in enumerate(names):
        x, y = 12 + number % columns * tile_width, 32 + number // columns * tile_height
        words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name.removesuffix("Alarm")).capitalize()
        size = f'width="{tile_width - 5:.1f}" height="{tile_height - 5:.1f}"'
        yield f'<rect class="tile" x="{x:.1f}" y="{y:.1f}" {size} rx="3"/>'
        yield _text(x + 7, y + tile_height / 2 + 1, words)


def _graph(properties: Mapping[str, Any], recorded: Recorded, width: float, height: float) -> Iterator[str]:
    shown = [each for each in lines(properties, recorded) if each.is_recorded]
    if not shown:
        yield _text(width / 2, height / 2 + 8, "nothing recorded", "quiet", "middle")
        return
    colored = [(each, COLORS[number % len(COLORS)]) for number, each in enumerate(shown)]
    legend = list(_legend(colored, width, height))
    left, top, right, bottom = 48.0, 34.0, width - 14, height - 26 - 15 * len({each[1] for each in legend})
    marks = properties.get("annotations", {}).get("horizontal", [])
    stacked = properties.get("stacked", False)
    highest = float(max(_highest(shown, stacked=stacked), *(mark["value"] for mark in marks), 0))
    step = _step(highest, 4)
    top_value = max(ceil(highest / step - 1e-9), 1) * step

    def x_of(bucket: float) -> float:
        return left + (right - left) * bucket / max(len(recorded.buckets) - 1, 1)

    def y_of(value: float) -> float:
        return bottom - (bottom - top) * value / top_value

    for number in range(round(top_value / step) + 1):
        y = y_of(number * step)
        yield f'<path class="{"grid" if number else "axis"}" d="M{left:.0f} {y:.1f}H{right:.0f}"/>'
        yield _text(left - 6, y + 4, _short(number * step), "quiet", "end")
    minutes = len(recorded.buckets) * recorded.bucket_seconds / 60
    stride = max(_step(minutes, max(int((right - left) / 48), 2)), 1)
    for number in range(floor(minutes / stride) + 1):
        x = x_of(number * stride * 60 / recorded.bucket_seconds)
        yield _text(x, bottom + 14, f"{number * stride:g} min" if number else "0", "quiet", "middle")
    if stacked:
        yield from _stack(colored, x_of, y_of)
    else:
        for series, color in colored:
            yield from _line(series.values, color, x_of, y_of)
    for mark in marks:
        y = y_of(mark["value"])
        yield f'<path class="alarm" stroke="{mark["color"]}" d="M{left:.0f} {y:.1f}H{right:.0f}"/>'
        yield _text(right, y - 4, mark["label"], "quiet", "end")
    yield from (part for part, _ in legend)


def _highest(shown: Sequence[Series], *, stacked: bool) -> float:
    columns = list(zip(*([value or 0 for value in each.values] for each in shown), strict=True))
    return float(max(sum(column) if stacked else max(column) for column in columns))


def _stack(colored: Sequence[tuple[Series, str]], x_of: Scale, y_of: Scale) -> Iterator[str]:
    """Areas upon areas; bars where there are only few values."""
    columns = list(zip(*(each.values for each, _ in colored), strict=True))
    seen = sum(any(value is not None for value in column) for column in columns)
    sparse = seen < SPARSE * len(columns)
    floor_of = [0.0] * len(columns)
    for series, color in colored:
        top_of = [below + (value or 0) for below, value in zip(floor_of, series.values, strict=True)]
        if sparse:
            for bucket, (low, high) in enumerate(zip(floor_of, top_of, strict=True)):
                if high > low:
                    x, y = x_of(bucket) - 4, y_of(high)
                    yield f'<rect fill="{color}" x="{x:.1f}" y="{y:.1f}" width="8" height="{y_of(low) - y:.1f}"/>'
        else:
            edge = [*enumerate(top_of), *reversed(list(enumerate(floor_of)))]
            points = " ".join(f"{x_of(bucket):.1f},{y_of(value):.1f}" for bucket, value in edge)
            yield f'<polygon fill="{color}" fill-opacity="0.75" points="{points}"/>'
        floor_of = top_of


def _line(values: Values, color: str, x_of: Scale, y_of: Scale) -> Iterator[str]:
    """From each value to the next, over what was not recorded between them; a dot on each where they are few."""
    points = [(x_of(bucket), y_of(value)) for bucket, value in enumerate(values) if value is not None]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    yield f'<polyline fill="none" stroke="{color}" stroke-width="1.7" points="{path}"/>'
    if len(points) < SPARSE * len(values):
        for x, y in points:
            yield f'<circle fill="{color}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>'


def _legend(colored: Sequence[tuple[Series, str]], width: float, height: float) -> Iterator[tuple[str, int]]:
    """Each entry with its row, counted from above. What has no place in the rows that there are is only counted."""
    most = LEGEND_ROWS[height >= HIGH]
    rows: list[list[tuple[float, str, str]]] = [[]]
    x = 14.0
    for number, (series, color) in enumerate(colored):
        step = 16 + _width(series.label) + 12
        left_out = len(colored) - number
        if x + step > width - (40 if len(rows) == most and left_out > 1 else 6) and rows[-1]:
            if len(rows) == most:
                rows[-1].append((min(x, width - 24), "", f"+{left_out}"))
                break
            rows.append([])
            x = 14.0
        rows[-1].append((x, color, series.label))
        x += step
    for number, row in enumerate(rows):
        y = height - 8 - 15 * (len(rows) - 1 - number)
        for at, color, label in row:
            square = f'<rect fill="{color}" x="{at:.1f}" y="{y - 9}" width="10" height="10" rx="2"/>' if color else ""
            yield square + (_text(at + 15, y, label) if color else _text(at, y, label, "quiet")), number


def _text(x: float, y: float, words: str, style: str = "", anchor: str = "") -> str:
    style = f' class="{style}"' if style else ""
    anchor = f' text-anchor="{anchor}"' if anchor else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{style}{anchor}>{escape(words)}</text>'


def _width(words: str) -> float:
    """About what a sans-serif takes at the size of a legend."""
    return sum(3.2 if letter in "iljt.,:;'|! " else 8.6 if letter in "mwMW" else 6.1 for letter in words)


def _step(highest: float, most: int) -> float:
    """A round number, of which at most so many make up the whole."""
    if highest <= 0:
        return 1
    rough = highest / most
    power = float(10 ** floor(log10(rough)))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))


def _short(value: float) -> str:
    for unit, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= unit:
            return f"{value / unit:g}{name}"
    return f"{value:.3g}"
