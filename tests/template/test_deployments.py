"""A deployment takes over gradually, can be rolled back, and includes every change."""

from typing import Any

import pytest

from tests.template.translation import translated

RESOURCES: dict[str, Any] = translated()["Resources"]
FUNCTIONS = [name for name, each in RESOURCES.items() if each["Type"] == "AWS::Lambda::Function"]
FED_BY_QUEUES = [name for name in FUNCTIONS if f"{name}Queue" in RESOURCES]
LIVE = {"CompanyPlanChangedFunction", "NewConnectionFunction"}


def versions(resources: dict[str, Any]) -> set[str]:
    """Return the logical ids of the versions. CloudFormation publishes a version for each new id."""
    return {name for name, each in resources.items() if each["Type"] == "AWS::Lambda::Version"}


def of_type(kind: str, resources: dict[str, Any]) -> list[dict[str, Any]]:
    return [each for each in resources.values() if each["Type"] == kind]


@pytest.mark.parametrize("name", FED_BY_QUEUES)
def test_a_queue_invokes_the_alias_live(name: str) -> None:
    (mapping,) = [each for logical_id, each in RESOURCES.items() if logical_id == f"{name}Queue"]
    assert mapping["Properties"]["FunctionName"] == {"Ref": f"{name}Aliaslive"}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_version_is_kept_for_a_rollback(name: str) -> None:
    (version,) = [each for logical_id, each in RESOURCES.items() if logical_id.startswith(f"{name}Version")]
    assert version["DeletionPolicy"] == "Retain"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_new_version_takes_over_gradually_where_live_events_come(name: str) -> None:
    policy = RESOURCES[f"{name}Aliaslive"].get("UpdatePolicy", {})
    assert ("CodeDeployLambdaAliasUpdate" in policy) == (name in LIVE)


@pytest.mark.parametrize("group", of_type("AWS::CodeDeploy::DeploymentGroup", RESOURCES))
def test_the_stacks_own_alarm_rolls_a_deployment_back_under_the_stacks_own_role(group: dict[str, Any]) -> None:
    properties = group["Properties"]
    assert properties["AlarmConfiguration"] == {"Enabled": True, "Alarms": [{"Name": {"Ref": "NewVersionFailsAlarm"}}]}
    assert "DEPLOYMENT_STOP_ON_ALARM" in properties["AutoRollbackConfiguration"]["Events"]
    assert properties["ServiceRoleArn"] == {"Fn::GetAtt": ["DeploymentRole", "Arn"]}


def test_changed_code_or_presets_publish_a_version_of_every_function() -> None:
    assert not versions(RESOURCES) & versions(translated(code="other")["Resources"])


def test_another_release_publishes_a_version_of_every_function() -> None:
    one, other = ({"Release": "0" * 10}, {"Release": "1" * 10, "LogLevel": "DEBUG"})
    assert not versions(translated(one)["Resources"]) & versions(translated(other)["Resources"])


def test_an_unchanged_deployment_publishes_no_version() -> None:
    assert versions(RESOURCES) == versions(translated()["Resources"])


def test_without_gradual_deployments_there_is_no_codedeploy() -> None:
    resources = translated({"GradualDeployments": "false"})["Resources"]
    assert [each["Type"] for each in resources.values() if "CodeDeploy" in each["Type"]] == []


def test_every_role_is_named_in_the_template() -> None:
    """SAM generates no role, which would have managed policies for every queue and log group."""
    roles = {name for name, each in RESOURCES.items() if each["Type"] == "AWS::IAM::Role"}
    others = {"SchedulesRole", "DeploymentRole", "PresetsEnvironmentRole"}
    assert roles == {f"{name.removesuffix('Function')}Role" for name in FUNCTIONS} | others
