"""The runbook has a heading for every reason that an event may be parked or deferred for, and for no other."""

import re
from collections.abc import Iterator
from importlib import import_module
from pkgutil import walk_packages
from typing import Final

import pytest

import codat_sync
from codat_sync.codat.errors import PaymentRequiredKind
from codat_sync.outcomes.triage import triage
from ops.dlq import UNSAID
from tests.docs.documents import ROOT, anchors, shell_lines, spans, text

RUNBOOK: Final = ROOT / "docs/runbook.md"
ABSTRACT: Final = {"codat_error", "unavailable", "no_answer"}
"""Of classes that are never raised themselves."""
AT_THE_START: Final = {"invalid_config", "invalid_presets"}
"""What stops a function before it reads a message."""
KINDS: Final = {kind.value for kind in PaymentRequiredKind}
OTHERS: Final = {triage(KeyError()).reason, UNSAID}


def subclasses(kind: type[Exception]) -> Iterator[type[Exception]]:
    """Yield every class that inherits from this one, at any depth."""
    for each in kind.__subclasses__():
        yield each
        yield from subclasses(each)


def reasons() -> set[str]:
    """Return the reason of every error of the package. Imports each module first, so that none is missed."""
    for module in walk_packages(codat_sync.__path__, "codat_sync."):
        import_module(module.name)
    ours = {each for each in subclasses(Exception) if each.__module__.startswith("codat_sync.")}
    return {reason for each in ours if isinstance(reason := getattr(each, "reason", None), str)}


REASONS: Final = reasons() - ABSTRACT | KINDS | OTHERS | AT_THE_START


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
    dry = {"dlq redrive", "dlq discard", "backfill", "presets put"}
    assert dry <= set(spans(RUNBOOK))
    applied = [line for line in shell_lines(RUNBOOK) if line.endswith("--apply")]
    assert all(any(line.startswith(f"codat-sync {command}") for command in dry) for line in applied)
