"""The command ``preview``."""

from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
from rich.console import Group as Lines
from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from codat_sync.companies.converge import Convergence
from codat_sync.presets.file import Presets
from ops.cli._assessment import render_assessment
from ops.cli._options import STACK, AsJson, Local, OptionalCompanyId, StackName
from ops.cli._output import progress, show
from ops.cli._stack import find_stack
from ops.cli.exit_codes import FINE, FOUND
from ops.cli.formatting import difference_lines, fields
from ops.clock import now
from ops.preset_impact import assess
from ops.preview import CompanyPreview, PresetDescription, describe
from ops.preview import preview as preview_company
from ops.stack import Stack


def preview(
    plan: Annotated[str | None, typer.Argument(metavar="PLAN", help="A plan of the presets.")] = None,
    company: OptionalCompanyId = None,
    *,
    new: Annotated[
        Path | None,
        typer.Option("--presets", metavar="FILE", exists=True, dir_okay=False, help="New presets, for all companies."),
    ] = None,
    stack: StackName = STACK,
    local: Local = False,
    as_json: AsJson = False,
) -> int:
    """Preview a plan, or what new presets would change.

    PLAN alone describes the plan in the packaged presets. PLAN and COMPANY compare it with the company's settings at
    Codat. --presets compares a file with the live presets for every company with a record, with one call to Codat for
    its quota. Changes nothing.

    Exit code 1: the new presets lack the plan of a company, or one reconciliation run exceeds a day's share of the
    quota.

    Example: codat-sync preview --presets new.toml
    """
    if new is not None and plan is None:
        return _preview_presets(Presets.parse(new.read_bytes()), find_stack(stack, local=local), as_json=as_json)
    if new is not None or plan is None:
        raise typer.TyperException("give either PLAN or --presets FILE")
    if company is None:
        description = describe(Presets.packaged(), plan)
        show(description, render_preset(description), as_json=as_json)
        return FINE
    return _preview_company(plan, company, find_stack(stack, local=local), as_json=as_json)


def _preview_presets(new: Presets, deployed: Stack, *, as_json: bool) -> int:
    with progress("companies") as on_read:
        assessment = assess(new, deployed, on_read)
    show(assessment, render_assessment(assessment), as_json=as_json)
    return FOUND if assessment.needs_attention else FINE


def _preview_company(plan: str, company: UUID, deployed: Stack, *, as_json: bool) -> int:
    convergence = Convergence(deployed.codat, deployed.plans, deployed.presets, now)
    changes = preview_company(deployed.presets, plan, company, convergence)
    show(changes, render_preview(changes), as_json=as_json)
    return FINE


def render_preset(preset: PresetDescription) -> RenderableType:
    """Show the frequencies of a plan, each with its data types."""
    table = fields()
    if preset.use_account_defaults:
        table.add_row("all data types", "the Codat account's own settings")
    for frequency, data_types in preset.data_types.items():
        table.add_row(frequency, f"{len(data_types)}: {', '.join(data_types)}")
    if preset.on_payment_required:
        table.add_row("fallback", f"{preset.on_payment_required}, while the Codat account does not allow hourly syncs")
    return Lines(Text(preset.plan, "bold"), table)


def render_preview(preview: CompanyPreview) -> RenderableType:
    """Show what would change for one company, and what would not."""
    lines: list[RenderableType] = [Text(f"{preview.plan} for company {preview.company_id}", "bold")]
    changes = difference_lines(preview.differences, most=50)
    lines += [Padding(Text(f"~ {line}", "yellow"), (0, 0, 0, 2)) for line in changes]
    if preview.refused_narrowing:
        kept = ", ".join(preview.refused_narrowing)
        lines.append(Padding(f"! history is kept, because the preset may not narrow it: {kept}", (0, 2)))
    if preview.locked:
        lines.append(Padding(f"! locked by Codat, and stay: {', '.join(preview.locked)}", (0, 2)))
    count = len({difference.data_type for difference in preview.differences})
    lines.append(Text(f"{count} would change, {preview.stay} stay as they are.", "bold"))
    return Lines(*lines)
