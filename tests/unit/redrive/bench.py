"""A redrive on fakes. What it sleeps moves its clock."""

import json
from collections.abc import Iterable
from datetime import timedelta
from itertools import count
from typing import cast
from uuid import UUID

from mypy_boto3_sqs import SQSClient

from codat_sync.codat.errors import (
    PaymentRequired,
    PaymentRequiredKind,
)
from codat_sync.companies.converge import Convergence
from codat_sync.companies.desired import DesiredPlan
from codat_sync.deadline import Turns
from codat_sync.events.company_events import Authority
from codat_sync.events.requests import RedriveRequest
from codat_sync.outcomes.dead_letters import DeadLetters, ReceivedEvent
from codat_sync.outcomes.parked_events import DeadLetterQueue
from codat_sync.outcomes.triage import Failure, Outcome
from codat_sync.reconciliation.pace import Pace
from codat_sync.redrive.redrive import Redrive
from local.presets import local_presets
from tests.fakes.announcements import FakeAnnouncer
from tests.fakes.aws import FakeSqs
from tests.fakes.clock import NOW
from tests.fakes.codat import FakeCodat, setting
from tests.fakes.codat import settings as shown
from tests.fakes.companies import FakePause, FakePlans
from tests.fakes.lambda_ import deadline

PRESETS = local_presets()
HOURLY = PaymentRequiredKind.HOURLY_NOT_ALLOWED
LIMIT = PaymentRequiredKind.COMPANY_LIMIT
EXPIRED = PaymentRequiredKind.ACCOUNT_EXPIRED
UNKNOWN = PaymentRequiredKind.UNKNOWN
COMPANIES = [UUID(int=number) for number in range(1, 40)]
SOURCES = ("company-plan-changed", "new-connection")
DLQ = "payment-required"


def refused(kind: PaymentRequiredKind) -> PaymentRequired:
    return PaymentRequired(f"Codat says {kind}", kind=kind, correlation_id="c0ffee")


class Bench:
    """A redrive on fakes. The clock moves by what is slept."""

    def __init__(self) -> None:
        self.codat, self.plans, self.pause, self.announcer = FakeCodat(), FakePlans(), FakePause(), FakeAnnouncer()
        self.sqs = FakeSqs({DLQ: [], **{name: [] for name in SOURCES}})
        self.slept: list[float] = []
        self.turns: list[Turns] = []
        self.seconds = 900.0
        self.numbers = count(1)

    def seconds_left(self) -> float:
        return self.seconds - sum(self.slept)

    def redrive(self, *, per_minute: int = 10_000) -> Redrive:
        sqs = cast("SQSClient", self.sqs)
        return Redrive(
            DeadLetterQueue(sqs, DLQ, lambda: NOW),
            Convergence(self.codat, self.plans, PRESETS, lambda: NOW),
            self.plans,
            self.pause,
            Pace(per_minute, monotonic=lambda: sum(self.slept), sleep=self.slept.append),
            self.announcer,
            ask_account=self.codat.get_account_sync_settings,
            now=lambda: NOW,
            sleep=self.slept.append,
            turns=self.turns,
        )

    def carry_out(
        self, *reasons: PaymentRequiredKind, company: UUID | None = None, per_minute: int = 10_000
    ) -> timedelta | None:
        request = RedriveRequest("request", NOW, frozenset(reasons), company)
        return self.redrive(per_minute=per_minute).carry_out(request, deadline(self.seconds_left))

    def desire(self, company: UUID, plan: str = "scale") -> None:
        event_id = f"event {next(self.numbers)}"
        self.plans.record(company, DesiredPlan.named(plan, Authority.STATED, NOW, event_id), at=NOW)

    def park(
        self,
        company: UUID | str | None,
        reason: str = HOURLY,
        *,
        plan: str = "scale",
        ago: timedelta = timedelta(days=1),
        source: str = SOURCES[0],
    ) -> str:
        """Record the company's plan, and park an event of the company. Return its body."""
        body = json.dumps({"id": f"parked {next(self.numbers):02}"})
        if isinstance(company, UUID):
            self.desire(company, plan)
        dead_letters = DeadLetters(
            cast("SQSClient", self.sqs), {Outcome.PARKED_PAYMENT_REQUIRED: DLQ}, lambda: NOW - ago
        )
        dead_letters.park(
            ReceivedEvent(
                body,
                f"arn:aws:sqs:eu-west-2:123456789012:{source}" if source else "",
                event_id=json.loads(body)["id"],
                company_id=None if company is None else str(company),
                plan=plan,
            ),
            Outcome.PARKED_PAYMENT_REQUIRED,
            Failure(Outcome.PARKED_PAYMENT_REQUIRED, reason, "no", 402),
        )
        return body

    def park_degraded(self, companies: Iterable[UUID]) -> list[str]:
        """Park events of companies that are at their degraded preset. Return the bodies."""
        bodies = []
        for company in companies:
            bodies.append(self.park(company))
            degraded = PRESETS.for_company("scale", company).degraded()
            assert degraded is not None
            self.codat.companies[company] = degraded.over(shown(setting("invoices"), setting("company")))
        return bodies

    @property
    def parked(self) -> list[str]:
        return self.sqs.bodies(DLQ)

    @property
    def back(self) -> list[str]:
        return sorted(body for name in SOURCES for body in self.sqs.bodies(name))

    @property
    def writes(self) -> int:
        return self.codat.calls.count("update")
