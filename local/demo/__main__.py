"""Show the whole system at work on this machine.

Sample events go through the bus, Codat's bill is paid, and settings are changed in Codat's Portal. Exits 0 only if
every event has its expected outcome, every event that waited for payment is redriven, every change made in Codat's
Portal is found and repaired, and every company is at its preset.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from local.aws.processes import StackError, ending_on_signals
from local.codat_simulator.control_client import ControlRefused
from local.demo.runner import run_demo


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m local.demo", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path(".local"), help="where the stack keeps its files")
    arguments = parser.parse_args(argv)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 150)
    try:
        with ending_on_signals():
            problems = run_demo(console, arguments.folder)
    except (StackError, ControlRefused) as error:
        console.print(f"[bold red]demo:[/] {error}")
        return 1
    except KeyboardInterrupt:
        return 130
    for problem in problems:
        console.print(f"[bold red]✗[/] {problem}")
    if not problems:
        console.print(
            "[bold green]✓[/] Every event has its expected outcome, what waited for payment is redriven, "
            "changes made in Codat's Portal are repaired, and every company is at its preset."
        )
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
