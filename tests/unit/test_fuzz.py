"""A short run of ``python -m tests.fuzz``."""

from tests.fuzz import SLOWEST_SECONDS, fuzz


def test_every_body_is_processed_or_parked_within_bounded_time() -> None:
    report = fuzz(1_000, seed=1)
    assert report.unexpected == []
    assert report.slowest_seconds < SLOWEST_SECONDS
    assert report.reasons["taken"] > 0, "some bodies are still valid"
    assert report.reasons["malformed_event"] > 0
