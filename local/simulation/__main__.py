"""Simulate days in which Codat or Lambda does not do what it should, in seconds, and balance a ledger of each.

Without a scenario: all but those of 100,000 events, which take minutes each. Exits 0 only if each ledger balances, and
what was parked, lost and used is what the scenario allows.
"""

import argparse
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from local.simulation.run import Result, run
from local.simulation.scenario import Scenario
from local.simulation.scenarios import SCENARIOS
from local.simulation.table import COLUMNS, DOCUMENT, row, with_rows

LARGE = 10_000
"""From so many events on, a scenario takes minutes."""


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m local.simulation", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--scenario", action="append", choices=SCENARIOS, metavar="NAME", help="one of --list; may be repeated"
    )
    parser.add_argument("--all", action="store_true", help="all scenarios, those of 100,000 events included")
    parser.add_argument("--list", action="store_true", help="print the names of all scenarios")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same run")
    parser.add_argument("--write", action="store_true", help="put the rows into docs/reliability.md")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    arguments = _arguments(argv)
    if arguments.list:
        print("\n".join(SCENARIOS))
        return 0
    names = arguments.scenario or [name for name, each in SCENARIOS.items() if arguments.all or each.events < LARGE]
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 200)
    try:
        results = [_run(console, SCENARIOS[name], arguments.seed) for name in names]
    except KeyboardInterrupt:
        return 130
    console.print(_table(results))
    if arguments.write:
        text = with_rows(DOCUMENT.read_text("utf-8"), [row(each) for each in results], list(SCENARIOS))
        DOCUMENT.write_text(text, "utf-8")
    return 1 if any(each.problems for each in results) else 0


def _run(console: Console, scenario: Scenario, seed: int) -> Result:
    with console.status(scenario.name):
        result = run(scenario, seed)
    for problem in result.problems:
        console.print(f"[bold red]✗[/] {scenario.name}: {problem}")
    return result


def _table(results: Sequence[Result]) -> Table:
    table = Table()
    for each in COLUMNS:
        table.add_column(each, no_wrap=each == "scenario")
    for result in results:
        table.add_row(*(cell.replace("`", "") for cell in row(result)), style="red" if result.problems else None)
    return table


if __name__ == "__main__":
    sys.exit(main())
