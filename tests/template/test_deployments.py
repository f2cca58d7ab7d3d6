"""A deployment takes over by and by, can be taken back, and never leaves a change behind."""

from typing import Any

import pytest

from tests.template.translation import translated

RESOURCES: dict[str, Any] = translated()["Resources"]
FUNCTIONS = [name for name, each in RESOURCES.items() if each["Type"] == "AWS::Lambda::Function"]
FED_BY_QUEUES = [name for name in FUNCTIONS if f"{name}Queue" in RESOURCES]
LIVE = {"CompanyPlanChangedFunction", "NewConnectionFunction", "ReconcileCompanyFunction"}


def versions(resources: dict[str, Any]) -> set[str]:
    """The logical ids of the versions: another id is another version."""
    return {name for name, each in resources.items() if each["Type"] == "AWS::Lambda::Version"}


def of_type(kind: str, resources: dict[str, Any]) -> list[dict[str, Any]]:
    return [each for each in resources.values() if each["Type"] == kind]


@pytest.mark.parametrize("name", FED_BY_QUEUES)
def test_a_queue_feeds_the_version_that_is_live(name: str) -> None:
    (mapping,) = [each for logical_id, each in RESOURCES.items() if logical_id == f"{name}Queue"]
    assert mapping["Properties"]["FunctionName"] == {"Ref": f"{name}Aliaslive"}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_version_stays_so_that_one_can_go_back_to_it(name: str) -> None:
    (version,) = [each for logical_id, each in RESOURCES.items() if logical_id.startswith(f"{name}Version")]
    assert version["DeletionPolicy"] == "Retain"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_takes_live_events_is_deployed_by_and_by(name: str) -> None:
    policy = RESOURCES[f"{name}Aliaslive"].get("UpdatePolicy", {})
    assert ("CodeDeployLambdaAliasUpdate" in policy) == (name in LIVE)


@pytest.mark.parametrize("group", of_type("AWS::CodeDeploy::DeploymentGroup", RESOURCES))
def test_a_deployment_is_taken_back_by_our_own_alarm_and_has_our_own_role(group: dict[str, Any]) -> None:
    properties = group["Properties"]
    assert properties["AlarmConfiguration"] == {"Enabled": True, "Alarms": [{"Name": {"Ref": "NewVersionFailsAlarm"}}]}
    assert "DEPLOYMENT_STOP_ON_ALARM" in properties["AutoRollbackConfiguration"]["Events"]
    assert properties["ServiceRoleArn"] == {"Fn::GetAtt": ["DeploymentRole", "Arn"]}


def test_other_code_or_other_presets_make_new_versions_of_all_functions() -> None:
    assert not versions(RESOURCES) & versions(translated(code="other")["Resources"])


def test_another_release_makes_new_versions_of_all_functions_whatever_it_is_that_changed() -> None:
    one, other = ({"Release": "0" * 10}, {"Release": "1" * 10, "LogLevel": "DEBUG"})
    assert not versions(translated(one)["Resources"]) & versions(translated(other)["Resources"])


def test_the_same_again_makes_none() -> None:
    assert versions(RESOURCES) == versions(translated()["Resources"])


def test_without_gradual_deployments_there_is_no_codedeploy() -> None:
    resources = translated({"GradualDeployments": "false"})["Resources"]
    assert [each["Type"] for each in resources.values() if "CodeDeploy" in each["Type"]] == []


def test_every_role_is_one_that_the_template_names() -> None:
    """None that SAM makes up, with managed policies for everything."""
    roles = {name for name, each in RESOURCES.items() if each["Type"] == "AWS::IAM::Role"}
    others = {"SchedulesRole", "DeploymentRole", "PresetsEnvironmentRole"}
    assert roles == {f"{name.removesuffix('Function')}Role" for name in FUNCTIONS} | others
