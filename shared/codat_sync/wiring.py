"""Puts the parts of one function together, once for each process."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from random import SystemRandom
from time import sleep
from typing import TYPE_CHECKING, Final

import boto3
from aws_lambda_powertools.utilities.parameters import AppConfigProvider, SecretsProvider
from botocore.config import Config as BotoConfig

from codat_sync.announcements import ATTEMPTS, CONNECT_SECONDS, READ_SECONDS, Announcements
from codat_sync.api_key import SecretApiKey
from codat_sync.codat.client import Answer, CodatClient
from codat_sync.companies.call_rate import CallRate, StoredCallRate
from codat_sync.companies.converge import Convergence
from codat_sync.companies.pause import PausingCodat, StoredPause
from codat_sync.companies.records import CompanyPlans
from codat_sync.config import Config, ReconciliationConfig, RedriveConfig
from codat_sync.consuming.consume import Announcer, Consumer, ConsumerSettings, Consuming, ReadEvent
from codat_sync.consuming.duties import DutyConsumer
from codat_sync.consuming.live_presets import LiveConsumer, LiveDuty
from codat_sync.consuming.settle import Settlement
from codat_sync.events.company_events import read_company_reconciliation
from codat_sync.events.requests import (
    ReconciliationRequest,
    RedriveRequest,
    read_reconciliation_request,
    read_redrive_request,
)
from codat_sync.observability import CodatCalls
from codat_sync.outcomes.dead_letters import DeadLetters
from codat_sync.outcomes.deferral import Patience, SourceQueue
from codat_sync.outcomes.parked_events import DeadLetterQueue
from codat_sync.outcomes.triage import Outcome
from codat_sync.presets.file import Presets
from codat_sync.presets.hosted import LOOK_CONNECT_SECONDS, LOOK_READ_SECONDS, MAX_AGE, HostedFile, LivePresets
from codat_sync.reconciliation.check import CompanyCheck
from codat_sync.reconciliation.pace import Pace, Quota
from codat_sync.reconciliation.queue import CompanyReconciliations
from codat_sync.reconciliation.reconcile import Reconciliation, ReconciliationLimits
from codat_sync.reconciliation.runs import ReconciliationRuns, Tally
from codat_sync.redrive.redrive import Redrive

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

AT_ONCE: Final = timedelta(0)
"""The maximum age of presets that are read anew for each invocation."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


def wire_consumer(
    config: Config,
    read: ReadEvent,
    now: Callable[[], datetime] = _utc_now,
    announcers: Sequence[Announcer] = (),
    presets_age: timedelta = MAX_AGE,
) -> Consuming:
    """Return a consumer of company events. Raise ``InvalidPresets`` before any event is touched.

    ``announcers`` receive the outcomes, after the event bus. ``presets_age`` is the maximum age of its presets.
    """
    return _consumer(_Parts(config, now), config, read, now, announcers, presets_age)


def _consumer(
    parts: "_Parts",
    config: Config,
    read: ReadEvent,
    now: Callable[[], datetime],
    announcers: Sequence[Announcer],
    presets_age: timedelta,
) -> Consuming:
    patience = Patience(timedelta(hours=config.patience_hours), config.first_deferral_seconds)
    settlement = Settlement(parts.dead_letters, patience, now)
    settings = ConsumerSettings(patience, config.max_concurrent_companies)
    receivers, random = [parts.announcements, *announcers], SystemRandom()

    def consumer(presets: Presets) -> Consumer:
        return Consumer(
            read,
            Convergence(parts.pausing_codat, parts.plans, presets, now),
            settlement,
            parts.source,
            settings,
            now=now,
            random=random,
            announcers=receivers,
            turns=[parts.call_rate],
            write_metrics=parts.calls.write,
        )

    return LiveConsumer(parts.live_presets(presets_age), consumer)


def wire_company_reconciliation(config: Config, now: Callable[[], datetime] = _utc_now) -> Consuming:
    """Return a consumer of companies that a run handed over, which counts them there. Raise ``InvalidPresets``."""
    parts = _Parts(config, now, yields=True)
    tally = Tally(ReconciliationRuns(parts.dynamodb, config.company_plans_table_name))
    # With older presets than those of the run that found the company, the company would stay where it is.
    return _consumer(parts, config, read_company_reconciliation, now, [tally], AT_ONCE)


def wire_reconciliation(
    config: ReconciliationConfig, now: Callable[[], datetime] = _utc_now
) -> DutyConsumer[ReconciliationRequest]:
    """Return the duty that reconciles all companies. Raise ``InvalidPresets``."""
    parts = _Parts(config, now, yields=True)
    runs = ReconciliationRuns(parts.dynamodb, config.company_plans_table_name)
    queue = CompanyReconciliations(parts.sqs, config.reconcile_company_queue_url)
    limits = ReconciliationLimits(
        [Pace(config.reconcile_calls_per_minute), parts.call_rate],
        Quota(lambda: parts.codat.rate_limit, share=config.reconcile_quota_share, now=now),
        config.max_concurrent_companies,
    )

    def reconciliation(presets: Presets) -> Reconciliation:
        convergence = Convergence(parts.pausing_codat, parts.plans, presets, now)
        company_check = CompanyCheck(convergence, presets, parts.plans, now)
        return Reconciliation(company_check, parts.plans, runs, queue, parts.announcements, limits, now)

    duty = LiveDuty(parts.live_presets(AT_ONCE).known, reconciliation)
    return DutyConsumer(read_reconciliation_request, duty, parts.dead_letters, parts.source, parts.calls.write)


def wire_redrive(config: RedriveConfig, now: Callable[[], datetime] = _utc_now) -> DutyConsumer[RedriveRequest]:
    """Return the duty that redrives the payment-required DLQ. Raise ``InvalidPresets``."""
    parts = _Parts(config, now, yields=True)
    parked = DeadLetterQueue(parts.sqs, config.payment_required_queue_url, now)
    pace = Pace(config.redrive_events_per_minute)

    def redrive(presets: Presets) -> Redrive:
        convergence = Convergence(parts.codat, parts.plans, presets, now)
        return Redrive(
            parked,
            convergence,
            parts.plans,
            parts.pause,
            pace,
            parts.announcements,
            now=now,
            sleep=sleep,
            turns=[parts.call_rate],
        )

    duty = LiveDuty(parts.live_presets(AT_ONCE), redrive)
    return DutyConsumer(read_redrive_request, duty, parts.dead_letters, parts.source, parts.calls.write)


class _Parts:
    """What several functions are made of, each part made once, when it is first needed."""

    def __init__(self, config: Config, now: Callable[[], datetime], *, yields: bool = False) -> None:
        """Where the function ``yields``, live events take precedence over its calls to Codat."""
        self._config = config
        self._now = now
        self._yields = yields
        self.calls = CodatCalls()

    @cached_property
    def sqs(self) -> "SQSClient":
        return boto3.client("sqs")

    @cached_property
    def dynamodb(self) -> "DynamoDBClient":
        return boto3.client("dynamodb")

    @cached_property
    def plans(self) -> CompanyPlans:
        return CompanyPlans(self.dynamodb, self._config.company_plans_table_name)

    @cached_property
    def pause(self) -> StoredPause:
        return StoredPause(self.dynamodb, self._config.company_plans_table_name)

    @cached_property
    def codat(self) -> CodatClient:
        """Codat itself."""
        config = self._config
        return CodatClient(
            config.codat_base_url,
            SecretApiKey(SecretsProvider(), config.codat_api_key_secret_name),
            dialect=config.dialect,
            max_connections=config.max_concurrent_companies,
            on_answer=self._note,
            now=self._now,
        )

    @cached_property
    def call_rate(self) -> CallRate:
        record = StoredCallRate(self.dynamodb, self._config.company_plans_table_name)
        return CallRate(record, now=self._now, sleep=sleep, random=SystemRandom(), yields=self._yields)

    def _note(self, answer: Answer) -> None:
        self.calls.note(answer)
        self.call_rate.note(answer)

    @cached_property
    def pausing_codat(self) -> PausingCodat:
        """Codat, respecting the pause."""
        return PausingCodat(self.codat, self.pause, self._now)

    @cached_property
    def source(self) -> SourceQueue:
        return SourceQueue(self.sqs, self._config.source_queue_url)

    @cached_property
    def dead_letters(self) -> DeadLetters:
        payment_required, failed_events = self._config.payment_required_queue_url, self._config.failed_events_queue_url
        queue_urls = {
            Outcome.DEGRADED: payment_required,
            Outcome.PARKED_PAYMENT_REQUIRED: payment_required,
            Outcome.PARKED_FAILED: failed_events,
        }
        return DeadLetters(self.sqs, queue_urls, self._now)

    @cached_property
    def announcements(self) -> Announcements:
        """The event bus, by a client that gives up early: a bus that does not answer must not use up the time."""
        config = BotoConfig(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
        )
        return Announcements(boto3.client("events", config=config), self._config.event_bus_name, self._now)

    def live_presets(self, max_age: timedelta) -> LivePresets:
        """Return the live presets, by a client that gives up early: waiting for them must not use up the time."""
        if not self._config.presets_profile:
            return LivePresets(lambda: None, Presets.packaged(), max_age=max_age, now=self._now)
        application, environment, profile = self._config.presets_profile.split("/")
        config = BotoConfig(
            connect_timeout=LOOK_CONNECT_SECONDS, read_timeout=LOOK_READ_SECONDS, retries={"total_max_attempts": 1}
        )

        def connect() -> AppConfigProvider:
            # A client of its own: Powertools adds its name to the client's headers once more for each provider.
            client = boto3.client("appconfigdata", config=config)
            return AppConfigProvider(environment, application, boto3_client=client)

        return LivePresets(HostedFile(connect, profile), Presets.packaged(), max_age=max_age, now=self._now)
