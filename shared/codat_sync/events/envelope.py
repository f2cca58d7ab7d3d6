"""EventBridge's envelope, and what all events have in common.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-events-structure.html
"""

from collections.abc import Collection
from typing import Annotated, Any, Final, TypeVar
from unicodedata import normalize

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError
from pydantic.alias_generators import to_camel

from codat_sync.errors import PermanentError
from codat_sync.events.moments import Moment

_BYTE_ORDER_MARK: Final = "\ufeff"
_PROBLEMS: Final = 3
_TEXT_LENGTH: Final = 500  # An error says what is wrong; it does not repeat a megabyte of the message.


class MalformedEvent(PermanentError, ValueError):
    """The message is not an event that this function accepts. The text says what is wrong.

    ``event_id`` is None where the envelope could not be read.
    """

    reason = "malformed_event"

    def __init__(self, message: str, event_id: str | None = None) -> None:
        super().__init__(message)
        self.event_id = event_id


def _composed(value: object) -> object:
    return normalize("NFC", value) if isinstance(value, str) else value


PlanName = Annotated[
    str,
    StringConstraints(strict=True, strip_whitespace=True, min_length=1, max_length=64),
    BeforeValidator(_composed),
]
"""A plan as billing calls it. The same name in another Unicode composition is the same plan, and as long."""
_Id = Annotated[str, StringConstraints(min_length=1, max_length=256)]


class EventModel(BaseModel):
    """A part of an event. Unknown extra fields are accepted."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, use_attribute_docstrings=True)


class RequestEnvelope(EventModel):
    """The part of the envelope that a request needs. A schedule's message has no more."""

    id: _Id
    detail_type: Annotated[str, Field(alias="detail-type")]
    detail: dict[str, Any]


class Envelope(RequestEnvelope):
    """The envelope as far as it is read. The rest may be absent, as in one that a producer sends straight to SQS.

    ``time`` may be None where the detail has a moment of its own. ``replay_name`` is there in an event that was
    replayed from an archive: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-replay-archived-event.html
    """

    time: Moment = None
    replay_name: Annotated[Any, Field(alias="replay-name")] = None


_Model = TypeVar("_Model", bound=EventModel)
_Envelope = TypeVar("_Envelope", bound=RequestEnvelope)


def without_byte_order_mark(body: str) -> str:
    """Return the body without the mark that some systems write before JSON, and that JSON does not allow."""
    return body.removeprefix(_BYTE_ORDER_MARK)


def read_envelope(model: type[_Envelope], body: str, accepted: Collection[str]) -> _Envelope:
    """Read a message's body. Raise ``MalformedEvent`` unless its detail-type is one of ``accepted``."""
    try:
        envelope = model.model_validate_json(without_byte_order_mark(body))
    except ValidationError as error:
        raise MalformedEvent(_problems(error)) from error
    if envelope.detail_type not in accepted:
        allowed = ", ".join(accepted)
        raise MalformedEvent(f"detail-type: {envelope.detail_type[:64]!r} is none of {allowed}", envelope.id)
    return envelope


def read_detail(model: type[_Model], envelope: RequestEnvelope) -> _Model:
    """Read the detail of an event. Raise ``MalformedEvent`` with the event's id."""
    try:
        return model.model_validate(envelope.detail)
    except ValidationError as error:
        raise MalformedEvent(_problems(error, "detail"), envelope.id) from error


def _problems(error: ValidationError, *path: str) -> str:
    problems = error.errors(include_url=False, include_input=False)
    texts = [f"{'.'.join([*path, *map(str, p['loc'])]) or 'body'}: {p['msg']}" for p in problems[:_PROBLEMS]]
    return "; ".join(texts)[:_TEXT_LENGTH]
