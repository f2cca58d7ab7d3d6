"""Each alarm watches the right metrics, notifies or triggers something, and links to the runbook."""

import re
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cfnlint.decode import cfn_yaml

from codat_sync.api_key import ApiKeyUnusable
from codat_sync.aws.errors import AwsDenied, AwsResourceMissing
from codat_sync.codat.errors import BadRequest, PaymentRequiredKind, RateLimited, Unauthorized
from codat_sync.outcomes.triage import triage
from codat_sync.presets.preset import UnknownPlan
from tests.template.written_metrics import written

ROOT = Path(__file__).parents[2]
RESOURCES: dict[str, Any] = cfn_yaml.load(str(ROOT / "template.yaml"))["Resources"]
ALARMS = {name: each["Properties"] for name, each in RESOURCES.items() if each["Type"] == "AWS::CloudWatch::Alarm"}
COMPOSITES = {
    name: each["Properties"] for name, each in RESOURCES.items() if each["Type"] == "AWS::CloudWatch::CompositeAlarm"
}
TOPIC = {"Fn::If": ["OwnAlarmTopic", {"Ref": "AlarmTopic"}, {"Ref": "AlarmTopicArn"}]}


def text(value: Any) -> str:  # noqa: ANN401  # YAML.
    return str(value["Fn::Sub"]) if isinstance(value, dict) else str(value)


def metrics(alarm: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the metrics that an alarm reads."""
    if "Metrics" not in alarm:
        return [alarm]
    return [each["MetricStat"]["Metric"] for each in alarm["Metrics"] if "MetricStat" in each]


def watched(name: str) -> set[tuple[str, str]]:
    """Return the metrics that an alarm reads, each with the value of its dimension."""
    return {
        (each["MetricName"], str(dimension["Value"]))
        for each in metrics(ALARMS[name])
        for dimension in each["Dimensions"]
    }


FED_INTO_COMPOSITES = set(re.findall(r"\$\{(\w+)\}", "".join(text(each["AlarmRule"]) for each in COMPOSITES.values())))


@pytest.mark.parametrize("name", [*ALARMS, *COMPOSITES])
def test_an_alarm_links_to_its_heading_in_the_runbook(name: str) -> None:
    description = text((ALARMS | COMPOSITES)[name]["AlarmDescription"])
    (anchor,) = re.findall(r"Runbook: \$\{RunbookUrl\}#([\w-]+)$", description)
    headings = re.findall(r"^#+ (.+)$", (ROOT / "docs/runbook.md").read_text("utf-8"), re.MULTILINE)
    assert anchor in {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


ROLL_BACK = {
    alarm["Ref"]
    for alarm in cfn_yaml.load(str(ROOT / "template.yaml"))["Globals"]["Function"]["DeploymentPreference"]["Alarms"]
}


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_notifies_people_or_feeds_another_alarm_or_a_rollback(name: str) -> None:
    actions = ALARMS[name].get("AlarmActions")
    if actions is None:
        assert name in FED_INTO_COMPOSITES | ROLL_BACK
    else:
        assert actions == {"Fn::If": ["HasAlarmRecipient", [TOPIC], {"Ref": "AWS::NoValue"}]}


@pytest.mark.parametrize("name", COMPOSITES)
def test_a_composite_alarm_exists_only_with_a_recipient(name: str) -> None:
    assert RESOURCES[name]["Condition"] == "HasAlarmRecipient"
    assert COMPOSITES[name]["AlarmActions"] == [TOPIC]
    assert set(re.findall(r"\$\{(\w+)\}", text(COMPOSITES[name]["AlarmRule"]))) <= set(ALARMS)


@pytest.mark.parametrize("name", ALARMS)
def test_missing_data_is_no_alarm_but_for_missing_plan_events(name: str) -> None:
    assert ALARMS[name]["TreatMissingData"] == ("breaching" if name == "NoPlanEventsAlarm" else "notBreaching")


@pytest.mark.parametrize(
    "queue",
    [
        name
        for name, each in RESOURCES.items()
        if each["Type"] == "AWS::SQS::Queue" and "RedrivePolicy" not in each["Properties"]
    ],
)
def test_the_first_message_in_a_dlq_is_an_alarm(queue: str) -> None:
    (alarm,) = [
        alarm
        for alarm in ALARMS.values()
        if any(d["Value"] == {"Fn::GetAtt": [queue, "QueueName"]} for d in alarm.get("Dimensions", []))
    ]
    assert (alarm["MetricName"], alarm["Threshold"]) == ("ApproximateNumberOfMessagesVisible", 0)


def test_waiting_is_an_alarm_for_live_events_alone() -> None:
    waiting = {name for name in ALARMS if "ApproximateAgeOfOldestMessage" in str(metrics(ALARMS[name]))}
    assert {value for name in waiting for _, value in watched(name)} == {
        str({"Fn::GetAtt": [queue, "QueueName"]}) for queue in ("CompanyPlanChangedQueue", "NewConnectionQueue")
    }


def test_a_rejected_key_and_a_missing_one_are_alarms() -> None:
    assert watched("ApiKeyAlarm") == {("Failures", Unauthorized.reason), ("Failures", ApiKeyUnusable.reason)}


def test_both_reasons_for_a_pause_are_alarms() -> None:
    assert watched("PauseAlarm") == {
        ("PauseSeconds", RateLimited.reason),
        ("PauseSeconds", PaymentRequiredKind.ACCOUNT_EXPIRED.value),
    }


@pytest.mark.parametrize(
    ("name", "metric"), [("FunctionsFailAlarm", "Errors"), ("FunctionsThrottledAlarm", "Throttles")]
)
def test_every_function_is_watched(name: str, metric: str) -> None:
    """The exception is the validator of presets: it reports a refusal as an error, and AppConfig shows that."""
    functions = {name for name, each in RESOURCES.items() if each["Type"] == "AWS::Serverless::Function"}
    functions.remove("ValidatePresetsFunction")
    assert watched(name) == {(metric, str({"Ref": function})) for function in functions}


def test_unreadable_and_invalid_presets_are_alarms() -> None:
    assert watched("PresetsUnusableAlarm") == {("PresetsUnusable", "unreadable"), ("PresetsUnusable", "invalid")}


def test_only_a_pause_that_explains_the_delay_suppresses_the_alarm() -> None:
    """A pause of two seconds does not; a pause of a day does so for the whole day."""
    long_pause = ALARMS["LongPauseAlarm"]
    assert text(COMPOSITES["LiveEventsWaitAlarm"]["AlarmRule"]).endswith('AND NOT ALARM("${LongPauseAlarm}")')
    assert watched("LongPauseAlarm") == {("PauseSeconds", RateLimited.reason)}
    assert (long_pause["Statistic"], long_pause["Period"]) == ("Maximum", 24 * 60 * 60)
    assert long_pause["Threshold"] == ALARMS["PlanEventsWaitAlarm"]["Threshold"]


def test_a_new_version_is_rolled_back_for_the_failures_of_a_bad_deployment() -> None:
    reasons = {value for metric, value in watched("NewVersionFailsAlarm") if metric == "Failures"}
    assert {"NewVersionFailsAlarm"} == ROLL_BACK
    aws = {AwsDenied.reason, AwsResourceMissing.reason}
    assert reasons == {triage(KeyError("a bug")).reason, *aws, BadRequest.reason, UnknownPlan.reason}


@pytest.mark.parametrize("code", ["ThrottlingException", "InternalServerError"])
def test_no_alarm_counts_what_passes_at_aws_by_itself(code: str) -> None:
    reason = triage(ClientError({"Error": {"Code": code, "Message": "no"}}, "UpdateItem")).reason
    assert ("Failures", reason) not in {each for name in ALARMS for each in watched(name)}


def test_an_alarm_reads_the_functions_metrics_where_they_are_written() -> None:
    """CloudWatch finds a metric only under its exact namespace and dimensions."""
    read = [each for alarm in ALARMS.values() for each in metrics(alarm)]
    ours = [each for each in read if each["Namespace"] == {"Ref": "AWS::StackName"}]
    assert {str(each["Namespace"]) for each in read if each not in ours} == {"AWS/SQS", "AWS/Lambda"}
    assert {(each["MetricName"], frozenset(d["Name"] for d in each["Dimensions"])) for each in ours} <= written()
