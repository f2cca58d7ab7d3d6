"""Codat: the simulator, with all companies in it."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

from codat_sync.codat.models import Dialect
from codat_sync.presets.file import Presets
from codat_sync.reconciliation.findings import Finding
from local.bench.population import Company, Population
from local.codat_simulator.company_settings import settings_at
from local.codat_simulator.faults import Fault
from local.codat_simulator.rate_limits import DailyQuota
from local.codat_simulator.running import RunningSimulator, running_simulator
from local.codat_simulator.sync_settings import Settings, parsed_settings
from local.presets import local_presets

CALLS_A_COMPANY: Final = 1000
"""Of Codat's daily quota: so many for each active company, and as many beside.
https://docs.codat.io/using-the-api/rate-limits"""
TAMPERED: Final = "invoices"
"""What somebody has switched off at Codat where a company has drifted."""


class Codat:
    """What is asked of the simulator from outside."""

    def __init__(self, simulator: RunningSimulator) -> None:
        self._simulator = simulator

    def environment(self) -> dict[str, str]:
        """What a function needs to know to call it."""
        return {"CODAT_BASE_URL": self._simulator.url}

    def cpu_seconds(self) -> float:
        """What the process has used, from its start."""
        return time.process_time()

    def calls(self) -> Counter[tuple[str, int | None]]:
        """How many requests of each method there were, by the status that they were answered with."""
        calls: Counter[tuple[str, int | None]] = Counter()
        for (method, _, status), count in self._simulator.account.calls.counts.items():
            calls[method, status] += count
        return calls

    def answer_everybody(self) -> None:
        """From now on, those too that had no answer."""
        self._simulator.account.faults.clear()


@contextmanager
def codat(population: Population, api_key: str) -> Iterator[Codat]:
    """The simulator serves as long as the block runs."""
    with running_simulator(api_key=api_key, dialect="hours") as simulator:
        account = simulator.account
        quota = CALLS_A_COMPANY * (1 + population.companies)
        account.quota = DailyQuota(quota, quota, account.clock().date())
        # The hours dialect has no hour of the day: companies of a plan are alike.
        presets, at_plan = local_presets(), dict[str, Settings]()
        for company in population:
            if company.finding is not Finding.GONE:
                at_plan[company.plan] = at_plan.get(company.plan) or _settings(presets, company)
                settings = at_plan[company.plan]
                drifted = company.finding is Finding.CHANGED_AT_CODAT
                there = account.add_company(str(company.company_id))
                there.override = _tampered(settings) if drifted else settings
            if company.finding is Finding.UNANSWERED:
                account.faults.add(Fault(company_id=str(company.company_id), status=503))
        yield Codat(simulator)


def _settings(presets: Presets, company: Company) -> Settings:
    return parsed_settings(
        json.dumps(settings_at(presets, company.plan, company.company_id, Dialect.HOURS)), Dialect.HOURS.value
    )


def _tampered(settings: Settings) -> Settings:
    return {**settings, TAMPERED: replace(settings[TAMPERED], interval_hours=0)}
