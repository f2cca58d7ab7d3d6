"""The values that the process of the functions measures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from local.bench.meter import Usage


@dataclass(frozen=True)
class Measurement:
    """The cost of processing some companies or events. ``cpu_seconds`` is without the work of the meter."""

    count: int
    seconds: float
    cpu_seconds: float
    outcomes: Mapping[str, int]
    usage: Usage
    logged_bytes: int


@dataclass(frozen=True)
class RunMeasurement(Measurement):
    """The cost of a reconciliation run over all companies. ``outcomes`` are the counts of the run.

    ``cpu_seconds_by_tenth`` has the CPU seconds per company of each tenth of the run. ``peak_bytes`` has the peak
    memory of the process after so many percent of the run.
    """

    cpu_seconds_by_tenth: Sequence[float]
    peak_bytes: Mapping[int, int]


@dataclass(frozen=True)
class PacedRun:
    """The cost of the first seconds of a reconciliation run that keeps to a pace."""

    calls_a_minute: int
    seconds: float
    cpu_seconds: float
