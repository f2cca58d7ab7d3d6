"""The figures of a benchmark as tables, for people to read."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from rich.table import Table

from codat_sync.reconciliation.reconcile import PAGE
from local.bench.figures import Figures

MIB: Final = 2**20

Row = tuple[str, str]


def tables(figures: Figures) -> Iterator[Table]:
    """Yield the tables of the reconciliation run, of the live events and of the estimates."""
    yield _run_table(figures)
    yield _live_table(figures["live"])
    yield _estimates_table(figures["nights"])


def _run_table(figures: Figures) -> Table:
    title = f"A reconciliation run over {figures['companies']:,} companies, 1 % of which have drifted"
    table = _table(title, "measured")
    for name, figure in (*_process_rows(figures), *_call_rows(figures), *_cpu_rows(figures)):
        table.add_row(name, figure)
    return table


def _process_rows(figures: Figures) -> Iterable[Row]:
    run, paced = figures["walk"], figures["paced"]
    peaks = run["peak_bytes_at_percent"]
    return (
        ("companies a second, without a pace", f"{run['companies_per_second']:.0f}"),
        ("CPU a company", f"{run['cpu_ms_per_company']:.2f} ms"),
        ("  by tenths of the run, min / median / max", _joined(run["cpu_ms_per_company_by_tenths"].values(), ".2f")),
        (
            f"  at a pace of {paced['calls_a_minute']:,} calls a minute",
            f"{100 * paced['cpu_share_of_a_core']:.1f} % of a core",
        ),
        ("  calls a minute at that pace", f"{paced['calls_a_minute_measured']:.0f}"),
        (
            f"peak memory after {' / '.join(peaks)} %",
            f"{_joined((peak / MIB for peak in peaks.values()), '.1f')} MiB",
        ),
        ("  last to first", f"{run['peak_last_to_first']:.3f}"),
    )


def _call_rows(figures: Figures) -> Iterable[Row]:
    codat, dynamodb, per_company = figures["codat"], figures["dynamodb"], figures["per_company"]
    return (
        (
            "calls to Codat: in step / drifted and repaired",
            _joined((codat["calls_in_step"], codat["calls_drifted"]), ".2f"),
        ),
        ("  average of all companies", f"{codat['calls_per_company']:.3f}"),
        ("DynamoDB: size of a company's item", f"{dynamodb['bytes_per_company']:.0f} bytes"),
        (f"  a page of {PAGE} is one scan", f"{dynamodb['read_units_per_scan']:.1f} read units"),
        ("  writes a page", f"{dynamodb['writes_per_page']:.2f}"),
        ("  write units a page", f"{dynamodb['write_units_per_page']:.2f}"),
        ("SQS requests a company", f"{per_company['sqs_requests']:.4f}"),
        ("log a company", f"{per_company['logged_bytes']:.0f} bytes"),
    )


def _cpu_rows(figures: Figures) -> Iterable[Row]:
    run = figures["walk"]
    others = (run["codat_cpu_ms_per_company"], run["aws_cpu_ms_per_company"])
    return (
        ("CPU of a repair", f"{figures['repair']['cpu_ms_per_company']:.2f} ms"),
        ("CPU of the simulated Codat / of Moto, a company", f"{_joined(others, '.2f')} ms"),
    )


def _live_table(live: Figures) -> Table:
    title = f"Live events: {live['rounds']} rounds of {live['events']:,}, min / median / max"
    table = _table(title, "events a second", "CPU ms an event")
    rows = {
        "a change is applied": "applied",
        "the same event once more": "duplicate",
        "  second delivery to first": "duplicate_to_applied",
    }
    for name, key in rows.items():
        spreads = (live[figure][key].values() for figure in ("events_per_second", "cpu_ms_per_event"))
        table.add_row(name, *(_joined(spread, ".2f") for spread in spreads))
    return table


def _estimates_table(estimates: Sequence[Figures]) -> Table:
    table = _table("Estimates", *(f"{each['companies']:,}\n{each['calls_a_minute']:,}/min" for each in estimates))
    rows: dict[str, Callable[[Figures], str]] = {
        "hours of a run": lambda each: f"{each['hours']:.1f}",
        "  invocations": lambda each: f"{each['invocations']:,}",
        "  GB-s of Lambda": lambda each: f"{each['gb_seconds']:,.0f}",
        "  slowest answer, s": lambda each: f"{each['slowest_answer_seconds']:.2f}",
        "calls to Codat": lambda each: f"{each['calls']:,}",
        "  % of a day's quota": lambda each: f"{100 * each['quota_share']:.3f}",
        **{f"  USD {name}": _usd(name) for name in estimates[0]["usd"]},
        "USD a run": lambda each: f"{each['usd_a_walk']:.2f}",
        "runs a month": lambda each: f"{each['walks_a_month']:.0f}",
        "USD a month": lambda each: f"{each['usd_a_month']:.2f}",
    }
    for name, figure in rows.items():
        table.add_row(name, *map(figure, estimates))
    return table


def _usd(name: str) -> Callable[[Figures], str]:
    return lambda estimate: f"{estimate['usd'][name]:.4f}"


def _joined(values: Iterable[float], spec: str) -> str:
    return " / ".join(f"{value:{spec}}" for value in values)


def _table(title: str, *columns: str) -> Table:
    table = Table("", title=title, title_justify="left", title_style="bold")
    for column in columns:
        table.add_column(column, justify="right")
    return table
