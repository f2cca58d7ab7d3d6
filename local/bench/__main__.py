"""Measure on this machine what a reconciliation run over many companies costs, and what a live event costs.

The functions as they are wired in Lambda, the simulated Codat, and Moto have a process each. The measured run has no
pace, so that its own cost shows. What a run costs at a pace, and for a million companies, is calculated from that.
Exits 1 if the benchmark did not find exactly the companies and the drift that it had set up.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console

from local.aws.processes import StackError, ending_on_signals
from local.bench.figures import figures
from local.bench.measure import measure
from local.bench.population import DRIFT_INTERVAL, Population
from local.bench.results import mismatches
from local.bench.tables import tables

MIN_COMPANIES: Final = 2 * DRIFT_INTERVAL
"""With fewer companies, hardly any has drifted."""


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m local.bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--companies", type=int, default=100_000, help="companies of the reconciliation run")
    parser.add_argument("--events", type=int, default=500, help="live events of each round")
    parser.add_argument("--paced-seconds", type=float, default=30.0, help="duration of the run that keeps to a pace")
    parser.add_argument("--json", type=Path, metavar="FILE", help="a file to write the figures to")
    arguments = parser.parse_args(argv)
    if arguments.companies < MIN_COMPANIES or not 0 < arguments.events <= arguments.companies // 2:
        parser.error(f"at least {MIN_COMPANIES} companies, and events for at most half of them")
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    arguments = _arguments(argv)
    console = Console()
    population = Population(arguments.companies)
    try:
        with ending_on_signals():
            console.print(f"Setting up {population.companies:,} companies at Codat and in the table")
            results, machine = measure(
                population, arguments.events, console.print, paced_seconds=arguments.paced_seconds
            )
    except StackError as error:
        console.print(f"[bold red]{error}[/]")
        return 1
    measured = figures(results, machine)
    if arguments.json:
        arguments.json.write_text(json.dumps(measured, indent=2) + "\n", encoding="utf-8")
    for table in tables(measured):
        console.print(table)
    loads = (", ".join(f"{load:.1f}" for load in loads) for loads in (machine.load_before, machine.load_after))
    console.print(f"{machine.seconds:.0f} s in all. Load of the machine before and after: {' / '.join(loads)}")
    problems = mismatches(population, arguments.events, results)
    for problem in problems:
        console.print(f"[bold red]Not what was set up.[/] {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
