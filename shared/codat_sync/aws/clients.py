"""Clients of AWS for one function. Each call ends in a few seconds, and none starts that would outlast the function."""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any, Final, Literal, overload

import boto3
from botocore.config import Config

from codat_sync import __version__
from codat_sync.aws.errors import CallNotStarted
from codat_sync.deadline import Deadline, Invocation

if TYPE_CHECKING:
    from botocore.client import BaseClient
    from botocore.model import OperationModel
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient

ENDING_SECONDS: Final = 1.0
"""Kept after the last call to AWS: for metrics, logs, and the answer to Lambda."""


@dataclass(frozen=True)
class Timeouts:
    """How long one call to AWS may take. boto3's own are 60 seconds, for each of five attempts or more.

    The slowest of AWS's services that are used here answers in tens of milliseconds. A throttled call and one without
    an answer are attempted once more: a longer wait is the queue's business.
    """

    connect_seconds: float = 1
    read_seconds: float = 2
    attempts: int = 2
    backoff_seconds: float = 1
    """The longest pause before a second attempt, in botocore's standard mode."""

    @property
    def slowest_seconds(self) -> float:
        """The seconds of one call at its slowest."""
        once = self.connect_seconds + self.read_seconds
        return self.attempts * once + (self.attempts - 1) * self.backoff_seconds

    def config(self) -> Config:
        """Return them in botocore's form."""
        return Config(
            connect_timeout=self.connect_seconds,
            read_timeout=self.read_seconds,
            retries={"mode": "standard", "total_max_attempts": self.attempts},
            # Types are checked by mypy, and a text made once saves a fifth of a call's CPU: botocore makes its own
            # twice for each call.
            parameter_validation=False,
            user_agent=f"Boto3/{boto3.__version__} codat-sync-presets/{__version__}",
        )


TIMEOUTS: Final = Timeouts()
"""Of every client of a function, except the one that reads presets."""


class AwsClients:
    """Makes the clients of one function. Safe to share between threads."""

    def __init__(self, timeouts: Timeouts = TIMEOUTS) -> None:
        self._timeouts = timeouts
        self._seconds_left: Callable[[], float] = lambda: inf

    def end_with(self, invocation: Invocation) -> None:
        """From now on start no call that might outlast the invocation: it raises ``CallNotStarted`` instead.

        That is a ``BotoCoreError``, and is met wherever an error of AWS is.
        """
        self._seconds_left = lambda: invocation.get_remaining_time_in_millis() / 1000

    def deadline(self, *, seconds_for_a_call: float) -> Deadline:
        """Return the deadline of the current invocation, for what is done beside calls to AWS."""
        return Deadline(self._seconds_left, seconds_for_a_call=seconds_for_a_call)

    @overload
    def make(self, service: Literal["appconfigdata"], timeouts: Timeouts | None = None) -> Any: ...  # noqa: ANN401  # No stubs.
    @overload
    def make(self, service: Literal["dynamodb"], timeouts: Timeouts | None = None) -> "DynamoDBClient": ...
    @overload
    def make(self, service: Literal["events"], timeouts: Timeouts | None = None) -> "EventBridgeClient": ...
    @overload
    def make(self, service: Literal["secretsmanager"], timeouts: Timeouts | None = None) -> "SecretsManagerClient": ...
    @overload
    def make(self, service: Literal["sqs"], timeouts: Timeouts | None = None) -> "SQSClient": ...
    def make(self, service: Any, timeouts: Timeouts | None = None) -> Any:
        """Return a new client, by default with the timeouts of all others."""
        timeouts = timeouts or self._timeouts
        client: BaseClient = boto3.client(service, config=timeouts.config())

        def check_deadline(model: "OperationModel", **_: object) -> None:
            if self._seconds_left() < timeouts.slowest_seconds + ENDING_SECONDS:
                raise CallNotStarted(service=model.service_model.service_id, operation=model.name)

        client.meta.events.register("before-call.*", check_deadline)
        client.meta.events.register("after-call.*", _note_service)
        return client


def _note_service(model: "OperationModel", parsed: dict[str, Any], **_: object) -> None:
    """Put the service's name into an answer: botocore's error names the operation alone."""
    if "Error" in parsed:
        parsed["ResponseMetadata"]["Service"] = model.service_model.service_id
