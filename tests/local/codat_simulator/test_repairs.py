"""Where Codat's documentation leaves a behaviour open, each choice shows what was written: nothing is "not taken"."""

from typing import Literal
from uuid import UUID

import pytest

from codat_sync.codat.client import CodatClient
from codat_sync.companies.converge import Convergence
from codat_sync.companies.desired import DesiredPlan
from codat_sync.deadline import Deadline
from codat_sync.events.company_events import Authority
from codat_sync.presets.file import Presets
from local.codat_simulator.running import RunningSimulator
from tests.fakes.clock import NOW
from tests.fakes.codat import fixed_key
from tests.fakes.companies import FakePlans
from tests.local.codat_simulator.client import COMPANY

PRESETS = Presets.parse(b"""
default_plan = "growth"
on_cancelled = "account"
[plans.growth]
frequency = "daily"
[plans.some]
[plans.some.data_types]
invoices = "weekly"
[plans.account]
use_account_defaults = true
""")


@pytest.mark.parametrize("dialect", ["hours", "object"])
@pytest.mark.parametrize("omitted", ["dropped", "kept"])
@pytest.mark.parametrize("without_override", ["defaults", "nothing"])
def test_a_company_at_any_preset_shows_no_difference_right_after_the_write(
    simulator: RunningSimulator,
    dialect: Literal["hours", "object"],
    omitted: Literal["dropped", "kept"],
    without_override: Literal["defaults", "nothing"],
) -> None:
    flags = simulator.account.flags
    flags.dialect, flags.omitted_types, flags.without_override = dialect, omitted, without_override
    codat = CodatClient(simulator.url, fixed_key(flags.api_key))
    plans = FakePlans()
    convergence = Convergence(codat, plans, PRESETS, lambda: NOW)
    for number, plan in enumerate(["growth", "some", "account", "some", "growth"]):
        desired = DesiredPlan.named(plan, Authority.STATED, NOW.replace(minute=number), f"e{number}")
        company = plans.record(UUID(COMPANY), desired, at=NOW)
        convergence.converge(company, "e1", Deadline.never())
        preset = PRESETS.for_company(plan, UUID(COMPANY))
        assert convergence.drift(UUID(COMPANY), preset, Deadline.never()) == (), plan
