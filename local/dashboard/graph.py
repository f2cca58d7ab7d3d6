"""The graph of a metric widget: grid, lines or stacked areas, alarm thresholds and legend."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10
from typing import Any, Final

from local.dashboard.queries import Series, series_of
from local.dashboard.recording import Recording, Values
from local.dashboard.svg import text, text_width

COLORS: Final = (
    "#2f7ed8", "#f28f43", "#2ca25f", "#c9302c", "#8e6bbf", "#8c564b", "#d977b3", "#7f7f7f", "#b5a72c", "#1aadce",
)  # fmt: skip
SPARSE: Final = 0.25
"""A stack with values in fewer of the buckets than this share is drawn as bars, since an area would show only spikes.
A line with fewer values gets a dot at each."""
TALL: Final = 244
"""The height of a widget, in pixels, from which the legend may have one more row."""
LEGEND_ROWS: Final = (3, 4)
"""The largest number of rows in the legend of a widget, and of a tall one."""
LEGEND_ROW: Final = 15
"""The height of a row, in pixels."""

Colored = Sequence[tuple[Series, str]]
"""Series, each with its color."""


@dataclass(frozen=True)
class _Plot:
    """The rectangle of the values, and the scales from buckets and values to places in it."""

    left: float
    right: float
    top: float
    bottom: float
    last_bucket: int
    highest: float

    def x(self, bucket: float) -> float:
        return self.left + (self.right - self.left) * bucket / self.last_bucket

    def y(self, value: float) -> float:
        return self.bottom - (self.bottom - self.top) * value / self.highest


def graph(properties: Mapping[str, Any], recording: Recording, width: float, height: float) -> Iterator[str]:
    """Draw the metrics of a widget. Those without any value are left out."""
    shown = [each for each in series_of(properties, recording) if each.is_recorded]
    if not shown:
        yield text(width / 2, height / 2 + 8, "nothing recorded", "quiet", "middle")
        return
    colored = [(each, COLORS[number % len(COLORS)]) for number, each in enumerate(shown)]
    legend = list(_legend(colored, width, height))
    marks = properties.get("annotations", {}).get("horizontal", [])
    is_stacked = properties.get("stacked", False)
    highest = float(max(_highest(shown, stacked=is_stacked), *(mark["value"] for mark in marks), 0))
    step = _round_step(highest, 4)
    plot = _Plot(
        left=48.0,
        right=width - 14,
        top=34.0,
        bottom=height - 26 - LEGEND_ROW * len({row for _, row in legend}),
        last_bucket=max(len(recording.buckets) - 1, 1),
        highest=max(ceil(highest / step - 1e-9), 1) * step,
    )
    yield from _value_axis(plot, step)
    yield from _time_axis(plot, recording)
    if is_stacked:
        yield from _stack(colored, plot)
    else:
        for series, color in colored:
            yield from _line(series.values, color, plot)
    yield from _thresholds(marks, plot)
    yield from (part for part, _ in legend)


def _highest(shown: Sequence[Series], *, stacked: bool) -> float:
    columns = list(zip(*([value or 0 for value in each.values] for each in shown), strict=True))
    return float(max(sum(column) if stacked else max(column) for column in columns))


def _value_axis(plot: _Plot, step: float) -> Iterator[str]:
    for number in range(round(plot.highest / step) + 1):
        y = plot.y(number * step)
        yield f'<path class="{"grid" if number else "axis"}" d="M{plot.left:.0f} {y:.1f}H{plot.right:.0f}"/>'
        yield text(plot.left - 6, y + 4, _short(number * step), "quiet", "end")


def _time_axis(plot: _Plot, recording: Recording) -> Iterator[str]:
    minutes = len(recording.buckets) * recording.bucket_seconds / 60
    step = max(_round_step(minutes, max(int((plot.right - plot.left) / 48), 2)), 1)
    for number in range(floor(minutes / step) + 1):
        x = plot.x(number * step * 60 / recording.bucket_seconds)
        yield text(x, plot.bottom + 14, f"{number * step:g} min" if number else "0", "quiet", "middle")


def _thresholds(marks: Sequence[Mapping[str, Any]], plot: _Plot) -> Iterator[str]:
    for mark in marks:
        y = plot.y(mark["value"])
        yield f'<path class="alarm" stroke="{mark["color"]}" d="M{plot.left:.0f} {y:.1f}H{plot.right:.0f}"/>'
        yield text(plot.right, y - 4, mark["label"], "quiet", "end")


def _stack(colored: Colored, plot: _Plot) -> Iterator[str]:
    """Draw each series on top of those before it."""
    columns = list(zip(*(series.values for series, _ in colored), strict=True))
    with_values = sum(any(value is not None for value in column) for column in columns)
    layer = _bars if with_values < SPARSE * len(columns) else _area
    lows = [0.0] * len(columns)
    for series, color in colored:
        highs = [low + (value or 0) for low, value in zip(lows, series.values, strict=True)]
        yield from layer(lows, highs, color, plot)
        lows = highs


def _bars(lows: Sequence[float], highs: Sequence[float], color: str, plot: _Plot) -> Iterator[str]:
    for bucket, (low, high) in enumerate(zip(lows, highs, strict=True)):
        if high > low:
            x, y = plot.x(bucket) - 4, plot.y(high)
            yield f'<rect fill="{color}" x="{x:.1f}" y="{y:.1f}" width="8" height="{plot.y(low) - y:.1f}"/>'


def _area(lows: Sequence[float], highs: Sequence[float], color: str, plot: _Plot) -> Iterator[str]:
    edge = [*enumerate(highs), *reversed(list(enumerate(lows)))]
    points = " ".join(f"{plot.x(bucket):.1f},{plot.y(value):.1f}" for bucket, value in edge)
    yield f'<polygon fill="{color}" fill-opacity="0.75" points="{points}"/>'


def _line(values: Values, color: str, plot: _Plot) -> Iterator[str]:
    """Draw a line from each value to the next, also across buckets without a value."""
    points = [(plot.x(bucket), plot.y(value)) for bucket, value in enumerate(values) if value is not None]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    yield f'<polyline fill="none" stroke="{color}" stroke-width="1.7" points="{path}"/>'
    if len(points) < SPARSE * len(values):
        for x, y in points:
            yield f'<circle fill="{color}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>'


def _legend(colored: Colored, width: float, height: float) -> Iterator[tuple[str, int]]:
    """Yield each entry with its row, counted from the top."""
    rows = _legend_rows(colored, width, most=LEGEND_ROWS[height >= TALL])
    for number, row in enumerate(rows):
        y = height - 8 - LEGEND_ROW * (len(rows) - 1 - number)
        for x, color, label in row:
            square = f'<rect fill="{color}" x="{x:.1f}" y="{y - 9}" width="10" height="10" rx="2"/>' if color else ""
            yield square + (text(x + 15, y, label) if color else text(x, y, label, "quiet")), number


def _legend_rows(colored: Colored, width: float, *, most: int) -> list[list[tuple[float, str, str]]]:
    """Place the entries in at most so many rows. The last one counts those without a place, and has no color."""
    rows: list[list[tuple[float, str, str]]] = [[]]
    x = 14.0
    for number, (series, color) in enumerate(colored):
        step = 16 + text_width(series.label) + 12
        left_out = len(colored) - number
        if x + step > width - (40 if len(rows) == most and left_out > 1 else 6) and rows[-1]:
            if len(rows) == most:
                rows[-1].append((min(x, width - 24), "", f"+{left_out}"))
                break
            rows.append([])
            x = 14.0
        rows[-1].append((x, color, series.label))
        x += step
    return rows


def _round_step(highest: float, most: int) -> float:
    """Return the smallest 1, 2 or 5 times a power of ten that reaches ``highest`` in at most so many steps."""
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
