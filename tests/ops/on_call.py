"""The on-call at the command line, with a stack on Moto and a simulated Codat."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from typer.testing import CliRunner, Result

from codat_sync.codat.models import Dialect
from codat_sync.companies.desired import DesiredPlan
from codat_sync.companies.records import AppliedPreset, CompanyPlans
from codat_sync.events.company_events import Authority
from local.codat_simulator.account import Account
from local.codat_simulator.company_settings import settings_at
from local.presets import local_presets
from ops.cli.main import app
from ops.stack import Stack

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

KEY = "a-key-that-no-output-may-show"
TABLE = "company-plans"
BUS = "codat-sync-events"
QUEUES = {
    "CompanyReconciliationsQueueUrl": "company-reconciliations",
    "PaymentRequiredQueueUrl": "payment-required",
    "FailedEventsQueueUrl": "failed-events",
    "UndeliveredEventsQueueUrl": "undelivered",
    "source": "plan-changed",
    "bus": "all-events-of-the-bus",
}
ARN = "arn:aws:sqs:eu-west-2:123456789012:"
COMPANY = UUID("8a210b68-6988-4001-a1eb-0242ac120001")
OTHER = UUID("8a210b68-6988-4002-a1eb-0242ac120002")


@dataclass
class OnCall:
    """The on-call, with direct access to the stack's parts for arranging and asserting."""

    account: Account
    sqs: "SQSClient"
    plans: CompanyPlans
    urls: Mapping[str, str]
    stack: Stack
    results: list[Result] = field(default_factory=list)

    def __call__(self, *arguments: object) -> Result:
        """Run one command; return its output and exit code. Raise what the command does not expect."""
        result = CliRunner().invoke(app, [str(each) for each in arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        self.results.append(result)
        return result

    def json(self, *arguments: object) -> Any:  # noqa: ANN401
        """Run one command with ``--json`` and return the data."""
        return json.loads(self(*arguments, "--json").stdout)

    def add_company(self, company_id: UUID = COMPANY, plan: str | None = "growth", **more: Any) -> None:  # noqa: ANN401
        """Add a company to Codat, at the preset of a plan, or without settings."""
        at_preset = settings_at(local_presets(), plan, company_id, Dialect.HOURS)
        self.account.add_company(str(company_id), settings=at_preset, **more)

    def record(
        self,
        company_id: UUID = COMPANY,
        plan: str = "growth",
        *,
        authority: Authority = Authority.STATED,
        at: datetime | None = None,
    ) -> DesiredPlan:
        """Record a desired plan in the table."""
        at = at or datetime.now(UTC)
        desired = DesiredPlan.named(plan, authority, at, "e1")
        if authority is Authority.ASSUMED:
            desired = DesiredPlan.assumed(plan, "e1")
        self.plans.record(company_id, desired, at=at)
        return desired

    def confirm(
        self, desired: DesiredPlan, company_id: UUID = COMPANY, *, degraded: bool = False, at: datetime | None = None
    ) -> None:
        """Confirm the desired plan in the table."""
        preset = local_presets().for_company(desired.plan, company_id)
        in_force = (preset.degraded() if degraded else None) or preset
        degraded_to = str(preset.fallback) if degraded else None
        applied = AppliedPreset(desired.plan, in_force.fingerprint, "e1", desired.order, degraded_to)
        self.plans.confirm(company_id, desired, applied, at=at or datetime.now(UTC))

    def park(self, queue: str, body: str = "{}", *, source: str | None = "plan-changed", **attributes: str) -> None:
        """Park an event in a DLQ."""
        said = attributes | ({"sourceQueue": f"{ARN}{source}"} if source else {})
        self.sqs.send_message(
            QueueUrl=self.urls[queue],
            MessageBody=body,
            MessageAttributes={name: {"DataType": "String", "StringValue": value} for name, value in said.items()},
        )

    def messages(self, queue: str) -> list[Any]:
        """Return the visible messages of a queue, and leave them visible."""
        return self.sqs.receive_message(
            QueueUrl=self.urls[queue], MaxNumberOfMessages=10, MessageAttributeNames=["All"], VisibilityTimeout=0
        ).get("Messages", [])

    def events(self) -> list[Any]:
        """Return the events that the bus received."""
        return [json.loads(message["Body"]) for message in self.messages("bus")]
