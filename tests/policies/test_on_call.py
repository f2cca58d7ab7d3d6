"""Whoever has docs/policies/on-call.json may use all of codat-sync, and what the runbook tells them to type."""

import importlib
import inspect
import re
import shlex
from pathlib import Path
from typing import Final

import botocore.session
import pytest

from tests.docs.documents import shell_lines
from tests.policies.calls import action_of, actions_of
from tests.policies.policies import ROOT, allows

PARAMETERS: Final = "aws_lambda_powertools.utilities.parameters"
FOUND_BY_NAME_ALONE: Final = {
    "secretsmanager:CreateSecret": "Powertools' provider could; nothing of ours stores a secret.",
    "secretsmanager:PutSecretValue": "The same.",
    "sts:GetCallerIdentity": "It needs no permission.",
}
PROGRAM: Final = sorted((ROOT / "ops").rglob("*.py"))
LAYER: Final = sorted((ROOT / "shared/codat_sync").rglob("*.py"))


def providers() -> list[Path]:
    """Return the modules of the providers of Powertools that the program or the layer imports."""
    imported = re.findall(
        rf"from {re.escape(PARAMETERS)} import (.+)", "\n".join(each.read_text("utf-8") for each in [*PROGRAM, *LAYER])
    )
    names = {name.strip() for line in imported for name in line.split(",")}
    module = importlib.import_module(PARAMETERS)
    bases = {base for name in names for base in inspect.getmro(getattr(module, name)) if base.__module__ != "builtins"}
    return sorted({Path(inspect.getfile(base)) for base in bases if base.__module__.startswith(PARAMETERS)})


def calls() -> frozenset[str]:
    """Return the actions that codat-sync needs, as far as they are found in its code."""
    return actions_of(PROGRAM, [*LAYER, *providers()])


@pytest.mark.parametrize("action", sorted(calls()))
def test_the_on_call_may_do_what_their_tool_does(action: str) -> None:
    assert allows("on-call", action) or action in FOUND_BY_NAME_ALONE


def test_the_calls_of_the_tool_are_found_in_its_own_code_in_the_layer_and_in_powertools() -> None:
    found = calls()
    assert {"cloudformation:DescribeStacks", "events:PutEvents", "appconfig:StartDeployment"} <= found  # ops
    assert {"dynamodb:UpdateItem", "sqs:ReceiveMessage", "sqs:DeleteMessage"} <= found  # codat_sync
    assert {"secretsmanager:GetSecretValue", "appconfig:GetLatestConfiguration"} <= found  # Powertools


@pytest.mark.parametrize(
    ("code", "action"),
    [
        ('it = subject.client("glacier")\nit.describe_vault(vaultName="1")', "glacier:DescribeVault"),
        ('client("x").client("ecs").get_paginator("list_clusters")', "ecs:ListClusters"),
        ('def check(aws):\n    return aws.client("polly").describe_voices()', "polly:DescribeVoices"),
    ],
)
def test_a_new_call_is_found_by_itself(code: str, action: str, tmp_path: Path) -> None:
    new = tmp_path / "new.py"
    new.write_text(code, "utf-8")
    assert action in actions_of([*PROGRAM, new], LAYER) - calls()


def test_an_operation_of_several_services_is_that_of_the_client_made_in_the_same_function(tmp_path: Path) -> None:
    layer = tmp_path / "layer.py"
    layer.write_text(
        'def mine(aws):\n    aws.client("lambda").get_account_settings()\ndef other(a):\n    a.client("appconfig")\n'
    )
    tool = tmp_path / "tool.py"
    tool.write_text("mine(aws), other(aws)", "utf-8")
    assert actions_of([tool], [layer]) == {"lambda:GetAccountSettings"}


@pytest.mark.parametrize(("tool", "actions"), [("Store()", set()), ("Store().wipe()", {"dynamodb:DeleteTable"})])
def test_only_code_of_the_layer_that_the_tool_reaches_needs_a_permission(
    tool: str, actions: set[str], tmp_path: Path
) -> None:
    layer, program = tmp_path / "layer.py", tmp_path / "tool.py"
    layer.write_text('class Store:\n    def wipe(self):\n        self.aws.client("dynamodb").delete_table()\n', "utf-8")
    program.write_text(tool, "utf-8")
    assert actions_of([program], [layer]) == actions


def aws_lines() -> list[tuple[str, str]]:
    return [
        (words[1], words[2])
        for line in shell_lines(ROOT / "docs/runbook.md")
        if (words := shlex.split(line))[0] == "aws"
    ]


def test_the_on_call_may_type_what_the_runbook_says() -> None:
    session = botocore.session.Session()
    for service, command in aws_lines():
        (operation,) = [
            each
            for each in session.get_service_model(service).operation_names
            if each.lower() == command.replace("-", "")
        ]
        assert allows("on-call", action_of(service, operation))


@pytest.mark.parametrize(
    "action", ["cloudwatch:GetDashboard", "cloudwatch:GetMetricData", "logs:StartQuery", "logs:GetQueryResults"]
)
def test_the_on_call_may_look_at_the_dashboard(action: str) -> None:
    """https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/permissions-reference-cw.html"""
    assert allows("on-call", action)


@pytest.mark.parametrize(
    "action",
    [
        "sqs:DeleteQueue",
        "dynamodb:DeleteTable",
        "dynamodb:DeleteItem",
        "iam:PassRole",
        "lambda:UpdateFunctionCode",
        "sqs:PurgeQueue",
    ],
)
def test_the_on_call_may_change_no_resource(action: str) -> None:
    assert not allows("on-call", action)
