"""Puts the parts together for one function, once for each process."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from random import SystemRandom
from time import sleep
from typing import TYPE_CHECKING, Final

import boto3
from aws_lambda_powertools.utilities.parameters import AppConfigProvider, SecretsProvider
from botocore.config import Config as BotoConfig

from codat_sync.announcements import ATTEMPTS, CONNECT_SECONDS, READ_SECONDS, Announcements
from codat_sync.api_key import SecretApiKey
from codat_sync.codat.client import CodatClient
from codat_sync.companies.converge import Convergence
from codat_sync.companies.pause import PausingCodat, StoredPause
from codat_sync.companies.records import CompanyPlans
from codat_sync.config import Config, ReconciliationConfig, RedriveConfig
from codat_sync.consuming.consume import Announcing, Consumer, Consuming, ReadEvent
from codat_sync.consuming.duties import DutyConsumer
from codat_sync.consuming.live_presets import LiveConsumer, LiveDuty
from codat_sync.events.company_events import (
    ReconciliationRequest,
    RedriveRequest,
    read_company_reconciliation,
    read_reconciliation_request,
    read_redrive_request,
)
from codat_sync.observability import CodatCalls
from codat_sync.outcomes.dead_letters import DeadLetters
from codat_sync.outcomes.deferral import SourceQueue
from codat_sync.outcomes.parked_events import DeadLetterQueue
from codat_sync.outcomes.triage import Outcome
from codat_sync.presets.file import Presets
from codat_sync.presets.hosted import (
    LOOK_CONNECT_SECONDS,
    LOOK_READ_SECONDS,
    MAX_AGE,
    HostedFile,
    LivePresets,
)
from codat_sync.reconciliation.pace import Pace, Quota
from codat_sync.reconciliation.queue import CompanyReconciliations
from codat_sync.reconciliation.reconcile import Reconciliation
from codat_sync.reconciliation.runs import ReconciliationRuns, Tally
from codat_sync.redrive.redrive import Redrive

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


AT_ONCE: Final = timedelta(0)
"""The age of presets that are looked at for each invocation."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


def wire_consumer(
    config: Config,
    read: ReadEvent,
    now: Callable[[], datetime] = _utc_now,
    announcing: Sequence[Announcing] = (),
    presets_age: timedelta = MAX_AGE,
) -> Consuming:
    """A consumer with AWS and Codat behind it. Raises ``InvalidPresets`` before any event is touched.

    ``announcing`` are told how events ended, beside the event bus. ``presets_age`` is how old its presets may be.
    """
    sqs = boto3.client("sqs")
    dynamodb = boto3.client("dynamodb")
    calls = CodatCalls()
    pausing = PausingCodat(_codat(config, calls, now), StoredPause(dynamodb, config.company_plans_table_name), now)
    plans = CompanyPlans(dynamodb, config.company_plans_table_name)
    dead_letters, source = _dead_letters(sqs, config, now), SourceQueue(sqs, config.source_queue_url)
    everybody, random = [_announcements(config, now), *announcing], SystemRandom()

    def consumer(presets: Presets) -> Consumer:
        return Consumer(
            read,
            Convergence(pausing, plans, presets, now),
            dead_letters,
            source,
            first_deferral_seconds=config.first_deferral_seconds,
            max_concurrent_companies=config.max_concurrent_companies,
            max_receive_count=config.max_receive_count,
            now=now,
            random=random,
            announcing=everybody,
            write_metrics=calls.write,
        )

    return LiveConsumer(_live_presets(config, now, presets_age), consumer)


def wire_company_reconciliation(config: Config, now: Callable[[], datetime] = _utc_now) -> Consuming:
    """A consumer of what a reconciliation handed over, which counts it there. Raises ``InvalidPresets``."""
    runs = ReconciliationRuns(boto3.client("dynamodb"), config.company_plans_table_name)
    # By older presets than those of the walk that found the company, it would be left where it is.
    return wire_consumer(config, read_company_reconciliation, now, [Tally(runs)], presets_age=AT_ONCE)


def wire_reconciliation(
    config: ReconciliationConfig, now: Callable[[], datetime] = _utc_now
) -> DutyConsumer[ReconciliationRequest]:
    """The duty that walks over all companies, with AWS and Codat behind it. Raises ``InvalidPresets``."""
    sqs, dynamodb = boto3.client("sqs"), boto3.client("dynamodb")
    calls = CodatCalls()
    codat = _codat(config, calls, now)
    pausing = PausingCodat(codat, StoredPause(dynamodb, config.company_plans_table_name), now)
    plans = CompanyPlans(dynamodb, config.company_plans_table_name)
    runs = ReconciliationRuns(dynamodb, config.company_plans_table_name)
    handing_over = CompanyReconciliations(sqs, config.reconcile_company_queue_url)
    announcements, pace = _announcements(config, now), Pace(config.reconcile_calls_per_minute)
    quota = Quota(lambda: codat.rate_limit, share=config.reconcile_quota_share, now=now)

    def reconciliation(presets: Presets) -> Reconciliation:
        return Reconciliation(
            Convergence(pausing, plans, presets, now),
            presets,
            plans,
            runs,
            handing_over,
            announcements,
            pace=pace,
            quota=quota,
            max_concurrent_companies=config.max_concurrent_companies,
            now=now,
        )

    duty = LiveDuty(_live_presets(config, now, AT_ONCE).known, reconciliation)
    source = SourceQueue(sqs, config.source_queue_url)
    return DutyConsumer(read_reconciliation_request, duty, _dead_letters(sqs, config, now), source, calls.write)


def wire_redrive(config: RedriveConfig, now: Callable[[], datetime] = _utc_now) -> DutyConsumer[RedriveRequest]:
    """The duty that empties the payment-required DLQ, with AWS and Codat behind it. Raises ``InvalidPresets``."""
    sqs, dynamodb = boto3.client("sqs"), boto3.client("dynamodb")
    plans = CompanyPlans(dynamodb, config.company_plans_table_name)
    calls = CodatCalls()
    codat, pause = _codat(config, calls, now), StoredPause(dynamodb, config.company_plans_table_name)
    parked = DeadLetterQueue(sqs, config.payment_required_queue_url, now)
    announcements, pace = _announcements(config, now), Pace(config.redrive_events_per_minute)

    def redrive(presets: Presets) -> Redrive:
        convergence = Convergence(codat, plans, presets, now)
        return Redrive(parked, convergence, plans, pause, pace, announcements, now=now, sleep=sleep)

    duty = LiveDuty(_live_presets(config, now, AT_ONCE), redrive)
    source = SourceQueue(sqs, config.source_queue_url)
    return DutyConsumer(read_redrive_request, duty, _dead_letters(sqs, config, now), source, calls.write)


def _live_presets(config: Config, now: Callable[[], datetime], max_age: timedelta) -> LivePresets:
    """With a client that gives up early: presets that are not to be had must not use up the function's time."""
    if not config.presets_profile:
        return LivePresets(lambda: None, Presets.packaged(), max_age=max_age, now=now)
    application, environment, profile = config.presets_profile.split("/")
    patience = BotoConfig(
        connect_timeout=LOOK_CONNECT_SECONDS, read_timeout=LOOK_READ_SECONDS, retries={"total_max_attempts": 1}
    )

    def connect() -> AppConfigProvider:
        # A client of its own: Powertools adds its name to the client's headers once more for each provider.
        client = boto3.client("appconfigdata", config=patience)
        return AppConfigProvider(environment, application, boto3_client=client)

    return LivePresets(HostedFile(connect, profile), Presets.packaged(), max_age=max_age, now=now)


def _announcements(config: Config, now: Callable[[], datetime]) -> Announcements:
    """With a client that gives up early: a bus that does not answer must not use up the function's time."""
    patience = BotoConfig(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
    )
    return Announcements(boto3.client("events", config=patience), config.event_bus_name, now)


def _codat(config: Config, calls: CodatCalls, now: Callable[[], datetime]) -> CodatClient:
    return CodatClient(
        config.codat_base_url,
        SecretApiKey(SecretsProvider(), config.codat_api_key_secret_name),
        dialect=config.dialect,
        max_connections=config.max_concurrent_companies,
        on_answer=calls.note,
        now=now,
    )


def _dead_letters(sqs: "SQSClient", config: Config, now: Callable[[], datetime]) -> DeadLetters:
    return DeadLetters(
        sqs,
        {
            Outcome.DEGRADED: config.payment_required_queue_url,
            Outcome.PARKED_PAYMENT_REQUIRED: config.payment_required_queue_url,
            Outcome.PARKED_FAILED: config.failed_events_queue_url,
        },
        now,
    )
