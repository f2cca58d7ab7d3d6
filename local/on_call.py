"""What people do while and after a storm: lift the pause, put parked events back."""

from collections import Counter
from typing import TYPE_CHECKING, Final

from local.ledger import read_all, reason_of
from local.producers import send_all
from local.stack import LocalStack
from local.storm import MALFORMED, UNKNOWN_PLAN

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import MessageTypeDef

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
        sqs, url = self._stack.aws.sqs, self._stack.outputs[dlq]
        count = 0
        for messages in read_all(sqs, url):
            by_queue: dict[str, list[MessageTypeDef]] = {}
            for message in messages:
                if reason_of(message) not in {MALFORMED, UNKNOWN_PLAN}:
                    by_queue.setdefault(source_of(message), []).append(message)
            for arn, ours in by_queue.items():
                source = sqs.get_queue_url(QueueName=arn.rpartition(":")[2])["QueueUrl"]
                send_all(self._stack, source, [(each["Body"], each.get("MessageAttributes", {})) for each in ours])
                for each in ours:  # Sent first, deleted second.
                    sqs.delete_message(QueueUrl=url, ReceiptHandle=each["ReceiptHandle"])
                    self.put_back[dlq, reason_of(each)] += 1
                count += len(ours)
        return count


def source_of(message: "MessageTypeDef") -> str:
    """The ARN of the queue that it was parked from, whether a function did that or SQS."""
    attributes = message.get("MessageAttributes", {})
    if "sourceQueue" in attributes:
        return attributes["sourceQueue"]["StringValue"]
    return message["Attributes"]["DeadLetterQueueSourceArn"]
