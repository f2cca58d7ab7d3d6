"""The facts of an explanation: what Codat shows, the finding, and the pause. Nothing is changed."""

from datetime import timedelta
from typing import Any

import pytest

from codat_sync.companies.pause import Pause
from codat_sync.reconciliation.findings import Finding, drift_fingerprint
from local.presets import local_presets
from ops.clock import now
from ops.explain import Explainer, Explanation
from tests.ops.on_call import COMPANY, KEY, OTHER, OnCall


def explain(on_call: OnCall) -> Explanation:
    stack = on_call.stack
    return Explainer(stack.codat, stack.plans, local_presets(), stack.dlqs(), stack.pause, now).explain(COMPANY)


def test_undocumented_schedules_and_locked_data_types_are_shown(on_call: OnCall) -> None:
    settings = [
        {"dataType": "invoices", "fetchOnFirstLink": True, "syncSchedule": 6, "syncOrder": 0},
        {"dataType": "bills", "fetchOnFirstLink": True, "syncSchedule": 0, "syncOrder": 0},
        {"dataType": "company", "fetchOnFirstLink": True, "syncSchedule": 1, "syncOrder": 0},
    ]
    on_call.account.add_company(str(COMPANY), settings=settings, locked=["bills"])
    shown = explain(on_call).at_codat
    assert shown is not None
    assert list(shown.data_types.items()) == [
        ("hourly", ("company",)),
        ("6, which we cannot read", ("invoices",)),
        ("off", ("bills",)),
    ]
    assert shown.locked == ("bills",)
    assert "locked by Codat: bills" in on_call("explain", COMPANY).stdout


def test_it_writes_nothing_to_codat(on_call: OnCall) -> None:
    on_call.add_company(plan="starter")
    on_call.record()
    explain(on_call)
    assert on_call.account.companies[str(COMPANY)].write_count == 0
    assert on_call.account.flags.api_key == KEY


@pytest.mark.parametrize(("plan", "finding"), [("growth", Finding.IN_STEP), ("starter", Finding.CHANGED_AT_CODAT)])
def test_a_confirmed_preset_is_compared_with_codat(on_call: OnCall, plan: str, finding: Finding) -> None:
    on_call.add_company(plan=plan)
    on_call.confirm(on_call.record())
    about = explain(on_call)
    assert (about.finding, bool(about.differences)) == (finding, finding is not Finding.IN_STEP)


def test_what_codat_did_not_take_is_a_finding_of_its_own(on_call: OnCall) -> None:
    on_call.add_company(plan="starter")
    on_call.confirm(on_call.record())
    on_call.plans.note_not_taken(COMPANY, drift_fingerprint(explain(on_call).differences))
    about = explain(on_call)
    assert about.finding is Finding.NOT_TAKEN
    assert "but did not show it right after that: 34 data types differ now" in about.because
    result = on_call("explain", COMPANY)
    assert result.exit_code == 1
    on_call.plans.note_not_taken(COMPANY, "something else")
    assert explain(on_call).finding is Finding.CHANGED_AT_CODAT


@pytest.mark.parametrize(
    ("flags", "finding"), [({"expired": True}, Finding.REFUSED), ({"api_key": "rotated"}, Finding.UNANSWERED)]
)
def test_an_error_of_codat_is_part_of_the_explanation(on_call: OnCall, flags: dict[str, Any], finding: Finding) -> None:
    on_call.record()
    for name, value in flags.items():
        setattr(on_call.account.flags, name, value)
    about = explain(on_call)
    assert (about.at_codat, about.finding) == (None, finding)
    assert about.not_shown_because


def test_only_the_events_of_the_company_are_shown(on_call: OnCall) -> None:
    on_call.park("FailedEventsQueueUrl", companyId=str(COMPANY), reason="forbidden")
    on_call.park("FailedEventsQueueUrl", companyId=str(OTHER), reason="forbidden")
    assert [letter.company_id for letter in explain(on_call).letters] == [COMPANY]


@pytest.mark.parametrize(("hours", "in_force"), [(1, True), (-1, False)])
def test_a_pause_is_shown_while_it_is_in_force(on_call: OnCall, hours: int, *, in_force: bool) -> None:
    on_call.stack.pause.write(Pause("rate_limited", "Too many", now() + timedelta(hours=hours)))
    assert (explain(on_call).pause is not None) is in_force
