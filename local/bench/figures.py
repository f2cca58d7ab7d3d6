"""The figures of a benchmark as one JSON object.

The names of its fields do not change, so that the files of several versions can be compared: "walk" is the
reconciliation run, and "nights" are the estimates.
"""

import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from statistics import median
from typing import Any, Final

from local.bench.estimates import CompanyUsage, RunEstimate, estimate_run
from local.bench.measurements import Measurement
from local.bench.results import Machine, Results
from local.prices import MILLION

PACES: Final = (300, 1000)
"""ReconcileCallsPerMinute of template.yaml: its default and its largest value."""
JSON_NAMES: Final = {"run_calls": "walk_calls", "usd_a_run": "usd_a_walk", "runs_a_month": "walks_a_month"}
"""The names of fields in the JSON, where they differ from those in the code."""

Figures = dict[str, Any]


def figures(results: Results, machine: Machine) -> Figures:
    """Return everything that was measured, and the estimates that follow from it."""
    usage = results.usage_per_company()
    sizes = sorted({results.run.count, MILLION})
    return {
        "companies": results.run.count,
        "machine": _machine(machine),
        "walk": _run(results),
        "paced": _paced(results),
        "codat": _codat(results, usage),
        "dynamodb": _dynamodb(results, usage),
        "requests": {"walk": dict(results.run.usage.requests), "repair": dict(results.repairs.usage.requests)},
        "repair": {
            "companies": results.repairs.count,
            "cpu_ms_per_company": 1000 * results.repairs.cpu_seconds / results.repairs.count,
        },
        "live": _live(results.live),
        "per_company": _as_json(usage),
        "nights": [_as_json(estimate_run(usage, companies, pace)) for companies in sizes for pace in PACES],
    }


def _as_json(figures: CompanyUsage | RunEstimate) -> Figures:
    return {JSON_NAMES.get(name, name): value for name, value in asdict(figures).items()}


def _machine(machine: Machine) -> Figures:
    return {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "load_before": list(machine.load_before),
        "load_after": list(machine.load_after),
        "seconds": machine.seconds,
        "seconds_of_seeding": machine.seeding_seconds,
    }


def _run(results: Results) -> Figures:
    run = results.run
    first_peak, *_, last_peak = (peak for _, peak in sorted(run.peak_bytes.items()))
    return {
        "found": dict(run.outcomes),
        "seconds": run.seconds,
        "companies_per_second": run.count / run.seconds,
        "cpu_ms_per_company": 1000 * run.cpu_seconds / run.count,
        "cpu_ms_per_company_by_tenths": _spread([1000 * seconds for seconds in run.cpu_seconds_by_tenth]),
        "codat_cpu_ms_per_company": 1000 * results.codat_cpu_seconds / run.count,
        "aws_cpu_ms_per_company": 1000 * results.aws_cpu_seconds / run.count,
        "peak_bytes_at_percent": {str(percent): peak for percent, peak in run.peak_bytes.items()},
        "peak_last_to_first": last_peak / first_peak,
        "logged_bytes_per_company": run.logged_bytes / run.count,
    }


def _paced(results: Results) -> Figures:
    paced = results.paced
    return {
        "calls_a_minute": paced.calls_a_minute,
        "seconds": paced.seconds,
        "calls_a_minute_measured": 60 * sum(results.paced_calls.values()) / paced.seconds,
        "cpu_share_of_a_core": paced.cpu_seconds / paced.seconds,
    }


def _codat(results: Results, usage: CompanyUsage) -> Figures:
    run, repairs = results.run, results.repairs
    not_shown = run.outcomes.get("gone", 0) + run.outcomes.get("unanswered", 0)
    return {
        "calls": [
            {"method": method, "status": status, "count": count}
            for (method, status), count in results.run_calls.items()
        ],
        "calls_per_company": usage.run_calls + usage.repair_calls,
        "calls_in_step": results.run_calls["GET", 200] / (run.count - not_shown),
        # The run's read, the repair's read, its write, and the read that verifies it.
        "calls_drifted": 2
        + results.repair_calls["POST", 204] / repairs.outcomes["repaired"]
        + (results.repair_calls["GET", 200] - repairs.count) / repairs.outcomes["repaired"],
    }


def _dynamodb(results: Results, usage: CompanyUsage) -> Figures:
    run = results.run
    pages = run.usage.requests["dynamodb.Scan"]
    return {
        "scans": pages,
        "bytes_per_company": run.usage.scanned_bytes / run.count,
        "read_units_per_scan": run.usage.scan_units / pages,
        "read_units_per_company": usage.read_units,
        "writes_per_page": run.usage.requests["dynamodb.UpdateItem"] / pages,
        "write_units_per_page": run.usage.write_units / pages,
        "write_units_per_company": usage.write_units,
    }


def _live(rounds: Sequence[tuple[Measurement, Measurement]]) -> Figures:
    def spreads(figure: Callable[[Measurement], float]) -> Mapping[str, Mapping[str, float]]:
        return {
            "applied": _spread([figure(first) for first, _ in rounds]),
            "duplicate": _spread([figure(second) for _, second in rounds]),
            "duplicate_to_applied": _spread([figure(second) / figure(first) for first, second in rounds]),
        }

    first_round = {"applied": rounds[0][0], "duplicate": rounds[0][1]}
    return {
        "events": rounds[0][0].count,
        "rounds": len(rounds),
        "events_per_second": spreads(lambda measured: measured.count / measured.seconds),
        "cpu_ms_per_event": spreads(lambda measured: 1000 * measured.cpu_seconds / measured.count),
        "requests": {name: dict(measured.usage.requests) for name, measured in first_round.items()},
    }


def _spread(values: Sequence[float]) -> Mapping[str, float]:
    return {"min": min(values), "median": median(values), "max": max(values)}
