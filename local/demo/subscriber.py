"""Somebody who subscribes to what the stack says on its event bus, as a support desk would."""

import json
from collections.abc import Sequence
from typing import Any, Final

from codat_sync.announcements import SOURCE
from local.aws.stack import LocalStack

_NAME: Final = "support-desk"
_BATCH: Final = 10


class SupportDesk:
    """A rule of its own with a queue behind it; all that it has heard so far."""

    def __init__(self, stack: LocalStack) -> None:
        """Subscribes at once: what was said before is not heard."""
        self._sqs = stack.aws.sqs
        self._url = self._sqs.create_queue(QueueName=_NAME)["QueueUrl"]
        attributes = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])["Attributes"]
        bus = stack.outputs["EventBusName"]
        events = stack.aws.events
        events.put_rule(Name=_NAME, EventBusName=bus, EventPattern=json.dumps({"source": [SOURCE]}))
        events.put_targets(Rule=_NAME, EventBusName=bus, Targets=[{"Id": _NAME, "Arn": attributes["QueueArn"]}])
        self._heard: list[dict[str, Any]] = []

    def heard(self, detail_type: str, *, caused_by: str) -> Sequence[dict[str, Any]]:
        """The details of what was said under this detail-type because of this event."""
        while messages := self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=_BATCH).get("Messages"):
            self._heard += [json.loads(message["Body"]) for message in messages]
            for message in messages:
                self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
        said = [each["detail"] for each in self._heard if each["detail-type"] == detail_type]
        return [detail for detail in said if detail["causedBy"] == caused_by]
