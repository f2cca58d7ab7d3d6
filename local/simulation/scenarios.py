"""The scenarios of docs/reliability.md, and the same ones with fewer events for the tests."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from functools import partial
from random import Random
from typing import Final

from local.simulation.scenario import NIGHT, Expected, Scenario, company
from local.simulation.script import (
    DAY,
    MINUTE,
    calls_per_minute,
    for_company,
    killing,
    open_daily,
    paused_until,
    refusal,
    until,
)

HOUR: Final = 60 * MINUTE
ACCOUNT_LIMIT: Final = 1000
"""What Codat takes from one address a minute. https://docs.codat.io/using-the-api/rate-limits"""


def rate_limited(seconds: int, minutes: int, events: int = 200) -> Scenario:
    """Every call is answered 429 with the same ``Retry-After``, for a while."""
    answer = refusal(429, {"Retry-After": str(seconds)})
    return Scenario(
        f"429-retry-after-{seconds}s-for-{minutes}min",
        lambda start: [until(start + minutes * MINUTE, answer)],
        events=events,
        companies=_fewer(events),
        bound=timedelta(minutes=minutes),
    )


def server_errors(hours: int, patience_hours: int = 96, events: int = 200) -> Scenario:
    """Every call is answered 500, for hours."""
    parked = {"server_error": events} if patience_hours < hours else {}
    return Scenario(
        f"500-for-{hours}h" + (f"-patience-{patience_hours}h" if parked else ""),
        lambda start: [until(start + hours * HOUR, refusal(500))],
        events=events,
        companies=_fewer(events),
        bound=timedelta(hours=min(hours, patience_hours)),
        settings={"PATIENCE_HOURS": str(patience_hours)},
        expected=Expected(parked=parked),
    )


def burst(events: int, limit: int) -> Scenario:
    """Everybody's plan changes at once, and Codat takes so many calls a minute."""
    return Scenario(
        f"burst-{events}-{limit}",
        lambda _: [calls_per_minute(limit)],
        events=events,
        bound=None,
        calls_per_minute=limit,
        expected=Expected(least_used=0.85, most_refused=0.03),
    )


def daily_quota(events: int = 2000, open_minutes: int = 5, days: int = 7) -> Scenario:
    """Others use up the daily quota: Codat answers for five minutes a day, for a week, while events keep coming."""
    moments = Random(days)  # noqa: S311  # The same moments each time.
    sent_after = [moments.uniform(0, days * DAY) for _ in range(events)]
    return Scenario(
        "quota-open-5min-a-day",
        lambda _: [open_daily(open_minutes * MINUTE), calls_per_minute(ACCOUNT_LIMIT)],
        events=events,
        sent_after=lambda number: sent_after[number],
        bound=timedelta(days=days, hours=15),
        longest=timedelta(days=days + 10),
    )


def pause(hours: int, events: int = 200) -> Scenario:
    """Every call is refused for hours, and each refusal names the end."""
    return Scenario(
        f"pause-{hours}h",
        lambda start: [paused_until(start + hours * HOUR)],
        events=events,
        companies=_fewer(events),
        bound=timedelta(hours=hours),
    )


def one_company(status: int, reason: str, events: int = 200) -> Scenario:
    """One company is refused for ever. All companies change plan, and change again in Codat's Portal for the night."""
    refused = str(company(events // 2))
    limited = reason == "rate_limited"
    headers = {"Retry-After": str(HOUR)} if limited else {}
    return Scenario(
        f"one-company-{status}-for-ever",
        lambda _: [for_company(refused, refusal(status, headers)), calls_per_minute(ACCOUNT_LIMIT)],
        events=events,
        changed_at_codat=True,
        bound=NIGHT,
        # The nightly reconciliation does not know of the wait, and the last attempt comes when the patience ends.
        expected=Expected(parked={reason: 1}, within=NIGHT + timedelta(hours=6), most_early=2 if limited else 0),
    )


def throttled(hours: int, events: int = 200) -> Scenario:
    """Lambda throttles nine of ten invocations for hours."""
    return Scenario(
        f"throttled-for-{hours}h",
        lambda _: [],
        events=events,
        throttled=lambda since_start: 0.9 if since_start < hours * HOUR else 0.0,
        sent_after=lambda number: number * hours * HOUR / events,
        bound=timedelta(hours=hours * (events - 1) / events),
    )


def aws_throttled(hours: int, events: int = 200) -> Scenario:
    """DynamoDB and SQS refuse one of three requests for hours, and Lambda nine of ten invocations."""
    in_trouble = timedelta(hours=hours).total_seconds()
    return Scenario(
        f"aws-throttled-for-{hours}h",
        lambda _: [],
        events=events,
        throttled=lambda since_start: 0.9 if since_start < in_trouble else 0.0,
        aws_throttled=lambda since_start: 1 / 3 if since_start < in_trouble else 0.0,
        sent_after=lambda number: number * in_trouble / events,
        bound=timedelta(hours=hours * (events - 1) / events),
        # SQS refuses to hide a message: the queue's visibility timeout holds.
        expected=Expected(logged=frozenset({"deferral_failed"})),
    )


def killed(events: int = 200) -> Scenario:
    """Each function that handles the event of one company is killed."""
    return Scenario(
        "one-message-kills",
        lambda _: [killing(str(company(events // 2)))],
        events=events,
        expected=Expected(parked={"never_settled": 1}, within=timedelta(hours=12)),
    )


def _fewer(events: int) -> int:
    """Return an odd number of companies, of which some change from one plan to the other."""
    return events * 3 // 4 | 1


def _all() -> Iterator[Scenario]:
    for minutes in (10, 30, 60):
        yield from (rate_limited(seconds, minutes) for seconds in (1, 5, 30, 60))
    yield from map(server_errors, (1, 2, 4, 12))
    yield server_errors(12, patience_hours=4)
    yield daily_quota()
    yield from map(pause, (13, 40))
    yield from (one_company(status, reason) for status, reason in ONE_COMPANY.items())
    yield throttled(6)
    yield aws_throttled(6)
    yield killed()
    yield from (burst(events, limit) for events in (4_000, 100_000) for limit in (600, 1_000))


def _small() -> Iterator[Scenario]:
    yield from (rate_limited(seconds, 10, events=20) for seconds in (1, 60))
    yield server_errors(4, events=20)
    yield server_errors(12, patience_hours=4, events=20)
    yield burst(600, 180)
    yield daily_quota(events=20)
    yield from map(partial(pause, events=20), (13, 40))
    yield from (one_company(status, reason, events=20) for status, reason in ONE_COMPANY.items())
    yield throttled(3, events=20)
    yield aws_throttled(3, events=20)
    yield killed(events=20)


ONE_COMPANY: Final[Mapping[int, str]] = {
    401: "unauthorized",
    402: "account_expired",
    429: "rate_limited",
    500: "server_error",
}
SCENARIOS: Final[Mapping[str, Scenario]] = {each.name: each for each in _all()}
SMALL: Final[Mapping[str, Scenario]] = {each.name: each for each in _small()}
