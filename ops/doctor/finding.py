"""What a check has found."""

from dataclasses import dataclass
from enum import StrEnum


class Light(StrEnum):
    """How much a finding matters."""

    GREEN = "green"
    YELLOW = "yellow"
    """Worth a look. It stops no event."""
    RED = "red"
    """The stack, or its next deploy, does not work as it should."""
    UNANSWERED = "unanswered"
    """The check does not apply here, such as in an emulator that lacks the service."""


@dataclass(frozen=True)
class Finding:
    """One line of the examination. ``action`` says what to do; None where nothing is to be done."""

    light: Light
    words: str
    action: str | None = None


def green(words: str) -> Finding:
    """Return that all is well."""
    return Finding(Light.GREEN, words)


def yellow(words: str, action: str) -> Finding:
    """Return what is worth a look."""
    return Finding(Light.YELLOW, words, action)


def red(words: str, action: str) -> Finding:
    """Return what has to be put right."""
    return Finding(Light.RED, words, action)


def unanswered(words: str) -> Finding:
    """Return why the check gives no answer here."""
    return Finding(Light.UNANSWERED, words)
