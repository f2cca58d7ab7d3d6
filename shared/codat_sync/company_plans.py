"""What is desired and what is applied, for each company: one DynamoDB item, written under conditions only."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Self
from uuid import UUID

from codat_sync.events import Authority

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_NOBODY_SAID: Final = str(int(Authority.ASSUMED))


class RecordGone(LookupError):
    """Somebody deleted the record in between. The same event, seen again, records it anew."""

    reason = "record_gone"


@dataclass(frozen=True)
class DesiredPlan:
    """The newest plan that an event named for a company, and which event that was.

    ``order`` is a total order over all events of a company, whichever way they arrive: first the authority, then the
    business time, then the event id. An assumed plan has no time in it, so that it never looks newer than another.
    """

    plan: str
    order: str
    event_id: str

    @classmethod
    def named(cls, plan: str, authority: Authority, occurred_at: datetime, event_id: str) -> Self:
        """A plan that an event named."""
        # Fixed width, so that DynamoDB's comparison of strings is one of moments.
        moment = occurred_at.astimezone(UTC).isoformat(timespec="microseconds")
        return cls(plan=plan, order=f"{int(authority)}#{moment}#{event_id}", event_id=event_id)

    @classmethod
    def assumed(cls, plan: str, event_id: str) -> Self:
        """The default plan, for a company that nobody has named one for."""
        return cls(plan=plan, order=_NOBODY_SAID, event_id=event_id)


@dataclass(frozen=True)
class AppliedPreset:
    """What was last put in force at Codat, and for which desired plan: ``order`` is that one's.

    ``degraded_to`` is the frequency that stands in for hourly, if one does.
    """

    plan: str
    fingerprint: str
    event_id: str
    order: str
    degraded_to: str | None = None


@dataclass(frozen=True)
class CompanyPlan:
    """The record of one company."""

    company_id: UUID
    desired: DesiredPlan
    applied: AppliedPreset | None = None


class CompanyPlans:
    """The table of all companies. Each method is one call to DynamoDB."""

    def __init__(self, dynamodb: "DynamoDBClient", table_name: str) -> None:
        self._dynamodb = dynamodb
        self._table_name = table_name

    def record(self, company_id: UUID, desired: DesiredPlan, *, at: datetime) -> CompanyPlan:
        """Store the desired plan if it is newer than what is stored; the record as it is afterwards."""
        item = self._update(
            company_id,
            "SET desiredPlan = :plan, desiredOrder = :order, desiredBy = :event, desiredAt = :at",
            "attribute_not_exists(companyId) OR desiredOrder < :order",
            {":plan": desired.plan, ":order": desired.order, ":event": desired.event_id, ":at": at.isoformat()},
        )
        return _company_plan(item)

    def confirm(self, company_id: UUID, desired: DesiredPlan, applied: AppliedPreset, *, at: datetime) -> CompanyPlan:
        """Note the applied preset if ``desired`` is still what is desired; the record as it is afterwards."""
        values = {
            ":order": desired.order,
            ":plan": applied.plan,
            ":fingerprint": applied.fingerprint,
            ":event": applied.event_id,
            ":at": at.isoformat(),
        }
        update = (
            "SET appliedPlan = :plan, appliedFingerprint = :fingerprint, appliedBy = :event, appliedAt = :at, "
            "appliedOrder = :order"
        )
        if applied.degraded_to is None:
            update += " REMOVE degradedTo"
        else:
            update += ", degradedTo = :degraded"
            values[":degraded"] = applied.degraded_to
        return _company_plan(self._update(company_id, update, "desiredOrder = :order", values))

    def note_failure(self, company_id: UUID, event_id: str, failure: str, *, at: datetime) -> None:
        """Keep the newest failure with the company, for whoever asks. A company without a record gets none."""
        self._update(
            company_id,
            "SET lastFailure = :failure, lastFailureBy = :event, lastFailureAt = :at",
            "attribute_exists(companyId)",
            {":failure": failure, ":event": event_id, ":at": at.isoformat()},
        )

    def _update(self, company_id: UUID, update: str, condition: str, values: dict[str, str]) -> dict[str, str]:
        """The item as it is afterwards, whether the condition held or not; empty where there is none."""
        try:
            answer: Any = self._dynamodb.update_item(
                TableName=self._table_name,
                Key={"companyId": {"S": str(company_id)}},
                UpdateExpression=update,
                ConditionExpression=condition,
                ExpressionAttributeValues={name: {"S": value} for name, value in values.items()},
                ReturnValues="ALL_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
            item = answer["Attributes"]
        except self._dynamodb.exceptions.ConditionalCheckFailedException as refusal:
            item = refusal.response.get("Item", {})  # ALL_OLD puts it there.
        return {name: value["S"] for name, value in item.items() if "S" in value}


def _company_plan(item: dict[str, str]) -> CompanyPlan:
    if not item:
        raise RecordGone("the company's record was deleted while an event of it was under way")
    applied = None
    if "appliedFingerprint" in item:
        applied = AppliedPreset(
            plan=item["appliedPlan"],
            fingerprint=item["appliedFingerprint"],
            event_id=item["appliedBy"],
            order=item.get("appliedOrder", ""),
            degraded_to=item.get("degradedTo"),
        )
    return CompanyPlan(
        company_id=UUID(item["companyId"]),
        desired=DesiredPlan(plan=item["desiredPlan"], order=item["desiredOrder"], event_id=item["desiredBy"]),
        applied=applied,
    )
