"""The depth of the stack's source queues."""

from dataclasses import dataclass

from local.aws.stack import LocalStack
from local.chaos.storm import SOURCE_QUEUES


@dataclass
class Depth:
    """The number of messages on the source queues, by state."""

    visible: int = 0
    in_flight: int = 0
    delayed: int = 0

    @property
    def total(self) -> int:
        """All messages that are not settled yet."""
        return self.visible + self.in_flight + self.delayed


def source_queues_depth(stack: LocalStack) -> Depth:
    """Return the depth of all source queues together."""
    depth = Depth()
    for output in SOURCE_QUEUES:
        attributes = stack.aws.sqs.get_queue_attributes(QueueUrl=stack.outputs[output], AttributeNames=["All"])[
            "Attributes"
        ]
        depth.visible += int(attributes["ApproximateNumberOfMessages"])
        depth.in_flight += int(attributes["ApproximateNumberOfMessagesNotVisible"])
        depth.delayed += int(attributes["ApproximateNumberOfMessagesDelayed"])
    return depth
