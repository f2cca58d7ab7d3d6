"""Checks of the alarms: somebody hears them, and none is ringing."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from ops.doctor.finding import Finding, green, red, unanswered, yellow
from ops.doctor.subject import Subject

SILENT: Final = frozenset({"NewVersionFailsAlarm"})
"""Alarms that notify nobody: CodeDeploy reads them. Those that a composite alarm combines are silent, too."""
_AT_ONCE: Final = 100  # https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html
_NO_RECIPIENT: Final = "set AlarmEmail or AlarmTopicArn and deploy"
_UNCONFIRMED: Final = "PendingConfirmation"  # https://docs.aws.amazon.com/sns/latest/api/API_Subscription.html


def actions(subject: Subject) -> Finding:
    """Check that each alarm notifies somebody, by itself or through a composite alarm."""
    names = {each.physical: each.logical for each in _resources(subject)}
    found = _alarms(subject)
    if not found:
        return red("there is no alarm of the stack", "deploy the stack again")
    if not _topics(found):
        if subject.in_emulator:
            return unanswered("`make local` gives its alarms no recipient: the emulator lacks composite alarms")
        return yellow("no alarm notifies anybody: they show on the dashboard only", _NO_RECIPIENT)
    combined = " ".join(each.get("AlarmRule", "") for each in found)
    mute = sorted(
        names[each["AlarmName"]]
        for each in found
        if not (each["AlarmActions"] and each["ActionsEnabled"])
        and each["AlarmName"] not in combined
        and names[each["AlarmName"]] not in SILENT
    )
    if mute:
        return red(f"these notify nobody: {', '.join(mute)}", "`aws cloudwatch enable-alarm-actions`, or deploy again")
    return green(f"{len(found)} alarms, with a recipient")


def topic(subject: Subject) -> Finding:
    """Check that somebody has subscribed to the topics of the alarms, and confirmed it."""
    topics = _topics(_alarms(subject))
    if not topics:
        words = "the alarms have no topic"
        return unanswered(words) if subject.in_emulator else yellow(words, _NO_RECIPIENT)
    sns, confirmed, waiting = subject.client("sns"), 0, []
    for arn in topics:
        pages = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=arn)
        subscriptions = [each for page in pages for each in page["Subscriptions"]]
        pending = [each["Endpoint"] for each in subscriptions if each["SubscriptionArn"] == _UNCONFIRMED]
        waiting += pending
        confirmed += len(subscriptions) - len(pending)
        if not subscriptions:
            return red(f"nobody has subscribed to {arn}", "subscribe somebody: `aws sns subscribe`")
        if len(pending) == len(subscriptions):
            words = f"nobody has confirmed a subscription to {arn}: {', '.join(pending)}"
            return red(words, "open the link in the mail from AWS Notifications, which expires after two days")
    if waiting:
        return yellow(f"not confirmed: {', '.join(waiting)}", "open the link in the mail from AWS Notifications")
    return green(f"{confirmed} confirmed subscription{'' if confirmed == 1 else 's'}")


def ringing(subject: Subject) -> Finding:
    """Check that no alarm is in the state ALARM."""
    names = {each.physical: each.logical for each in _resources(subject)}
    loud = sorted(names[each["AlarmName"]] for each in _alarms(subject) if each["StateValue"] == "ALARM")
    if loud:
        return red(f"in alarm: {', '.join(loud)}", "docs/runbook.md has a heading for each alarm")
    return green("no alarm is in the state ALARM")


def _resources(subject: Subject) -> list[Any]:
    return subject.of_kind("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm")


def _alarms(subject: Subject) -> list[Mapping[str, Any]]:
    names = [each.physical for each in _resources(subject)]
    cloudwatch, found = subject.client("cloudwatch"), []
    for start in range(0, len(names), _AT_ONCE):
        page = cloudwatch.describe_alarms(
            AlarmNames=names[start : start + _AT_ONCE], AlarmTypes=["MetricAlarm", "CompositeAlarm"]
        )
        found += [*page.get("MetricAlarms", ()), *page.get("CompositeAlarms", ())]
    return found


def _topics(alarms: Sequence[Mapping[str, Any]]) -> list[str]:
    return sorted({arn for each in alarms for arn in each["AlarmActions"] if arn.split(":")[2] == "sns"})
