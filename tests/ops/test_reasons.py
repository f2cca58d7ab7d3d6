"""The reasons that the tool knows are those of the runbook."""

from ops.reasons import known_reasons
from tests.docs.test_runbook import REASONS


def test_every_reason_with_a_heading_in_the_runbook_is_known() -> None:
    assert known_reasons() >= REASONS


def test_a_typing_error_is_no_reason() -> None:
    assert "acount_expired" not in known_reasons()
