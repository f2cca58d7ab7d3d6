"""What a rule of the model watches: each call of a process, and each end of a message. The rules stand beside it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from codat_sync.outcomes.triage import Failure, Outcome
from tests.model.sqs import Message

if TYPE_CHECKING:
    from tests.model.process import Process
    from tests.model.world import World


@dataclass(frozen=True)
class Call:
    """One call of a process to the world. ``is_answered``: whether it took effect and the process got the answer."""

    process: "Process"
    step: str
    args: tuple[Any, ...]
    request: dict[str, Any]
    answer: Any = None
    is_answered: bool = False

    @property
    def values(self) -> dict[str, Any]:
        """The values of an update of the table, as DynamoDB's client takes them."""
        values: dict[str, Any] = self.request["ExpressionAttributeValues"]
        return values


class Rule:
    """A rule, which reports to the world what violates it. Each method that a rule leaves alone allows everything."""

    def __init__(self, world: "World") -> None:
        self.world = world

    def before(self, call: Call) -> None:
        """Check a call that a process is about to make."""

    def took_effect(self, call: Call) -> None:
        """Note a call that took effect at once, whether or not the process got the answer."""

    def failed(self, call: Call, error: BaseException) -> None:
        """Note an error that a process meets in place of the answer, as the test decided."""

    def settled(self, message: Message, outcome: Outcome, failure: Failure | None) -> None:
        """Check the outcome that an attempt gives a message."""

    def carried_out(self, message: Message) -> None:
        """Check that a request for a duty may leave its queue."""

    def holds(self) -> None:
        """Check what holds between any two steps."""
