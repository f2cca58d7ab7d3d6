"""A consumer on fakes, and what it logged."""

from datetime import timedelta
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from codat_sync.codat.errors import (
    Unreachable,
)
from codat_sync.companies.converge import Convergence
from codat_sync.consuming.consume import Consumer, ConsumerSettings, ReadEvent
from codat_sync.consuming.settle import Settlement
from codat_sync.events.company_events import read_connection_event, read_plan_event
from codat_sync.outcomes.deferral import Patience
from codat_sync.outcomes.triage import Outcome
from local.presets import local_presets
from tests.fakes.announcements import FakeAnnouncer
from tests.fakes.clock import NOW
from tests.fakes.codat import FakeCodat
from tests.fakes.companies import COMPANY, FakePlans
from tests.fakes.lambda_ import PATIENCE, FakeContext, sqs_event
from tests.fakes.outcomes import FakeDeadLetters, FakeQueue

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse

PRESETS = local_presets()
CONNECTED = partial(read_connection_event, plan_tag="plan")


def access_denied() -> ClientError:
    return ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "SendMessage")


def lose_the_answer(bench: "Bench") -> None:
    """Let a write take effect, and lose its answer."""
    bench.codat.before_write = lambda: None
    preset = PRESETS.for_company("growth", COMPANY)
    bench.codat.update_sync_settings(COMPANY, preset.over(bench.codat.companies[COMPANY]))
    raise Unreachable("the answer was lost")


class Bench:
    """A consumer on fakes, and what it logged."""

    def __init__(
        self, caplog: pytest.LogCaptureFixture, read: ReadEvent = read_plan_event, patience: Patience = PATIENCE
    ) -> None:
        self.codat, self.plans = FakeCodat(), FakePlans()
        self.dead_letters, self.queue = FakeDeadLetters(), FakeQueue()
        self.announcer = FakeAnnouncer()
        self.other_announcer = FakeAnnouncer()
        self.turns = 1_000
        self.withins: list[float] = []
        self.caplog = caplog
        caplog.set_level("INFO")
        self._consumer = Consumer(
            read,
            Convergence(self.codat, self.plans, PRESETS, lambda: NOW),
            Settlement(self.dead_letters, patience, lambda: NOW),
            self.queue,
            ConsumerSettings(patience, max_concurrent_companies=2),
            now=lambda: NOW,
            random=Random(7),  # noqa: S311  # Jitter that a test can repeat.
            announcers=[self.announcer, self.other_announcer],
            turns=[self],
        )

    def wait(self, *, within: float) -> bool:
        """Give a turn, if ``turns`` are left."""
        self.withins.append(within)
        self.turns -= 1
        return self.turns >= 0

    def consume(
        self,
        *bodies: str,
        receive_count: int = 1,
        waited: timedelta = timedelta(0),
        attributes: tuple[str, ...] = (),
        context: FakeContext | None = None,
    ) -> list[str]:
        """Return the outcome of each message, as logged; check that only deferred ones stay on the queue."""
        event = sqs_event(*bodies, receive_count=receive_count, waited=waited, attributes=attributes)
        answer = self.consume_event(event, context)
        settled = self.lines("event_settled")
        assert len(settled) == len(bodies), "every message has exactly one outcome"
        stays = [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]
        assert len(stays) == sum(line["outcome"] == Outcome.DEFERRED for line in settled)
        self.stays = set(stays)
        return [line["outcome"] for line in settled]

    def consume_event(self, event: dict[str, Any], context: FakeContext | None = None) -> "PartialItemFailureResponse":
        """Consume a batch as Lambda delivers it, and keep what was logged."""
        answer = self._consumer.consume(event, context or FakeContext())
        self.logged = [vars(record) for record in self.caplog.records]
        self.caplog.clear()
        return answer

    def lines(self, message: str) -> list[dict[str, Any]]:
        """Return what the last batch logged under this message."""
        return [line for line in self.logged if line["msg"] == message]
