"""The parts of a script for Codat: what it refuses, when, and in which words. Moments are in seconds of the clock."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Final

from local.simulation.codat import KILLED, Answer, Request, Rule

MINUTE: Final = 60
DAY: Final = 24 * 60 * 60
_WORDS: Final[Mapping[int, str]] = {
    401: "Unauthorized",
    402: "Payment Required",
    429: "Rate limit exceeded",
    500: "Internal server error",
    503: "Service unavailable",
}


def refusal(status: int, headers: Mapping[str, str] | None = None) -> Answer:
    """Return a refusal in Codat's error schema."""
    body = {"statusCode": status, "service": "PublicApi", "error": _WORDS[status], "correlationId": "simulated"}
    return Answer(status, json.dumps(body).encode(), headers or {})


def until(end: float, answer: Answer) -> Rule:
    """Give this answer to every request until a moment."""
    return lambda request: answer if request.at < end else None


def paused_until(end: float) -> Rule:
    """Refuse every request until a moment, and name that moment."""
    return lambda request: _wait(end - request.at) if request.at < end else None


def calls_per_minute(limit: int) -> Rule:
    """Allow so many calls in each minute of the clock, and name the end of the minute to all others."""
    minute, calls = 0, 0

    def rule(request: Request) -> Answer | None:
        nonlocal minute, calls
        if request.at // MINUTE != minute:
            minute, calls = int(request.at // MINUTE), 0
        if calls >= limit:
            return _wait((minute + 1) * MINUTE - request.at)
        calls += 1
        return None

    return rule


def open_daily(seconds: float) -> Rule:
    """Let others use up the daily quota: requests are answered during the first seconds of each day, in UTC, only."""

    def rule(request: Request) -> Answer | None:
        since_midnight = request.at % DAY
        if since_midnight < seconds:
            return None
        reset = datetime.fromtimestamp(request.at - since_midnight, UTC) + timedelta(days=1)
        quota = {"X-Rate-Limit-Limit": "1000", "X-Rate-Limit-Remaining": "0", "X-Rate-Limit-Reset": reset.isoformat()}
        return _wait(DAY - since_midnight, quota)

    return rule


def for_company(company_id: str, answer: Answer) -> Rule:
    """Give this answer to every request about one company, for ever."""
    return lambda request: answer if request.company_id == company_id else None


def killing(company_id: str) -> Rule:
    """Kill each function that calls Codat about one company, as a lack of memory would."""
    return for_company(company_id, KILLED)


def _wait(seconds: float, headers: Mapping[str, str] | None = None) -> Answer:
    return refusal(429, {"Retry-After": str(ceil(seconds)), **(headers or {})})
