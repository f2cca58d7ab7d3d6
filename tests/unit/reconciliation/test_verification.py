"""What Codat accepts and does not keep is a finding of its own, and is not written again every night."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from random import Random
from uuid import UUID

import pytest
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from hypothesis import given
from hypothesis import strategies as st

from codat_sync.codat.differences import Difference
from codat_sync.codat.models import Frequency, SyncSchedule, SyncSettings
from codat_sync.consuming.deliveries import Settled
from codat_sync.outcomes.triage import Outcome
from codat_sync.reconciliation.findings import DRIFTED, TO_BE_CONVERGED, Finding, drift_fingerprint
from codat_sync.reconciliation.verification import Verification
from tests.fakes.codat import setting
from tests.fakes.lambda_ import deadline
from tests.unit.reconciliation.bench import PRESETS, UNANSWERED, WEEKLY_GROWTH, Bench, CodatByCompany, company

Keep = Callable[[SyncSettings], SyncSettings]


def without_invoices(written: SyncSettings) -> SyncSettings:
    """Keep what was written but for one data type."""
    return written.model_copy(update={"settings": [each for each in written.settings if each.data_type != "invoices"]})


def rounded_up(written: SyncSettings) -> SyncSettings:
    """Keep each interval as a week."""
    weekly = SyncSchedule(interval_hours=Frequency.WEEKLY)
    return written.model_copy(
        update={"settings": [each.model_copy(update={"sync_schedule": weekly}) for each in written.settings]}
    )


def without_override(written: SyncSettings) -> SyncSettings:
    """Keep the settings, and answer without ``overridesDefaults``."""
    return written.model_copy(update={"overrides_defaults": False})


def nothing(written: SyncSettings) -> SyncSettings:
    """Answer with an empty list."""
    return written.model_copy(update={"settings": ()})


class ForgetfulCodat(CodatByCompany):
    """Codat, which accepts every write and keeps what ``keep`` leaves of it."""

    def __init__(self, keep: Keep) -> None:
        super().__init__()
        self.keep = keep

    def update_sync_settings(self, company_id: UUID, settings: SyncSettings) -> None:
        super().update_sync_settings(company_id, settings)
        self.companies[company_id] = self.keep(settings)


class Nights(Bench):
    """A reconciliation whose repairs are verified, as the function that repairs does it."""

    def __init__(self, keep: Keep = lambda written: written) -> None:
        super().__init__()
        self.forgetful = self.codat = ForgetfulCodat(keep)
        self.deploy(PRESETS_WITH_INVOICES)
        self.seconds = 900.0

    def repair(self) -> list[int]:
        requests = list(self.queue.requests)
        self.queue.requests.clear()
        self.now += timedelta(minutes=1)
        for each in requests:
            record = self.records.items[each.company_id]
            converged = self.convergence.converge(record, each.event_id, deadline())
            outcome = Outcome.APPLIED if converged.differences else Outcome.UNCHANGED
            self.verify(
                Settled(
                    SQSRecord({}), outcome, each.event_id, company=converged.company, differences=converged.differences
                )
            )
        return [each.company_id.int for each in requests]

    def verify(self, *settled: Settled) -> None:
        verification = Verification(
            self.convergence,
            self.presets,
            self.records,
            self.announcer,
            lambda: deadline(self.seconds),
            lambda: self.now,
        )
        verification.announce(settled)

    def pass_by(self, nights: int = 1) -> list[list[int]]:
        """Return who was repaired in each of these nights."""
        repaired = []
        for _ in range(nights):
            self.night(f"night-{self.now:%d}")
            repaired.append(self.repair())
        return repaired

    @property
    def causes(self) -> list[str]:
        """What was announced, in order."""
        return [each.cause.value for each in self.announcer.drifts]


PRESETS_WITH_INVOICES = """
default_plan = "free"
on_cancelled = "free"
[plans.free]
frequency = "monthly"
[plans.growth]
frequency = "monthly"
hour_of_day = 3
[plans.growth.data_types]
invoices = "daily"
"""


@pytest.mark.parametrize("keep", [without_invoices, rounded_up, without_override, nothing])
def test_it_is_repaired_once_announced_once_and_then_left_alone(keep: Keep) -> None:
    bench = Nights(keep)
    bench.codat.defaults = SyncSettings(settings=(setting("invoices"),))
    bench.at_plan(1)
    assert bench.pass_by(5) == [[1], [], [], [], []]
    assert bench.counted("not_taken", "drifted", "changed_at_codat", "handed_over") == (1, 0, 0, 0)
    assert bench.causes == ["changed_at_codat", "not_taken"]
    assert bench.run.keeps_drifting == ()
    assert bench.codat.calls.count("update") == 2


def test_the_announcement_says_what_is_missing_and_that_nothing_is_done_about_it() -> None:
    bench = Nights(rounded_up)
    bench.at_plan(1)
    bench.pass_by()
    _, drift = bench.announcer.drifts
    assert (drift.run_id, drift.company_id, drift.will_be_repaired) == (bench.run.run_id, company(1), False)
    assert "invoices: weekly → daily at 03:00" in map(str, drift.differences)
    record = bench.records.items[company(1)]
    assert (drift.plan, drift.applied, drift.believed_since) == ("growth", record.applied, record.applied_at)
    assert drift.times_in_a_row == 1


def test_the_announcement_names_its_run_by_a_name_of_any_form() -> None:
    bench = Nights(rounded_up)
    bench.at_plan(1)
    bench.night("2026/02/night")
    bench.repair()
    assert {drift.run_id for drift in bench.announcer.drifts} == {"2026/02/night"}


def test_each_repair_of_a_batch_is_verified_whatever_else_is_in_it() -> None:
    bench = Nights(rounded_up)
    bench.at_plan(1)
    bench.night("night-1")
    (request,) = bench.queue.requests
    converged = bench.convergence.converge(bench.records.items[company(1)], request.event_id, deadline())
    repaired = Settled(
        SQSRecord({}), Outcome.APPLIED, request.event_id, company=converged.company, differences=converged.differences
    )
    bench.verify(Settled(SQSRecord({}), Outcome.PARKED_FAILED), repaired)
    assert bench.causes == ["changed_at_codat", "not_taken"]


def test_a_repair_is_compared_with_the_companys_own_hour_of_day() -> None:
    bench = Nights()
    bench.deploy(PRESETS_WITH_INVOICES.replace("hour_of_day = 3", 'hour_of_day = "spread"'))
    bench.at_plan(*range(1, 9))
    bench.tamper(*range(1, 9))
    bench.pass_by()
    assert {each.not_taken for each in bench.records.items.values()} == {None}


def test_a_repair_without_hourly_is_compared_with_what_the_account_allows() -> None:
    """The event in the DLQ brings hourly back later; until then, its absence is no sign of what Codat did not take."""
    bench = Nights()
    bench.deploy(PRESETS)
    bench.codat.has_hourly = False
    bench.at_plan(1, plan="scale")
    bench.codat.calls.clear()
    bench.tamper(1)
    bench.pass_by()
    assert bench.records.items[company(1)].not_taken is None
    assert bench.codat.calls == ["get", "get", "update", "update", "get"]


def test_what_is_known_not_to_be_taken_is_no_failure_of_a_verification(caplog: pytest.LogCaptureFixture) -> None:
    bench = Nights(rounded_up)
    bench.at_plan(1)
    bench.pass_by()
    known = bench.records.items[company(1)]
    preset = bench.presets.for_company("growth", company(1))
    differences = bench.convergence.drift(company(1), preset, deadline())
    bench.verify(Settled(SQSRecord({}), Outcome.APPLIED, "later/1", company=known, differences=differences))
    assert bench.causes == ["changed_at_codat", "not_taken"]
    assert "repair_not_verified" not in {each.msg for each in caplog.records}


def test_a_company_in_step_costs_no_further_call() -> None:
    bench = Nights()
    bench.at_plan(1, 2, 3)
    bench.codat.calls.clear()
    bench.pass_by(3)
    assert bench.codat.calls == ["get"] * 9


def test_a_repair_that_codat_takes_costs_one_more_read_and_is_no_news() -> None:
    bench = Nights()
    bench.at_plan(1)
    bench.tamper(1)
    bench.codat.calls.clear()
    assert bench.pass_by(2) == [[1], []]
    assert bench.codat.calls == ["get", "get", "update", "get", "get"]
    assert bench.causes == ["changed_at_codat"]
    assert bench.records.items[company(1)].not_taken is None


def test_somebody_who_changes_the_same_every_day_is_repaired_every_night() -> None:
    bench = Nights()
    bench.at_plan(1)
    for _ in range(5):
        bench.tamper(1)
        assert bench.pass_by() == [[1]]
    assert bench.causes == ["changed_at_codat"] * 5
    assert bench.run.keeps_drifting == ((str(company(1)), 5),)


def test_once_codat_shows_something_else_the_company_is_repaired_again() -> None:
    bench = Nights(without_override)
    bench.at_plan(1)
    bench.pass_by(2)
    bench.tamper(1)
    assert bench.pass_by(2) == [[1], []]
    assert bench.causes == ["changed_at_codat", "not_taken", "changed_at_codat"]
    assert bench.counted("not_taken") == (1,)


def test_once_codat_takes_it_a_night_in_step_forgets_that_it_did_not() -> None:
    bench = Nights(without_override)
    bench.at_plan(1)
    bench.pass_by(2)
    bench.forgetful.keep = lambda written: written
    bench.converge(1)  # An event of the company.
    assert bench.pass_by() == [[]]
    assert bench.counted("in_step", "not_taken") == (1, 0)
    assert bench.records.items[company(1)].not_taken is None
    assert bench.records.items[company(1)].times_drifted == 0


def test_a_repair_that_codat_takes_at_last_forgets_that_it_did_not() -> None:
    bench = Nights(without_override)
    bench.at_plan(1)
    bench.pass_by(2)
    bench.forgetful.keep = lambda written: written
    bench.tamper(1)
    bench.pass_by()
    assert bench.records.items[company(1)].not_taken is None


def test_a_changed_preset_is_applied_although_the_old_one_was_not_taken() -> None:
    bench = Nights(rounded_up)
    bench.at_plan(1)
    bench.pass_by(2)
    bench.deploy(WEEKLY_GROWTH)
    assert bench.pass_by(3) == [[1], [], []]
    assert bench.counted("in_step", "not_taken") == (1, 0)


def test_a_first_application_is_not_verified() -> None:
    """Changing a plan costs two calls to Codat, no more. The next night compares."""
    bench = Nights(without_override)
    bench.named(1)
    assert bench.pass_by() == [[1]]
    assert bench.codat.calls == ["get", "get", "update"]
    assert bench.records.items[company(1)].not_taken is None


def test_where_codat_does_not_answer_the_verification_the_next_repair_is_verified(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Nights(without_override)
    bench.at_plan(1)
    bench.night("night-1")
    bench.codat.failures = [None, None, UNANSWERED]
    assert bench.repair() == [1]
    (line,) = [vars(each) for each in caplog.records if each.msg == "repair_not_verified"]
    assert (line["company_id"], line["reason"], line["exc_info"]) == (str(company(1)), "server_error", None)
    assert bench.pass_by(2) == [[1], []]
    assert bench.counted("not_taken") == (1,)


def test_without_time_nothing_is_verified() -> None:
    bench = Nights(without_override)
    bench.seconds = 1.0
    bench.at_plan(1)
    assert bench.pass_by(2) == [[1], [1]]
    assert bench.codat.calls.count("get") == 1 + 2 * 2


def test_what_was_not_taken_is_logged_each_night(caplog: pytest.LogCaptureFixture) -> None:
    bench = Nights(rounded_up)
    bench.at_plan(1)
    bench.pass_by()
    caplog.clear()
    bench.pass_by()
    (line,) = [vars(each) for each in caplog.records if each.msg == "settings_not_taken"]
    assert (line["company_id"], line["plan"]) == (str(company(1)), "growth")
    assert "invoices: weekly → daily at 03:00" in line["differences"]


def test_a_run_that_only_reports_counts_it_too() -> None:
    bench = Nights(rounded_up)
    bench.at_plan(1)
    bench.pass_by()
    before = dict(bench.records.items)
    bench.night("look", report_only=True)
    assert bench.counted("not_taken", "drifted") == (1, 0)
    assert bench.records.items == before


def test_an_outcome_without_a_company_or_differences_is_not_looked_at() -> None:
    bench = Nights()
    bench.at_plan(1)
    bench.codat.calls.clear()
    drifted = replace(bench.records.items[company(1)], times_drifted=1)
    bench.verify(
        Settled(SQSRecord({}), Outcome.PARKED_FAILED),
        Settled(SQSRecord({}), Outcome.UNCHANGED, "e1", company=drifted),
    )
    assert bench.codat.calls == []


@given(
    st.lists(st.builds(Difference, st.none() | st.text(), st.text(), st.text(), st.text()), max_size=5), st.randoms()
)
def test_a_fingerprint_does_not_depend_on_the_order(differences: list[Difference], random: Random) -> None:
    shuffled = list(differences)
    random.shuffle(shuffled)
    assert drift_fingerprint(shuffled) == drift_fingerprint(differences)


def test_not_taken_is_neither_drift_nor_to_be_converged() -> None:
    assert Finding.NOT_TAKEN not in DRIFTED | TO_BE_CONVERGED
