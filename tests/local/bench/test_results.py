"""A benchmark whose results differ from what was set up says so."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import pytest

from local.bench.estimates import CompanyUsage
from local.bench.measurements import Measurement, PacedRun, RunMeasurement
from local.bench.meter import Usage
from local.bench.population import Population
from local.bench.results import Results, mismatches

COMPANIES: Final = 300
EVENTS: Final = 20
ROUNDS: Final = 3
USAGE: Final = Usage(Counter({"dynamodb.Scan": 4, "sqs.SendMessageBatch": 1}), read_units=8, write_units=5)


def measurement(count: int, **outcomes: int) -> Measurement:
    return Measurement(count, 1.0, 0.5, outcomes, USAGE, logged_bytes=100)


@pytest.fixture
def results() -> Results:
    """Return the results that a benchmark with 300 companies must have."""
    counts = {"checked": 300, "in_step": 287, "drifted": 3, "changed_at_codat": 3, "gone": 5, "unanswered": 5}
    run = RunMeasurement(
        count=300,
        seconds=3.0,
        cpu_seconds=1.0,
        outcomes=counts | {"handed_over": 8},
        usage=USAGE,
        logged_bytes=900,
        cpu_seconds_by_tenth=[0.003],
        peak_bytes={10: 1, 50: 1, 100: 1},
    )
    return Results(
        run=run,
        run_calls=Counter({("GET", 200): 290, ("GET", 404): 5, ("GET", 503): 15}),
        codat_cpu_seconds=0.1,
        aws_cpu_seconds=0.1,
        repairs=measurement(8, repaired=3, unchanged=5),
        repair_calls=Counter({("GET", 200): 8, ("POST", 204): 3}),
        paced=PacedRun(1000, 1.0, 0.1),
        paced_calls=Counter({("GET", 200): 17}),
        live=[(measurement(EVENTS, applied=EVENTS), measurement(EVENTS, unchanged=EVENTS))] * ROUNDS,
        live_calls=Counter({("GET", 200): 60, ("POST", 204): 60}),
    )


def test_results_that_match_the_set_up_have_no_mismatches(results: Results) -> None:
    assert mismatches(Population(COMPANIES), EVENTS, results) == []


@pytest.mark.parametrize(
    ("what", "altered"),
    [
        ("findings of the run", lambda r: replace(r, run=replace(r.run, outcomes={**r.run.outcomes, "drifted": 2}))),
        ("outcomes of the repairs", lambda r: replace(r, repairs=measurement(8, repaired=2, unchanged=6))),
        ("writes to Codat during the run", lambda r: replace(r, run_calls=r.run_calls | {("POST", 204): 1})),
        ("writes to Codat during the repairs", lambda r: replace(r, repair_calls={("GET", 200): 8})),
        ("calls to Codat for live events", lambda r: replace(r, live_calls={("GET", 200): 61, ("POST", 204): 60})),
        (
            "outcomes of live events",
            lambda r: replace(r, live=[*r.live[:2], (measurement(20, stale=20), r.live[0][1])]),
        ),
    ],
)
def test_each_result_that_differs_from_the_set_up_is_a_mismatch(
    results: Results, what: str, altered: Callable[[Results], Results]
) -> None:
    (sentence,) = mismatches(Population(COMPANIES), EVENTS, altered(results))
    assert sentence.startswith(f"{what}: expected ")


def test_the_usage_of_a_company_includes_the_repairs(results: Results) -> None:
    assert results.usage_per_company() == CompanyUsage(
        run_calls=310 / 300,
        repair_calls=11 / 300,
        handed_over=8 / 300,
        read_units=16 / 300,
        write_units=10 / 300,
        sqs_requests=2 / 300,
        bus_events=6 / 300,
        logged_bytes=1000 / 300,
    )
