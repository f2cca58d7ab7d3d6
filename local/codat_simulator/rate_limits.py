"""Codat's daily quota, and the ways in which a moment can be spelled in its headers.

Source: docs.codat.io/using-the-api/rate-limits. Codat does not publish the format of Retry-After or of
X-Rate-Limit-Reset.
"""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from email.utils import format_datetime
from typing import Literal

MomentFormat = Literal["seconds", "http-date", "iso8601", "epoch"]


def spelled(moment: datetime, how: MomentFormat, *, now: datetime) -> str:
    """The moment (in UTC) as a header would have it; `seconds` counts from now and is rounded up."""
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
    """How many requests the account has a day, and has left today. It is full again at 00:00 UTC.

    A refused request is not counted; Codat does not say whether it counts them.
    """

    limit: int
    remaining: int
    today: date = field(repr=False)

    def take(self, now: datetime) -> bool:
        """Whether there was one left, which is then gone."""
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
