"""Estimates from the measured companies: time, share of Codat's quota and money, for more companies and at a pace."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Final

from codat_sync.consuming.consume import START_SECONDS
from local.bench.codat import CALLS_A_COMPANY
from local.prices import (
    CLOUDWATCH_LOGS_GB,
    DYNAMODB_READ_UNITS,
    DYNAMODB_WRITE_UNITS,
    EVENTBRIDGE_EVENTS,
    GIGABYTE,
    HOURS_OF_A_MONTH,
    LAMBDA_GB_SECOND,
    LAMBDA_REQUESTS,
    MILLION,
    SQS_REQUESTS,
)

FUNCTION_SECONDS: Final = 900
"""Timeout of template.yaml."""
MEMORY_GB: Final = 0.5
"""MemorySize of template.yaml."""
CONCURRENT_COMPANIES: Final = 4
"""MaxConcurrentCompanies of template.yaml."""
REPAIR_SECONDS: Final = 1.0
"""Of Lambda, for each repaired company: two calls of half a second, in sequence. The only assumption made here."""
RUN_SECONDS: Final = FUNCTION_SECONDS - START_SECONDS
"""Of an invocation. After that, it starts no call."""
REPAIRS_A_BATCH: Final = 10
"""BatchSize of the queue of companies."""
DAYS_OF_A_MONTH: Final = 30
HOURS_OF_A_DAY: Final = 24


@dataclass(frozen=True)
class CompanyUsage:
    """The usage of a run and its repairs, divided by the number of all companies."""

    run_calls: float
    repair_calls: float
    handed_over: float
    read_units: float
    write_units: float
    sqs_requests: float
    bus_events: float
    logged_bytes: float


@dataclass(frozen=True)
class RunEstimate:
    """A run over so many companies at a pace, and a month of such runs: one each day, or one after the other.

    ``slowest_answer_seconds`` is how long Codat's answers may take on average for the run to keep the pace.
    ``quota_share`` is that of the calls of the busiest day. Money is in USD.
    """

    companies: int
    calls_a_minute: int
    slowest_answer_seconds: float
    hours: float
    invocations: int
    gb_seconds: float
    calls: int
    calls_a_day: int
    quota_share: float
    usd: Mapping[str, float]
    usd_a_run: float
    runs_a_month: float
    usd_a_month: float


def estimate_run(usage: CompanyUsage, companies: int, calls_a_minute: int) -> RunEstimate:
    """Estimate a run at a pace. The pace limits only the run's own calls, not those of the repairs."""
    minutes = usage.run_calls * companies / calls_a_minute
    hours = minutes / 60
    invocations = ceil(minutes * 60 / RUN_SECONDS)
    gb_seconds = minutes * 60 * MEMORY_GB
    calls = (usage.run_calls + usage.repair_calls) * companies
    calls_a_day = calls * min(1, HOURS_OF_A_DAY / hours)
    usd = _usd(usage, companies, gb_seconds, invocations)
    usd_a_run, runs_a_month = sum(usd.values()), min(DAYS_OF_A_MONTH, HOURS_OF_A_MONTH / hours)
    return RunEstimate(
        companies=companies,
        calls_a_minute=calls_a_minute,
        slowest_answer_seconds=CONCURRENT_COMPANIES * 60 / calls_a_minute,
        hours=hours,
        invocations=invocations,
        gb_seconds=gb_seconds,
        calls=round(calls),
        calls_a_day=round(calls_a_day),
        quota_share=calls_a_day / (CALLS_A_COMPANY * (1 + companies)),
        usd=usd,
        usd_a_run=usd_a_run,
        runs_a_month=runs_a_month,
        usd_a_month=usd_a_run * runs_a_month,
    )


def _usd(usage: CompanyUsage, companies: int, gb_seconds: float, invocations: int) -> dict[str, float]:
    repairs = usage.handed_over * companies
    return {
        "Lambda": (gb_seconds + repairs * REPAIR_SECONDS * MEMORY_GB) * LAMBDA_GB_SECOND
        + (invocations + repairs / REPAIRS_A_BATCH) / MILLION * LAMBDA_REQUESTS,
        "DynamoDB reads": usage.read_units * companies / MILLION * DYNAMODB_READ_UNITS,
        "DynamoDB writes": usage.write_units * companies / MILLION * DYNAMODB_WRITE_UNITS,
        "SQS": usage.sqs_requests * companies / MILLION * SQS_REQUESTS,
        "EventBridge": usage.bus_events * companies / MILLION * EVENTBRIDGE_EVENTS,
        "CloudWatch Logs": usage.logged_bytes * companies / GIGABYTE * CLOUDWATCH_LOGS_GB,
    }
