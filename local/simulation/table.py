"""The table of docs/reliability.md: one row for each result."""

import re
from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final

from local.simulation.run import Result

DOCUMENT: Final = Path(__file__).parents[2] / "docs/reliability.md"
COLUMNS: Final = (
    "scenario",
    "events",
    "parked",
    "lost",
    "allowed calls used",
    "answered 429",
    "done after / earliest",
    "receives (max)",
    "wall seconds",
)
_BEGIN, _END = "<!-- make simulate -->", "<!-- end -->"


class NoPlace(ValueError):
    """The document has no place for the table."""


def row(result: Result) -> tuple[str, ...]:
    """Return the cells of one result."""
    parked = ", ".join(f"{count:,} `{reason}`" for reason, count in sorted(result.ledger.parked.items()))
    used = result.share_used
    return (
        f"`{result.scenario.name}`",
        f"{result.ledger.sent:,}",
        parked or "0",
        str(result.ledger.lost),
        "" if used is None else f"{used:.0%}",
        f"{result.share_refused:.1%}",
        f"{_duration(result.done_after) if result.done_after else 'none done'} / {_duration(result.bound)}",
        f"{result.counts.receives:,}",
        f"{result.wall_seconds:.0f}",
    )


def markdown(rows: Iterable[Sequence[str]]) -> str:
    """Return the table as Markdown."""
    lines = [COLUMNS, ("---",) * len(COLUMNS), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def rows_of(text: str) -> list[tuple[str, ...]]:
    """Return the rows of the table in a document. Raise ``NoPlace``."""
    lines = _place(text)[1].strip().splitlines()[2:]
    return [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines]


def with_rows(text: str, new: Sequence[Sequence[str]], order: Sequence[str]) -> str:
    """Return the document with these rows in the place of those of the same scenarios. Raise ``NoPlace``.

    ``order`` are the names of all scenarios: a row of another one is dropped.
    """
    before, _, after = _place(text)
    rows = {each[0].strip("`"): each for each in [*rows_of(text), *map(tuple, new)]}
    return f"{before}{markdown(rows[name] for name in order if name in rows)}\n{after}"


def _place(text: str) -> tuple[str, str, str]:
    found = re.fullmatch(f"(.*{_BEGIN}\n)(.*?)({_END}.*)", text, re.DOTALL)
    if found is None:
        raise NoPlace(f"no lines {_BEGIN} and {_END} around the table")
    return found[1], found[2], found[3]


def _duration(length: timedelta) -> str:
    """Return the two largest units of a duration."""
    seconds = round(length.total_seconds())
    sizes = {"d": 86_400, "h": 3_600, "min": 60, "s": 1}
    parts = [(seconds // size % (most // size), unit) for (unit, size), most in zip(sizes.items(), _NEXT, strict=True)]
    first = next((place for place, (count, _) in enumerate(parts) if count), len(parts) - 1)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2] if count) or "0 s"


_NEXT: Final = (10**9, 86_400, 3_600, 60)
"""How many seconds the next larger unit has, by unit."""
