"""The command ``presets check``: offline, and without the AWS client, since it runs before each build."""

import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Final

import typer
from pydantic_core import to_json

from ops.cli._options import AsJson
from ops.cli.exit_codes import BAD_INPUT, FINE
from ops.presets_check import check

IN_CHECKOUT: Final = Path("shared/codat_sync/presets/presets.toml")
"""The presets file of a checkout, relative to its root."""


def check_presets(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE",
            help=f"A presets file. Default: {IN_CHECKOUT}, else the packaged one.",
            show_default=False,
        ),
    ] = None,
    *,
    as_json: AsJson = False,
) -> int:
    """Check a presets file, offline, and print each problem on one line.

    Exit code 2: there is a problem.

    Example: codat-sync presets check presets.toml
    """
    chosen = file or default_file()
    problems = check(chosen)
    if as_json:
        typer.echo(to_json(problems, indent=2))
    elif problems:
        typer.echo("\n".join(str(problem) for problem in problems))
    else:
        typer.echo(f"{chosen}: {_count_plans(chosen)} plans, no problems")
    return BAD_INPUT if problems else FINE


def default_file() -> Path:
    """Return the presets file of the checkout, else the packaged one."""
    return IN_CHECKOUT if IN_CHECKOUT.exists() else Path(str(files("codat_sync.presets").joinpath("presets.toml")))


def _count_plans(file: Path) -> int:
    """Count the plans of a valid file."""
    return len(tomllib.loads(file.read_text("utf-8-sig"))["plans"])
