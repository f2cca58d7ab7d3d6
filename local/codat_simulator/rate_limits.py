"""Codat's daily quota, and the formats of a moment in its headers.

Source: https://docs.codat.io/using-the-api/rate-limits. Codat does not publish the format of Retry-After or of
X-Rate-Limit-Reset.
"""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from email.utils import format_datetime
from typing import Literal

MomentFormat = Literal["seconds", "http-date", "iso8601", "epoch"]


def spelled(moment: datetime, how: MomentFormat, *, now: datetime) -> str:
    """Format a moment, in UTC, for a header. ``seconds`` counts from ``now`` and is rounded up."""
    match how:
        case "seconds":
            return str(max(0, -((now - moment) // timedelta(seconds=1))))
        case "http-date":
            return format_datetime(moment, usegmt=True)
        case "iso8601":
            return moment.isoformat().replace("+00:00", "Z")
        case "epoch":
            return str(int(moment.timestamp()))


@dataclass
class DailyQuota:
    """The account's requests for a day, and those that remain today. The quota is full again at 00:00 UTC.

    A refused request is not counted. Codat does not document whether it counts them.
    """

    limit: int
    remaining: int
    today: date = field(repr=False)

    def take(self, now: datetime) -> bool:
        """Take one request from the quota. Return False if none is left."""
        self.roll_over(now)
        if self.remaining <= 0:
            return False
        self.remaining -= 1
        return True

    def roll_over(self, now: datetime) -> None:
        if now.date() != self.today:
            self.today = now.date()
            self.remaining = self.limit

    def resets_at(self, now: datetime) -> datetime:
        return now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
