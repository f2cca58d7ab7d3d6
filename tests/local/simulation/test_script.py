"""The parts of a script for Codat."""

from datetime import UTC, datetime

from local.simulation.codat import Answer, Request, Rule
from local.simulation.script import calls_per_minute, for_company, open_daily, paused_until, refusal, until

MIDNIGHT = datetime(2026, 3, 3, tzinfo=UTC).timestamp()


def asked(rule: Rule, at: float, company: str | None = "c") -> Answer | None:
    return rule(Request("GET", company, b"", at))


def test_so_many_calls_are_allowed_in_each_minute_of_the_clock() -> None:
    rule = calls_per_minute(2)
    answers = [asked(rule, MIDNIGHT + second) for second in (0, 1, 45, 60, 61, 62)]
    refused = [answer.headers["Retry-After"] if answer else None for answer in answers]
    assert refused == [None, None, "15", None, None, "58"]


def test_the_daily_quota_is_open_in_the_first_minutes_of_a_day() -> None:
    rule = open_daily(300)
    assert asked(rule, MIDNIGHT + 299) is None
    refused = asked(rule, MIDNIGHT + 300)
    assert refused is not None
    assert refused.status == 429
    assert refused.headers["Retry-After"] == str(86_400 - 300)
    assert refused.headers["X-Rate-Limit-Remaining"] == "0"
    assert refused.headers["X-Rate-Limit-Reset"] == "2026-03-04T00:00:00+00:00"
    assert asked(rule, MIDNIGHT + 86_400) is None


def test_an_outage_ends_at_its_moment() -> None:
    rule = until(MIDNIGHT, refusal(500))
    assert asked(rule, MIDNIGHT - 1) == refusal(500)
    assert asked(rule, MIDNIGHT) is None


def test_a_pause_names_what_is_left_of_it() -> None:
    rule = paused_until(MIDNIGHT)
    refused = asked(rule, MIDNIGHT - 90)
    assert refused is not None
    assert refused.headers["Retry-After"] == "90"
    assert asked(rule, MIDNIGHT) is None


def test_one_company_is_refused_and_no_other_call() -> None:
    rule = for_company("c", refusal(401))
    assert asked(rule, MIDNIGHT) == refusal(401)
    assert asked(rule, MIDNIGHT, "other") is None
    assert asked(rule, MIDNIGHT, None) is None
