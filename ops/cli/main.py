"""``codat-sync``: the table of all commands, and how each of them ends."""

import os
import sys
from importlib import metadata
from io import TextIOWrapper
from typing import Annotated, Any, Final, NoReturn

import typer

from ops.cli._lazy import LazyGroup
from ops.cli.exit_codes import BAD_INPUT

EPILOG: Final = (
    "Exit codes: 0 success. 1 something needs attention; the help of each command says what. 2 wrong usage or input. "
    "3 the stack, AWS or Codat could not be reached."
)


class _CodatSync(LazyGroup):
    """All commands. An expected error ends a command with one line and an exit code, never with a traceback."""

    functions = {  # noqa: RUF012  # The base declares it a class variable.
        "explain": "ops.cli.explain:explain",
        "preview": "ops.cli.preview:preview",
        "send": "ops.cli.send:send",
        "reconcile": "ops.cli.reconcile:reconcile",
        "backfill": "ops.cli.backfill:backfill",
        "doctor": "ops.cli.doctor:doctor",
    }

    def main(self, *args: Any, **settings: Any) -> NoReturn:  # noqa: ANN401  # Typer's own arguments.
        """Run a command, and exit with the code that it returns."""
        try:
            code = super().main(*args, **{**settings, "standalone_mode": False})
        except typer.TyperException as error:
            code = _usage_error(error)
        except Exception as error:
            from ops.cli._errors import problem_of  # noqa: PLC0415  # Loads the AWS client: only where an error needs it.

            problem = problem_of(error)
            if problem is None:
                raise
            _print_error(problem.facts, problem.hint)
            code = problem.exit_code
        sys.exit(code)


class _Dlq(LazyGroup):
    functions = {  # noqa: RUF012
        "list": "ops.cli.dlq:list_groups",
        "show": "ops.cli.dlq:show_events",
        "redrive": "ops.cli.dlq:redrive",
        "discard": "ops.cli.dlq:discard",
    }


class _Pause(LazyGroup):
    functions = {  # noqa: RUF012
        "show": "ops.cli.pause:show_pause",
        "lift": "ops.cli.pause:lift_pause",
    }


class _Sources(LazyGroup):
    functions = {  # noqa: RUF012
        "check": "ops.cli.sources:check_sources",
        "try": "ops.cli.sources:try_sources",
    }


class _Presets(LazyGroup):
    functions = {  # noqa: RUF012
        "check": "ops.cli.presets_check:check_presets",
        "show": "ops.cli.presets:show_presets",
        "put": "ops.cli.presets:put_presets",
        "status": "ops.cli.presets:show_status",
    }


app = typer.Typer(
    cls=_CodatSync,
    add_completion=False,
    pretty_exceptions_enable=False,
    pretty_exceptions_show_locals=False,
    rich_markup_mode=None,
    epilog=EPILOG,
)
app.add_typer(typer.Typer(cls=_Dlq, help="List, show, redrive and discard the events in the DLQs."), name="dlq")
app.add_typer(typer.Typer(cls=_Pause, help="Show and lift the pause that keeps functions from Codat."), name="pause")
app.add_typer(
    typer.Typer(cls=_Presets, help="Check presets, and change the live ones without a deploy."), name="presets"
)
app.add_typer(typer.Typer(cls=_Sources, help="Check the sources file, and try it on an event."), name="sources")


def _print_version(*, wanted: bool) -> None:
    if wanted:
        typer.echo(f"codat-sync {metadata.version('codat-sync-presets')}")
        raise typer.Exit


@app.callback()
def codat_sync(
    *,
    version: Annotated[  # noqa: ARG001  # Its callback prints it.
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    region: Annotated[str | None, typer.Option("--region", metavar="NAME", help="The AWS region of the stack.")] = None,
    profile: Annotated[str | None, typer.Option("--profile", metavar="NAME", help="The AWS profile to use.")] = None,
) -> None:
    """Explain and repair companies' sync settings at Codat, for the on-call of a deployed stack.

    --region and --profile stand before the command. They take precedence over AWS_DEFAULT_REGION and AWS_PROFILE.
    """
    for name, value in (("AWS_DEFAULT_REGION", region), ("AWS_PROFILE", profile)):
        if value is not None:
            os.environ[name] = value


def main() -> None:
    """Run the command line of this process. A character that the output's encoding lacks becomes a question mark."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    app(prog_name="codat-sync")


def _usage_error(error: typer.TyperException) -> int:
    context = getattr(error, "ctx", None)
    hint = f"`{context.command_path} --help` describes the command" if context else None
    _print_error(error.format_message(), hint)
    return BAD_INPUT


def _print_error(facts: str, hint: str | None) -> None:
    for fact in facts.splitlines():
        typer.echo(f"{typer.style('error:', fg='red', bold=True)} {fact}", err=True)
    if hint:
        typer.echo(f"{typer.style('hint:', bold=True)} {hint}", err=True)
