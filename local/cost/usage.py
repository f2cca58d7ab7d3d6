"""What events, runs and an idle stack use. A test measures what an event uses; the rest is assumed or cited here."""

from dataclasses import dataclass
from typing import Final

from codat_sync.api_key import MAX_AGE_SECONDS
from codat_sync.codat.models import DATA_TYPES
from codat_sync.outcomes.triage import Outcome
from local.bench.estimates import CompanyUsage


@dataclass(frozen=True)
class EventUsage:
    """What one plan change uses that is applied, in a batch of its own and in a new process, which is the most.

    ``metrics`` are those that CloudWatch keeps of it, ``detailed_metrics`` those that DetailedMetrics adds.
    ``logged_bytes`` are at most that many, with the lines of Lambda itself.
    """

    dynamodb_writes: int
    dynamodb_reads: int
    sqs_requests: int
    bus_events: int
    secret_reads: int
    codat_calls: int
    metrics: int
    detailed_metrics: int
    logged_bytes: int


APPLIED: Final = EventUsage(
    dynamodb_writes=2,  # Recorded and confirmed.
    dynamodb_reads=2,  # The pause and the call rate.
    sqs_requests=3,  # EventBridge sends, Lambda receives and deletes.
    bus_events=2,  # The producer's, and the announcement.
    secret_reads=1,
    codat_calls=2,
    metrics=6,  # Events, CodatCalls of two statuses, CodatLatency, and the two of the quota.
    detailed_metrics=2,  # Events by plan, and Applied by function.
    logged_bytes=3_000,
)
LAMBDA_LINES_BYTES: Final = 900
"""What Lambda itself writes about an invocation, in JSON."""
EVENT_GB_SECONDS: Final = 0.3
"""Assumed: 0.6 seconds of 512 MB, for two calls of Codat and four of AWS."""
EVENTS_A_COMPANY: Final = 2
"""Assumed, a month."""
PLANS: Final = 4
"""Of the packaged presets, when they were written."""
FAILING_SHARE: Final = 0.05
"""Assumed: of the events, each with a reason of its own hour."""
FAILURE_REASONS: Final = 5
"""Assumed: so many reasons occur in a month."""
LOOKS: Final = 100
"""Assumed: how often a month somebody opens the dashboard, which then reads the logs of a day."""
RECORD_BYTES: Final = 450
"""A company's item in the table: docs/benchmarks.md."""
RUN: Final = CompanyUsage(
    run_calls=1,
    repair_calls=0.03,
    handed_over=0.01,
    read_units=0.12,
    write_units=0.042,
    sqs_requests=0.008,
    bus_events=0.02,
    logged_bytes=28,
)
"""A reconciliation run, where one company in a hundred has drifted: docs/benchmarks.md, and the read after a repair."""
POLLERS: Final = 5
"""Of Lambda, for each queue.
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html"""
POLL_SECONDS: Final = 20
"""ReceiveMessageWaitTimeSeconds of template.yaml."""
KEY_SECONDS: Final = 300
"""SQS and DynamoDB use a data key for so long, for each principal.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html"""
KEY_REQUESTS_A_BUS_EVENT: Final = 2
"""Assumed, the most: a data key for each event, and its decryption."""
PROCESSES: Final = 4
"""Assumed to be at work all the time where there are many events: MaximumConcurrency of both queues of live events."""
API_KEY_SECONDS: Final = MAX_AGE_SECONDS
"""A process reads the secret again after so long."""
OUTCOMES: Final = len(Outcome)
DRIFTING_TYPES: Final = len(DATA_TYPES)
"""Drift is reckoned with in each data type, every night, which is the most."""
CONSUMERS: Final = 3
"""Functions that give events their outcomes."""
