"""What a reconciliation of many companies and a live event cost, measured on this machine.

The functions as they are wired in Lambda, the simulated Codat and Moto have a process each. The walk has no pace, so
that its own cost shows; what it takes at a pace, and for a million, is calculated from that. Exits 0 only if what was
put there was found, and nothing else.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console

from local.aws.processes import StackError, ending_on_signals
from local.bench.figures import figures, tables
from local.bench.measure import measure, wrong
from local.bench.population import DRIFTED, Population

FEWEST: Final = 2 * DRIFTED
"""Fewer have hardly one among them that has drifted."""


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m local.bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--companies", type=int, default=100_000)
    parser.add_argument("--events", type=int, default=500, help="live events of each round")
    parser.add_argument("--paced-seconds", type=float, default=30.0, help="of a walk that keeps to a pace")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write the figures, too")
    arguments = parser.parse_args(argv)
    if arguments.companies < FEWEST or not 0 < arguments.events <= arguments.companies // 2:
        parser.error(f"at least {FEWEST} companies, and events for half of them at most")
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    arguments = _arguments(argv)
    console = Console()
    population = Population(arguments.companies)
    try:
        with ending_on_signals():
            console.print(f"Putting {population.companies:,} companies to Codat and into the table")
            measured = measure(population, arguments.events, console.print, paced_seconds=arguments.paced_seconds)
    except StackError as error:
        console.print(f"[bold red]{error}[/]")
        return 1
    said = figures(measured)
    if arguments.json:
        arguments.json.write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
    for table in tables(said):
        console.print(table)
    loads = (", ".join(f"{each:.1f}" for each in load) for load in (measured.load_before, measured.load_after))
    console.print(f"{measured.seconds:.0f} s in all. The machine's load before and after: {' / '.join(loads)}")
    problems = wrong(population, arguments.events, measured)
    for problem in problems:
        console.print(f"[bold red]Not as it should be.[/] {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
