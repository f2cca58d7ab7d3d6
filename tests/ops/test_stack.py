"""Where the parts of a stack are: in the account of the environment, or on this machine."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import boto3
import pytest
from botocore.exceptions import ClientError, NoRegionError
from botocore.stub import Stubber

from local.aws import endpoints
from local.aws.clients import Aws as LocalAws
from local.aws.sam import STACK_NAME
from ops import stack as module
from ops.dlq import OUTPUTS, Dlq
from ops.errors import StackNotFound
from ops.stack import Aws, Stack

DESCRIBED = {
    "StackName": "codat-sync",
    "CreationTime": "2026-02-01T12:00:00Z",
    "StackStatus": "CREATE_COMPLETE",
    "Outputs": [{"OutputKey": "EventBusName", "OutputValue": "codat-sync-events"}],
    "Parameters": [{"ParameterKey": "CompanyPlanTag", "ParameterValue": "tier"}],
}


@pytest.fixture
def cloudformation(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    client = boto3.client("cloudformation")
    monkeypatch.setattr(boto3.Session, "client", lambda *_, **__: client)
    with Stubber(client) as stubber:
        yield stubber


def test_the_outputs_and_parameters_are_cloudformations(cloudformation: Stubber) -> None:
    cloudformation.add_response("describe_stacks", {"Stacks": [DESCRIBED]}, {"StackName": "codat-sync"})
    stack = Stack.find("codat-sync")
    assert stack.output("EventBusName") == "codat-sync-events"
    assert stack.parameter("CompanyPlanTag") == "tier"


def test_a_stack_that_is_older_than_the_tool_says_what_it_lacks(cloudformation: Stubber) -> None:
    bare = {name: value for name, value in DESCRIBED.items() if name not in {"Outputs", "Parameters"}}
    cloudformation.add_response("describe_stacks", {"Stacks": [bare]})
    stack = Stack.find("codat-sync")
    with pytest.raises(StackNotFound, match="has no RedrivesQueueUrl: its template is older than this tool"):
        stack.output("RedrivesQueueUrl")
    with pytest.raises(StackNotFound, match="has no ReconcileQuotaShare"):
        stack.parameter("ReconcileQuotaShare")


def test_a_stack_that_is_not_there(cloudformation: Stubber) -> None:
    cloudformation.add_client_error("describe_stacks", "ValidationError", "Stack with id absent does not exist")
    with pytest.raises(StackNotFound, match=r"^there is no stack 'absent' in eu-west-2$") as raised:
        Stack.find("absent")
    assert str(raised.value.hint).startswith("name the stack with --stack or CODAT_SYNC_STACK")


def test_any_other_refusal_of_aws_is_passed_on(cloudformation: Stubber) -> None:
    cloudformation.add_client_error("describe_stacks", "AccessDenied", "Not you")
    with pytest.raises(ClientError, match="Not you"):
        Stack.find("codat-sync")


# --- This machine ---------------------------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Write the file that `make local` writes."""
    aws = LocalAws("http://127.0.0.1:4566", tmp_path / "an authority.pem")
    aws.ca_bundle.touch()
    endpoints.write(tmp_path / "endpoints.env", aws.environment | {"CODAT_BASE_URL": "http://127.0.0.1:1"})
    return tmp_path / "endpoints.env"


def test_the_local_stack_is_reached_whatever_account_the_environment_configures(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "HTTPS_PROXY", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://another.example")
    aws = Aws.local(file)
    sqs = aws.session.client("sqs", **aws.connection)
    assert sqs.meta.endpoint_url == "http://127.0.0.1:4566"
    assert sqs.meta.region_name == "us-east-1"
    assert aws.connection["config"].proxies == {}


def test_it_is_found_by_the_name_that_make_local_gives_it(file: Path) -> None:
    with mock.patch.object(Stack, "find") as find:
        Stack.local(file)
    assert find.call_args.args[0] == STACK_NAME


def test_no_local_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StackNotFound, match=r"no local stack runs: \.local/endpoints\.env does not exist"):
        Stack.local()


def test_a_client_is_created_once_and_when_it_is_first_read() -> None:
    asked: list[str] = []
    session: Any = mock.Mock(client=lambda service, **_: asked.append(service))
    stack = Stack(
        "s", {"CompanyPlansTableName": "t"}, {"CodatBaseUrl": "u", "CodatApiKeySecretName": "n"}, Aws(session)
    )
    assert asked == []
    for part in ("dynamodb", "events", "sqs", "codat", "plans", "pause"):
        getattr(stack, part)
        getattr(stack, part)
    assert asked == ["dynamodb", "events", "sqs", "secretsmanager"]
    assert Path(".local/endpoints.env") == module.ENDPOINTS


@pytest.mark.parametrize("unset", [None, ""])
def test_aws_region_alone_is_enough(monkeypatch: pytest.MonkeyPatch, unset: str | None) -> None:
    """boto3 reads AWS_DEFAULT_REGION only: https://docs.aws.amazon.com/boto3/latest/guide/configuration.html"""
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    if unset is not None:
        monkeypatch.setenv("AWS_DEFAULT_REGION", unset)
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    assert Aws().session.region_name == "eu-central-1"


@pytest.mark.parametrize("region", [None, ""])
def test_a_region_that_is_not_set_is_an_error_before_any_call(region: str | None) -> None:
    session: Any = mock.Mock(region_name=region, client=lambda *_, **__: pytest.fail("no client without a region"))
    with pytest.raises(NoRegionError):
        Stack.find("codat-sync", Aws(session))


def test_the_dlqs_are_all_or_those_that_are_named() -> None:
    session: Any = mock.Mock()
    stack = Stack("s", {output: output for output in OUTPUTS.values()}, {}, Aws(session))
    assert list(stack.dlqs()._queues) == list(Dlq)
    assert list(stack.dlqs([Dlq.UNDELIVERED])._queues) == [Dlq.UNDELIVERED]


def test_without_the_parameter_the_stack_has_no_profile() -> None:
    with pytest.raises(StackNotFound, match="the stack 's' has no presets in AppConfig"):
        _ = Stack("s", {}, {"PresetsFromAppConfig": "false"}, Aws(mock.Mock())).presets_in_appconfig


def test_a_stack_that_was_deployed_with_a_file_of_its_own_has_these_presets(tmp_path: Path) -> None:
    file = tmp_path / "presets.toml"
    file.write_text('default_plan = "one"\non_cancelled = "one"\n[plans.one]\nfrequency = "weekly"\n', "utf-8")
    stack = Stack("s", {}, {}, Aws(mock.Mock()), file)
    assert stack.presets_file == file.read_bytes()
    assert list(stack.presets.plans) == ["one"]
