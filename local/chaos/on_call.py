"""What people do while and after a storm: lift the pause, put parked events back."""

from collections import Counter
from typing import Final

from local.aws.processes import StackError
from local.aws.stack import LocalStack
from local.chaos.ledger import READING_SECONDS, dead_letter_queue, reason_of
from local.chaos.storm import MALFORMED, UNKNOWN_PLAN

PAYMENT_REQUIRED: Final = "PaymentRequiredQueueUrl"
FAILED_EVENTS: Final = "FailedEventsQueueUrl"
"""The outputs of template.yaml that name the DLQs that functions park in."""


class OnCall:
    """The person with the runbook."""

    def __init__(self, stack: LocalStack) -> None:
        self._stack = stack
        self.put_back: Counter[tuple[str, str]] = Counter()
        """By DLQ and reason."""
        self.lifted = 0

    def pause(self) -> dict[str, str]:
        """The pause as it stands; empty where there is none."""
        item = self._stack.aws.dynamodb.get_item(
            TableName=self._stack.outputs["CompanyPlansTableName"], Key={"companyId": {"S": "#pause"}}
        ).get("Item", {})
        return {name: value["S"] for name, value in item.items()} if "until" in item else {}

    def lift_pause(self) -> None:
        """Let the functions call Codat again."""
        self._stack.aws.dynamodb.update_item(
            TableName=self._stack.outputs["CompanyPlansTableName"],
            Key={"companyId": {"S": "#pause"}},
            UpdateExpression="REMOVE #until",
            ExpressionAttributeNames={"#until": "until"},
        )
        self.lifted += 1

    def put_parked_events_back(self) -> int:
        """Everything but what is malformed or names an unknown plan; how many there were."""
        return sum(self._put_back(dlq) for dlq in (PAYMENT_REQUIRED, FAILED_EVENTS))

    def _put_back(self, dlq: str) -> int:
        dead_letters = dead_letter_queue(self._stack.aws.sqs, self._stack.outputs[dlq])
        count = 0
        for parked in dead_letters.read(lambda: READING_SECONDS):
            result = dead_letters.put_back([each for each in parked if each.reason not in {MALFORMED, UNKNOWN_PLAN}])
            if stuck := [*result.homeless, *result.failed]:
                raise StackError(f"{len(stuck)} events could not be put back: {stuck[0][1]}")
            self.put_back.update((dlq, reason_of(each)) for each in result.moved)
            count += len(result.moved)
        return count
