"""The parts of an SVG that the picture and its graphs share."""

from typing import Final
from xml.sax.saxutils import escape

STYLE: Final = """
  text { font-family: -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; font-size: 11px; fill: #16191f; }
  .title { font-size: 12.5px; font-weight: 600; }
  .h1 { font-size: 19px; font-weight: 600; } .h2 { font-size: 15px; font-weight: 600; }
  .quiet { fill: #687078; } .link { fill: #0073bb; }
  .card { fill: #ffffff; stroke: #d5dbdb; } .tile { fill: #f2f3f3; stroke: #d5dbdb; }
  .grid { stroke: #eaeded; } .axis { stroke: #aab7b8; } .alarm { stroke-dasharray: 5 3; }
"""


def text(x: float, y: float, words: str, style: str = "", anchor: str = "") -> str:
    """Return a text element. ``style`` is a class of ``STYLE``, ``anchor`` is middle or end."""
    style = f' class="{style}"' if style else ""
    anchor = f' text-anchor="{anchor}"' if anchor else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{style}{anchor}>{escape(words)}</text>'


def text_width(words: str) -> float:
    """Estimate the width of a label in a sans-serif font of 11 pixels."""
    return sum(3.2 if letter in "iljt.,:;'|! " else 8.6 if letter in "mwMW" else 6.1 for letter in words)
