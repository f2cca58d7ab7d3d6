"""Presets in AppConfig are optional and off by default; the resources fit together, with the least permissions."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import pytest
from cfnlint.decode import cfn_yaml

from codat_sync.config import Config
from codat_sync.events.requests import ReconciliationRequest, read_reconciliation_request
from tests.template.translation import translated

TEMPLATE: Mapping[str, Any] = cfn_yaml.load(str(Path(__file__).parents[2] / "template.yaml"))
RESOURCES: Mapping[str, Any] = TEMPLATE["Resources"]
CONDITION = "HasPresetsInAppConfig"
OPTIONAL = {name: each for name, each in RESOURCES.items() if each.get("Condition") == CONDITION}
LIVE = {name: each for name, each in translated()["Resources"].items() if each.get("Condition") == CONDITION}
ALWAYS = {name: each for name, each in RESOURCES.items() if "Condition" not in each}
APPCONFIG = "arn:${AWS::Partition}:appconfig:${AWS::Region}:${AWS::AccountId}:application/${PresetsApplication}"

# As AWS documents it:
# https://docs.aws.amazon.com/appconfig/latest/userguide/working-with-appconfig-extensions-about-predefined-notification-eventbridge.html
DEPLOYED: Mapping[str, Any] = {
    "version": "0",
    "id": "c53dbd72-c1a0-2302-9ed6-c076e9128277",
    "detail-type": "On Deployment Complete",
    "source": "aws.appconfig",
    "account": "111122223333",
    "time": "2022-07-09T01:44:15Z",
    "region": "us-east-1",
    "resources": ["arn:aws:appconfig:us-east-1:111122223333:extensionassociation/z763ff5"],
    "detail": {
        "InvocationId": "5tfjcig",
        "Parameters": {},
        "Type": "OnDeploymentComplete",
        "Application": {"Id": "ba8toh7", "Name": "MyApp"},
        "Environment": {"Id": "pgil2o7", "Name": "MyEnv"},
        "ConfigurationProfile": {"Id": "ga3tqep", "Name": "MyConfigProfile"},
        "DeploymentNumber": 1,
        "ConfigurationVersion": "1",
    },
}
MADE = {"PresetsApplication": "ba8toh7", "PresetsEnvironment": "pgil2o7", "PresetsProfile": "ga3tqep"}
"""The ids in that event, as if they were those of this stack's resources."""


def properties(name: str) -> Any:  # noqa: ANN401  # YAML.
    return OPTIONAL[name]["Properties"]


def one(kind: str) -> str:
    """Return the name of the only optional resource of a type."""
    (name,) = [name for name, each in OPTIONAL.items() if each["Type"] == kind]
    return name


def resolved(value: Any) -> Any:  # noqa: ANN401  # YAML.
    """Replace each reference in a value by the id of that resource, as MADE has it."""
    match value:
        case {"Ref": name} | {"Fn::GetAtt": [name, _]}:
            return MADE[name]
        case dict():
            return {key: resolved(each) for key, each in value.items()}
        case list():
            return [resolved(each) for each in value]
        case _:
            return value


def matches(pattern: Mapping[str, Any], event: Mapping[str, Any]) -> bool:
    """Match an event against a pattern as EventBridge does. Patterns may list values only."""
    return all(
        matches(wanted, event.get(key, {})) if isinstance(wanted, dict) else event.get(key) in wanted
        for key, wanted in pattern.items()
    )


# --- Off by default -------------------------------------------------------------------------------------------------


def test_it_is_off_by_default() -> None:
    assert TEMPLATE["Parameters"]["PresetsFromAppConfig"]["Default"] == "false"
    assert TEMPLATE["Conditions"][CONDITION] == {"Fn::Equals": [{"Ref": "PresetsFromAppConfig"}, "true"]}
    profile = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]["PRESETS_PROFILE"]
    assert profile["Fn::If"][0] == CONDITION
    assert profile["Fn::If"][2] == Config.model_fields["presets_profile"].default == ""


def test_the_resources_of_appconfig_exist_only_with_the_parameter() -> None:
    kinds = ("AWS::AppConfig::", "AWS::Lambda::Permission")
    assert [name for name, each in RESOURCES.items() if each["Type"].startswith(kinds) and name not in OPTIONAL] == []
    assert {name for name in [*RESOURCES, *TEMPLATE["Outputs"]] if "Presets" in name} >= set(OPTIONAL)
    outputs = {name: each for name, each in TEMPLATE["Outputs"].items() if "Presets" in name}
    assert {each["Condition"] for each in outputs.values()} == {CONDITION}


def test_the_validators_version_and_alias_depend_on_the_parameter_too() -> None:
    kinds = {each["Type"] for name, each in LIVE.items() if name.startswith("ValidatePresetsFunction")}
    assert kinds == {"AWS::Lambda::Function", "AWS::Lambda::Version", "AWS::Lambda::Alias"}


def _named(value: Any) -> set[str]:  # noqa: ANN401  # YAML.
    """Return the names that a value refers to, except in the branch of Fn::If where the condition holds."""
    match value:
        case {"Fn::If": [condition, _, unmet]} if condition == CONDITION:
            return _named(unmet)
        case {"Ref": name} | {"Fn::GetAtt": [name, _]}:
            return {str(name)}
        case {"Fn::Sub": text} if isinstance(text, str):
            return set(re.findall(r"\$\{(\w+)", text))
        case dict():
            return set().union(*map(_named, value.values()))
        case list():
            return set().union(*map(_named, value))
        case _:
            return set()


@pytest.mark.parametrize("name", [*ALWAYS, "Globals"])
def test_an_unconditional_resource_refers_to_no_optional_one(name: str) -> None:
    assert _named(ALWAYS.get(name, TEMPLATE["Globals"])) & set(OPTIONAL) == set()


def test_the_resources_have_no_circular_dependency() -> None:
    """The environment monitors an alarm on the functions, so the functions must not depend on the environment."""

    def named(value: Any) -> set[str]:  # noqa: ANN401  # JSON.
        text = json.dumps(value)
        return set(re.findall(r'"(?:Ref|Fn::GetAtt)": \[?"(\w+)', text)) | set(re.findall(r"\$\{(\w+)", text))

    resources = translated({"PresetsFromAppConfig": "true"})["Resources"]
    list(TopologicalSorter({name: named(each) & set(resources) for name, each in resources.items()}).static_order())


# --- Validation and deployment --------------------------------------------------------------------------------------


def test_presets_are_validated_before_they_go_live() -> None:
    profile = properties(one("AWS::AppConfig::ConfigurationProfile"))
    alias = {"Ref": "ValidatePresetsFunction.Alias"}
    assert (profile["Type"], profile["LocationUri"]) == ("AWS.Freeform", "hosted")
    assert profile["Validators"] == [{"Type": "LAMBDA", "Content": alias}]
    assert properties("ValidatePresetsPermission") == {
        "Action": "lambda:InvokeFunction",
        "FunctionName": alias,
        "Principal": "appconfig.amazonaws.com",
    }


def test_the_validator_answers_within_the_timeout_of_appconfig() -> None:
    """https://docs.aws.amazon.com/appconfig/latest/userguide/appconfig-creating-configuration-profile-validators.html"""
    assert properties("ValidatePresetsFunction")["Timeout"] <= 15


def test_the_validator_may_write_its_log_and_nothing_else() -> None:
    role = properties("ValidatePresetsRole")
    (policy,) = role["Policies"]
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert statement["Resource"] == {"Fn::GetAtt": ["ValidatePresetsLogGroup", "Arn"]}
    assert "ManagedPolicyArns" not in role
    assert properties("ValidatePresetsFunction")["Role"] == {"Fn::GetAtt": ["ValidatePresetsRole", "Arn"]}


def test_the_validator_does_not_refer_to_the_profile_that_names_it() -> None:
    assert properties("ValidatePresetsFunction")["Environment"]["Variables"]["PRESETS_PROFILE"] == ""


def test_new_presets_go_live_gradually_and_the_alarm_on_new_versions_rolls_them_back() -> None:
    strategy = properties(one("AWS::AppConfig::DeploymentStrategy"))
    assert (strategy["GrowthType"], strategy["GrowthFactor"]) == ("LINEAR", 20)
    assert (strategy["DeploymentDurationInMinutes"], strategy["FinalBakeTimeInMinutes"]) == (10, 10)
    (alarm,) = TEMPLATE["Globals"]["Function"]["DeploymentPreference"]["Alarms"]
    role = "PresetsEnvironmentRole"
    assert properties(one("AWS::AppConfig::Environment"))["Monitors"] == [
        {"AlarmArn": {"Fn::GetAtt": [alarm["Ref"], "Arn"]}, "AlarmRoleArn": {"Fn::GetAtt": [role, "Arn"]}}
    ]
    (policy,) = properties(role)["Policies"]
    assert [each["Action"] for each in policy["PolicyDocument"]["Statement"]] == ["cloudwatch:DescribeAlarms"]
    (trust,) = properties(role)["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "appconfig.amazonaws.com"}


def test_resources_that_appconfig_would_not_delete_outlive_the_stack() -> None:
    for name in (one("AWS::AppConfig::Application"), one("AWS::AppConfig::ConfigurationProfile")):
        assert (OPTIONAL[name]["DeletionPolicy"], OPTIONAL[name]["UpdateReplacePolicy"]) == (
            "RetainExceptOnCreate",
            "Retain",
        )


# --- Reading the presets --------------------------------------------------------------------------------------------


def test_the_functions_read_this_profile_and_may_read_no_other() -> None:
    profile = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]["PRESETS_PROFILE"]["Fn::If"][1]["Fn::Sub"]
    environment = properties(one("AWS::AppConfig::Environment"))["Name"]
    assert profile == f"${{PresetsApplication}}/{environment}/${{PresetsProfile.ConfigurationProfileId}}"
    assert len(re.sub(r"\$\{[\w.]+\}", "id", profile).split("/")) == 3

    listed = RESOURCES["ConsumerPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    (read,) = [each["Fn::If"] for each in listed if each.get("Fn::If", [None])[0] == CONDITION]
    assert read[1]["Action"] == ["appconfig:GetLatestConfiguration", "appconfig:StartConfigurationSession"]
    assert read[1]["Resource"] == {
        "Fn::Sub": f"{APPCONFIG}/environment/*/configuration/${{PresetsProfile.ConfigurationProfileId}}"
    }


# --- A change starts a reconciliation run ---------------------------------------------------------------------------


def test_appconfig_sends_this_environments_events_to_eventbridge() -> None:
    assert properties(one("AWS::AppConfig::ExtensionAssociation")) == {
        "ExtensionIdentifier": "AWS.AppConfig.DeploymentNotificationsToEventBridge",
        "ResourceIdentifier": {"Fn::Sub": f"{APPCONFIG}/environment/${{PresetsEnvironment.EnvironmentId}}"},
    }
    assert "EventBusName" not in properties("PresetsDeployedRule"), "AWS services send to the default bus"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, True),
        ({"Type": "OnDeploymentRolledBack"}, True),
        ({"Type": "OnDeploymentStart"}, False),
        ({"Application": {"Id": "another", "Name": "MyApp"}}, False),
        ({"Environment": {"Id": "another", "Name": "MyEnv"}}, False),
        ({"ConfigurationProfile": {"Id": "another", "Name": "MyConfigProfile"}}, False),
    ],
)
def test_only_presets_of_this_stack_start_a_reconciliation_run(changes: Mapping[str, Any], *, expected: bool) -> None:
    """A rollback does too: some companies already have the presets that were rolled back."""
    event = {**DEPLOYED, "detail": {**DEPLOYED["detail"], **changes}}
    pattern = resolved(properties("PresetsDeployedRule")["EventPattern"])
    assert matches(pattern, event) is expected
    assert not matches(pattern, {**event, "source": "another.source"})


def test_the_rule_turns_the_event_into_a_request_to_reconcile_all_companies() -> None:
    (target,) = properties("PresetsDeployedRule")["Targets"]
    assert target["Arn"] == {"Fn::GetAtt": ["ReconciliationsQueue", "Arn"]}
    transformer = target["InputTransformer"]
    # EventBridge inserts a variable that stands alone as JSON:
    # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html
    body = transformer["InputTemplate"]
    for variable, path in transformer["InputPathsMap"].items():
        body = body.replace(f"<{variable}>", json.dumps(DEPLOYED[path.removeprefix("$.")]))
    at = datetime(2026, 2, 1, tzinfo=UTC)
    assert read_reconciliation_request(body, sent_at=at) == ReconciliationRequest(
        "c53dbd72-c1a0-2302-9ed6-c076e9128277", at, report_only=False
    )
