"""Codat: the simulator with companies on no plan yet, and a latency."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

from local.codat_simulator.faults import Fault
from local.codat_simulator.running import RunningSimulator, running_simulator


class SlowCodat:
    """The simulator, as the parent process sees it."""

    def __init__(self, simulator: RunningSimulator) -> None:
        self._simulator = simulator

    def url(self) -> str:
        return self._simulator.url

    def answer_after(self, seconds: float) -> None:
        """Hold each request for so long from now on."""
        self._simulator.account.faults.clear()
        if seconds:
            self._simulator.account.faults.add(Fault(hold_seconds=seconds))

    def calls(self) -> int:
        """Count all requests so far."""
        return sum(self._simulator.account.calls.counts.values())

    def hours(self) -> dict[str, dict[str, int | None]]:
        """Return the interval of each data type of each company that has settings of its own."""
        return {
            company_id: {name: setting.interval_hours for name, setting in company.override.items()}
            for company_id, company in self._simulator.account.companies.items()
            if company.override
        }

    def cpu_seconds(self) -> float:
        return time.process_time()


@contextmanager
def slow_codat(companies: Sequence[UUID], api_key: str) -> Iterator[SlowCodat]:
    """Serve the simulator, in the hours dialect, while the block runs."""
    with running_simulator(api_key=api_key, dialect="hours") as simulator:
        for each in companies:
            simulator.account.add_company(str(each))
        yield SlowCodat(simulator)
