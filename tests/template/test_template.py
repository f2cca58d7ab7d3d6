"""The template as data: values that depend on each other are asserted together."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cfnlint.decode import cfn_yaml

from codat_sync.aws.clients import ENDING_SECONDS, TIMEOUTS
from codat_sync.codat.client import REQUEST_SECONDS
from codat_sync.companies.pause import LONGEST as LONGEST_PAUSE
from codat_sync.config import CODAT_BASE_URL, Config, ReconciliationConfig, RedriveConfig
from codat_sync.consuming import duties
from codat_sync.consuming.consume import RESERVE_SECONDS, START_SECONDS
from codat_sync.consuming.duties import ReadRequest
from codat_sync.events.requests import read_reconciliation_request, read_redrive_request
from codat_sync.outcomes.deferral import GRACE, SQS_LONGEST_SECONDS, Patience

ROOT = Path(__file__).parents[2]
TEMPLATE: Mapping[str, Any] = cfn_yaml.load(str(ROOT / "template.yaml"))
RESOURCES: Mapping[str, Any] = TEMPLATE["Resources"]
GLOBALS: Mapping[str, Any] = TEMPLATE["Globals"]["Function"]
DAY = 24 * 60 * 60
KEY = {"Fn::If": ["HasKmsKey", {"Ref": "KmsKeyArn"}, {"Ref": "AWS::NoValue"}]}


def properties(kind: str) -> dict[str, Any]:
    """Return the properties of every resource of one type, by logical id."""
    return {name: each["Properties"] for name, each in RESOURCES.items() if each["Type"] == kind}


VALIDATOR = "ValidatePresetsFunction"
"""The one function without a queue: AppConfig invokes it synchronously. See test_presets_in_appconfig.py."""
FUNCTIONS = properties("AWS::Serverless::Function")
FED_BY_QUEUES = [name for name in FUNCTIONS if name != VALIDATOR]
QUEUES = properties("AWS::SQS::Queue")
RULES = properties("AWS::Events::Rule")
SOURCE_QUEUES = {name: queue for name, queue in QUEUES.items() if "RedrivePolicy" in queue}
DLQS = {name: queue for name, queue in QUEUES.items() if name not in SOURCE_QUEUES}
POLICIES = properties("AWS::SQS::QueuePolicy")
SCHEDULES = properties("AWS::Scheduler::Schedule")
DUTIES: Mapping[str, type[Config]] = {
    "ReconcileCompaniesFunction": ReconciliationConfig,
    "RedrivePaymentRequiredFunction": RedriveConfig,
}
"""The functions whose messages can take several invocations, and the configuration that each reads."""
CONSUMERS = [name for name in FED_BY_QUEUES if name not in DUTIES]
ROLES = properties("AWS::IAM::Role")


def statements(policies: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the statements of some policies, including the conditional ones."""
    listed = [each for policy in policies for each in policy["PolicyDocument"]["Statement"]]
    return [each["Fn::If"][1] if "Fn::If" in each else each for each in listed]


STATEMENTS = [
    *statements(properties("AWS::IAM::ManagedPolicy").values()),
    *statements(policy for role in ROLES.values() for policy in role.get("Policies", [])),
]


def rules_of(statement: Mapping[str, Any]) -> set[str]:
    """Return the rules that a statement of a queue's policy names, including the conditional ones."""
    named = statement["Condition"]["ArnEquals"]["aws:SourceArn"]
    arns = [each["Fn::If"][1] if "Fn::If" in each else each for each in (named if isinstance(named, list) else [named])]
    return {arn["Fn::GetAtt"][0] for arn in arns}


def timeout_of(name: str) -> int:
    """Return the timeout of a function in seconds."""
    return FUNCTIONS[name].get("Timeout", GLOBALS["Timeout"])  # type: ignore[no-any-return]  # YAML.


def source_of(function: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the properties of the only event source of a function."""
    (source,) = function["Events"].values()
    return source["Properties"]  # type: ignore[no-any-return]  # YAML.


def test_there_is_a_function_for_each_folder_and_a_folder_for_each_function() -> None:
    folders = {f"functions/{path.parent.name}/" for path in ROOT.glob("functions/*/app.py")}
    assert {function["CodeUri"] for function in FUNCTIONS.values()} == folders


@pytest.mark.parametrize("name", FED_BY_QUEUES)
def test_the_visibility_timeout_is_six_times_the_functions_timeout(name: str) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html"""
    queue = QUEUES[source_of(FUNCTIONS[name])["Queue"]["Fn::GetAtt"][0]]
    assert queue["VisibilityTimeout"] >= 6 * timeout_of(name)


@pytest.mark.parametrize("name", FED_BY_QUEUES)
def test_only_failed_messages_return_to_the_queue(name: str) -> None:
    assert source_of(FUNCTIONS[name])["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


@pytest.mark.parametrize("name", FED_BY_QUEUES)
def test_the_concurrency_of_a_queue_is_bounded(name: str) -> None:
    """Live events have a parameter for it; all other queues have the lowest value that SQS allows."""
    live = name in {"CompanyPlanChangedFunction", "NewConnectionFunction"}
    bound = source_of(FUNCTIONS[name])["ScalingConfig"]["MaximumConcurrency"]
    assert bound == ({"Ref": "MaximumConcurrency"} if live else 2)


def test_queued_reconciliations_call_codat_one_company_at_a_time() -> None:
    variables = FUNCTIONS["ReconcileCompanyFunction"]["Environment"]["Variables"]
    assert variables["MAX_CONCURRENT_COMPANIES"] == "1"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_has_a_log_group_with_a_retention(name: str) -> None:
    log_group = RESOURCES[FUNCTIONS[name]["LoggingConfig"]["LogGroup"]["Ref"]]
    assert log_group["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"}


@pytest.mark.parametrize("name", FED_BY_QUEUES)
def test_a_function_has_a_role_of_its_own_for_its_own_queue_and_its_own_log(name: str) -> None:
    """Without one, SAM would attach managed policies for every queue and every log group."""
    function = FUNCTIONS[name]
    role = name.replace("Function", "Role")
    own = {each["Sid"]: each for each in statements(ROLES[role]["Policies"])}
    assert function["Role"] == {"Fn::GetAtt": [role, "Arn"]}
    assert own["WriteLogs"]["Resource"] == {"Fn::GetAtt": [function["LoggingConfig"]["LogGroup"]["Ref"], "Arn"]}
    assert own["ReadAndDefer"]["Resource"] == source_of(function)["Queue"]
    assert "sqs:ChangeMessageVisibility" in own["ReadAndDefer"]["Action"]


@pytest.mark.parametrize("name", ROLES)
def test_a_role_can_have_a_permissions_boundary(name: str) -> None:
    boundary = ["HasPermissionsBoundary", {"Ref": "PermissionsBoundaryArn"}, {"Ref": "AWS::NoValue"}]
    assert ROLES[name]["PermissionsBoundary"] == {"Fn::If": boundary}


@pytest.mark.parametrize("name", FED_BY_QUEUES)
def test_the_environment_is_what_the_config_reads(name: str) -> None:
    environment = {**GLOBALS["Environment"]["Variables"], **FUNCTIONS[name]["Environment"]["Variables"]}
    read = {field.upper() for field in DUTIES.get(name, Config).model_fields}
    assert set(environment) == read | {"POWERTOOLS_SERVICE_NAME"}
    assert environment["SOURCE_QUEUE_URL"] == {"Ref": source_of(FUNCTIONS[name])["Queue"]["Fn::GetAtt"][0]}


def test_the_key_never_travels_without_tls() -> None:
    assert TEMPLATE["Parameters"]["CodatBaseUrl"]["AllowedPattern"] == CODAT_BASE_URL


def test_the_environment_holds_no_secret() -> None:
    variables = GLOBALS["Environment"]["Variables"]
    assert variables["CODAT_API_KEY_SECRET_NAME"] == {"Ref": "CodatApiKeySecretName"}
    assert not {name for name in variables if "KEY" in name} - {"CODAT_API_KEY_SECRET_NAME"}


def test_a_company_that_is_started_ends_within_the_timeout() -> None:
    """A function starts a company or a call only with START_SECONDS left, so even the slowest call ends in time."""
    assert REQUEST_SECONDS < START_SECONDS < GLOBALS["Timeout"]


@pytest.mark.parametrize("name", CONSUMERS)
def test_a_whole_batch_can_be_settled_in_the_reserved_time(name: str) -> None:
    """In the reserved time a function parks or defers each record and announces the outcomes.

    One part of AWS may not answer meanwhile: two calls to it are waited for. The others take a fraction of a second.
    """
    settle_seconds = 0.3  # For one record, with slow answers of SQS and DynamoDB.
    assert TIMEOUTS.slowest_seconds + source_of(FUNCTIONS[name])["BatchSize"] * settle_seconds <= RESERVE_SECONDS
    assert 2 * TIMEOUTS.slowest_seconds <= RESERVE_SECONDS
    assert timeout_of(name) > REQUEST_SECONDS + RESERVE_SECONDS + ENDING_SECONDS


def test_a_company_whose_table_does_not_answer_leaves_time_to_defer_the_batch() -> None:
    """Its record is attempted with START_SECONDS left. Then the batch is deferred and announced."""
    assert START_SECONDS - TIMEOUTS.slowest_seconds > 2 * TIMEOUTS.slowest_seconds + ENDING_SECONDS


@pytest.mark.parametrize("name", SOURCE_QUEUES)
def test_a_dlq_keeps_messages_longer_than_its_source_queues(name: str) -> None:
    """A message that SQS moves keeps its age."""
    (dlq,) = {SOURCE_QUEUES[name]["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0]}
    assert SOURCE_QUEUES[name]["MessageRetentionPeriod"] == (4 if name == "RedrivesQueue" else 10) * DAY
    assert QUEUES[dlq]["MessageRetentionPeriod"] == 14 * DAY


@pytest.mark.parametrize("name", CONSUMERS)
def test_patience_ends_before_a_message_expires_and_long_before_sqs_counts_it_out(name: str) -> None:
    """A message expires by its retention, whatever its invisibility; a throttled invocation spends a receive.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-basic-architecture.html
    """
    queue = QUEUES[source_of(FUNCTIONS[name])["Queue"]["Fn::GetAtt"][0]]
    patience, first = TEMPLATE["Parameters"]["PatienceHours"], TEMPLATE["Parameters"]["FirstDeferralSeconds"]
    longest = Patience(timedelta(hours=patience["MaxValue"]), first["MinValue"])
    outlived = longest.limit + GRACE + timedelta(seconds=SQS_LONGEST_SECONDS)
    assert outlived < timedelta(seconds=queue["MessageRetentionPeriod"])
    receives = queue["RedrivePolicy"]["maxReceiveCount"]
    throttled = timedelta(hours=patience["Default"]) / timedelta(seconds=queue["VisibilityTimeout"])
    assert longest.explained_receives(longest.limit.total_seconds()) * 5 < receives
    assert throttled < receives, "an account that throttles for the whole of the patience eats no event"
    assert GLOBALS["Environment"]["Variables"]["PATIENCE_HOURS"] == {"Ref": "PatienceHours"}


def test_patience_outlasts_the_longest_pause() -> None:
    assert timedelta(hours=TEMPLATE["Parameters"]["PatienceHours"]["Default"]) > 3 * LONGEST_PAUSE


@pytest.mark.parametrize("name", DUTIES)
def test_a_failing_duty_is_parked_before_its_request_expires_and_before_sqs_counts_it_out(name: str) -> None:
    queue = QUEUES[source_of(FUNCTIONS[name])["Queue"]["Fn::GetAtt"][0]]
    outlived = duties.PATIENCE + timedelta(seconds=SQS_LONGEST_SECONDS)
    assert outlived < timedelta(seconds=queue["MessageRetentionPeriod"])
    assert queue["RedrivePolicy"]["maxReceiveCount"] > duties.PATIENCE / duties.AFTER_A_FAILURE


@pytest.mark.parametrize("name", DUTIES)
def test_a_duty_may_be_received_as_often_as_a_million_companies_need(name: str) -> None:
    queue = QUEUES[source_of(FUNCTIONS[name])["Queue"]["Fn::GetAtt"][0]]
    pace = {
        "ReconcileCompaniesFunction": "ReconcileCallsPerMinute",
        "RedrivePaymentRequiredFunction": "RedriveEventsPerMinute",
    }
    per_minute = TEMPLATE["Parameters"][pace[name]]["Default"]
    minutes = 1_000_000 / per_minute
    assert source_of(FUNCTIONS[name])["BatchSize"] == 1
    assert minutes / (timeout_of(name) / 60) < queue["RedrivePolicy"]["maxReceiveCount"]
    runs = 2 if name == "ReconcileCompaniesFunction" else 1  # A request may have to wait for a run in flight.
    assert runs * minutes * 60 < queue["MessageRetentionPeriod"]


READ_REQUEST: Mapping[str, ReadRequest[object]] = {
    "NightlyReconciliation": read_reconciliation_request,
    "DailyRedrive": read_redrive_request,
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_sends_a_request_that_its_function_reads(name: str) -> None:
    """Scheduler inserts the id of each execution:
    https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html
    """
    READ_REQUEST[name](SCHEDULES[name]["Target"]["Input"], sent_at=datetime(2026, 2, 1, tzinfo=UTC))
    assert '"<aws.scheduler.execution-id>"' in SCHEDULES[name]["Target"]["Input"]


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_retries_for_a_day_and_then_sends_to_the_dlq(name: str) -> None:
    target = SCHEDULES[name]["Target"]
    assert target["RetryPolicy"] == {"MaximumEventAgeInSeconds": DAY, "MaximumRetryAttempts": 185}
    assert target["DeadLetterConfig"] == {"Arn": {"Fn::GetAtt": ["UndeliveredEventsQueue", "Arn"]}}


def test_the_schedules_may_send_to_their_queues_and_the_dlq_only() -> None:
    (statement,) = [each for each in STATEMENTS if each["Sid"] == "SendRequests"]
    targets = [schedule["Target"]["Arn"] for schedule in SCHEDULES.values()]
    assert statement["Resource"] == [*targets, {"Fn::GetAtt": ["UndeliveredEventsQueue", "Arn"]}]


@pytest.mark.parametrize("name", QUEUES)
def test_a_queue_is_encrypted(name: str) -> None:
    """With SQS's own key, or the customer's."""
    assert QUEUES[name]["SqsManagedSseEnabled"] == {"Fn::If": ["HasKmsKey", {"Ref": "AWS::NoValue"}, True]}
    assert QUEUES[name]["KmsMasterKeyId"] == KEY


@pytest.mark.parametrize("name", properties("AWS::Logs::LogGroup"))
def test_the_logs_can_have_a_customers_key(name: str) -> None:
    assert RESOURCES[name]["Properties"]["KmsKeyId"] == KEY


def test_table_environment_and_bus_can_have_a_customers_key() -> None:
    assert RESOURCES["CompanyPlansTable"]["Properties"]["SSESpecification"]["KMSMasterKeyId"] == KEY
    assert RESOURCES["EventBus"]["Properties"]["KmsKeyIdentifier"] == KEY
    assert GLOBALS["KmsKeyArn"] == KEY


@pytest.mark.parametrize("name", ["ConsumerPolicy", "SchedulesRole"])
def test_roles_that_send_or_receive_may_use_a_customers_key(name: str) -> None:
    policies = RESOURCES[name]["Properties"].get("Policies", [RESOURCES[name]["Properties"]])
    (key,) = [each for each in statements(policies) if each["Sid"] == "UseTheKey"]
    assert key["Resource"] == {"Ref": "KmsKeyArn"}


@pytest.mark.parametrize("name", QUEUES)
def test_a_queue_denies_requests_without_tls(name: str) -> None:
    denied = [
        statement
        for policy in POLICIES.values()
        if {"Ref": name} in policy["Queues"]
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Deny" and statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    ]
    assert [statement["Action"] for statement in denied] == ["sqs:*"]


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_is_for_one_queue_and_speaks_of_no_other(name: str) -> None:
    """A policy of SQS covers a single queue:
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-creating-custom-policies.html
    """
    (queue,) = POLICIES[name]["Queues"]
    spoken_of = [each["Resource"] for each in POLICIES[name]["PolicyDocument"]["Statement"]]
    assert spoken_of == [{"Fn::GetAtt": [queue["Ref"], "Arn"]}] * len(spoken_of)


def test_a_queue_has_one_policy() -> None:
    """Of two, SQS keeps the last one that was set."""
    assert sorted(policy["Queues"][0]["Ref"] for policy in POLICIES.values()) == sorted(QUEUES)


@pytest.mark.parametrize("name", RULES)
def test_a_rule_retries_for_a_day_and_then_sends_to_the_dlq(name: str) -> None:
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
    theirs = {rule for rule, each in RULES.items() if each["Targets"][0]["Arn"] == target["Arn"]}
    assert rules_of(allowed) == theirs


def test_only_the_rules_and_the_bus_may_send_undelivered_events() -> None:
    (allowed,) = [each for each in statements(POLICIES.values()) if each["Sid"] == "UndeliveredEventsOfTheRules"]
    assert rules_of(allowed) == {*RULES, "EventBus"}


def test_the_bus_has_a_dlq_for_what_it_cannot_decrypt() -> None:
    """https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-encryption-event-bus-cmkey.html"""
    dlq = {"Arn": {"Fn::GetAtt": ["UndeliveredEventsQueue", "Arn"]}}
    assert RESOURCES["EventBus"]["Properties"]["DeadLetterConfig"] == dlq


@pytest.mark.parametrize("statement", STATEMENTS, ids=lambda statement: statement["Sid"])
def test_no_statement_allows_all_actions_or_all_resources(statement: Mapping[str, Any]) -> None:
    actions = statement["Action"]
    assert "*" not in str(actions)
    assert statement["Resource"] != "*"


@pytest.mark.parametrize("name", DLQS)
def test_only_source_queues_may_move_messages_to_a_dlq(name: str) -> None:
    """SQS moves messages to the failed-events DLQ only; the functions, rules and schedules send to the others."""
    allowed = DLQS[name]["RedriveAllowPolicy"]
    if name != "FailedEventsQueue":
        assert allowed == {"redrivePermission": "denyAll"}
        return
    arn = "arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}:"
    assert allowed["redrivePermission"] == "byQueue"
    assert [each["Fn::Sub"] for each in allowed["sourceQueueArns"]] == [
        arn + queue["QueueName"]["Fn::Sub"] for queue in SOURCE_QUEUES.values()
    ]


def test_the_table_outlives_the_stack_and_can_be_restored() -> None:
    """It is kept by a failed first deployment, too: else the rollback would fail, as the table is protected.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-deletionpolicy.html
    """
    table = RESOURCES["CompanyPlansTable"]
    assert table["Properties"]["DeletionProtectionEnabled"] is True
    assert (table["DeletionPolicy"], table["UpdateReplacePolicy"]) == ("Retain", "Retain")
    assert table["Properties"]["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}


def test_layer_and_functions_are_built_for_the_same_runtime_and_architecture() -> None:
    layer = RESOURCES["CodatSyncLayer"]
    assert layer["Metadata"] == {"BuildMethod": GLOBALS["Runtime"], "BuildArchitecture": GLOBALS["Architectures"][0]}
    assert layer["Properties"]["CompatibleRuntimes"] == [GLOBALS["Runtime"]]
    assert layer["Properties"]["CompatibleArchitectures"] == GLOBALS["Architectures"]


@pytest.mark.parametrize("section", ["Parameters", "Outputs"])
def test_every_parameter_and_output_is_described(section: str) -> None:
    assert [name for name, each in TEMPLATE[section].items() if not each.get("Description")] == []


def test_every_parameter_is_bounded_and_grouped() -> None:
    bounds = {"AllowedValues", "AllowedPattern", "MinValue", "MinLength"}
    assert [name for name, each in TEMPLATE["Parameters"].items() if not bounds & each.keys()] == []
    groups = TEMPLATE["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    assert {name for group in groups for name in group["Parameters"]} == set(TEMPLATE["Parameters"])
