"""Draws widgets as an SVG that looks like CloudWatch's console."""

import re
from collections.abc import Iterator, Mapping, Sequence
from math import ceil
from textwrap import wrap
from typing import Any, Final
from xml.sax.saxutils import escape

from local.dashboard.graph import graph
from local.dashboard.recording import Recording
from local.dashboard.svg import STYLE, text

COLUMN: Final = 46
"""The width of a unit of CloudWatch's grid, in pixels."""
ROW: Final = 36
"""The height of a unit of CloudWatch's grid, in pixels."""
COLUMNS: Final = 24
MARGIN: Final = 12
GAP: Final = 8
CAPTION_LETTERS: Final = 185
"""The letters that fit in a line below the widgets."""
ALARM_COLUMNS: Final = 2


def picture(widgets: Sequence[Mapping[str, Any]], recording: Recording) -> str:
    """Draw all widgets at their places in the template, and below them a caption about the recording."""
    width = COLUMNS * COLUMN + 2 * MARGIN
    bottom = max(each["y"] + each["height"] for each in widgets) * ROW + MARGIN
    parts = [part for each in widgets for part in _card(each, recording)]
    caption = wrap(f"{recording.about} One point is {recording.bucket_seconds} seconds.", CAPTION_LETTERS)
    height = bottom + 16 * len(caption) + 2 * MARGIN
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">'
    return "\n".join(
        [
            head,
            f"<style>{STYLE}</style>",
            f'<rect width="{width}" height="{height}" fill="#f2f3f3"/>',
            *parts,
            *(text(MARGIN + GAP, bottom + 20 + 16 * row, line, "quiet") for row, line in enumerate(caption)),
            "</svg>\n",
        ]
    )


def _card(widget: Mapping[str, Any], recording: Recording) -> Iterator[str]:
    x, y = widget["x"] * COLUMN + MARGIN + GAP / 2, widget["y"] * ROW + MARGIN + GAP / 2
    width, height = widget["width"] * COLUMN - GAP, widget["height"] * ROW - GAP
    properties = widget["properties"]
    yield f'<g transform="translate({x:g} {y:g})">'
    if widget["type"] == "text":
        yield from _markdown(properties["markdown"])
    else:
        yield f'<rect class="card" width="{width}" height="{height}" rx="6"/>'
        yield text(12, 21, properties["title"], "title")
        if widget["type"] == "alarm":
            yield from _alarms(properties["alarms"], width, height)
        else:
            yield from graph(properties, recording, width, height)
    yield "</g>"


def _markdown(markdown: str) -> Iterator[str]:
    """Draw headings, lines and links, which is all that the texts of the template contain."""
    y = 6
    for line in markdown.split("\n"):
        level = len(line) - len(line.lstrip("#"))
        y += 19 if level else 18
        words = escape(line.lstrip("# "))
        linked = re.sub(r"\[([^]]+)]\([^)]*\)", r'<tspan class="link">\1</tspan>', words)
        yield f'<text x="8" y="{y}"{f""" class="h{level}" """ if level else ""}>{linked}</text>'


def _alarms(names: Sequence[str], width: float, height: float) -> Iterator[str]:
    """Draw the names of the alarms. Their states are not recorded."""
    rows = ceil(len(names) / ALARM_COLUMNS)
    tile_width, tile_height = (width - 24) / ALARM_COLUMNS, (height - 42) / rows
    for number, name in enumerate(names):
        x, y = 12 + number % ALARM_COLUMNS * tile_width, 32 + number // ALARM_COLUMNS * tile_height
        words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name.removesuffix("Alarm")).capitalize()
        size = f'width="{tile_width - 5:.1f}" height="{tile_height - 5:.1f}"'
        yield f'<rect class="tile" x="{x:.1f}" y="{y:.1f}" {size} rx="3"/>'
        yield text(x + 7, y + tile_height / 2 + 1, words)
