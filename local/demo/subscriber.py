"""A subscriber to the announcements that the stack puts on its event bus."""

import json
from collections.abc import Sequence
from typing import Any, Final

from codat_sync.announcements import SOURCE
from local.aws.stack import LocalStack

_NAME: Final = "support-desk"
_BATCH: Final = 10


class Subscriber:
    """A rule on the bus with a queue behind it, as a support desk would have one."""

    def __init__(self, stack: LocalStack) -> None:
        """Subscribe at once. Earlier announcements are not received."""
        self._sqs = stack.aws.sqs
        self._url = self._sqs.create_queue(QueueName=_NAME)["QueueUrl"]
        attributes = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])["Attributes"]
        bus = stack.outputs["EventBusName"]
        events = stack.aws.events
        events.put_rule(Name=_NAME, EventBusName=bus, EventPattern=json.dumps({"source": [SOURCE]}))
        events.put_targets(Rule=_NAME, EventBusName=bus, Targets=[{"Id": _NAME, "Arn": attributes["QueueArn"]}])
        self._received: list[dict[str, Any]] = []

    def received(self, detail_type: str, *, caused_by: str) -> Sequence[dict[str, Any]]:
        """Return the details of all announcements of this type up to now that this event caused."""
        while messages := self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=_BATCH).get("Messages"):
            self._received += [json.loads(message["Body"]) for message in messages]
            for message in messages:
                self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
        details = [each["detail"] for each in self._received if each["detail-type"] == detail_type]
        return [detail for detail in details if detail["causedBy"] == caused_by]
