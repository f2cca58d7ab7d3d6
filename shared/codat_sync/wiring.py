"""Puts the parts of one function together, once for each process."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from random import SystemRandom
from time import sleep
from typing import TYPE_CHECKING, Final

from aws_lambda_powertools.utilities.parameters import AppConfigProvider, SecretsProvider

from codat_sync.announcements import Announcements
from codat_sync.api_key import SecretApiKey
from codat_sync.aws.clients import AwsClients, Timeouts
from codat_sync.codat.client import QUICK_RETRIES, Answer, CodatClient
from codat_sync.companies.call_rate import CallRate, StoredCallRate
from codat_sync.companies.converge import Convergence
from codat_sync.companies.pause import PausingCodat, StoredPause
from codat_sync.companies.records import CompanyPlans
from codat_sync.config import Config, ReconciliationConfig, RedriveConfig
from codat_sync.consuming.consume import START_SECONDS, Announcer, Consumer, ConsumerSettings, Consuming, ReadEvent
from codat_sync.consuming.duties import DutyConsumer
from codat_sync.consuming.ending_in_time import EndingInTime
from codat_sync.consuming.live_presets import LiveConsumer, LiveDuty
from codat_sync.consuming.settle import Settlement
from codat_sync.deadline import Deadline, PacedDeadline
from codat_sync.events.requests import read_reconciliation_request, read_redrive_request
from codat_sync.observability import CodatCalls
from codat_sync.outcomes.dead_letters import DeadLetters
from codat_sync.outcomes.deferral import Patience, SourceQueue
from codat_sync.outcomes.parked_events import DeadLetterQueue
from codat_sync.outcomes.triage import Outcome
from codat_sync.presets.file import Presets
from codat_sync.presets.hosted import LOOK_CONNECT_SECONDS, LOOK_READ_SECONDS, MAX_AGE, HostedFile, LivePresets
from codat_sync.reconciliation.check import CompanyCheck
from codat_sync.reconciliation.pace import Pace, Quota
from codat_sync.reconciliation.queue import CompanyReconciliations, ReadCompanyRequest, fingerprint
from codat_sync.reconciliation.reconcile import Reconciliation, ReconciliationLimits
from codat_sync.reconciliation.runs import ReconciliationRuns, Tally
from codat_sync.reconciliation.verification import Verification
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
    clients: AwsClients | None = None,
) -> Consuming:
    """Return a consumer of company events. Raise ``InvalidPresets`` before any event is touched.

    ``announcers`` receive the outcomes, after the event bus. ``presets_age`` is the maximum age of its presets.
    """
    return _consumer(_Parts(config, now, clients), config, lambda _: read, now, lambda *_: announcers, presets_age)


def _consumer(
    parts: "_Parts",
    config: Config,
    read: Callable[[Presets], ReadEvent],
    now: Callable[[], datetime],
    announcers: Callable[[Convergence, Presets], Sequence[Announcer]],
    presets_age: timedelta,
) -> Consuming:
    patience = Patience(timedelta(hours=config.patience_hours), config.first_deferral_seconds)
    settlement = Settlement(parts.dead_letters, patience, now)
    settings = ConsumerSettings(patience, config.max_concurrent_companies)
    random = SystemRandom()

    def consumer(presets: Presets) -> Consumer:
        convergence = Convergence(parts.pausing_codat, parts.plans, presets, now)
        return Consumer(
            read(presets),
            convergence,
            settlement,
            parts.source,
            settings,
            now=now,
            random=random,
            announcers=[parts.announcements, *announcers(convergence, presets)],
            turns=[parts.call_rate],
            write_metrics=parts.calls.write,
        )

    return EndingInTime(LiveConsumer(parts.live_presets(presets_age), consumer), parts.clients)


def wire_company_reconciliation(config: Config, now: Callable[[], datetime] = _utc_now) -> Consuming:
    """Return a consumer of companies that a run handed over, which counts them there, and verifies each repair.

    Raise ``InvalidPresets``.
    """
    parts = _Parts(config, now, yields=True)
    tally = Tally(ReconciliationRuns(parts.dynamodb, config.company_plans_table_name))

    def announcers(convergence: Convergence, presets: Presets) -> Sequence[Announcer]:
        def deadline() -> Deadline:
            return PacedDeadline(parts.clients.deadline(seconds_for_a_call=START_SECONDS), parts.call_rate)

        return [tally, Verification(convergence, presets, parts.plans, parts.announcements, deadline, now)]

    # With older presets than those of the run that found the company, the company would stay where it is.
    return _consumer(parts, config, ReadCompanyRequest, now, announcers, AT_ONCE)


def wire_reconciliation(config: ReconciliationConfig, now: Callable[[], datetime] = _utc_now) -> Consuming:
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
        return Reconciliation(
            company_check,
            parts.plans,
            runs,
            queue,
            parts.announcements,
            limits,
            now,
            presets=fingerprint(presets),
            ask_account=parts.pausing_codat.get_account_sync_settings,
        )

    duty = LiveDuty(parts.live_presets(AT_ONCE).known, reconciliation)
    consumer = DutyConsumer(read_reconciliation_request, duty, parts.dead_letters, parts.source, now, parts.calls.write)
    return EndingInTime(consumer, parts.clients)


def wire_redrive(config: RedriveConfig, now: Callable[[], datetime] = _utc_now) -> Consuming:
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
            ask_account=parts.codat.get_account_sync_settings,
            now=now,
            sleep=sleep,
            turns=[parts.call_rate],
        )

    duty = LiveDuty(parts.live_presets(AT_ONCE), redrive)
    consumer = DutyConsumer(read_redrive_request, duty, parts.dead_letters, parts.source, now, parts.calls.write)
    return EndingInTime(consumer, parts.clients)


class _Parts:
    """What several functions are made of, each part made once, when it is first needed."""

    def __init__(
        self,
        config: Config,
        now: Callable[[], datetime],
        clients: AwsClients | None = None,
        *,
        yields: bool = False,
    ) -> None:
        """Where the function ``yields``, live events take precedence over its calls to Codat."""
        self._config = config
        self._now = now
        self._yields = yields
        self.clients = clients or AwsClients()
        self.calls = CodatCalls()

    @cached_property
    def sqs(self) -> "SQSClient":
        return self.clients.make("sqs")

    @cached_property
    def dynamodb(self) -> "DynamoDBClient":
        return self.clients.make("dynamodb")

    @cached_property
    def plans(self) -> CompanyPlans:
        return CompanyPlans(self.dynamodb, self._config.company_plans_table_name)

    @cached_property
    def pause(self) -> StoredPause:
        return StoredPause(self.dynamodb, self._config.company_plans_table_name)

    @cached_property
    def api_key(self) -> SecretApiKey:
        secrets = SecretsProvider(boto3_client=self.clients.make("secretsmanager"))
        return SecretApiKey(secrets, self._config.codat_api_key_secret_name)

    @cached_property
    def codat(self) -> CodatClient:
        """Codat itself."""
        return self._client()

    @cached_property
    def confirming_codat(self) -> CodatClient:
        """Codat for the confirming call, which has only the time that an early answer leaves: no retries."""
        return self._client(quick_retries=0)

    def ask_account(self) -> object:
        """Make the confirming call."""
        return self.confirming_codat.get_account_sync_settings()

    def _client(self, *, quick_retries: int = QUICK_RETRIES) -> CodatClient:
        return CodatClient(
            self._config.codat_base_url,
            self.api_key,
            dialect=self._config.dialect,
            max_connections=self._config.max_concurrent_companies,
            quick_retries=quick_retries,
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
        return PausingCodat(self.codat, self.pause, self._now, self.ask_account, self.call_rate)

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
        return Announcements(self.clients.make("events"), self._config.event_bus_name, self._now)

    def live_presets(self, max_age: timedelta) -> LivePresets:
        """Return the live presets, by a client that attempts each call once: a look makes three of them."""
        if not self._config.presets_profile:
            return LivePresets(lambda: None, Presets.packaged(), max_age=max_age, now=self._now)
        application, environment, profile = self._config.presets_profile.split("/")
        once = Timeouts(LOOK_CONNECT_SECONDS, LOOK_READ_SECONDS, attempts=1)

        def connect() -> AppConfigProvider:
            # A client of its own: Powertools adds its name to the client's headers once more for each provider.
            client = self.clients.make("appconfigdata", once)
            return AppConfigProvider(environment, application, boto3_client=client)

        return LivePresets(HostedFile(connect, profile), Presets.packaged(), max_age=max_age, now=self._now)
