"""A reconciliation run checks all companies and repairs those that have drifted; live events go on meanwhile."""

from dataclasses import dataclass
from uuid import UUID

import pytest

from codat_sync.codat.client import READ_SECONDS
from codat_sync.codat.models import Dialect, Frequency, SyncSchedule
from codat_sync.reconciliation.runs import Run
from local.codat_simulator.company_settings import settings_with
from ops.reconcile import still_open
from tests.system.system import System

PLAN = "growth"
HOLD_SECONDS = READ_SECONDS - 2
"""How long one company delays the run: longer than a live event takes, shorter than the client's timeout."""


@dataclass
class Companies:
    """Companies that were at the preset of PLAN before some were changed in Codat's Portal."""

    in_step: list[UUID]
    changed: list[UUID]
    locked: UUID
    """Codat has locked one data type at another frequency than the preset's, and another data type was changed."""
    without_settings: UUID
    """Its own settings were removed, so that the account's are in force."""
    gone: UUID
    """Deleted at Codat."""

    @property
    def drifted(self) -> list[UUID]:
        return [*self.changed, self.locked, self.without_settings]


@pytest.fixture(scope="module")
def companies(system: System) -> Companies:
    known = system.create_known_companies(12, PLAN)
    gone, without_settings, locked, *others = known
    companies = Companies(others[2:], others[:2], locked, without_settings, gone)

    def change(company: UUID, **change: object) -> None:
        system.simulator.post(f"companies/{company}", change)

    def pull(company: UUID, **frequencies: Frequency) -> None:
        change(company, settings=settings_with(system.at_codat(company), frequencies, Dialect.HOURS))

    for each in companies.changed:
        pull(each, invoices=Frequency.OFF, bills=Frequency.HOURLY)
    pull(locked, suppliers=Frequency.MONTHLY)
    change(locked, locked=["suppliers"])
    pull(locked, customers=Frequency.OFF)
    change(without_settings, settings=None)
    system.simulator.delete(f"companies/{gone}")
    return companies


def wait_until_done(system: System, request: str) -> Run:
    """Wait until the run is over and every company that it handed over has an outcome; return the run."""

    def done() -> bool:
        run = system.newest_run()
        return run is not None and run.run_id == request and run.finished_at is not None and not still_open(run)

    system.wait_until(done)
    run = system.newest_run()
    assert run is not None
    return run


def frequency(system: System, company: UUID, data_type: str) -> object:
    (setting,) = [each for each in system.at_codat(company).settings if each.data_type == data_type]
    assert isinstance(setting.sync_schedule, SyncSchedule)
    return setting.sync_schedule.interval_hours


def test_a_report_counts_what_has_drifted_and_changes_nothing(system: System, companies: Companies) -> None:
    system.forget_calls()

    run = wait_until_done(system, system.put("Reconciliation Requested", reportOnly=True))

    assert run.report_only
    assert (run.counts["drifted"], run.counts["gone"], run.counts.get("handed_over")) == (4, 1, None)
    assert system.writes() == []
    assert not any(system.at_preset(company, PLAN) for company in companies.drifted)


def test_changes_made_in_codats_portal_are_repaired_while_live_events_go_on(
    system: System, companies: Companies
) -> None:
    known = len(system.deployed.plans.page(None, 1000).companies)
    held, live, *_ = companies.in_step
    system.simulator.post(
        "faults", {"faults": [{"method": "GET", "companyId": str(held), "holdSeconds": HOLD_SECONDS}]}
    )

    request = system.put("Reconciliation Requested")
    system.wait_until(lambda: system.simulator.get("faults")["faults"][0]["struck"] > 0)  # The run is in progress.
    system.change_plan(live, "starter")
    system.wait_until(lambda: system.at_preset(live, "starter"))
    run = system.newest_run()

    assert run is not None
    assert run.run_id == request
    assert run.finished_at is None

    system.simulator.delete("faults")
    run = wait_until_done(system, request)
    assert (run.counts["checked"], run.counts["drifted"], run.counts["gone"]) == (known, 4, 1)
    assert run.outcomes == {"repaired": 4}
    assert all(system.at_preset(each, PLAN) for each in (*companies.drifted, held))
    assert system.at_preset(live, "starter")
    assert frequency(system, companies.locked, "suppliers") == Frequency.MONTHLY
    assert frequency(system, companies.locked, "customers") == Frequency.DAILY


@pytest.mark.usefixtures("companies")
def test_a_second_run_finds_all_in_step(system: System) -> None:
    wait_until_done(system, system.put("Reconciliation Requested"))
    system.forget_calls()

    run = wait_until_done(system, system.put("Reconciliation Requested"))

    assert (run.counts.get("drifted"), run.counts["gone"]) == (None, 1)
    assert system.writes() == []
    assert not system.messages_in("FailedEventsQueueUrl")
