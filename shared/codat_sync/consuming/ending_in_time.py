"""Ends each invocation before its function's timeout, whatever part of AWS does not answer."""

from typing import TYPE_CHECKING, Any

from codat_sync.aws.clients import AwsClients
from codat_sync.consuming.consume import Consuming
from codat_sync.deadline import Invocation

if TYPE_CHECKING:  # At run time its package would load every parser of Powertools.
    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse


class EndingInTime:
    """A consumer whose clients of AWS start no call that might outlast the invocation."""

    def __init__(self, consumer: Consuming, clients: AwsClients) -> None:
        """``clients`` made every client that the consumer uses."""
        self._consumer = consumer
        self._clients = clients

    def consume(self, event: dict[str, Any], context: Invocation) -> "PartialItemFailureResponse":
        self._clients.end_with(context)
        return self._consumer.consume(event, context)
