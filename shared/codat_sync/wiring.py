"""Puts the parts together for one function, once for each process."""

from collections.abc import Callable
from datetime import UTC, datetime
from random import SystemRandom

import boto3
from aws_lambda_powertools.utilities.parameters import SecretsProvider

from codat_sync.api_key import SecretApiKey
from codat_sync.codat.client import CodatClient
from codat_sync.company_plans import CompanyPlans
from codat_sync.config import Config
from codat_sync.consumer import Consumer, ReadEvent
from codat_sync.convergence import Convergence
from codat_sync.dead_letters import DeadLetters
from codat_sync.deferral import SourceQueue
from codat_sync.pause import PausingCodat, StoredPause
from codat_sync.presets import Presets
from codat_sync.triage import Outcome


def _utc_now() -> datetime:
    return datetime.now(UTC)


def wire_consumer(config: Config, read: ReadEvent, now: Callable[[], datetime] = _utc_now) -> Consumer:
    """A consumer with AWS and Codat behind it. Raises ``InvalidPresets`` before any event is touched."""
    sqs = boto3.client("sqs")
    codat = CodatClient(
        config.codat_base_url,
        SecretApiKey(SecretsProvider(), config.codat_api_key_secret_name),
        dialect=config.dialect,
        max_connections=config.max_concurrent_companies,
        now=now,
    )
    dynamodb = boto3.client("dynamodb")
    pausing = PausingCodat(codat, StoredPause(dynamodb, config.company_plans_table_name), now)
    plans = CompanyPlans(dynamodb, config.company_plans_table_name)
    dead_letters = DeadLetters(
        sqs,
        {
            Outcome.DEGRADED: config.payment_required_queue_url,
            Outcome.PARKED_PAYMENT_REQUIRED: config.payment_required_queue_url,
            Outcome.PARKED_FAILED: config.failed_events_queue_url,
        },
        now,
    )
    return Consumer(
        read,
        Convergence(pausing, plans, Presets.packaged(), now),
        dead_letters,
        SourceQueue(sqs, config.source_queue_url),
        first_deferral_seconds=config.first_deferral_seconds,
        max_concurrent_companies=config.max_concurrent_companies,
        max_receive_count=config.max_receive_count,
        now=now,
        random=SystemRandom(),
    )
