"""A consumer on fakes, and what it logged."""

from functools import partial
from random import Random
from typing import Any

import pytest
from botocore.exceptions import ClientError

from codat_sync.codat.errors import (
    Unreachable,
)
from codat_sync.companies.converge import Convergence
from codat_sync.consuming.consume import Consumer, ConsumerSettings, ReadEvent
from codat_sync.consuming.settle import Settlement
from codat_sync.events.company_events import read_connection_event, read_plan_event
from codat_sync.outcomes.triage import Outcome
from local.presets import local_presets
from tests.fakes.announcements import FakeAnnouncer
from tests.fakes.clock import NOW
from tests.fakes.codat import FakeCodat
from tests.fakes.companies import COMPANY, FakePlans
from tests.fakes.lambda_ import FakeContext, sqs_event
from tests.fakes.outcomes import FakeDeadLetters, FakeQueue

PRESETS = local_presets()
CONNECTED = partial(read_connection_event, plan_tag="plan")


def access_denied() -> ClientError:
    return ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "SendMessage")


def lose_the_answer(bench: "Bench") -> None:
    """A write takes effect, and its caller never comes to know it."""
    bench.codat.before_write = lambda: None
    preset = PRESETS.for_company("growth", COMPANY)
    bench.codat.update_sync_settings(COMPANY, preset.over(bench.codat.companies[COMPANY]))
    raise Unreachable("the answer was lost")


class Bench:
    """A consumer on fakes, and what it logged."""

    def __init__(self, caplog: pytest.LogCaptureFixture, read: ReadEvent = read_plan_event) -> None:
        self.codat, self.plans = FakeCodat(), FakePlans()
        self.dead_letters, self.queue = FakeDeadLetters(), FakeQueue()
        self.announcer = FakeAnnouncer()
        self.other_announcer = FakeAnnouncer()
        self.caplog = caplog
        caplog.set_level("INFO")
        self._consumer = Consumer(
            read,
            Convergence(self.codat, self.plans, PRESETS, lambda: NOW),
            Settlement(self.dead_letters, max_receive_count=10),
            self.queue,
            ConsumerSettings(first_deferral_seconds=60, max_concurrent_companies=2),
            now=lambda: NOW,
            random=Random(7),  # noqa: S311  # Jitter that a test can repeat.
            announcers=[self.announcer, self.other_announcer],
        )

    def consume(
        self, *bodies: str, receive_count: int = 1, attributes: tuple[str, ...] = (), context: FakeContext | None = None
    ) -> list[str]:
        """The outcomes that were logged, by message; and what stays on the queue is what was deferred."""
        event = sqs_event(*bodies, receive_count=receive_count, attributes=attributes)
        answer = self._consumer.consume(event, context or FakeContext())
        self.logged = [vars(record) for record in self.caplog.records]
        self.caplog.clear()
        settled = [line for line in self.logged if line["msg"] == "event_settled"]
        assert len(settled) == len(bodies), "every message has exactly one outcome"
        stays = [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]
        assert len(stays) == sum(line["outcome"] == Outcome.DEFERRED for line in settled)
        self.stays = set(stays)
        return [line["outcome"] for line in settled]

    def lines(self, message: str) -> list[dict[str, Any]]:
        """What was logged under this message by the last batch."""
        return [line for line in self.logged if line["msg"] == message]
