"""Words for messages: values and names as a presets file writes them, and the nearest known word."""

import json
from collections.abc import Iterable
from datetime import date, time
from difflib import get_close_matches
from typing import Final

_CHARACTERS: Final = 64
"""The most that a message repeats of one value or name."""
_BITS: Final = 200
"""The largest number that a message repeats: 60 digits."""
_PUNCTUATION: Final = frozenset("\"',:;\\")
_NAMES: Final = 12
"""The most names that a message lists."""


def shown_value(value: object) -> str:
    """Write a TOML value as the file does, cut to a length that fits a message. Lists and tables become a noun."""
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        of_tables = value and all(isinstance(each, dict) for each in value)
        return "a list of tables" if of_tables else "a list"
    return _shown_scalar(value)


def _shown_scalar(value: object) -> str:
    match value:
        case str():
            return _quoted(value)
        case bool():
            return str(value).lower()
        case int() if value.bit_length() > _BITS:
            return "a number with too many digits"
        case date() | time():
            return value.isoformat()
    return str(value)


def shown_name(name: str) -> str:
    """Write a name plainly, or in quotation marks where a reader could not tell where the name ends."""
    is_plain = name.isprintable() and name == name.strip() and not _PUNCTUATION & set(name)
    return name if is_plain and 0 < len(name) <= _CHARACTERS else _quoted(name)


def shown_names(names: Iterable[str]) -> str:
    """List the names, up to a dozen, and count the rest."""
    listed = list(names)
    more = f" and {len(listed) - _NAMES} more" if len(listed) > _NAMES else ""
    return ", ".join(map(shown_name, listed[:_NAMES])) + more


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that the given one resembles most, whatever its case. None where no word is near."""
    by_folded: dict[str, str] = {}
    for each in known:
        by_folded.setdefault(each.casefold(), each)
    close = get_close_matches(word.casefold(), by_folded, n=1)
    return by_folded[close[0]] if close else None


def _quoted(text: str) -> str:
    cut = text if len(text) <= _CHARACTERS else text[:_CHARACTERS] + "…"
    escaped = (each if each.isprintable() else json.dumps(each)[1:-1] for each in json.dumps(cut, ensure_ascii=False))
    return "".join(escaped)
