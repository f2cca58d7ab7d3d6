"""The desired plan and the applied preset of each company: one DynamoDB item, written under conditions only."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Self
from uuid import UUID

from codat_sync.errors import TransientError
from codat_sync.events.company_events import Authority

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import KeysAndAttributesTypeDef

LONGEST_BATCH: Final = 100
"""How many items one BatchGetItem takes.
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html"""
OWN_KEYS: Final = "#"
"""The first character of keys that are not a company's id: those are UUIDs."""
_ASSUMED_ORDER: Final = str(int(Authority.ASSUMED))


class RecordGone(TransientError, LookupError):
    """The record was deleted meanwhile. The same event, delivered again, records it anew."""

    reason = "record_gone"


@dataclass(frozen=True)
class DesiredPlan:
    """The newest plan that an event named for a company, and which event that was.

    ``order`` is a total order over all events of a company, in whatever order they arrive: first the authority, then
    the business time, then the event id. An assumed plan has no time, so it is never newer than another.
    """

    plan: str
    order: str
    event_id: str

    @classmethod
    def named(cls, plan: str, authority: Authority, occurred_at: datetime, event_id: str) -> Self:
        """Return the desired plan that an event named."""
        # Fixed width, so that DynamoDB's comparison of strings is one of moments.
        moment = occurred_at.astimezone(UTC).isoformat(timespec="microseconds")
        return cls(plan=plan, order=f"{int(authority)}#{moment}#{event_id}", event_id=event_id)

    @classmethod
    def assumed(cls, plan: str, event_id: str) -> Self:
        """Return the default plan, for a company for which no event named one."""
        return cls(plan=plan, order=_ASSUMED_ORDER, event_id=event_id)

    @property
    def authority(self) -> Authority:
        """How much the source that named the plan counts."""
        return Authority(int(self.order.partition("#")[0]))

    @property
    def occurred_at(self) -> datetime | None:
        """The event's business time; None where the plan is assumed."""
        _, _, rest = self.order.partition("#")
        return datetime.fromisoformat(rest.partition("#")[0]) if rest else None


@dataclass(frozen=True)
class AppliedPreset:
    """The preset that was last put in force at Codat. ``order`` is that of the desired plan it was applied for.

    ``degraded_to`` is the fallback frequency in the place of hourly, if there is one.
    """

    plan: str
    fingerprint: str
    event_id: str
    order: str
    degraded_to: str | None = None


@dataclass(frozen=True)
class NotedFailure:
    """The failure of the newest attempt that failed: a stable slug, and the refusing service's own words."""

    reason: str
    words: str
    event_id: str
    at: datetime


@dataclass(frozen=True)
class CompanyPlan:
    """The record of one company.

    ``desired_at`` and ``applied_at`` are when each was written. ``times_drifted`` is how many reconciliation runs in a
    row have found a change made at Codat, ``drifted_at`` when one last did. ``not_taken`` is the fingerprint of what
    Codat still showed otherwise right after a repair that it accepted, None where it showed what was written.
    """

    company_id: UUID
    desired: DesiredPlan
    desired_at: datetime
    applied: AppliedPreset | None = None
    applied_at: datetime | None = None
    last_failure: NotedFailure | None = None
    times_drifted: int = 0
    drifted_at: datetime | None = None
    not_taken: str | None = None


@dataclass(frozen=True)
class CompanyPage:
    """A page of companies. ``last`` is where the next page begins, None after the last one.

    ``unreadable`` are the keys of items that are not a readable record; the table's own items are not among them.
    """

    companies: tuple[CompanyPlan, ...]
    last: str | None = None
    unreadable: tuple[str, ...] = ()


class CompanyPlans:
    """The table of all companies. Each method is one call to DynamoDB, except ``known``."""

    def __init__(self, dynamodb: "DynamoDBClient", table_name: str) -> None:
        self._dynamodb = dynamodb
        self._table_name = table_name

    def record(self, company_id: UUID, desired: DesiredPlan, *, at: datetime) -> CompanyPlan:
        """Store the desired plan if it is newer than the stored one; return the record as it is afterwards."""
        item = self._update(
            company_id,
            "SET desiredPlan = :plan, desiredOrder = :order, desiredBy = :event, desiredAt = :at",
            "attribute_not_exists(companyId) OR desiredOrder < :order",
            {":plan": desired.plan, ":order": desired.order, ":event": desired.event_id, ":at": at.isoformat()},
        )
        return _company_plan(item)

    def confirm(self, company_id: UUID, desired: DesiredPlan, applied: AppliedPreset, *, at: datetime) -> CompanyPlan:
        """Note the applied preset if ``desired`` is still desired; return the record as it is afterwards."""
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
        """Keep the newest failure with the company. A company without a record gets none."""
        self._update(
            company_id,
            "SET lastFailure = :failure, lastFailureBy = :event, lastFailureAt = :at",
            "attribute_exists(companyId)",
            {":failure": failure, ":event": event_id, ":at": at.isoformat()},
        )

    def note_drift(self, company_id: UUID, times: int, *, at: datetime) -> None:
        """Note how many reconciliation runs in a row, this one included, found the settings changed at Codat."""
        self._update(
            company_id,
            "SET timesDrifted = :times, driftedAt = :at",
            "attribute_exists(companyId)",
            {":times": times, ":at": at.isoformat()},
        )

    def note_not_taken(self, company_id: UUID, fingerprint: str) -> None:
        """Note by its fingerprint what Codat shows otherwise although it accepted it."""
        self._update(
            company_id, "SET notTaken = :fingerprint", "attribute_exists(companyId)", {":fingerprint": fingerprint}
        )

    def note_in_step(self, company_id: UUID) -> None:
        """Note that Codat's settings are those of the record. When they last drifted is kept."""
        self._update(
            company_id, "SET timesDrifted = :times REMOVE notTaken", "attribute_exists(companyId)", {":times": 0}
        )

    def get(self, company_id: UUID) -> CompanyPlan | None:
        """Return a company's record, consistent with every earlier write; None where there is none."""
        answer = self._dynamodb.get_item(
            TableName=self._table_name, Key={"companyId": {"S": str(company_id)}}, ConsistentRead=True
        )
        return _company_plan(_texts(answer["Item"])) if "Item" in answer else None

    def page(self, after: str | None, limit: int) -> CompanyPage:
        """Return at most ``limit`` items, from where the previous page ended, in no meaningful order.

        A company that exists from the first page to the last is on exactly one of them. The read is consistent with
        every earlier write.
        """
        start: Any = {} if after is None else {"ExclusiveStartKey": {"companyId": {"S": after}}}
        answer: Any = self._dynamodb.scan(TableName=self._table_name, Limit=limit, ConsistentRead=True, **start)
        companies, unreadable = [], []
        for item in map(_texts, answer["Items"]):
            if item["companyId"].startswith(OWN_KEYS):
                continue
            try:
                companies.append(_company_plan(item))
            except (KeyError, ValueError):  # It must not keep a run from the other companies.
                unreadable.append(item["companyId"])
        last = answer.get("LastEvaluatedKey", {}).get("companyId", {}).get("S")
        return CompanyPage(tuple(companies), last, tuple(unreadable))

    def known(self, company_ids: Collection[UUID]) -> set[UUID]:
        """Return which of these have a record: a call for each hundred, and more where DynamoDB leaves some undone."""
        known: set[UUID] = set()
        distinct = list(dict.fromkeys(company_ids))
        for start in range(0, len(distinct), LONGEST_BATCH):
            asked: KeysAndAttributesTypeDef = {
                "Keys": [{"companyId": {"S": str(each)}} for each in distinct[start : start + LONGEST_BATCH]],
                "ProjectionExpression": "companyId",
                "ConsistentRead": True,
            }
            undone: Any = {self._table_name: asked}
            while undone:
                answer = self._dynamodb.batch_get_item(RequestItems=undone)
                known.update(UUID(item["companyId"]["S"]) for item in answer["Responses"].get(self._table_name, []))
                undone = answer["UnprocessedKeys"]
        return known

    def _update(self, company_id: UUID, update: str, condition: str, values: Mapping[str, str | int]) -> dict[str, str]:
        """Return the item as it is afterwards, whether the condition held or not; empty where there is none."""
        try:
            answer: Any = self._dynamodb.update_item(
                TableName=self._table_name,
                Key={"companyId": {"S": str(company_id)}},
                UpdateExpression=update,
                ConditionExpression=condition,
                ExpressionAttributeValues={
                    name: {"N": str(value)} if isinstance(value, int) else {"S": value}
                    for name, value in values.items()
                },
                ReturnValues="ALL_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
            item = answer["Attributes"]
        except self._dynamodb.exceptions.ConditionalCheckFailedException as refusal:
            item = refusal.response.get("Item", {})  # ALL_OLD puts it there.
        return _texts(item)


def _texts(item: Mapping[str, Any]) -> dict[str, str]:
    """Return the strings and numbers of an item, both as text."""
    return {name: text for name, value in item.items() if (text := value.get("S", value.get("N"))) is not None}


def _company_plan(item: dict[str, str]) -> CompanyPlan:
    if not item:
        raise RecordGone("the company's record was deleted while one of its events was in progress")
    applied, failure = None, None
    if "appliedFingerprint" in item:
        applied = AppliedPreset(
            plan=item["appliedPlan"],
            fingerprint=item["appliedFingerprint"],
            event_id=item["appliedBy"],
            order=item.get("appliedOrder", ""),
            degraded_to=item.get("degradedTo"),
        )
    if "lastFailure" in item:
        reason, _, words = item["lastFailure"].partition(": ")
        at = datetime.fromisoformat(item["lastFailureAt"])
        failure = NotedFailure(reason, words, event_id=item["lastFailureBy"], at=at)
    return CompanyPlan(
        company_id=UUID(item["companyId"]),
        desired=DesiredPlan(plan=item["desiredPlan"], order=item["desiredOrder"], event_id=item["desiredBy"]),
        desired_at=datetime.fromisoformat(item["desiredAt"]),
        applied=applied,
        applied_at=_moment(item.get("appliedAt")),
        last_failure=failure,
        times_drifted=int(item.get("timesDrifted", "0")),
        drifted_at=_moment(item.get("driftedAt")),
        not_taken=item.get("notTaken"),
    )


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
