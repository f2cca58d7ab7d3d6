"""The commands ``presets show``, ``presets put`` and ``presets status``: presets that go live without a deploy."""

import hashlib
from pathlib import Path
from typing import Annotated

import typer
from pydantic_core import to_json
from rich.console import Group as Lines
from rich.console import RenderableType
from rich.text import Text

from ops.cli._assessment import render_assessment
from ops.cli._options import STACK, Apply, AsJson, Local, StackName
from ops.cli._output import progress, show
from ops.cli._stack import find_stack
from ops.cli.exit_codes import FINE, FOUND
from ops.presets_in_appconfig import Rollout
from ops.put_presets import PresetsPut, put


def show_presets(*, stack: StackName = STACK, local: Local = False, as_json: AsJson = False) -> int:
    """Print the live presets file, byte for byte.

    That is the file in AppConfig, else the one that was deployed with the functions.

    Example: codat-sync presets show > presets.toml
    """
    content = find_stack(stack, local=local).presets_file
    if as_json:
        typer.echo(to_json({"sha256": hashlib.sha256(content).hexdigest(), "toml": content}, indent=2))
    else:
        typer.echo(content, nl=False)
    return FINE


def put_presets(
    file: Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="The whole presets file.")],
    *,
    apply: Apply = False,
    stack: StackName = STACK,
    local: Local = False,
    as_json: AsJson = False,
) -> int:
    """Put presets into AppConfig, which rolls them out gradually.

    Shows first what they would change, as `preview --presets` does. Presets that lack a plan on which there are
    companies are not put there.

    Exit code 1: as that of `preview --presets`.

    Example: codat-sync presets put presets.toml --apply
    """
    with progress("companies") as on_read:
        result = put(file.read_bytes(), find_stack(stack, local=local), apply=apply, on_read=on_read)
    show(result, render_put(result, applied=apply), as_json=as_json)
    return FOUND if result.assessment.needs_attention else FINE


def show_status(*, stack: StackName = STACK, local: Local = False, as_json: AsJson = False) -> int:
    """Show the newest rollout of presets in AppConfig.

    Exit code 1: it is in progress, or was rolled back.

    Example: codat-sync presets status
    """
    newest = find_stack(stack, local=local).presets_in_appconfig.newest()
    show(newest, render_rollout(newest), as_json=as_json)
    return FINE if newest is None or newest.is_complete else FOUND


def render_put(result: PresetsPut, *, applied: bool) -> RenderableType:
    """Show what new presets would change, and their rollout. ``applied``: whether one was to be started."""
    if result.rollout is not None:
        end: RenderableType = render_rollout(result.rollout)
    elif applied:
        end = Text("Nothing was changed: there are companies on a plan that the new presets lack.", "bold red")
    else:
        end = Text("Nothing was changed. --apply starts the rollout.", "bold")
    return Lines(render_assessment(result.assessment), Text(), end)


def render_rollout(newest: Rollout | None) -> RenderableType:
    """Show a rollout in one line, and below it the newest entry of AppConfig's log."""
    if newest is None:
        return Text("No presets were ever put into AppConfig: the packaged presets are live.", "bold")
    line = f"Deployment {newest.number} of version {newest.version}: {newest.state}, {newest.percent:g} %"
    return Lines(Text(line, "bold"), *([Text(newest.words, "dim")] if newest.words else []))
