"""Parked events, the last event, and the last reconciliation run."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from codat_sync.reconciliation.runs import Run
from ops.dlq import OUTPUTS
from ops.doctor import traffic
from ops.doctor.finding import Light
from ops.doctor.subject import Subject
from tests.ops.doctor.stubbed import NOW, Answers, subject_of

HOUR = timedelta(hours=1)
COUNTS = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")


@pytest.mark.parametrize(
    ("visible", "in_flight", "light"),
    [(0, 0, Light.GREEN), (1, 0, Light.RED), (0, 1, Light.RED)],
    ids=["empty", "parked", "being read"],
)
def test_an_event_in_a_dlq_is_red(visible: int, in_flight: int, light: Light) -> None:
    answers = Answers()
    for counts in ((0, 0), (visible, in_flight), (0, 0)):
        texts = dict(zip(COUNTS, map(str, counts), strict=True))
        answers.add("sqs", "get_queue_attributes", {"Attributes": texts})
    assert traffic.dlqs(subject_of(answers, outputs={output: output for output in OUTPUTS.values()})).light is light


def streams(answers: Answers, group: str, *found: Mapping[str, Any]) -> None:
    asked = {"logGroupName": group, "orderBy": "LastEventTime", "descending": True, "limit": 1}
    answers.add("logs", "describe_log_streams", {"logStreams": list(found)}, asked)


def test_the_last_event_is_when_a_function_of_live_events_logged_last() -> None:
    answers = Answers()
    streams(answers, "plans", {"logStreamName": "1", "lastEventTimestamp": round((NOW - 3 * HOUR).timestamp() * 1000)})
    streams(answers, "connections")
    groups = [("CompanyPlanChangedLogGroup", "plans"), ("NewConnectionLogGroup", "connections"), ("Other", "other")]
    finding = traffic.last_event(subject_of(answers, *(("Logs::LogGroup", *group) for group in groups)))
    assert (finding.light, finding.words) == (Light.GREEN, "2026-03-01 09:00 UTC (3 h ago)")


def test_no_live_event_yet_is_yellow() -> None:
    answers = Answers()
    streams(answers, "plans", {"logStreamName": "1"})
    finding = traffic.last_event(subject_of(answers, ("Logs::LogGroup", "CompanyPlanChangedLogGroup", "plans")))
    assert (finding.light, finding.words) == (Light.YELLOW, "no live event yet")


def after(run: Run | None, schedules: str = "ENABLED") -> Subject:
    """Return a stack with this newest run."""
    subject = subject_of(Answers(), parameters={"Schedules": schedules, "ReconciliationSchedule": "cron(0 1 * * ? *)"})

    class Runs:
        def newest(self) -> Run | None:
            return run

    subject.stack.__dict__["runs"] = Runs()
    return subject


def run(started: timedelta, progress: timedelta, finished: timedelta | None = None) -> Run:
    return Run("r1", False, NOW - started, NOW - progress, None if finished is None else NOW - finished)  # noqa: FBT003


@pytest.mark.parametrize(
    ("newest", "schedules", "light", "words"),
    [
        (run(11 * HOUR, 10 * HOUR, 10 * HOUR), "ENABLED", Light.GREEN, "finished 2026-03-01 02:00 UTC (10 h ago)"),
        (run(28 * HOUR, 27 * HOUR, 27 * HOUR), "ENABLED", Light.YELLOW, "finished 2026-02-28 09:00 UTC (27 h ago)"),
        (run(28 * HOUR, 27 * HOUR, 27 * HOUR), "DISABLED", Light.GREEN, "finished 2026-02-28 09:00 UTC (27 h ago)"),
        (run(2 * HOUR, HOUR / 2), "ENABLED", Light.GREEN, "in progress since 2026-03-01 10:00 UTC (2 h ago)"),
        (run(4 * HOUR, 3 * HOUR), "ENABLED", Light.RED, "without progress since 2026-03-01 09:00 UTC (3 h ago)"),
        (None, "ENABLED", Light.YELLOW, "none yet"),
        (None, "DISABLED", Light.GREEN, "none yet, and none is scheduled"),
    ],
    ids=["last night", "a night missed", "no schedule", "in progress", "stuck", "none yet", "none is expected"],
)
def test_the_last_reconciliation_run(newest: Run | None, schedules: str, light: Light, words: str) -> None:
    finding = traffic.last_run(after(newest, schedules))
    assert finding.light is light
    assert words in finding.words
