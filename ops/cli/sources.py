"""The commands ``sources check`` and ``sources try``: offline, and without the AWS client."""

from importlib.resources import files
from pathlib import Path
from typing import Annotated, Final

import typer

from codat_sync.sources.file import InvalidSources, Sources
from ops.cli.exit_codes import BAD_INPUT, FINE, FOUND
from ops.clock import now
from ops.sources_trial import try_event

IN_CHECKOUT: Final = Path("shared/codat_sync/sources/sources.toml")
"""The sources file of a checkout, relative to its root."""


def check_sources(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE",
            help=f"A sources file. Default: {IN_CHECKOUT}, else the packaged one.",
            show_default=False,
        ),
    ] = None,
) -> int:
    """Check a sources file, offline, and print each problem on one line.

    Exit code 2: there is a problem.

    Example: codat-sync sources check sources.toml
    """
    sources = _read(file or _default_file())
    if sources is None:
        return BAD_INPUT
    typer.echo(f"{file or _default_file()}: {len(sources.sources)} sources, no problems")
    return FINE


def try_sources(
    event: Annotated[Path, typer.Argument(metavar="FILE", help="One event as EventBridge delivers it, in JSON.")],
    *,
    sources: Annotated[
        Path | None,
        typer.Option(help=f"A sources file. Default: {IN_CHECKOUT}, else the packaged one.", show_default=False),
    ] = None,
) -> int:
    """Show, offline, which source takes an event, what each expression finds, and what comes out.

    Exit code 1: the event would be parked. Exit code 2: a file cannot be used.

    Example: codat-sync sources try event.json --sources sources.toml
    """
    read = _read(sources or _default_file())
    if read is None:
        return BAD_INPUT
    try:
        body = event.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        typer.echo(f"{event}: cannot be read: {error}")
        return BAD_INPUT
    lines, accepted = try_event(read, body, now=now())
    typer.echo("\n".join(lines))
    return FINE if accepted else FOUND


def _read(file: Path) -> Sources | None:
    """Return the sources, or print each problem and return None."""
    try:
        return Sources.parse(file.read_bytes())
    except OSError as error:
        typer.echo(f"{file}: cannot be read: {error.strerror or error}")
    except InvalidSources as error:
        typer.echo("\n".join(f"{file}: {line}" for line in str(error).splitlines()))
    return None


def _default_file() -> Path:
    return IN_CHECKOUT if IN_CHECKOUT.exists() else Path(str(files("codat_sync.sources").joinpath("sources.toml")))
