"""The progress of a reconciliation run: one item in the table, written under conditions only."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Self
from uuid import UUID

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from codat_sync.companies.records import OWN_KEYS
from codat_sync.consuming.deliveries import Settled
from codat_sync.events.requests import ReconciliationRequest
from codat_sync.outcomes.triage import Outcome

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_KEY: Final = f"{OWN_KEYS}reconciliation"
_RUN_ID: Final = 200
"""How much of a request's id names its run: the ids of its companies' events begin with it, and may have 256."""

TALLIED: Final[Mapping[Outcome, str]] = {
    Outcome.APPLIED: "repaired",
    Outcome.UNCHANGED: "unchanged",
    Outcome.DEGRADED: "degraded",
    Outcome.PARKED_PAYMENT_REQUIRED: "parkedPaymentRequired",
    Outcome.PARKED_FAILED: "parkedFailed",
}
"""The outcomes of companies that were handed over, and the attribute that counts each."""


def run_id(request: ReconciliationRequest) -> str:
    """Return the name of the run that a request begins."""
    return request.request_id[:_RUN_ID]


@dataclass(frozen=True)
class Run:
    """One run over all companies, and its progress.

    ``cursor`` is where it continues, None at its beginning. ``counts`` are companies by finding, ``by_data_type`` how
    many differed in each data type, ``by_plan`` how many have each plan. ``keeps_drifting`` names companies, and for
    how many runs in a row. ``outcomes`` counts the outcomes of those that were handed over, each at least once.
    ``presets`` is the fingerprint of the presets that it works with, None for a run of version 0.1.0.
    """

    run_id: str
    report_only: bool
    started_at: datetime
    progress_at: datetime
    finished_at: datetime | None = None
    cursor: str | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    by_data_type: Mapping[str, int] = field(default_factory=dict)
    by_plan: Mapping[str, int] = field(default_factory=dict)
    keeps_drifting: Sequence[tuple[str, int]] = ()
    outcomes: Mapping[str, int] = field(default_factory=dict)
    presets: str | None = None

    def satisfies(self, request: ReconciliationRequest) -> bool:
        """Return whether all companies were checked since the request was made, and in the mode that it asks for."""
        return (
            self.finished_at is not None
            and self.report_only is request.report_only
            and (self.run_id == run_id(request) or self.started_at >= request.requested_at)
        )

    def event_id(self, company_id: UUID) -> str:
        """Return the id of the event by which this run hands a company over: the same each time."""
        return f"{self.run_id}/{company_id}"

    @classmethod
    def read(cls, item: Mapping[str, Any]) -> Self:
        """Read the item that ``ReconciliationRuns`` writes."""
        read = TypeDeserializer().deserialize
        said = {name: read(value) for name, value in item.items()}
        finished_at = said.get("finishedAt")
        return cls(
            run_id=said["runId"],
            report_only=said["reportOnly"],
            started_at=datetime.fromisoformat(said["startedAt"]),
            progress_at=datetime.fromisoformat(said["progressAt"]),
            presets=said.get("presets"),
            finished_at=datetime.fromisoformat(finished_at) if finished_at else None,
            cursor=said.get("lastCompanyId"),
            counts=_whole(said["counts"]),
            by_data_type=_whole(said["byDataType"]),
            by_plan=_whole(said["byPlan"]),
            keeps_drifting=tuple((each["companyId"], int(each["timesInARow"])) for each in said["keepsDrifting"]),
            outcomes=_whole({name: said[name] for name in TALLIED.values() if name in said}),
        )


class ReconciliationRuns:
    """The newest run, in the companies' table, under a key that no company can have."""

    def __init__(self, dynamodb: "DynamoDBClient", table_name: str) -> None:
        self._dynamodb = dynamodb
        self._table_name = table_name

    def newest(self) -> Run | None:
        """Read once, consistent with every earlier write."""
        answer = self._dynamodb.get_item(
            TableName=self._table_name, Key={"companyId": {"S": _KEY}}, ConsistentRead=True
        )
        return Run.read(answer["Item"]) if "Item" in answer else None

    def begin(
        self, request: ReconciliationRequest, *, in_place_of: Run | None, at: datetime, presets: str | None = None
    ) -> Run | None:
        """Begin a run that works with the presets of this fingerprint.

        Return None where the run before is no longer as given: another invocation was faster.
        """
        values: dict[str, Any] = {
            ":id": run_id(request),
            ":reportOnly": request.report_only,
            ":at": at.isoformat(),
            ":presets": presets,
            ":none": {},
            ":no_companies": [],
        }
        condition = "attribute_not_exists(runId)"
        if in_place_of is not None:
            condition = "runId = :oldId AND progressAt = :oldProgress"
            values |= {":oldId": in_place_of.run_id, ":oldProgress": in_place_of.progress_at.isoformat()}
        return self._update(
            "SET runId = :id, reportOnly = :reportOnly, startedAt = :at, progressAt = :at, presets = :presets, "
            "counts = :none, byDataType = :none, byPlan = :none, keepsDrifting = :no_companies "
            f"REMOVE finishedAt, lastCompanyId, {', '.join(TALLIED.values())}",
            condition,
            values,
        )

    def advance(self, run: Run, to: Run) -> Run | None:
        """Note a run's progress. Return None where it has moved on, or another has begun, since it was read."""
        values: dict[str, Any] = {
            ":id": run.run_id,
            ":started": run.started_at.isoformat(),
            ":progress": to.progress_at.isoformat(),
            ":counts": to.counts,
            ":byDataType": to.by_data_type,
            ":byPlan": to.by_plan,
            ":keepsDrifting": [{"companyId": each, "timesInARow": times} for each, times in to.keeps_drifting],
        }
        update = (
            "SET progressAt = :progress, counts = :counts, byDataType = :byDataType, byPlan = :byPlan, "
            "keepsDrifting = :keepsDrifting"
        )
        condition = "runId = :id AND startedAt = :started AND attribute_not_exists(finishedAt) AND "
        if to.cursor is not None:
            update += ", lastCompanyId = :cursor"
            values[":cursor"] = to.cursor
        if to.finished_at is not None:
            update += ", finishedAt = :finished"
            values[":finished"] = to.finished_at.isoformat()
        if run.cursor is None:
            condition += "attribute_not_exists(lastCompanyId)"
        else:
            condition += "lastCompanyId = :old"
            values[":old"] = run.cursor
        return self._update(update, condition, values)

    def tally(self, run_id: str, outcomes: Mapping[str, int]) -> None:
        """Add to the outcomes of the companies that a run handed over; do nothing if it is no longer the newest."""
        self._update(
            f"ADD {', '.join(f'{name} :{name}' for name in outcomes)}",
            "runId = :id",
            {":id": run_id} | {f":{name}": count for name, count in outcomes.items()},
        )

    def _update(self, update: str, condition: str, values: Mapping[str, Any]) -> Run | None:
        write = TypeSerializer().serialize
        try:
            answer: Any = self._dynamodb.update_item(
                TableName=self._table_name,
                Key={"companyId": {"S": _KEY}},
                UpdateExpression=update,
                ConditionExpression=condition,
                ExpressionAttributeValues={name: write(value) for name, value in values.items()},
                ReturnValues="ALL_NEW",
            )
        except self._dynamodb.exceptions.ConditionalCheckFailedException:
            return None
        return Run.read(answer["Attributes"])


class Tally:
    """Counts, with its run, the outcome of each company that a run handed over.

    At least once each: a message that is delivered twice is counted twice.
    """

    def __init__(self, runs: ReconciliationRuns) -> None:
        self._runs = runs

    def announce(self, settled: Iterable[Settled]) -> None:
        """Write once for each run that the batch has companies of. A deferred company has no outcome yet."""
        by_run: dict[str, Counter[str]] = {}
        for each in settled:
            run_id, _, company_id = (each.event_id or "").rpartition("/")
            if each.outcome in TALLIED and run_id and company_id == each.company_id:
                by_run.setdefault(run_id, Counter())[TALLIED[each.outcome]] += 1
        for run_id, outcomes in by_run.items():
            self._runs.tally(run_id, outcomes)


def _whole(numbers: Mapping[str, Any]) -> dict[str, int]:
    return {name: int(number) for name, number in numbers.items()}
