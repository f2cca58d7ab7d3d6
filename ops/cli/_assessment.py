"""What new presets would change and cost, as ``preview`` and ``presets put`` show it."""

from collections.abc import Sequence
from datetime import timedelta

from rich.console import Group as Lines
from rich.console import RenderableType
from rich.text import Text

from ops.cli.formatting import change_line, columns, duration
from ops.preset_impact import Assessment, Change, Cost


def render_assessment(assessment: Assessment) -> RenderableType:
    """Show the changes by plan, their total, and the cost of a reconciliation run."""
    impact = assessment.impact
    table = columns("plan", "companies", "would change", "changes", right=("companies", "would change"))
    for plan in impact.plans:
        lines = "\n".join(_lines([change for change in impact.changes if change.plan == plan.plan]))
        gone = Text("the new presets lack this plan", "red")
        table.add_row(plan.plan, f"{plan.companies:,}", f"{plan.changed:,}", gone if plan.is_gone else lines)
    total = Text(f"{impact.changed:,} of {impact.companies:,} companies would change.", "bold")
    return Lines(table, Text(), total, Text(_cost(assessment.cost)))


def _cost(cost: Cost) -> str:
    time = duration(timedelta(minutes=cost.minutes))
    calls = (
        f"A reconciliation run makes {cost.calls:,} calls to Codat and takes {time} at {cost.calls_per_minute} a minute"
    )
    if cost.days is None:
        return f"{calls}. Codat's daily quota is unknown: {cost.quota.unknown_because}"
    share = f"its share, {cost.quota_share} % of the daily quota of {cost.quota.limit:,}"
    if cost.days <= 1:
        return f"{calls}, which is within {share}."
    return f"{calls}. It needs {cost.days} days, because it exceeds {share}."


def _lines(changes: Sequence[Change]) -> list[str]:
    in_common: dict[tuple[str, str, int], list[str]] = {}
    for change in changes:
        key = (change.field, f"{change.before} → {change.after}", change.companies)
        in_common.setdefault(key, []).append(change.data_type or "")
    return [f"{change_line(names, field, change)} ({count:,})" for (field, change, count), names in in_common.items()]
