"""The moments and counters that producers send, in the forms in which their systems write them."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

from pydantic import BeforeValidator, WithJsonSchema

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_UNSET_YEARS: Final = ("0000", "0001")
"""Go and .NET write a time that was never set as year 1, MySQL as year 0. West of UTC, Go's falls into year 0, too."""
_UNSET_NUMBERS: Final = (0, -62_135_596_800, -62_135_596_800_000)
"""The epoch, and the start of year 1 in seconds and in milliseconds before the epoch."""
_DATE: Final = r"(?P<date>\d{4}-\d{2}-\d{2}|\d{8}|\d{4}-W\d{2}(?:-\d)?|\d{4}W\d{2}\d?)"
_TIME: Final = r"(?P<time>\d{2}(?::\d{2}(?::\d{2}(?:[.,]\d+)?)?|\d{2}(?:\d{2}(?:[.,]\d+)?)?)?)"
_OFFSET: Final = r"(?P<offset>Z|[+-]\d{2}(?::?\d{2})?)"
_ISO_8601: Final = re.compile(rf"{_DATE}(?:(?:T|\s+){_TIME})?(?:\s*{_OFFSET})?", re.ASCII | re.IGNORECASE)
_NUMBER: Final = re.compile(r"[+-]?\d{1,20}(?P<fraction>[.,]\d+)?", re.ASCII)
_BASIC_DATE: Final = re.compile(r"\d{8}", re.ASCII)
"""No number of seconds from 2001 on has so few digits."""
_SEQUENCE: Final = re.compile(r"\d{1,20}", re.ASCII)

# From 2001 to 2100 a number of seconds has 9 or 10 digits, one of milliseconds 12 or 13: neither can be the other.
_FROM_SECOND: Final = 978_307_200
_TO_SECOND: Final = 4_133_980_800
_MILLISECONDS: Final = 1_000
_REFUSED_UNITS: Final = {"microseconds": 1_000_000, "nanoseconds": 1_000_000_000}
_ACCEPTED: Final = (
    "a moment is ISO 8601 text, such as 2026-01-31T12:00:00Z, or the seconds or milliseconds since 1970, "
    "between 2001 and 2100"
)


def read_moment(value: object) -> datetime | None:
    """Return a moment in UTC. No offset means UTC. Return None for a moment that was never set.

    Never set: null, blank text, the year 1 or 0, and the epoch to the second. A number, also as text, is seconds or
    milliseconds since 1970. Digits beyond the microsecond are cut off. Raise ``ValueError`` in words that do not
    repeat the value.
    """
    if isinstance(value, str):
        text = value.strip().replace("\N{MINUS SIGN}", "-")
        number = None if _BASIC_DATE.fullmatch(text) else _NUMBER.fullmatch(text)
        if number is None:
            return _of_text(text) if text else None
        value = float(text.replace(",", ".")) if number["fraction"] else int(text)
    match value:
        case None:
            return None
        case int() | float() if not isinstance(value, bool):
            return _of_number(value)
    raise ValueError(_ACCEPTED)


def read_sequence(value: object) -> int | None:
    """Return a producer's counter: a whole number from 0 on, also as digits. Return None where it has none.

    Raise ``ValueError`` in words.
    """
    if isinstance(value, str):
        text = value.strip()
        if not text:
            return None
        value = int(text) if _SEQUENCE.fullmatch(text) else text
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 10**20:
        raise ValueError("a sequence is a whole number of at most 20 digits, or such digits as text")
    return value


def _of_text(text: str) -> datetime | None:
    parts = _ISO_8601.fullmatch(text)
    if parts is None:
        raise ValueError(_ACCEPTED)
    if parts["date"].startswith(_UNSET_YEARS):
        return None
    iso = f"{parts['date']}T{parts['time'] or '00'}{parts['offset'] or 'Z'}".upper()
    try:
        moment = datetime.fromisoformat(iso).astimezone(UTC)
    except ValueError as error:
        raise ValueError("no such date or time in the calendar") from error
    except OverflowError as error:
        raise ValueError("a moment at the edge of the calendar") from error
    return None if moment.replace(microsecond=0) == _EPOCH else moment


def _of_number(number: float) -> datetime | None:
    """Tell seconds from milliseconds by their size."""
    if number in _UNSET_NUMBERS or 0 < number < 1:
        return None
    if _FROM_SECOND <= number < _TO_SECOND:
        return _EPOCH + timedelta(seconds=number)
    if _FROM_SECOND * _MILLISECONDS <= number < _TO_SECOND * _MILLISECONDS:
        return _EPOCH + timedelta(milliseconds=number)
    for unit, a_second in _REFUSED_UNITS.items():
        if _FROM_SECOND * a_second <= number < _TO_SECOND * a_second:
            raise ValueError(f"{unit} since 1970 are not accepted; {_ACCEPTED}")
    raise ValueError(_ACCEPTED)


Moment = Annotated[
    datetime | None,
    BeforeValidator(read_moment),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "number"}, {"type": "null"}]}),
]
"""A moment in an event, None where the producer never set it."""
Sequence = Annotated[
    int | None,
    BeforeValidator(read_sequence),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 0, "exclusiveMaximum": 10**20},
                {"type": "string", "pattern": r"^\s*[0-9]{0,20}\s*$"},
                {"type": "null"},
            ]
        }
    ),
]
"""A producer's counter, None where it has none."""
