"""Times, lists and differences, as every command shows them."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

from rich.table import Table

from codat_sync.codat.differences import Difference
from codat_sync.companies.pause import Pause

_NAMES: Final = 3
_MINUTES_PER_DAY: Final = 1440


def moment(at: datetime, now: datetime | None = None) -> str:
    """Return a time in UTC, to the minute; with ``now``, also how long ago it was."""
    text = at.strftime("%Y-%m-%d %H:%M UTC")
    return text if now is None else f"{text} ({ago(now - at)})"


def ago(span: timedelta) -> str:
    """Return such as "2 d 3 h ago"; "just now" for a moment in the future too, since clocks differ."""
    return f"{duration(span)} ago" if span > timedelta(0) else "just now"


def duration(span: timedelta) -> str:
    """Return a span in its two largest units, such as "2 d 3 h"."""
    minutes = round(span.total_seconds() / 60)
    if minutes < 1:
        return f"{max(1, round(span.total_seconds()))} s"
    units = [(minutes // _MINUTES_PER_DAY, "d"), (minutes // 60 % 24, "h"), (minutes % 60, "min")]
    return " ".join(f"{count:,} {unit}" for count, unit in [each for each in units if each[0]][:2])


def some_of(names: Sequence[str], most: int = _NAMES) -> str:
    """Return the first names, and how many more there are."""
    more = len(names) - most
    return f"{', '.join(names[:most])} and {more} more" if more > 0 else ", ".join(names)


def difference_lines(found: Iterable[Difference], most: int = _NAMES) -> list[str]:
    """Return one line for each change that data types have in common: "invoices, bills and 6 more: daily → hourly"."""
    in_common: dict[tuple[str, str], list[str]] = {}
    for difference in found:
        change = f"{difference.before} → {difference.after}"
        in_common.setdefault((difference.field, change), []).append(difference.data_type or "")
    return [change_line(names, field, change, most) for (field, change), names in in_common.items()]


def change_line(names: Sequence[str], field: str, change: str, most: int = _NAMES) -> str:
    """Return one change of some data types. An empty name means the settings as a whole."""
    what = "" if field == "sync_schedule" else field.replace("_", " ")
    subject = " ".join(filter(None, (some_of([name for name in names if name], most), what)))
    return f"{subject}: {change}"


def pause_words(standing: Pause | None) -> str:
    """Return a pause in one line."""
    if standing is None:
        return "none in force"
    return f"until {moment(standing.until)}: {standing.reason}: {standing.words}"


def fields() -> Table:
    """Return a table for names on the left and values on the right."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    return table


def columns(*titles: str, right: Sequence[str] = ()) -> Table:
    """Return a table with these titles; the columns named by ``right`` are aligned to the right."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title in titles:
        table.add_column(title, justify="right" if title in right else "left")
    return table


def once(title: str) -> Iterator[str]:
    """Yield a title for the first row, and nothing for each row after it."""
    yield title
    while True:
        yield ""
