"""The runbook knows every reason that an event may be parked or deferred for."""

import inspect
import re
from pathlib import Path

import pytest

from codat_sync import api_key
from codat_sync.codat import errors
from codat_sync.companies import converge as convergence
from codat_sync.companies import records as company_plans
from codat_sync.events import company_events as events
from codat_sync.outcomes import triage
from codat_sync.presets import file as presets
from codat_sync.reconciliation import queue as company_reconciliations
from ops.dlq import NO_REASON

RUNBOOK = (Path(__file__).parents[2] / "docs/runbook.md").read_text("utf-8")
MODULES = (api_key, company_plans, company_reconciliations, convergence, errors, events, presets, triage)
ABSTRACT = {"codat_error", "unavailable", "no_answer"}
"""Of classes that are never raised themselves."""
REASONS = {
    reason
    for module in MODULES
    for _, each in inspect.getmembers(module, inspect.isclass)
    if issubclass(each, Exception) and isinstance(reason := getattr(each, "reason", None), str)
}
KINDS = {kind.value for kind in errors.PaymentRequiredKind}
OTHERS = {triage.triage(KeyError()).reason, NO_REASON}


@pytest.mark.parametrize("reason", sorted((REASONS - ABSTRACT) | KINDS | OTHERS))
def test_a_reason_has_a_heading(reason: str) -> None:
    assert f"### `{reason}`\n" in RUNBOOK


def test_no_heading_is_about_a_reason_that_is_gone() -> None:
    named = set(re.findall(r"^### `(\w+)`$", RUNBOOK, re.MULTILINE))
    assert named <= REASONS | KINDS | OTHERS


@pytest.mark.parametrize("anchor", sorted(set(re.findall(r"\]\(#([\w-]+)\)", RUNBOOK))))
def test_a_link_within_the_runbook_leads_somewhere(anchor: str) -> None:
    headings = re.findall(r"^#+ (.+)$", RUNBOOK, re.MULTILINE)
    assert anchor in {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}
