"""A short run of ``python -m tests.fuzz``."""

from tests.fuzz import SLOWEST_SECONDS, fuzz


def test_no_body_of_a_message_leads_to_an_unexpected_error() -> None:
    findings = fuzz(1_000, seed=1)
    assert findings.surprises == []
    assert findings.slowest_seconds < SLOWEST_SECONDS
    assert findings.reasons["taken"] > 0, "some bodies are valid"
    assert findings.reasons["malformed_event"] > 0
