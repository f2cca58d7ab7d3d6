"""The rule for the events of sources: off by default, and then like the rule for plan changes."""

import re
from pathlib import Path
from typing import Any

import pytest
from cfnlint.decode import cfn_yaml

TEMPLATE: Any = cfn_yaml.load(str(Path(__file__).parents[2] / "template.yaml"))
RULE = TEMPLATE["Resources"]["DescribedSourcesRule"]
PARAMETER = TEMPLATE["Parameters"]["DescribedSources"]


def test_without_a_source_there_is_no_rule() -> None:
    joined = {"Fn::Join": ["", {"Ref": "DescribedSources"}]}
    assert (PARAMETER["Default"], RULE["Condition"]) == ("", "HasDescribedSources")
    assert TEMPLATE["Conditions"]["HasDescribedSources"] == {"Fn::Not": [{"Fn::Equals": [joined, ""]}]}


def test_events_of_the_sources_go_where_plan_changes_go_with_the_same_retries() -> None:
    plans = TEMPLATE["Resources"]["CompanyPlanChangedRule"]["Properties"]
    assert RULE["Properties"]["EventPattern"] == {"source": {"Ref": "DescribedSources"}}
    assert RULE["Properties"]["Targets"] == plans["Targets"]
    assert RULE["Properties"]["EventBusName"] == plans["EventBusName"]


@pytest.mark.parametrize("source", ["", "paddle", "aws.partner/stripe.com/ed_61abc", "codat-sync-billing"])
def test_a_source_may_be_named(source: str) -> None:
    assert re.search(PARAMETER["AllowedPattern"], source)


@pytest.mark.parametrize("source", ["codat-sync", "a b", "x" * 257])
def test_our_own_announcements_and_what_is_no_source_are_refused(source: str) -> None:
    assert not re.search(PARAMETER["AllowedPattern"], source)
