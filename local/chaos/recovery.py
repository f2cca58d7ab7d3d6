"""An operator's work during and after a storm: lifting the pause, and putting parked events back."""

from collections import Counter
from typing import Final

from codat_sync.deadline import Deadline
from local.aws.processes import StackError
from local.aws.stack import LocalStack
from local.chaos.observations import READING_SECONDS, dead_letter_queue, reason_of
from local.chaos.storm import MALFORMED, UNKNOWN_PLAN

PAYMENT_REQUIRED: Final = "PaymentRequiredQueueUrl"
FAILED_EVENTS: Final = "FailedEventsQueueUrl"
"""The outputs of template.yaml that name the DLQs in which the functions park events."""


class Recovery:
    """The operator's actions on one stack, and a count of them."""

    def __init__(self, stack: LocalStack) -> None:
        self._stack = stack
        self.put_back: Counter[tuple[str, str]] = Counter()
        """Events by DLQ and reason."""
        self.pauses_lifted = 0

    def pause(self) -> dict[str, str]:
        """Return the pause that is in the table; empty where there is none."""
        item = self._stack.aws.dynamodb.get_item(
            TableName=self._stack.outputs["CompanyPlansTableName"], Key={"companyId": {"S": "#pause"}}
        ).get("Item", {})
        return {name: value["S"] for name, value in item.items()} if "until" in item else {}

    def lift_pause(self) -> None:
        """Remove the pause, so that the functions call Codat again."""
        self._stack.aws.dynamodb.update_item(
            TableName=self._stack.outputs["CompanyPlansTableName"],
            Key={"companyId": {"S": "#pause"}},
            UpdateExpression="REMOVE #until",
            ExpressionAttributeNames={"#until": "until"},
        )
        self.pauses_lifted += 1

    def put_parked_events_back(self) -> int:
        """Put back all parked events but those that are malformed or name an unknown plan; return their number."""
        return sum(self._put_back(dlq) for dlq in (PAYMENT_REQUIRED, FAILED_EVENTS))

    def _put_back(self, dlq: str) -> int:
        dead_letters = dead_letter_queue(self._stack.aws.sqs, self._stack.outputs[dlq])
        count = 0
        for parked in dead_letters.read(Deadline(lambda: READING_SECONDS)):
            result = dead_letters.put_back([each for each in parked if each.reason not in {MALFORMED, UNKNOWN_PLAN}])
            if stuck := [*result.homeless, *result.failed]:
                raise StackError(f"{len(stuck)} events could not be put back: {stuck[0][1]}")
            self.put_back.update((dlq, reason_of(each)) for each in result.moved)
            count += len(result.moved)
        return count
