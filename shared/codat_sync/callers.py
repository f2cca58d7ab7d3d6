"""Who invokes a function: each takes one kind of event, and names every other one before it does anything."""

from base64 import b64decode
from collections.abc import Mapping
from typing import Any, Final

from codat_sync.errors import PermanentError

_OF_A_MESSAGE: Final = frozenset({"messageId", "receiptHandle", "body", "attributes", "eventSourceARN"})
_SQS: Final = "aws:sqs"
_NAMES_SHOWN: Final = 6
_LONGEST_NAME: Final = 40


class WrongCaller(PermanentError):
    """The function was invoked with an event that is not its own. The text names the event and what is expected."""

    reason = "wrong_caller"


def sqs_batch(event: object) -> dict[str, Any]:
    """Return the event where it is a batch of SQS messages. Raise ``WrongCaller``, which repeats no values.

    https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
    """
    records = event.get("Records") if isinstance(event, dict) else None
    if isinstance(event, dict) and isinstance(records, list) and records and all(map(_is_message, records)):
        return event
    raise WrongCaller(
        f"the function was invoked with {_described(event)}\n"
        "expected: a batch of messages from its SQS queue, as Lambda delivers it "
        '({"Records": [{"eventSource": "aws:sqs", "messageId": …, "receiptHandle": …, "body": …, …}]})\n'
        "hint: send an event to the function's queue or to the event bus, such as with `codat-sync send FILE --apply`"
    )


def presets_to_validate(event: object) -> bytes:
    """Return the presets file in an event of AppConfig's to a validator. Raise ``WrongCaller``.

    https://docs.aws.amazon.com/appconfig/latest/userguide/appconfig-creating-configuration-profile-validators.html
    """
    content = event.get("content") if isinstance(event, dict) else None
    if isinstance(content, str):
        try:
            return b64decode(content)
        except ValueError:  # Not base64.
            pass
    raise WrongCaller(
        f"the function was invoked with {_described(event)}\n"
        'expected: what AppConfig sends to a validator, {"content": the presets file in base64, …}\n'
        "hint: check a file on this machine with `codat-sync presets check FILE`"
    )


def _is_message(record: object) -> bool:
    return isinstance(record, dict) and record.get("eventSource") == _SQS and record.keys() >= _OF_A_MESSAGE


def _described(event: object) -> str:
    """Describe an event by its shape: what it holds may be secret."""
    if not isinstance(event, dict):
        return "no event" if event is None else f"a JSON {_JSON_TYPES.get(type(event), 'value')}, not an object"
    if not event:
        return "an empty event"
    return f"{_kind(event)}: {_names(event)}"


_JSON_TYPES: Final[Mapping[type, str]] = {
    list: "array",
    str: "string",
    bool: "boolean",
    int: "number",
    float: "number",
}


def _kind(event: dict[str, Any]) -> str:
    """Name the service that sends events of this form."""
    if "Records" in event:
        return _kind_of_records(event["Records"])
    if "detail-type" in event:
        return "an EventBridge event that did not come through SQS"
    if "requestContext" in event or "httpMethod" in event:
        return "an HTTP request"
    if event.keys() <= {"key1", "key2", "key3"}:
        return "the test event of Lambda's console"
    return "an unknown event"


def _kind_of_records(records: object) -> str:
    if not isinstance(records, list) or not records:
        return "a batch without records"
    sources = [each.get("eventSource", each.get("EventSource")) if isinstance(each, dict) else None for each in records]
    foreign = [each for each in sources if each != _SQS]
    if not foreign:
        return "SQS messages that lack fields"
    return f"records of {foreign[0][:_LONGEST_NAME]}" if isinstance(foreign[0], str) else "records of an unknown source"


def _names(event: dict[str, Any]) -> str:
    """List the event's fields."""
    names = [str(name)[:_LONGEST_NAME] for name in event]
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return f"it has {', '.join(names[:_NAMES_SHOWN])}{more}"
