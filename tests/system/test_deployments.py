"""A stack is deployed over while events flow, and taken away; both by sam, as people do it."""

import threading
from collections.abc import Iterator
from itertools import cycle
from typing import Any, Final, Self, cast
from uuid import UUID

import pytest

from codat_sync.presets.file import Presets
from tests.system.system import DLQS, FOLDER, PRESETS, SOURCE_QUEUES, System, deployed, set_presets

OLD, NEW = '[plans.starter]\nfrequency = "weekly"', '[plans.starter]\nfrequency = "monthly"'
NEW_PRESETS = PRESETS.replace(OLD, NEW)
PLANS = ("starter", "growth")
BACKLOG = 40
"""Producers wait while more events than this are on the queue, so that some are under way all the time."""
FUNCTIONS: Final = (
    "CompanyPlanChangedFunctionName",
    "NewConnectionFunctionName",
    "ReconcileCompaniesFunctionName",
    "ReconcileCompanyFunctionName",
    "RedrivePaymentRequiredFunctionName",
)


class Billing:
    """Names plans without a pause while the block runs: each event is about a company of its own."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="billing", daemon=True)
        self.failed: Exception | None = None
        self.named: dict[UUID, str] = {}
        """In the order in which they were sent."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def wait_for(self, count: int) -> None:
        """Until so many more events have been sent."""
        enough = len(self.named) + count
        self._system.wait_until(lambda: len(self.named) >= enough or self.failed is not None)
        assert self.failed is None

    def _run(self) -> None:
        plans = cycle(PLANS)
        try:
            while not self._ended.is_set():
                if self._system.count("CompanyPlanChangedQueueUrl") > BACKLOG:
                    continue
                for company in self._system.create_companies(5):
                    self._system.change_plan(company, plan := next(plans))
                    self.named[company] = plan
        except Exception as error:  # noqa: BLE001  # Whoever waits for it hears of it.
            self.failed = error


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A stack of its own: it does not come back as it was."""
    with deployed(tmp_path_factory.mktemp("deployments")) as system:
        yield system


def versions(system: System) -> dict[str, str]:
    """The version that each function's alias leads to, and so does its queue."""
    aliases = {
        name: system.stack.aws.lambda_.get_alias(FunctionName=system.stack.outputs[name], Name="live")
        for name in FUNCTIONS
    }
    mappings = system.stack.aws.lambda_.list_event_source_mappings()["EventSourceMappings"]
    assert {mapping["FunctionArn"] for mapping in mappings} == {alias["AliasArn"] for alias in aliases.values()}
    return {name: alias["FunctionVersion"] for name, alias in aliases.items()}


def first_deferral_seconds(system: System, version: str | None = None) -> set[str]:
    """What the functions are told, as their aliases or an older version of them are."""
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
        so_far = len(billing.named)
        billing.wait_for(20)
    system.wait_until(lambda: system.count(*SOURCE_QUEUES) == 0)

    after = versions(system)
    assert all(after[name] != before[name] for name in FUNCTIONS)
    assert first_deferral_seconds(system) == {"7"}
    assert first_deferral_seconds(system, "1") == {"60"}  # The alias could be led back to it.

    assert billing.failed is None
    assert [company for company, plan in billing.named.items() if not system.is_applied(company, plan)] == []
    at_old = [company for company, plan in billing.named.items() if system.at_preset(company, plan, old)]
    at_new = [company for company, plan in billing.named.items() if system.at_preset(company, plan, new)]
    assert {*at_old, *at_new} == billing.named.keys()
    assert set(at_old) - set(at_new)
    assert {*list(billing.named)[so_far:]} <= {*at_new}
    assert system.count(*DLQS) == 0


def there(system: System) -> dict[str, list[str]]:
    """All that is in the account, by kind."""
    aws = system.on_call.aws
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


def test_what_is_left_of_a_deleted_stack_is_its_table(system: System) -> None:
    (company,) = system.create_known_companies(1, "growth")
    table = system.stack.outputs["CompanyPlansTableName"]
    before = there(system)
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

    assert there(system) == {
        "tables": [table],
        # What was never the stack's: AWS's own bus, Codat's key, and the bucket in which sam keeps what it uploads.
        "buses": ["default"],
        "secrets": ["codat-sync/api-key"],
        "buckets": before["buckets"],
    }
    assert system.is_applied(company, "growth")
