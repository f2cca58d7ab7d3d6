"""The metrics that the functions write, found by writing each once."""

import io
import os
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from functools import partial
from http import HTTPMethod
from typing import Final
from unittest import mock

from codat_sync import observability
from codat_sync.codat.client import Answer
from codat_sync.codat.rate_limits import RateLimit
from codat_sync.observability import CodatCalls
from codat_sync.outcomes.triage import Outcome
from local.dashboard.recorder import embedded


def _write_calls() -> None:
    calls = CodatCalls()
    calls.note(Answer(HTTPMethod.GET, 200, 0.1, RateLimit(limit=2, remaining=1)))
    calls.write()


WRITERS: Final[Mapping[str, Callable[[], None]]] = {
    "count_outcomes": partial(observability.count_outcomes, [(each, "growth") for each in Outcome], ["forbidden"]),
    "count_lost_announcements": partial(observability.count_lost_announcements, 1),
    "count_reconciled": partial(observability.count_reconciled, 3, 2, 1, {"invoices": 2}),
    "count_redrive": partial(observability.count_redrive, {"company_limit": 1}, ["account_expired"]),
    "count_presets_unusable": partial(observability.count_presets_unusable, "invalid"),
    "count_pause": partial(observability.count_pause, "rate_limited", 60),
    "count_companies": partial(observability.count_companies, {"growth": 1}),
    "CodatCalls": _write_calls,
}
"""Each function of observability.py that writes metrics, with arguments, by its name there."""


def written(*, in_detail: bool = False) -> set[tuple[str, frozenset[str]]]:
    """Return each metric by its name and the names of its dimensions, which together identify it in CloudWatch.

    ``in_detail`` tells whether the stack's parameter DetailedMetrics is true.
    """
    found = [metric for line in lines(in_detail=in_detail) for metric, _, _ in embedded(line)]
    return {(metric.name, frozenset(dict(metric.dimensions))) for metric in found}


def lines(*, in_detail: bool = False) -> list[str]:
    """Return the log lines that the functions write, each once, whether or not they hold metrics."""
    environment = mock.patch.dict(os.environ, DETAILED_METRICS=str(in_detail).lower())
    with environment, redirect_stdout(io.StringIO()) as output:
        for write in WRITERS.values():
            write()
    return output.getvalue().splitlines()
