"""What the measured companies make for more of them, at a pace: time, share of Codat's quota, and money."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Final

from codat_sync.consuming.consume import START_SECONDS
from local.bench.codat import CALLS_A_COMPANY
from local.bench.functions import FUNCTION_SECONDS

MEMORY_GB: Final = 0.5
"""MemorySize of template.yaml."""
CONCURRENT_COMPANIES: Final = 4
"""MaxConcurrentCompanies of template.yaml."""
REPAIR_SECONDS: Final = 1.0
"""For a company that is repaired: two calls of half a second, one after the other. An assumption, and the only one."""
WALKING_SECONDS: Final = FUNCTION_SECONDS - START_SECONDS
"""Of an invocation. Later than that it begins no call."""
REPAIRED_AT_ONCE: Final = 10
"""BatchSize of the queue of companies."""
NIGHTS: Final = 30
HOURS_OF_A_MONTH: Final = 730
HOURS_OF_A_DAY: Final = 24

MILLION: Final = 1_000_000
GIGABYTE: Final = 10**9

# On demand, us-east-1, the first tier, without the free one. Prices move: look at the pages before quoting.
LAMBDA_GB_SECOND: Final = 0.0000133334
"""On arm64. https://aws.amazon.com/lambda/pricing/"""
LAMBDA_REQUESTS: Final = 0.20
"""A million. The same page."""
DYNAMODB_READ_UNITS: Final = 0.125
"""A million. https://aws.amazon.com/dynamodb/pricing/on-demand/"""
DYNAMODB_WRITE_UNITS: Final = 0.625
"""A million. The same page."""
SQS_REQUESTS: Final = 0.40
"""A million. https://aws.amazon.com/sqs/pricing/"""
EVENTBRIDGE_EVENTS: Final = 1.00
"""A million of one's own. https://aws.amazon.com/eventbridge/pricing/"""
CLOUDWATCH_LOGS_GB: Final = 0.50
"""Taken in. https://aws.amazon.com/cloudwatch/pricing/"""


@dataclass(frozen=True)
class Each:
    """What one company costs, on the average of all: those that are in step, and those that were repaired."""

    walk_calls: float
    repair_calls: float
    handed_over: float
    read_units: float
    write_units: float
    sqs_requests: float
    bus_events: float
    logged_bytes: float


@dataclass(frozen=True)
class Nights:
    """A walk over so many companies at a pace, and a month of them: one each night, or one after the other.

    ``slowest_answer_seconds`` is how long Codat's answers may take on the average before the pace cannot be kept.
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
    usd_a_walk: float
    walks_a_month: float
    usd_a_month: float


def nights(each: Each, companies: int, calls_a_minute: int) -> Nights:
    """The walk alone keeps to the pace; what is repaired is called for beside it."""
    minutes = each.walk_calls * companies / calls_a_minute
    invocations = ceil(minutes * 60 / WALKING_SECONDS)
    repairs = each.handed_over * companies
    gb_seconds = minutes * 60 * MEMORY_GB
    calls = (each.walk_calls + each.repair_calls) * companies
    hours = minutes / 60
    calls_a_day = calls * min(1, HOURS_OF_A_DAY / hours)
    usd = {
        "Lambda": (gb_seconds + repairs * REPAIR_SECONDS * MEMORY_GB) * LAMBDA_GB_SECOND
        + (invocations + repairs / REPAIRED_AT_ONCE) / MILLION * LAMBDA_REQUESTS,
        "DynamoDB reads": each.read_units * companies / MILLION * DYNAMODB_READ_UNITS,
        "DynamoDB writes": each.write_units * companies / MILLION * DYNAMODB_WRITE_UNITS,
        "SQS": each.sqs_requests * companies / MILLION * SQS_REQUESTS,
        "EventBridge": each.bus_events * companies / MILLION * EVENTBRIDGE_EVENTS,
        "CloudWatch Logs": each.logged_bytes * companies / GIGABYTE * CLOUDWATCH_LOGS_GB,
    }
    walks_a_month = min(NIGHTS, HOURS_OF_A_MONTH / hours)
    return Nights(
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
        usd_a_walk=sum(usd.values()),
        walks_a_month=walks_a_month,
        usd_a_month=sum(usd.values()) * walks_a_month,
    )
