"""A stage that cannot be deployed is refused in words, before anything is built; else it gives every parameter."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from samcli.cli.types import CfnParameterOverridesType
from samtranslator.yaml_helper import yaml_parse

from ops.stage import LONGEST_STACK_NAME, Stage, StageRefused

ROOT = Path(__file__).parents[2]
TEMPLATE = (ROOT / "template.yaml").read_text("utf-8")
SAMCONFIG = (ROOT / "samconfig.toml").read_text("utf-8")
PARAMETERS: dict[str, Any] = yaml_parse(TEMPLATE)["Parameters"]
WATCHED = ["AlarmEmail=someone@example.com", "RunbookUrl=https://wiki.example.com/runbook"]


def stage(*overrides: str, name: str = "try", stack_name: str = "codat-sync-try") -> Stage:
    lines = ", ".join(f"'{each}'" for each in overrides)
    return Stage.read(
        name,
        f'[{name}.deploy.parameters]\nstack_name = "{stack_name}"\nparameter_overrides = [{lines}]',
        TEMPLATE,
    )


def as_sam_reads(overrides: list[str]) -> dict[str, str]:
    """Return the parameters that SAM CLI itself reads from its command line."""
    option, *values = overrides
    assert option == "--parameter-overrides"
    return CfnParameterOverridesType().convert(values, None, None)  # type: ignore[no-any-return]  # No types.


def test_every_parameter_is_given_so_that_none_keeps_the_value_of_an_earlier_deployment() -> None:
    """SAM CLI sends UsePreviousValue for a parameter that is not given:
    https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-cli-command-reference-sam-deploy.html
    """
    read = as_sam_reads(stage("LogLevel=DEBUG").overrides(Release="0123456789"))
    defaults = {name: str(each["Default"]) for name, each in PARAMETERS.items()}
    assert read == defaults | {"LogLevel": "DEBUG", "Release": "0123456789"}


@pytest.mark.parametrize("value", ["cron(0 3 * * ? *)", "rate(1 day)", "it's", "a,b", "", "=", "$HOME `x` $(y) #"])
def test_a_value_arrives_as_it_is_whatever_spaces_it_has(value: str) -> None:
    settings = {"stack_name": "codat-sync", "parameter_overrides": {"ReconciliationSchedule": value}}
    samconfig = f"[try.deploy]\nparameters = {_toml(settings)}"
    assert as_sam_reads(Stage.read("try", samconfig, TEMPLATE).overrides())["ReconciliationSchedule"] == value


def test_a_quoted_value_of_samconfig_is_the_one_that_sam_cli_reads() -> None:
    line = 'ReconciliationSchedule="cron(0 3 * * ? *)"'
    read = stage(line).parameters["ReconciliationSchedule"]
    assert read == as_sam_reads(["--parameter-overrides", line])["ReconciliationSchedule"] == "cron(0 3 * * ? *)"


@given(st.text(st.characters(codec="ascii", exclude_categories=["Cc"], exclude_characters='"\\'), max_size=30))
def test_any_value_without_a_double_quote_or_a_backslash_arrives(value: str) -> None:
    given_stage = Stage("try", "codat-sync", {"CompanyPlanTag": value})
    assert as_sam_reads(given_stage.overrides()) == {"CompanyPlanTag": value}


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        (["ReconciliationSchedule=cron(0 3 * * ? *)"], "quote the value"),
        (["LogLevle=DEBUG"], "template.yaml has no parameter LogLevle"),
        (['CompanyPlanTag="a\\\\b"'], "CompanyPlanTag has a quote or a backslash"),
    ],
)
def test_a_value_that_sam_cli_would_read_otherwise_is_refused(overrides: list[str], reason: str) -> None:
    with pytest.raises(StageRefused, match=re.escape(reason)):
        stage(*overrides)


def test_an_unknown_stage_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(StageRefused, match="no stage 'live'; it has default, try, prod, local"):
        Stage.read("live", SAMCONFIG, TEMPLATE)


@pytest.mark.parametrize("name", ["codat_sync", "1st", "", "a" * (LONGEST_STACK_NAME + 1)])
def test_a_stack_name_that_aws_would_refuse_is_refused(name: str) -> None:
    with pytest.raises(StageRefused, match="stack_name"):
        stage(stack_name=name)


def test_the_longest_stack_name_is_accepted() -> None:
    assert stage(stack_name="a" * LONGEST_STACK_NAME).stack_name == "a" * LONGEST_STACK_NAME


@pytest.mark.parametrize(("missing", "reason"), [(0, "give AlarmEmail or AlarmTopicArn"), (1, "give RunbookUrl")])
@pytest.mark.parametrize("name", ["prod", "prod-eu"])
def test_production_is_not_deployed_unwatched(name: str, missing: int, reason: str) -> None:
    with pytest.raises(StageRefused, match=reason):
        stage(WATCHED[1 - missing], name=name)
    assert stage(*WATCHED, name=name).name == name


def test_the_stage_prod_asks_for_both_at_once() -> None:
    with pytest.raises(StageRefused) as refused:
        Stage.read("prod", SAMCONFIG, TEMPLATE)
    assert re.findall("give [A-Z]\\w+", str(refused.value)) == ["give AlarmEmail", "give RunbookUrl"]


def test_a_topic_will_do_in_the_place_of_an_address() -> None:
    topic = "arn:aws:sns:eu-west-2:111122223333:alarms"
    assert stage(f"AlarmTopicArn={topic}", WATCHED[1], name="prod").parameters["AlarmTopicArn"] == topic


def test_trials_and_production_have_keys_of_their_own() -> None:
    production = _toml_stage("prod")
    assert production["CodatApiKeySecretName"] == PARAMETERS["CodatApiKeySecretName"]["Default"]
    assert _toml_stage("try")["CodatApiKeySecretName"] != production["CodatApiKeySecretName"]


@pytest.mark.parametrize("name", ["default", "try", "prod"])
def test_a_plain_sam_deploy_publishes_new_code_after_make_deploy(name: str) -> None:
    """With the Release of `make deploy`, which SAM CLI would keep, SAM names the same version and `live` stays old.

    https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-resource-function.html
    """
    assert _toml_stage(name)["Release"] == ""


def _toml_stage(name: str) -> dict[str, str]:
    given_overrides = tomllib.loads(SAMCONFIG)[name]["deploy"]["parameters"]["parameter_overrides"]
    return as_sam_reads(["--parameter-overrides", *given_overrides])


def _toml(settings: dict[str, Any]) -> str:
    (name, value), *_ = settings["parameter_overrides"].items()
    return f"""{{stack_name = "{settings["stack_name"]}", parameter_overrides = {{{name} = \"""{value}\"""}}}}"""
