"""An event that a source ignores has an outcome, and nothing else happens."""

import pytest

from codat_sync.events.company_events import Ignored
from codat_sync.outcomes.triage import Outcome
from tests.unit.consuming.bench import Bench


def test_an_ignored_event_is_settled_as_unchanged_and_the_log_says_why(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(caplog, lambda _body, *, now: Ignored(f"e-{now.year}", "billing", "detail-type seen"))
    assert bench.consume("{}") == [Outcome.UNCHANGED]
    (line,) = bench.lines("event_settled")
    assert line["ignored"] == "source billing: detail-type seen"
    assert line["correlation_id"].startswith("e-")
    assert (bench.stays, bench.dead_letters.parked) == (set(), [])
