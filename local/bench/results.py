"""The results of a benchmark, and the check that they match what was set up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from codat_sync.reconciliation.findings import Finding
from local.bench.estimates import CompanyUsage
from local.bench.measurements import Measurement, PacedRun, RunMeasurement
from local.bench.population import Population

Calls = Mapping[tuple[str, int | None], int]
"""The number of requests to Codat, by method and status."""


@dataclass(frozen=True)
class Machine:
    """The load of the machine, and the duration of the benchmark.

    The load is that of the last 1, 5 and 15 minutes. A load above the number of cores means that other processes
    disturbed the benchmark.
    """

    load_before: Sequence[float]
    load_after: Sequence[float]
    seeding_seconds: float
    seconds: float


@dataclass(frozen=True)
class Results:
    """All measurements. Calls to Codat are those that the simulator counted.

    ``codat_cpu_seconds`` and ``aws_cpu_seconds`` belong to ``run`` alone. Each round of ``live`` has the measurement of
    its events and that of their second delivery.
    """

    run: RunMeasurement
    run_calls: Calls
    codat_cpu_seconds: float
    aws_cpu_seconds: float
    repairs: Measurement
    repair_calls: Calls
    paced: PacedRun
    paced_calls: Calls
    live: Sequence[tuple[Measurement, Measurement]]
    live_calls: Calls

    def usage_per_company(self) -> CompanyUsage:
        """Divide what the run and its repairs used by the number of companies."""
        count = self.run.count
        both = (self.run, self.repairs)
        drifted, repaired = self.run.outcomes["drifted"], self.repairs.outcomes["repaired"]
        return CompanyUsage(
            run_calls=sum(self.run_calls.values()) / count,
            repair_calls=sum(self.repair_calls.values()) / count,
            handed_over=self.run.outcomes["handed_over"] / count,
            read_units=sum(each.usage.read_units for each in both) / count,
            write_units=sum(each.usage.write_units for each in both) / count,
            sqs_requests=sum(each.usage.requests_to("sqs") for each in both) / count,
            bus_events=(drifted + repaired) / count,
            logged_bytes=sum(each.logged_bytes for each in both) / count,
        )


def mismatches(population: Population, events: int, results: Results) -> list[str]:
    """Return a sentence for each result that differs from what was set up. With any, the figures are worthless."""
    drifted, unanswered = population.findings[Finding.CHANGED_AT_CODAT], population.findings[Finding.UNANSWERED]
    rounds = len(results.live)
    expected_and_measured: dict[str, tuple[object, object]] = {
        "findings of the run": (_expected_counts(population), dict(results.run.outcomes)),
        "outcomes of the repairs": ({"repaired": drifted, "unchanged": unanswered}, dict(results.repairs.outcomes)),
        "writes to Codat during the run": (0, _calls_with("POST", results.run_calls)),
        "writes to Codat during the repairs": (drifted, _calls_with("POST", results.repair_calls)),
        # The second delivery of an event costs no call.
        "calls to Codat for live events": (
            {("GET", 200): events * rounds, ("POST", 204): events * rounds},
            dict(results.live_calls),
        ),
        "outcomes of live events": (
            [({"applied": events}, {"unchanged": events})] * rounds,
            [(dict(first.outcomes), dict(second.outcomes)) for first, second in results.live],
        ),
    }
    return [
        f"{what}: expected {expected}, measured {measured}"
        for what, (expected, measured) in expected_and_measured.items()
        if expected != measured
    ]


def _expected_counts(population: Population) -> dict[str, int]:
    set_up = population.findings
    drifted = set_up[Finding.CHANGED_AT_CODAT]
    return {finding.value: count for finding, count in set_up.items()} | {
        "checked": population.companies,
        "drifted": drifted,
        "handed_over": drifted + set_up[Finding.UNANSWERED],
    }


def _calls_with(method: str, calls: Calls) -> int:
    return sum(count for (each, _), count in calls.items() if each == method)
