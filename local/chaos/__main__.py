"""Run a storm: thousands of events through the deployed stack, with faults and killed workers, and a ledger of them.

Exits 0 only if the ledger balances: no event is missing, none is parked that should not be, and every company is at the
preset of its newest plan at Codat.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from local.aws.processes import StackError, ending_on_signals
from local.chaos.runner import Options, run_storm
from local.codat_simulator.control_client import ControlRefused


def _options(argv: Sequence[str] | None) -> Options:
    parser = argparse.ArgumentParser(prog="python -m local.chaos", description=__doc__)
    parser.add_argument("--events", type=int, default=5_000, help="different events; a tenth is delivered twice")
    parser.add_argument("--companies", type=int, default=300)
    parser.add_argument("--kills", type=int, default=20, help="invocations to interrupt by killing their worker")
    parser.add_argument("--concurrency", type=int, default=6, help="MaximumConcurrency of each function")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same events")
    parser.add_argument("--folder", type=Path, default=Path(".local"), help="where the stack keeps its files")
    return Options(**vars(parser.parse_args(argv)))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the storm; return the exit code."""
    options = _options(argv)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 150)
    try:
        with ending_on_signals():
            problems = run_storm(console, options)
    except (StackError, ControlRefused) as error:
        console.print(f"[bold red]chaos:[/] {error}")
        return 1
    except KeyboardInterrupt:
        return 130
    for problem in problems:
        console.print(f"[bold red]✗[/] {problem}")
    if not problems:
        console.print(
            "[bold green]✓[/] The ledger balances: no event is missing, none is parked without need, "
            "and every company is at its newest plan."
        )
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
