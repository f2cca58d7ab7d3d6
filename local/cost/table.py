"""The table of costs in docs/deploy.md."""

from collections.abc import Sequence
from typing import Final

from local.cost.month import Month
from local.cost.stack import IdleStack

COMPANIES: Final = (1_000, 100_000, 1_000_000)
BEGIN: Final = "<!-- make costs -->"
END: Final = "<!-- end -->"
_LEAST: Final = 0.005
"""Of what is shown as a figure."""


def table(stack: IdleStack) -> list[str]:
    """Return the lines of the table, in Markdown."""
    months = [Month(each, stack) for each in COMPANIES]
    details = {
        "alarms": f"{stack.alarm_metrics} alarm metrics, {_composites(stack.composite_alarms)}",
        "SQS": f"{stack.polled_queues} queues that Lambda polls",
    }
    rows = {f"{name}: {details[name]}" if name in details else name: _figures(months, name) for name in months[0].rows}
    options = {f"`{name}` adds": [_figure(each.options[name]) for each in months] for name in months[0].options}
    return [
        _row("US$ a month", [f"{each.companies:,} companies" for each in months]),
        "|---|---|---|---|",
        *(_row(name, figures) for name, figures in rows.items()),
        _row("**together**", [f"**{each.total:.2f}**" for each in months]),
        _row("of that, to watch the stack: the first three rows", [_figure(each.watching) for each in months]),
        *(_row(name, figures) for name, figures in options.items()),
    ]


def with_table(text: str, lines: Sequence[str]) -> str:
    """Return the document with these lines between its marks. Raise ``ValueError`` if it has none."""
    before, _, rest = text.partition(f"{BEGIN}\n")
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"the document has no {BEGIN} and {END}")
    return "\n".join([f"{before}{BEGIN}", *lines, f"{END}{after}"])


def _composites(count: int) -> str:
    return "a composite alarm" if count == 1 else f"{count} composite alarms"


def _figures(months: Sequence[Month], row: str) -> list[str]:
    return [_figure(each.rows[row]) for each in months]


def _figure(usd: float) -> str:
    return f"{usd:.2f}" if usd >= _LEAST else "under 0.01"


def _row(name: str, cells: Sequence[str]) -> str:
    return f"| {name} | {' | '.join(cells)} |"
