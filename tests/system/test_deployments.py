"""A stack is updated while events flow, and deleted; both by sam, as people do it."""

import threading
from collections.abc import Iterator
from itertools import cycle
from typing import Any, Final, Self, cast
from uuid import UUID

import pytest

from codat_sync.presets.file import Presets
from ops.stack import Stack
from tests.system.system import DLQS, FOLDER, PRESETS, SOURCE_QUEUES, System, deployed, set_presets

OLD, NEW = '[plans.starter]\nfrequency = "weekly"', '[plans.starter]\nfrequency = "monthly"'
NEW_PRESETS = PRESETS.replace(OLD, NEW)
PLANS = ("starter", "growth")
BACKLOG = 40
"""Billing waits while more events than this are on the queue. So some are in flight all the time."""
FUNCTIONS: Final = (
    "CompanyPlanChangedFunctionName",
    "NewConnectionFunctionName",
    "ReconcileCompaniesFunctionName",
    "ReconcileCompanyFunctionName",
    "RedrivePaymentRequiredFunctionName",
)


class Billing:
    """A producer that sends events while the block runs, each about another company."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="billing", daemon=True)
        self.failed: Exception | None = None
        self.sent: dict[UUID, str] = {}
        """The plan of each company, in the order of sending."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def wait_for(self, count: int) -> None:
        """Wait until so many more events have been sent."""
        enough = len(self.sent) + count
        self._system.wait_until(lambda: len(self.sent) >= enough or self.failed is not None)
        assert self.failed is None

    def _run(self) -> None:
        plans = cycle(PLANS)
        try:
            while not self._ended.is_set():
                if self._system.count("CompanyPlanChangedQueueUrl") > BACKLOG:
                    continue
                for company in self._system.create_companies(5):
                    self._system.change_plan(company, plan := next(plans))
                    self.sent[company] = plan
        except Exception as error:  # noqa: BLE001  # The test reads it.
            self.failed = error


@pytest.fixture(scope="module")
def system() -> Iterator[System]:
    """Deploy a stack for this module alone, which changes and deletes it."""
    with deployed(FOLDER / "deployments") as system:
        yield system


def versions(system: System) -> dict[str, str]:
    """Return the version of each function's alias. Each queue has to lead to an alias."""
    aliases = {
        name: system.stack.aws.lambda_.get_alias(FunctionName=system.stack.outputs[name], Name="live")
        for name in FUNCTIONS
    }
    mappings = system.stack.aws.lambda_.list_event_source_mappings()["EventSourceMappings"]
    assert {mapping["FunctionArn"] for mapping in mappings} == {alias["AliasArn"] for alias in aliases.values()}
    return {name: alias["FunctionVersion"] for name, alias in aliases.items()}


def first_deferral_seconds(system: System, version: str | None = None) -> set[str]:
    """Return the values of this parameter in the functions' aliases, or in an older version of the functions."""
    configurations = [
        system.stack.aws.lambda_.get_function_configuration(
            FunctionName=system.stack.outputs[name], Qualifier=version or "live"
        )
        for name in FUNCTIONS
    ]
    return {each["Environment"]["Variables"]["FIRST_DEFERRAL_SECONDS"] for each in configurations}


def test_no_event_is_lost_while_other_presets_and_parameters_are_deployed(system: System) -> None:
    old, new = system.presets, Presets.parse(NEW_PRESETS.encode())
    before = versions(system)

    with Billing(system) as billing:
        billing.wait_for(20)
        set_presets(FOLDER / "project", NEW_PRESETS)
        system.stack.deploy_again({"FirstDeferralSeconds": "7"})
        so_far = len(billing.sent)
        billing.wait_for(20)
    system.wait_until(lambda: system.count(*SOURCE_QUEUES) == 0)

    after = versions(system)
    assert all(after[name] != before[name] for name in FUNCTIONS)
    assert first_deferral_seconds(system) == {"7"}
    assert Stack.local(system.stack.endpoints).presets == new
    assert first_deferral_seconds(system, "1") == {"60"}  # A rollback of the alias would find it.

    assert billing.failed is None
    assert [company for company, plan in billing.sent.items() if not system.is_applied(company, plan)] == []
    at_old = [company for company, plan in billing.sent.items() if system.at_preset(company, plan, old)]
    at_new = [company for company, plan in billing.sent.items() if system.at_preset(company, plan, new)]
    assert {*at_old, *at_new} == billing.sent.keys()
    assert set(at_old) - set(at_new)
    assert {*list(billing.sent)[so_far:]} <= {*at_new}
    assert system.count(*DLQS) == 0


def inventory(system: System) -> dict[str, list[str]]:
    """Return the names of all resources in the account, by kind."""
    aws = system.deployed.aws
    session = cast("Any", aws.session)  # boto3's types know a client by the literal of its name alone.
    listed = {
        "functions": ("lambda", "list_functions", "Functions", "FunctionName", {}),
        "layers": ("lambda", "list_layers", "Layers", "LayerName", {}),
        "mappings": ("lambda", "list_event_source_mappings", "EventSourceMappings", "UUID", {}),
        "queues": ("sqs", "list_queues", "QueueUrls", None, {}),
        "tables": ("dynamodb", "list_tables", "TableNames", None, {}),
        "buses": ("events", "list_event_buses", "EventBuses", "Name", {}),  # With their rules.
        "schedules": ("scheduler", "list_schedules", "Schedules", "Name", {}),
        "log groups": ("logs", "describe_log_groups", "logGroups", "logGroupName", {}),
        "roles": ("iam", "list_roles", "Roles", "RoleName", {}),
        "policies": ("iam", "list_policies", "Policies", "PolicyName", {"Scope": "Local"}),
        "alarms": ("cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName", {}),
        "dashboards": ("cloudwatch", "list_dashboards", "DashboardEntries", "DashboardName", {}),
        "secrets": ("secretsmanager", "list_secrets", "SecretList", "Name", {}),
        "buckets": ("s3", "list_buckets", "Buckets", "Name", {}),
    }
    found = {}
    for kind, (service, operation, key, name, arguments) in listed.items():
        answer = getattr(session.client(service, **aws.connection), operation)(**arguments)
        found[kind] = [each if name is None else each[name] for each in answer.get(key, [])]
    return {kind: names for kind, names in found.items() if names}


def test_only_the_table_is_left_of_a_deleted_stack(system: System) -> None:
    (company,) = system.create_known_companies(1, "growth")
    table = system.stack.outputs["CompanyPlansTableName"]
    before = inventory(system)
    assert {
        "functions",
        "layers",
        "mappings",
        "queues",
        "roles",
        "policies",
        "log groups",
        "alarms",
        "schedules",
    } <= before.keys()

    system.stack.delete()

    assert inventory(system) == {
        "tables": [table],
        # These never were the stack's: AWS's own bus, Codat's key, and the bucket of sam's uploads.
        "buses": ["default"],
        "secrets": ["codat-sync/api-key"],
        "buckets": before["buckets"],
    }
    assert system.is_applied(company, "growth")
