"""Descriptions state what a person who deploys needs, and fit into what AWS accepts."""

import re
from pathlib import Path
from typing import Any

import pytest
from cfnlint.decode import cfn_yaml

TEMPLATE: dict[str, Any] = cfn_yaml.load(str(Path(__file__).parents[2] / "template.yaml"))
PARAMETERS: dict[str, Any] = TEMPLATE["Parameters"]
NUMBERS = [name for name, each in PARAMETERS.items() if each["Type"] == "Number"]
EMPTY_BY_DEFAULT = [name for name, each in PARAMETERS.items() if each["Default"] == ""]
UNITS = {
    "MaximumConcurrency": "invocations",
    "MaxConcurrentCompanies": "companies",
    "FirstDeferralSeconds": "in seconds",
    "PatienceHours": "in hours",
    "ReconcileCallsPerMinute": "calls to Codat per minute",
    "ReconcileQuotaShare": "Percentage",
    "RedriveEventsPerMinute": "events per minute",
    "OldestMessageSeconds": "in seconds",
    "DriftSharePercent": "Percentage",
    "QuietHours": "Hours",
    "LogRetentionDays": "days",
    "MonthlyBudget": "US dollars a month",
}
LIMITS = {
    "AWS::AppConfig::Application": 1024,
    "AWS::AppConfig::ConfigurationProfile": 1024,
    "AWS::AppConfig::DeploymentStrategy": 1024,
    "AWS::AppConfig::Environment": 1024,
    "AWS::Events::Rule": 512,
    "AWS::IAM::ManagedPolicy": 1000,
    "AWS::Scheduler::Schedule": 512,
    "AWS::Serverless::Function": 256,
    "AWS::Serverless::LayerVersion": 256,
}
"""The characters that the description of a resource may have, by type, from the API reference of each service."""
LONGEST = {"template": 1024, "Parameters": 4000, "Outputs": 1024}
"""https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html"""
DESCRIBED = [name for name, each in TEMPLATE["Resources"].items() if "Description" in each.get("Properties", {})]


def numbers_in(text: str) -> set[str]:
    """Return the numbers in a text, without the commas between thousands."""
    return set(re.findall(r"\d+", text.replace(",", "")))


@pytest.mark.parametrize("name", NUMBERS)
def test_the_description_of_a_number_states_unit_range_and_default(name: str) -> None:
    parameter = PARAMETERS[name]
    values = parameter.get("AllowedValues") or [parameter["MinValue"], parameter["MaxValue"]]
    stated = numbers_in(parameter["Description"])
    assert UNITS[name] in parameter["Description"]
    assert {str(min(values)), str(max(values)), str(parameter["Default"])} <= stated
    assert "default" in parameter["Description"]


@pytest.mark.parametrize("name", EMPTY_BY_DEFAULT)
def test_the_description_of_an_optional_parameter_states_what_empty_means(name: str) -> None:
    assert "empty (the default)" in PARAMETERS[name]["Description"]


@pytest.mark.parametrize("name", [name for name in PARAMETERS if name not in EMPTY_BY_DEFAULT])
def test_every_other_description_states_the_default(name: str) -> None:
    assert "default" in PARAMETERS[name]["Description"]


@pytest.mark.parametrize("section", ["Parameters", "Outputs"])
def test_a_description_fits_into_what_cloudformation_accepts(section: str) -> None:
    assert max(len(each["Description"].encode()) for each in TEMPLATE[section].values()) <= LONGEST[section]
    assert len(TEMPLATE["Description"].encode()) <= LONGEST["template"]


@pytest.mark.parametrize("name", DESCRIBED)
def test_a_resources_description_fits_into_what_its_service_accepts(name: str) -> None:
    resource = TEMPLATE["Resources"][name]
    assert len(resource["Properties"]["Description"]) <= LIMITS[resource["Type"]]
