"""How much of Codat's quota is left, and how long to wait once it is used up.

Codat documents the headers but not the format of their dates, so every usual form is read.
https://docs.codat.io/using-the-api/rate-limits
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final, Self

SHORT_WAIT: Final = timedelta(seconds=75)
"""The longest wait for a limit by the minute, with room for rounding and clocks. A function can wait for so long. A
longer wait is for the quota of the day."""

# A number above this is no count of seconds but a point in time: 2001 as Unix seconds, 1973 as milliseconds.
_FIRST_EPOCH_SECOND = 1_000_000_000
_FIRST_EPOCH_MILLISECOND = 100_000_000_000
_LAST_EPOCH_MILLISECOND = 100_000_000_000_000
_FARTHEST = timedelta(days=366)
"""Codat's quota is by the day. A moment that is farther away is a mistake, and counts as absent."""


@dataclass(frozen=True)
class RateLimit:
    """The rate-limit headers of one answer; None where a header is absent or cannot be read."""

    limit: int | None = None
    remaining: int | None = None
    resets_at: datetime | None = None
    retry_at: datetime | None = None

    @classmethod
    def read(cls, headers: Mapping[str, str], now: datetime) -> Self:
        """Read the headers. Never fails: one that cannot be read is absent. ``headers`` ignores the case of names."""
        return cls(
            limit=_whole_number(headers.get("X-Rate-Limit-Limit")),
            remaining=_whole_number(headers.get("X-Rate-Limit-Remaining")),
            resets_at=_moment(headers.get("X-Rate-Limit-Reset"), now),
            retry_at=_moment(headers.get("Retry-After"), now),
        )

    def wait(self, now: datetime) -> timedelta | None:
        """Return how long a refused caller should wait, None where its own back-off has to decide.

        ``Retry-After`` wins. Without it an exhausted quota lasts until its reset, which is at 00:00 UTC where no header
        says otherwise. Quota that is left means that too many calls were in flight at once.
        """
        if self.retry_at is not None:
            return max(self.retry_at - now, timedelta(0))
        if self.remaining:
            return None
        if self.resets_at is not None:
            return max(self.resets_at - now, timedelta(0))
        if self.remaining == 0:
            return _next_midnight(now) - now
        return None


def _next_midnight(now: datetime) -> datetime:
    return (now.astimezone(UTC) + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)


def _whole_number(value: str | None) -> int | None:
    text = (value or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(_LAST_EPOCH_MILLISECOND)) else None


def _moment(value: str | None, now: datetime) -> datetime | None:
    """Read seconds from now, Unix seconds or milliseconds, an HTTP date, or ISO 8601; in UTC."""
    text = (value or "").strip()
    for parse in (lambda text: _numeric_moment(float(text), now), datetime.fromisoformat, parsedate_to_datetime):
        try:
            moment = parse(text)
            return _plausible(moment if moment.tzinfo else moment.replace(tzinfo=UTC), now)
        except (ValueError, OverflowError):  # Another form, or beyond the calendar.
            continue
    return None


def _plausible(moment: datetime, now: datetime) -> datetime | None:
    return moment.astimezone(UTC) if moment - now <= _FARTHEST else None


def _numeric_moment(number: float, now: datetime) -> datetime:
    """Raise ``ValueError`` for a number that is no moment."""
    if not 0 <= number < _LAST_EPOCH_MILLISECOND:
        raise ValueError
    if number >= _FIRST_EPOCH_MILLISECOND:
        return datetime.fromtimestamp(number / 1000, UTC)
    if number >= _FIRST_EPOCH_SECOND:
        return datetime.fromtimestamp(number, UTC)
    return now + timedelta(seconds=number)
