"""Gives each batch, and each invocation of a duty, the presets that are live when it begins."""

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from codat_sync.consuming.consume import Consuming
from codat_sync.consuming.duties import Duty
from codat_sync.deadline import Deadline, Invocation
from codat_sync.presets.file import Presets

if TYPE_CHECKING:  # At run time its package would load every parser of Powertools.
    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse

_Request = TypeVar("_Request")


class LiveConsumer:
    """A consumer for each batch, made with the presets that are live when the batch comes."""

    def __init__(self, presets: Callable[[], Presets], consumer: Callable[[Presets], Consuming]) -> None:
        self._presets = presets
        self._consumer = consumer

    def consume(self, event: dict[str, Any], context: Invocation) -> "PartialItemFailureResponse":
        return self._consumer(self._presets()).consume(event, context)


class LiveDuty(Generic[_Request]):
    """A duty that is made anew for each invocation, with the presets that are live then."""

    def __init__(self, presets: Callable[[], Presets], duty: Callable[[Presets], Duty[_Request]]) -> None:
        self._presets = presets
        self._duty = duty

    def carry_out(self, request: _Request, deadline: Deadline) -> timedelta | None:
        """Carry out the duty. Raise also what asking for the presets raises."""
        return self._duty(self._presets()).carry_out(request, deadline)
