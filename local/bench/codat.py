"""Codat: the simulator, with all companies of the benchmark."""

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
"""Codat's daily quota: this many calls for each active company, and as many once more for the account.
https://docs.codat.io/using-the-api/rate-limits"""
DRIFTED_TYPE: Final = "invoices"
"""The data type that a change made in Codat's Portal has switched off for a company that has drifted."""


class Codat:
    """The simulator, as the parent process sees it."""

    def __init__(self, simulator: RunningSimulator) -> None:
        self._simulator = simulator

    def environment(self) -> dict[str, str]:
        """Return the environment that the functions need to call the simulator."""
        return {"CODAT_BASE_URL": self._simulator.url}

    def cpu_seconds(self) -> float:
        """Return the CPU time of this process since its start."""
        return time.process_time()

    def calls(self) -> Counter[tuple[str, int | None]]:
        """Count all requests so far, by method and status."""
        calls: Counter[tuple[str, int | None]] = Counter()
        for (method, _, status), count in self._simulator.account.calls.counts.items():
            calls[method, status] += count
        return calls

    def clear_faults(self) -> None:
        """Answer all companies from now on, also those that had no answer before."""
        self._simulator.account.faults.clear()


@contextmanager
def codat(population: Population, api_key: str) -> Iterator[Codat]:
    """Serve the simulator while the block runs."""
    with running_simulator(api_key=api_key, dialect="hours") as simulator:
        account = simulator.account
        quota = CALLS_A_COMPANY * (1 + population.companies)
        account.quota = DailyQuota(quota, quota, account.clock().date())
        # The hours dialect has no hour of day, so all companies of a plan have the same settings.
        presets, by_plan = local_presets(), dict[str, Settings]()
        for company in population:
            if company.finding is not Finding.GONE:
                if company.plan not in by_plan:
                    by_plan[company.plan] = _settings(presets, company)
                settings = by_plan[company.plan]
                has_drifted = company.finding is Finding.CHANGED_AT_CODAT
                added = account.add_company(str(company.company_id))
                added.override = _drifted(settings) if has_drifted else settings
            if company.finding is Finding.UNANSWERED:
                account.faults.add(Fault(company_id=str(company.company_id), status=503))
        yield Codat(simulator)


def _settings(presets: Presets, company: Company) -> Settings:
    settings = settings_at(presets, company.plan, company.company_id, Dialect.HOURS)
    return parsed_settings(json.dumps(settings), Dialect.HOURS.value)


def _drifted(settings: Settings) -> Settings:
    return {**settings, DRIFTED_TYPE: replace(settings[DRIFTED_TYPE], interval_hours=0)}
