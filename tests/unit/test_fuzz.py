"""The shallow end of ``python -m tests.fuzz``."""

from tests.fuzz import SLOWEST_SECONDS, fuzz


def test_nothing_that_a_queue_may_hold_is_a_surprise() -> None:
    findings = fuzz(1_000, seed=1)
    assert findings.surprises == []
    assert findings.slowest_seconds < SLOWEST_SECONDS
    assert findings.reasons["taken"] > 0, "not all of it is nonsense"
    assert findings.reasons["malformed_event"] > 0
