"""The runbook has a heading for every reason that an event may be parked or deferred for, and for no other."""

import re
from typing import Final

import pytest

from codat_sync.codat.errors import PaymentRequiredKind
from codat_sync.outcomes.triage import triage
from ops.dlq import NO_REASON
from tests.docs.documents import ROOT, anchors, shell_lines, spans, text
from tests.planned_errors import ABSTRACT, planned_errors

RUNBOOK: Final = ROOT / "docs/runbook.md"
KINDS: Final = {kind.value for kind in PaymentRequiredKind}
OTHERS: Final = {triage(KeyError()).reason, NO_REASON}


REASONS: Final = {each.reason for each in planned_errors()} - ABSTRACT | KINDS | OTHERS


@pytest.mark.parametrize("reason", sorted(REASONS))
def test_a_reason_has_a_heading(reason: str) -> None:
    assert f"### `{reason}`\n" in text(RUNBOOK)


def test_no_heading_is_about_a_reason_that_is_gone() -> None:
    assert set(re.findall(r"^### `(\w+)`$", text(RUNBOOK), re.MULTILINE)) == REASONS


def test_the_walk_over_the_package_finds_errors_of_every_room_that_has_some() -> None:
    assert {
        "malformed_event",
        "unknown_plan",
        "rate_limited",
        "record_gone",
        "out_of_time",
        "not_handed_over",
    } <= REASONS


def test_every_alarm_of_the_template_has_its_heading() -> None:
    linked = set(re.findall(r"\$\{RunbookUrl\}#([\w-]+)", (ROOT / "template.yaml").read_text("utf-8")))
    assert linked
    assert linked <= anchors(RUNBOOK)


def test_what_changes_nothing_without_apply_is_said_of_commands_that_take_it() -> None:
    dry = {"send", "reconcile", "pause lift", "dlq redrive", "dlq discard", "backfill", "presets put"}
    assert dry <= set(spans(RUNBOOK))
    applied = [line for line in shell_lines(RUNBOOK) if line.endswith("--apply")]
    assert all(any(line.startswith(f"codat-sync {command}") for command in dry) for line in applied)
