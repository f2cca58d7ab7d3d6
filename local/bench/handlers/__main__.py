"""Measure the project's handler beside one around Codat's SDK, and beside an API destination, on the same events.

Prints the figures of each, with the least, the median and the most of the rounds, and the ratios of the medians.
"""

import argparse
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from local.aws.processes import StackError, ending_on_signals
from local.bench.handlers.contestants import CONTESTANTS
from local.bench.handlers.measure import AT_A_TIME, LATENCIES, HandlerFigures, Spread, measure_handler


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m local.bench.handlers", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--companies", type=int, default=300, help="companies, each of which changes its plan")
    parser.add_argument("--rounds", type=int, default=5, help="how often each figure is measured")
    arguments = parser.parse_args(argv)
    if arguments.companies < 10 * AT_A_TIME or arguments.rounds < 1:
        parser.error(f"at least {10 * AT_A_TIME} companies, and one round")
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    arguments = _arguments(argv)
    console = Console()
    try:
        with ending_on_signals():
            measured = [measure_handler(name, arguments.companies, arguments.rounds) for name in CONTESTANTS]
    except StackError as error:
        console.print(f"[bold red]{error}[/]")
        return 1
    console.print(_table(measured))
    ours = measured[0]
    return 1 if ours.wrong_plans else 0


def _table(measured: Sequence[HandlerFigures]) -> Table:
    table = Table(title="The same events, three handlers: least / median / most of the rounds")
    table.add_column("")
    for each in measured:
        table.add_column(each.name, justify="right")
    for latency in LATENCIES:
        bound = AT_A_TIME / (2 * latency)
        rows = [f"{_spread(each.throughput[latency], '.1f')}" for each in measured]
        share = measured[0].throughput[latency].median / bound
        table.add_row(f"events/s at {1000 * latency:.0f} ms (bound {bound:.0f}, we use {share:.0%})", *rows)
    table.add_row("CPU of a change, ms", *(_spread(each.cpu_of_a_change, ".2f") for each in measured))
    table.add_row("CPU an event in a storm, ms", *(_spread(each.storm_cpu, ".2f") for each in measured))
    table.add_row("calls to Codat for 1,000 events of it", *(f"{each.storm_calls:,.0f}" for each in measured))
    table.add_row("companies at a wrong plan", *(f"{each.wrong_plans} of {each.companies}" for each in measured))
    return table


def _spread(spread: Spread, form: str) -> str:
    return f"{spread.least:{form}} / {spread.median:{form}} / {spread.most:{form}}"


if __name__ == "__main__":
    sys.exit(main())
