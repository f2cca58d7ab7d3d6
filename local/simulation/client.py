"""What all simulated clients of AWS have in common: the time that a request takes, and botocore's events."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, ClassVar

from botocore.exceptions import ClientError

from local.simulation.virtual_time import Clock


class Client:
    """A client of boto3, as far as the functions call it. The state of its service is shared by all of its clients.

    ``is_refused`` says of each request whether AWS throttles it, after botocore's own retries.
    """

    service_id: ClassVar[str]
    request_seconds: ClassVar[float] = 0.01

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.is_refused: Callable[[], bool] = lambda: False
        self._before_call: list[Callable[..., object]] = []
        self.meta = SimpleNamespace(events=SimpleNamespace(register=self._register))

    def _register(self, event: str, handler: Callable[..., object], **_: object) -> None:
        """Note what is to be done before each call. What follows an answer has nothing to do here."""
        if event.startswith("before-call"):
            self._before_call.append(handler)

    def _request(self, operation: str) -> None:
        """Take the time of a request. Raise what the functions raise before a call, ``ClientError`` if throttled."""
        model: Any = SimpleNamespace(name=operation, service_model=SimpleNamespace(service_id=self.service_id))
        for handler in self._before_call:
            handler(model=model)
        self._clock.sleep(self.request_seconds)
        if self.is_refused():
            said = {"Error": {"Code": "ThrottlingException", "Message": "Rate exceeded"}}
            raise ClientError({**said, "ResponseMetadata": {"HTTPStatusCode": 400}}, operation)  # type: ignore[typeddict-item]  # What is read of it.


class EventBusClient(Client):
    """EventBridge's client: the bus takes every announcement."""

    service_id = "EventBridge"

    def put_events(self, **said: Any) -> dict[str, Any]:  # noqa: ANN401  # The arguments of boto3.
        self._request("PutEvents")
        return {"FailedEntryCount": 0, "Entries": [{"EventId": "announced"} for _ in said["Entries"]]}


class SecretsClient(Client):
    """Secrets Manager's client: every secret is a key that is never rotated."""

    service_id = "Secrets Manager"

    def get_secret_value(self, **said: Any) -> dict[str, Any]:  # noqa: ANN401
        self._request("GetSecretValue")
        return {"SecretString": f"key-of-{said['SecretId']}"}
