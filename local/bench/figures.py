"""What was measured, as figures: one JSON object, and the tables that people read."""

import os
import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from statistics import median
from typing import Any, Final

from rich.table import Table

from codat_sync.reconciliation.reconcile import PAGE
from local.bench.estimates import MILLION, Nights, nights
from local.bench.functions import Worked
from local.bench.measure import Measured

PACES: Final = (300, 1000)
"""ReconcileCallsPerMinute of template.yaml as it comes, and at its most."""
MIB: Final = 2**20

Figures = dict[str, Any]


def figures(measured: Measured) -> Figures:
    """All that was measured, and what that makes."""
    walk, repair, each = measured.walk, measured.repair, measured.each()
    pages = walk.usage.requests["dynamodb.Scan"]
    sizes = sorted({walk.count, MILLION})
    return {
        "companies": walk.count,
        "machine": {
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "load_before": list(measured.load_before),
            "load_after": list(measured.load_after),
            "seconds": measured.seconds,
            "seconds_of_seeding": measured.seeding_seconds,
        },
        "walk": {
            "found": dict(walk.outcomes),
            "seconds": walk.seconds,
            "companies_per_second": walk.count / walk.seconds,
            "cpu_ms_per_company": 1000 * walk.cpu_seconds / walk.count,
            "cpu_ms_per_company_by_tenths": _spread([1000 * part for part in walk.parts]),
            "codat_cpu_ms_per_company": 1000 * measured.codat_cpu_seconds / walk.count,
            "aws_cpu_ms_per_company": 1000 * measured.aws_cpu_seconds / walk.count,
            "peak_bytes_at_percent": {str(percent): peak for percent, peak in walk.peak_bytes.items()},
            "peak_last_to_first": walk.peak_bytes[max(walk.peak_bytes)] / walk.peak_bytes[min(walk.peak_bytes)],
            "logged_bytes_per_company": walk.logged_bytes / walk.count,
        },
        "paced": {
            "calls_a_minute": measured.paced.calls_a_minute,
            "seconds": measured.paced.seconds,
            "calls_a_minute_measured": 60 * sum(measured.paced_calls.values()) / measured.paced.seconds,
            "cpu_share_of_a_core": measured.paced.cpu_seconds / measured.paced.seconds,
        },
        "codat": {
            "calls": [
                {"method": method, "status": status, "count": count}
                for (method, status), count in measured.walk_calls.items()
            ],
            "calls_per_company": each.walk_calls + each.repair_calls,
            "calls_in_step": measured.walk_calls["GET", 200] / (walk.count - _unseen(measured)),
            "calls_drifted": 1
            + measured.repair_calls["GET", 200] / repair.count
            + measured.repair_calls["POST", 204] / repair.outcomes["repaired"],
        },
        "dynamodb": {
            "scans": pages,
            "bytes_per_company": walk.usage.scanned_bytes / walk.count,
            "read_units_per_scan": walk.usage.scan_units / pages,
            "read_units_per_company": each.read_units,
            "writes_per_page": walk.usage.requests["dynamodb.UpdateItem"] / pages,
            "write_units_per_page": walk.usage.write_units / pages,
            "write_units_per_company": each.write_units,
        },
        "requests": {"walk": dict(walk.usage.requests), "repair": dict(repair.usage.requests)},
        "repair": {
            "companies": repair.count,
            "cpu_ms_per_company": 1000 * repair.cpu_seconds / repair.count,
        },
        "live": _live(measured.live),
        "per_company": asdict(each),
        "nights": [asdict(nights(each, companies, pace)) for companies in sizes for pace in PACES],
    }


def _unseen(measured: Measured) -> int:
    """How many companies Codat showed nothing of."""
    return sum(measured.walk.outcomes.get(each, 0) for each in ("gone", "unanswered"))


def _live(rounds: Sequence[tuple[Worked, Worked]]) -> Figures:
    def both(figure: Callable[[Worked], float]) -> Figures:
        return {
            "applied": _spread([figure(once) for once, _ in rounds]),
            "duplicate": _spread([figure(again) for _, again in rounds]),
            "duplicate_to_applied": _spread([figure(again) / figure(once) for once, again in rounds]),
        }

    return {
        "events": rounds[0][0].count,
        "rounds": len(rounds),
        "events_per_second": both(lambda worked: worked.count / worked.seconds),
        "cpu_ms_per_event": both(lambda worked: 1000 * worked.cpu_seconds / worked.count),
        "requests": {
            "applied": dict(rounds[0][0].usage.requests),
            "duplicate": dict(rounds[0][1].usage.requests),
        },
    }


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {"min": min(values), "median": median(values), "max": max(values)}


def tables(said: Figures) -> Iterator[Table]:
    """The same for people."""
    yield _walk_table(said)
    yield _live_table(said["live"])
    yield _nights_table([Nights(**each) for each in said["nights"]])


def _walk_table(said: Figures) -> Table:
    walk, paced, codat, dynamodb = said["walk"], said["paced"], said["codat"], said["dynamodb"]
    tenths, peaks = walk["cpu_ms_per_company_by_tenths"], walk["peak_bytes_at_percent"]
    table = _table(f"A reconciliation of {said['companies']:,} companies, 1 % of which have drifted", "measured")
    rows = {
        "companies a second, without a pace": f"{walk['companies_per_second']:.0f}",
        "CPU of the walk, a company": f"{walk['cpu_ms_per_company']:.2f} ms",
        "  by tenths of it, min / median / max": " / ".join(f"{each:.2f}" for each in tenths.values()),
        f"  at a pace of {paced['calls_a_minute']:,} calls a minute": f"{100 * paced['cpu_share_of_a_core']:.1f} % "
        "of a core",
        "  calls a minute that it made then": f"{paced['calls_a_minute_measured']:.0f}",
        f"its peak memory after {' / '.join(peaks)} %": " / ".join(f"{each / MIB:.1f}" for each in peaks.values())
        + " MiB",
        "  the last to the first": f"{walk['peak_last_to_first']:.3f}",
        "calls to Codat: in step / drifted and repaired": f"{codat['calls_in_step']:.2f} / "
        f"{codat['calls_drifted']:.2f}",
        "  on the average of all": f"{codat['calls_per_company']:.3f}",
        "DynamoDB: the item of a company": f"{dynamodb['bytes_per_company']:.0f} bytes",
        f"  a page of {PAGE} is one scan": f"{dynamodb['read_units_per_scan']:.1f} read units",
        "  writes a page": f"{dynamodb['writes_per_page']:.2f}",
        "  which are": f"{dynamodb['write_units_per_page']:.2f} write units",
        "SQS requests, a company": f"{said['per_company']['sqs_requests']:.4f}",
        "log, a company": f"{said['per_company']['logged_bytes']:.0f} bytes",
        "CPU of a repair": f"{said['repair']['cpu_ms_per_company']:.2f} ms",
        "CPU of the simulated Codat / of Moto, a company": f"{walk['codat_cpu_ms_per_company']:.2f} / "
        f"{walk['aws_cpu_ms_per_company']:.2f} ms",
    }
    for name, figure in rows.items():
        table.add_row(name, figure)
    return table


def _live_table(live: Figures) -> Table:
    title = f"Live events: {live['rounds']} rounds of {live['events']:,}, min / median / max"
    table = _table(title, "events a second", "CPU ms an event")
    rows = {
        "a change is applied": "applied",
        "the same event once more": "duplicate",
        "  that to the first": "duplicate_to_applied",
    }
    for name, key in rows.items():
        spreads = (live[each][key] for each in ("events_per_second", "cpu_ms_per_event"))
        table.add_row(name, *(" / ".join(f"{each:.2f}" for each in spread.values()) for spread in spreads))
    return table


def _nights_table(walks: Sequence[Nights]) -> Table:
    table = _table("What that makes", *(f"{walk.companies:,}\n{walk.calls_a_minute:,}/min" for walk in walks))
    rows: dict[str, Callable[[Nights], str]] = {
        "hours of a walk": lambda walk: f"{walk.hours:.1f}",
        "  invocations": lambda walk: f"{walk.invocations:,}",
        "  GB-s of Lambda": lambda walk: f"{walk.gb_seconds:,.0f}",
        "  s Codat may take": lambda walk: f"{walk.slowest_answer_seconds:.2f}",
        "calls to Codat": lambda walk: f"{walk.calls:,}",
        "  % of a day's quota": lambda walk: f"{100 * walk.quota_share:.3f}",
        **{f"  USD {name}": _usd(name) for name in walks[0].usd},
        "USD a walk": lambda walk: f"{walk.usd_a_walk:.2f}",
        "walks a month": lambda walk: f"{walk.walks_a_month:.0f}",
        "USD a month": lambda walk: f"{walk.usd_a_month:.2f}",
    }
    for name, figure in rows.items():
        table.add_row(name, *map(figure, walks))
    return table


def _usd(name: str) -> Callable[[Nights], str]:
    return lambda walk: f"{walk.usd[name]:.4f}"


def _table(title: str, *columns: str) -> Table:
    table = Table("", title=title, title_justify="left", title_style="bold")
    for column in columns:
        table.add_column(column, justify="right")
    return table
