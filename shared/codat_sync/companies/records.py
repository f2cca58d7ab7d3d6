"""The desired plan and the applied preset of each company: one DynamoDB item, written under conditions only."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from codat_sync.companies.desired import DesiredPlan, newest_first, read_rivals, rivals_text
from codat_sync.errors import TransientError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import KeysAndAttributesTypeDef

LONGEST_BATCH: Final = 100
"""How many items one BatchGetItem takes.
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html"""
TIE_ATTEMPTS: Final = 10
"""How often a tie is settled anew because another process has recorded a tied event meanwhile."""
OWN_KEYS: Final = "#"
"""The first character of keys that are not a company's id: those are UUIDs."""


class RecordGone(TransientError, LookupError):
    """The record was deleted meanwhile. The same event, delivered again, records it anew."""

    reason = "record_gone"


class RecordBusy(TransientError):
    """Other events of the same authority and moment were recorded as fast as this one. A retry is safe."""

    reason = "record_busy"


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
    ``promoted``: the call that returned this record made the plan of another event the desired one, and that event may
    be settled and gone.
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
    promoted: bool = field(default=False, compare=False)


@dataclass(frozen=True)
class CompanyPage:
    """A page of companies. ``last`` is where the next page begins, None after the last one.

    ``unreadable`` are the keys of items that are not a readable record; the table's own items are not among them.
    """

    companies: tuple[CompanyPlan, ...]
    last: str | None = None
    unreadable: tuple[str, ...] = ()


class CompanyPlans:
    """The table of all companies. Each method is one call to DynamoDB, except ``known``, and ``record`` of a tie."""

    def __init__(self, dynamodb: "DynamoDBClient", table_name: str) -> None:
        self._dynamodb = dynamodb
        self._table_name = table_name

    def record(self, company_id: UUID, desired: DesiredPlan, *, at: datetime) -> CompanyPlan:
        """Store the desired plan if it is newer than the stored one; return the record as it is afterwards.

        One write. Where the stored plan is of the same authority and time, a second write settles the tie, on the
        condition that no third one came between. Raise ``RecordBusy`` where many did.
        """
        update, values = _storing([desired], at=at)
        condition = "attribute_not_exists(companyId) OR desiredOrder < :moment"
        item = self._update(company_id, update, condition, values | {":moment": desired.moment})
        mine, led = desired.recorded(at), ""
        for _ in range(TIE_ATTEMPTS):
            known = _tied_with(mine, item)
            contenders = newest_first(known, mine)
            if not known or contenders == known:
                company = _company_plan(item)
                return replace(company, promoted=led == desired.order != company.desired.order)
            led = known[0].order
            update, values = _storing(contenders, at=at if contenders[0].order != led else None, in_tie=True)
            condition, seen = _unchanged_since(item)
            item = self._update(company_id, update, condition, values | seen)
        raise RecordBusy(f"{TIE_ATTEMPTS} other events of the same moment were recorded meanwhile")

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


def _storing(
    contenders: Sequence[DesiredPlan], *, at: datetime | None, in_tie: bool = False
) -> tuple[str, dict[str, str]]:
    """Return an update that stores the first of tied plans as the desired one, and its values.

    ``at``: the time from which it is desired, None where it was before. ``in_tie``: an earlier event may come to be
    desired once more, so its confirmation from before must not count.
    """
    newest, *rivals = contenders
    fields = {
        "desiredPlan": newest.plan,
        "desiredOrder": newest.order,
        "desiredBy": newest.event_id,
        "desiredAt": at.isoformat() if at else None,
        "desiredArrivedAt": newest.arrived_at.isoformat() if newest.arrived_at else None,
        "desiredSequence": None if newest.sequence is None else str(newest.sequence),
        "desiredRivals": rivals_text(rivals) if rivals else None,
    }
    values = {f":{name}": value for name, value in fields.items() if value is not None}
    absent = [name for name, value in fields.items() if value is None and name != "desiredAt"]
    removed = absent + ["appliedOrder"] * (in_tie and at is not None)
    update = "SET " + ", ".join(f"{name[1:]} = {name}" for name in values)
    return update + (f" REMOVE {', '.join(removed)}" if removed else ""), values


def _tied_with(desired: DesiredPlan, item: dict[str, str]) -> tuple[DesiredPlan, ...]:
    """Return the plans that a record keeps of this plan's authority and moment, the newest first."""
    if desired.occurred_at is None or not item:
        return ()
    newest = _desired_plan(item)
    if newest.moment != desired.moment:
        return ()
    newest = newest.recorded(datetime.fromisoformat(item["desiredAt"]))
    return newest, *read_rivals(item.get("desiredRivals", "[]"), newest)


def _unchanged_since(item: dict[str, str]) -> tuple[str, dict[str, str]]:
    """Return a condition under which the plans that a record keeps are still those of the item, and its values."""
    names = ("desiredOrder", "desiredArrivedAt", "desiredRivals")
    values = {f":seen{name}": item[name] for name in names if name in item}
    terms = (f"{name} = :seen{name}" if name in item else f"attribute_not_exists({name})" for name in names)
    return " AND ".join(terms), values


def _desired_plan(item: dict[str, str]) -> DesiredPlan:
    return DesiredPlan(
        plan=item["desiredPlan"],
        order=item["desiredOrder"],
        event_id=item["desiredBy"],
        sequence=int(item["desiredSequence"]) if "desiredSequence" in item else None,
        arrived_at=_moment(item.get("desiredArrivedAt")),
    )


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
        desired=_desired_plan(item),
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
