"""The command ``backfill``."""

from typing import Final

from rich.console import Group as Lines
from rich.console import RenderableType
from rich.text import Text

from ops.backfill import Backfill, Survey
from ops.cli._options import STACK, Apply, AsJson, Local, StackName
from ops.cli._output import progress, show
from ops.cli._stack import find_stack
from ops.cli.exit_codes import FINE, FOUND
from ops.cli.formatting import fields, some_of
from ops.clock import now
from ops.stack import Stack

CODAT_PAGE: Final = 500


def backfill(*, apply: Apply = False, stack: StackName = STACK, local: Local = False, as_json: AsJson = False) -> int:
    """Request every company that has no record yet.

    Codat lists the companies. The plan is the one that a company's tag names, else the default plan. A plan that
    billing names, before or after, wins over it.

    Exit code 1: without --apply, there are such companies.

    Example: codat-sync backfill --apply
    """
    work = _backfill_of(find_stack(stack, local=local))
    total = Survey()
    with progress("companies") as on_read:
        for survey in work.enqueue() if apply else work.survey():
            total += survey
            on_read(survey.known + survey.plans.total())
    show(total, render_survey(total, applied=apply), as_json=as_json)
    return FOUND if total.plans and not apply else FINE


def _backfill_of(deployed: Stack) -> Backfill:
    return Backfill(
        lambda: deployed.codat.list_companies(page_size=CODAT_PAGE),
        deployed.plans,
        deployed.presets,
        deployed.company_reconciliations.send,
        plan_tag=deployed.parameter("CompanyPlanTag"),
        name=f"backfill-{now():%Y%m%dT%H%M%SZ}",
        now=now,
    )


def render_survey(total: Survey, *, applied: bool) -> RenderableType:
    """Show how many companies without a record get which plan."""
    without = total.plans.total()
    companies = f"{total.known + without:,} companies"
    if not without:
        return Text(f"All of Codat's {companies} have a record.", "bold")
    table = fields()
    for plan, count in total.plans.most_common():
        table.add_row(plan, f"{count:,}")
    lines: list[RenderableType] = [table]
    if total.untagged:
        lines.append(Text(f"Default plan because of no tag: {total.untagged:,}.", "dim"))
    if total.unknown_tags:
        tags = some_of([f"{tag} {count:,}" for tag, count in total.unknown_tags.most_common()])
        lines.append(Text(f"Default plan because the tag names no plan: {tags}.", "yellow"))
    if total.products:
        products = some_of([f"{product} {count:,}" for product, count in total.products.most_common()])
        lines.append(
            Text(f"Enrolled in Codat's products, which keep sync settings of their own: {products}.", "yellow")
        )
    end = "were requested." if applied else "have no record. Nothing was changed. --apply requests them."
    return Lines(*lines, Text(f"{without:,} of Codat's {companies} {end}", "bold"))
