"""The template as data: numbers that hang together are asserted together."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from cfnlint.decode import cfn_yaml

from codat_sync.codat.client import REQUEST_SECONDS
from codat_sync.config import CODAT_BASE_URL, Config
from codat_sync.consumer import START_SECONDS
from codat_sync.deferral import LONGEST_SECONDS

ROOT = Path(__file__).parents[2]
TEMPLATE: Mapping[str, Any] = cfn_yaml.load(str(ROOT / "template.yaml"))
RESOURCES: Mapping[str, Any] = TEMPLATE["Resources"]
GLOBALS: Mapping[str, Any] = TEMPLATE["Globals"]["Function"]
DAY = 24 * 60 * 60


def properties(kind: str) -> dict[str, Any]:
    """The properties of every resource of one type, by logical id."""
    return {name: each["Properties"] for name, each in RESOURCES.items() if each["Type"] == kind}


FUNCTIONS = properties("AWS::Serverless::Function")
QUEUES = properties("AWS::SQS::Queue")
RULES = properties("AWS::Events::Rule")
SOURCE_QUEUES = {name: queue for name, queue in QUEUES.items() if "RedrivePolicy" in queue}
DLQS = {name: queue for name, queue in QUEUES.items() if name not in SOURCE_QUEUES}
POLICIES = properties("AWS::SQS::QueuePolicy")
STATEMENTS = [
    statement
    for policy in properties("AWS::IAM::ManagedPolicy").values()
    for statement in policy["PolicyDocument"]["Statement"]
]


def source_of(function: Mapping[str, Any]) -> Mapping[str, Any]:
    """The event source of a function."""
    (source,) = function["Events"].values()
    return source["Properties"]  # type: ignore[no-any-return]  # YAML.


def test_there_is_a_function_for_each_folder_and_a_folder_for_each_function() -> None:
    folders = {f"functions/{path.parent.name}/" for path in ROOT.glob("functions/*/app.py")}
    assert {function["CodeUri"] for function in FUNCTIONS.values()} == folders


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_message_stays_hidden_for_six_times_the_functions_timeout(name: str) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html"""
    queue = QUEUES[source_of(FUNCTIONS[name])["Queue"]["Fn::GetAtt"][0]]
    assert queue["VisibilityTimeout"] >= 6 * GLOBALS["Timeout"]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_only_the_messages_that_failed_come_back(name: str) -> None:
    assert source_of(FUNCTIONS[name])["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_concurrency_of_a_queue_is_bounded(name: str) -> None:
    assert source_of(FUNCTIONS[name])["ScalingConfig"]["MaximumConcurrency"] == {"Ref": "MaximumConcurrency"}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_has_a_log_group_with_a_retention(name: str) -> None:
    log_group = RESOURCES[FUNCTIONS[name]["LoggingConfig"]["LogGroup"]["Ref"]]
    assert log_group["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_may_defer_and_needs_its_own_queue_only(name: str) -> None:
    poller = FUNCTIONS[name]["Policies"][0]["SQSPollerPolicy"]["QueueName"]["Fn::GetAtt"]
    assert poller == [source_of(FUNCTIONS[name])["Queue"]["Fn::GetAtt"][0], "QueueName"]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_environment_is_what_the_config_reads(name: str) -> None:
    environment = {**GLOBALS["Environment"]["Variables"], **FUNCTIONS[name]["Environment"]["Variables"]}
    read = {field.upper() for field in Config.model_fields}
    assert set(environment) == read | {"POWERTOOLS_SERVICE_NAME"}
    assert environment["SOURCE_QUEUE_URL"] == {"Ref": source_of(FUNCTIONS[name])["Queue"]["Fn::GetAtt"][0]}


def test_the_key_never_travels_without_tls() -> None:
    assert TEMPLATE["Parameters"]["CodatBaseUrl"]["AllowedPattern"] == CODAT_BASE_URL


def test_no_secret_stands_in_the_environment() -> None:
    variables = GLOBALS["Environment"]["Variables"]
    assert variables["CODAT_API_KEY_SECRET_NAME"] == {"Ref": "CodatApiKeySecretName"}
    assert not {name for name in variables if "KEY" in name} - {"CODAT_API_KEY_SECRET_NAME"}


def test_one_company_can_always_be_finished_within_the_timeout() -> None:
    """A company is started, and each call made, only with START_SECONDS left: so the slowest call ends in time."""
    assert REQUEST_SECONDS < START_SECONDS < GLOBALS["Timeout"]


@pytest.mark.parametrize("name", SOURCE_QUEUES)
def test_a_dlq_keeps_messages_longer_than_the_queue_before_it(name: str) -> None:
    """A message that SQS moves keeps its age."""
    (dlq,) = {SOURCE_QUEUES[name]["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0]}
    assert SOURCE_QUEUES[name]["MessageRetentionPeriod"] == 4 * DAY
    assert QUEUES[dlq]["MessageRetentionPeriod"] == 14 * DAY


@pytest.mark.parametrize("name", SOURCE_QUEUES)
def test_a_deferred_message_is_dead_lettered_before_it_expires(name: str) -> None:
    receives = SOURCE_QUEUES[name]["RedrivePolicy"]["maxReceiveCount"]
    first = TEMPLATE["Parameters"]["FirstDeferralSeconds"]["Default"]
    longest = sum(min(first * 2**receive, LONGEST_SECONDS) for receive in range(receives))
    assert GLOBALS["Environment"]["Variables"]["MAX_RECEIVE_COUNT"] == str(receives)
    assert longest < SOURCE_QUEUES[name]["MessageRetentionPeriod"]


@pytest.mark.parametrize("name", QUEUES)
def test_a_queue_is_encrypted(name: str) -> None:
    assert QUEUES[name]["SqsManagedSseEnabled"] is True


@pytest.mark.parametrize("name", QUEUES)
def test_a_queue_takes_no_request_without_tls(name: str) -> None:
    denied = [
        statement
        for policy in POLICIES.values()
        if {"Ref": name} in policy["Queues"]
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Deny" and statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    ]
    assert [statement["Action"] for statement in denied] == ["sqs:*"]


@pytest.mark.parametrize("name", RULES)
def test_a_rule_keeps_trying_for_a_day_and_loses_nothing(name: str) -> None:
    (target,) = RULES[name]["Targets"]
    assert target["RetryPolicy"] == {"MaximumEventAgeInSeconds": DAY, "MaximumRetryAttempts": 185}
    assert target["DeadLetterConfig"] == {"Arn": {"Fn::GetAtt": ["UndeliveredEventsQueue", "Arn"]}}


@pytest.mark.parametrize("name", RULES)
def test_only_a_queues_own_rule_may_send_to_it(name: str) -> None:
    (target,) = RULES[name]["Targets"]
    queue = target["Arn"]["Fn::GetAtt"][0]
    (policy,) = [policy for policy in POLICIES.values() if policy["Queues"] == [{"Ref": queue}]]
    (allowed,) = [each for each in policy["PolicyDocument"]["Statement"] if each["Effect"] == "Allow"]
    assert allowed["Principal"] == {"Service": "events.amazonaws.com"}
    assert allowed["Condition"] == {"ArnEquals": {"aws:SourceArn": {"Fn::GetAtt": [name, "Arn"]}}}


@pytest.mark.parametrize("statement", STATEMENTS, ids=lambda statement: statement["Sid"])
def test_a_function_may_do_what_it_needs_and_no_more(statement: Mapping[str, Any]) -> None:
    actions = statement["Action"]
    assert "*" not in str(actions)
    assert statement["Resource"] != "*"


def test_the_table_outlives_the_stack_and_can_be_restored() -> None:
    table = RESOURCES["CompanyPlansTable"]
    assert (table["DeletionPolicy"], table["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")
    assert table["Properties"]["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}


def test_layer_and_functions_are_built_for_the_same_machine() -> None:
    layer = RESOURCES["CodatSyncLayer"]
    assert layer["Metadata"] == {"BuildMethod": GLOBALS["Runtime"], "BuildArchitecture": GLOBALS["Architectures"][0]}
    assert layer["Properties"]["CompatibleRuntimes"] == [GLOBALS["Runtime"]]
    assert layer["Properties"]["CompatibleArchitectures"] == GLOBALS["Architectures"]


@pytest.mark.parametrize("section", ["Parameters", "Outputs"])
def test_everything_that_a_person_meets_is_described(section: str) -> None:
    assert [name for name, each in TEMPLATE[section].items() if not each.get("Description")] == []


def test_every_parameter_is_bounded_and_grouped() -> None:
    bounds = {"AllowedValues", "AllowedPattern", "MinValue", "MinLength"}
    assert [name for name, each in TEMPLATE["Parameters"].items() if not bounds & each.keys()] == []
    groups = TEMPLATE["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    assert {name for group in groups for name in group["Parameters"]} == set(TEMPLATE["Parameters"])
