"""Alarms that somebody hears, and alarms that nobody does."""

from collections.abc import Sequence
from typing import Any

import pytest

from ops.doctor import alarms
from ops.doctor.finding import Light
from tests.ops.doctor.stubbed import Answers, subject_of

TOPIC = "arn:aws:sns:eu-west-2:123456789012:alarms"
KEY_ALARM = ("CloudWatch::Alarm", "ApiKeyAlarm", "stack-ApiKeyAlarm-1")
OTHERS = [
    ("CloudWatch::Alarm", "PlanEventsWaitAlarm", "stack-PlanEventsWaitAlarm-1"),
    ("CloudWatch::Alarm", "NewVersionFailsAlarm", "stack-NewVersionFailsAlarm-1"),
    ("CloudWatch::CompositeAlarm", "LiveEventsWaitAlarm", "stack-LiveEventsWaitAlarm-1"),
]


def alarm(resource: tuple[str, str, str], *actions: str, state: str = "OK", **more: object) -> dict[str, Any]:
    return {
        "AlarmName": resource[2],
        "AlarmActions": list(actions),
        "ActionsEnabled": True,
        "StateValue": state,
        **more,
    }


def answering(*found: dict[str, Any], composite: Sequence[dict[str, Any]] = ()) -> Answers:
    answers = Answers()
    answers.add("cloudwatch", "describe_alarms", {"MetricAlarms": list(found), "CompositeAlarms": list(composite)})
    return answers


def test_an_alarm_with_an_action_is_heard_and_so_is_one_that_a_composite_alarm_combines() -> None:
    waits, new_version, combined = OTHERS
    rule = f'ALARM("{waits[2]}") AND NOT ALARM("stack-PauseAlarm-1")'
    answers = answering(
        alarm(KEY_ALARM, TOPIC), alarm(waits), alarm(new_version), composite=[alarm(combined, TOPIC, AlarmRule=rule)]
    )
    finding = alarms.actions(subject_of(answers, KEY_ALARM, *OTHERS))
    assert (finding.light, finding.words) == (Light.GREEN, "4 alarms, with a recipient")


@pytest.mark.parametrize(
    "mute", [alarm(KEY_ALARM), alarm(KEY_ALARM, TOPIC, ActionsEnabled=False)], ids=["no action", "switched off"]
)
def test_an_alarm_that_notifies_nobody_is_red(mute: dict[str, Any]) -> None:
    other = ("CloudWatch::Alarm", "DriftAlarm", "stack-DriftAlarm-1")
    finding = alarms.actions(subject_of(answering(mute, alarm(other, TOPIC)), KEY_ALARM, other))
    assert (finding.light, finding.words) == (Light.RED, "these notify nobody: ApiKeyAlarm")


def test_a_stack_whose_alarms_have_no_recipient_is_yellow_and_in_the_emulator_it_cannot_have_one() -> None:
    for check in (alarms.actions, alarms.topic):
        assert check(subject_of(answering(alarm(KEY_ALARM)), KEY_ALARM)).light is Light.YELLOW
        in_emulator = subject_of(answering(alarm(KEY_ALARM)), KEY_ALARM, in_emulator=True)
        assert check(in_emulator).light is Light.UNANSWERED


@pytest.mark.parametrize(
    ("subscribed", "light", "words"),
    [
        (["arn:1"], Light.GREEN, "1 confirmed subscription"),
        ([], Light.RED, "nobody has subscribed"),
        (["PendingConfirmation"], Light.RED, "nobody has confirmed"),
        (["arn:1", "PendingConfirmation"], Light.YELLOW, "not confirmed: on-call@example.com"),
    ],
    ids=["confirmed", "none", "pending", "one of two"],
)
def test_the_subscriptions_to_the_topic(subscribed: list[str], light: Light, words: str) -> None:
    answers = answering(alarm(KEY_ALARM, TOPIC))
    subscriptions = [{"SubscriptionArn": arn, "Endpoint": "on-call@example.com"} for arn in subscribed]
    answers.add("sns", "list_subscriptions_by_topic", {"Subscriptions": subscriptions}, {"TopicArn": TOPIC})
    finding = alarms.topic(subject_of(answers, KEY_ALARM))
    assert finding.light is light
    assert words in finding.words


@pytest.mark.parametrize(("state", "light"), [("OK", Light.GREEN), ("ALARM", Light.RED)])
def test_an_alarm_that_rings_is_red(state: str, light: Light) -> None:
    assert alarms.ringing(subject_of(answering(alarm(KEY_ALARM, state=state)), KEY_ALARM)).light is light


def test_no_alarm_at_all_is_red() -> None:
    finding = alarms.actions(subject_of(Answers()))
    assert (finding.light, finding.words) == (Light.RED, "there is no alarm of the stack")
