"""Checks of what goes through the stack: parked events, the last event, and the last reconciliation run."""

from datetime import UTC, datetime, timedelta
from typing import Final

from ops.dlq import OUTPUTS
from ops.doctor.finding import Finding, green, red, yellow
from ops.doctor.subject import Subject

LATE: Final = timedelta(hours=26)
"""A nightly run that finished longer ago has missed a night."""
STUCK: Final = timedelta(hours=1)
_LIVE: Final = ("CompanyPlanChangedLogGroup", "NewConnectionLogGroup")
_COUNTS: Final = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")


def dlqs(subject: Subject) -> Finding:
    """Check that the DLQs are empty."""
    depths = {}
    for dlq, output in OUTPUTS.items():
        answer = subject.stack.sqs.get_queue_attributes(
            QueueUrl=subject.stack.output(output),
            AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
        )
        depths[dlq] = sum(int(answer["Attributes"][name]) for name in _COUNTS)
    full = [f"{dlq}: {depth:,}" for dlq, depth in depths.items() if depth]
    if full:
        return red(f"parked events in {', '.join(full)}", "`codat-sync dlq list` says why; the runbook, what to do")
    return green(f"all {len(depths)} are empty")


def last_event(subject: Subject) -> Finding:
    """Check that live events have arrived: when one of their functions logged last.

    CloudWatch updates that time with a delay, usually of less than an hour.
    https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_LogStream.html
    """
    logs, newest = subject.client("logs"), 0
    for group in subject.of_kind("AWS::Logs::LogGroup"):
        if group.logical in _LIVE:
            streams = logs.describe_log_streams(
                logGroupName=group.physical, orderBy="LastEventTime", descending=True, limit=1
            )["logStreams"]
            newest = max([newest, *(each.get("lastEventTimestamp", 0) for each in streams)])
    if not newest:
        return yellow("no live event yet", "send one: `codat-sync doctor --send --company ID --plan PLAN`")
    return green(_moment(datetime.fromtimestamp(newest / 1000, UTC), subject.now()))


def last_run(subject: Subject) -> Finding:
    """Check that reconciliation runs come to an end."""
    run, now = subject.stack.runs.newest(), subject.now()
    scheduled = subject.stack.parameter("Schedules") == "ENABLED"
    again = "request one: `codat-sync reconcile --apply`"
    if run is None:
        if not scheduled:
            return green("none yet, and none is scheduled (Schedules=DISABLED)")
        return yellow("none yet", f"it comes at {subject.stack.parameter('ReconciliationSchedule')}; or {again}")
    if run.finished_at is None:
        words = f"in progress since {_moment(run.started_at, now)}"
        if now - run.progress_at > STUCK:
            return red(
                f"{words}, without progress since {_moment(run.progress_at, now)}", f"runbook, Drift; or {again}"
            )
        return green(words)
    words = f"finished {_moment(run.finished_at, now)}"
    if scheduled and now - run.finished_at > LATE:
        return yellow(words, f"expected at {subject.stack.parameter('ReconciliationSchedule')}; {again}")
    return green(words)


def _moment(at: datetime, now: datetime) -> str:
    """Return a moment to the minute, and how many hours ago it was."""
    hours = (now - at) / timedelta(hours=1)
    return f"{at:%Y-%m-%d %H:%M} UTC ({'less than an hour' if hours < 1 else f'{hours:,.0f} h'} ago)"
