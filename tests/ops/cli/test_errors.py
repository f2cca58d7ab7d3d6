"""Every expected error is one line, a hint where there is one, and an exit code."""

from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore import exceptions
from botocore.exceptions import BotoCoreError, ClientError
from typer.testing import CliRunner

from codat_sync.api_key import ApiKeyUnusable
from codat_sync.codat.errors import Unauthorized
from codat_sync.presets.file import InvalidPresets
from codat_sync.presets.hosted import PresetsUnusable
from codat_sync.presets.preset import UnknownPlan
from codat_sync.reconciliation.queue import NotHandedOver
from ops.cli._errors import problem_of
from ops.cli.main import app
from ops.errors import BusRefused, InvalidEvents, StackNotFound
from ops.stack import Stack
from tests.ops.cli.test_main import OF_A_STACK
from tests.ops.on_call import COMPANY, OnCall

ARGUMENTS = {
    "explain": [str(COMPANY)],
    "preview": ["growth", str(COMPANY)],
    "send": ["events/new_connection.json"],
    "dlq discard": ["--event", "e1"],
    "presets put": ["local/presets.toml"],
}


def refusal(code: str, message: str = "Not you") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "DescribeStacks")


def stderr(arguments: list[str]) -> str:
    result = CliRunner().invoke(app, arguments)
    assert (result.exit_code, result.stdout) == (3, "")
    return result.stderr


@pytest.mark.parametrize(
    ("error", "fact", "hint"),
    [
        (
            exceptions.EndpointConnectionError(endpoint_url="https://sqs.eu-west-2.amazonaws.com"),
            "AWS did not answer at https://sqs.eu-west-2.amazonaws.com",
            "check the network and AWS_REGION",
        ),
        (
            refusal("AccessDenied"),
            "AWS refused DescribeStacks: AccessDenied: Not you",
            "docs/runbook.md lists the permissions that the on-call needs",
        ),
    ],
    ids=["no answer", "refused"],
)
@pytest.mark.parametrize("command", OF_A_STACK, ids=" ".join)
def test_an_aws_that_is_not_reached_is_one_line_and_a_code(
    on_call: OnCall, monkeypatch: pytest.MonkeyPatch, command: list[str], error: Exception, fact: str, hint: str
) -> None:
    def find(_: str) -> Stack:
        raise error

    monkeypatch.setattr(Stack, "find", find)
    result = on_call(*command, *ARGUMENTS.get(" ".join(command), []))
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr == f"error: {fact}\nhint: {hint}\n"


@pytest.mark.parametrize("region", [None, ""])
def test_no_region_is_one_line_and_no_traceback(monkeypatch: pytest.MonkeyPatch, region: str | None) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.delenv("AWS_REGION", raising=False)
    if region is not None:
        monkeypatch.setenv("AWS_DEFAULT_REGION", region)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/absent")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    assert stderr(["pause", "show"]) == (
        "error: no AWS region is set\nhint: set AWS_REGION, or choose a profile with AWS_PROFILE\n"
    )


def test_missing_credentials_are_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "absent"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "absent"))
    assert stderr(["pause", "show"]) == (
        "error: no AWS credentials are set\nhint: choose a profile with AWS_PROFILE, or run `aws configure`\n"
    )


def test_an_unknown_profile_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "absent"))
    monkeypatch.setenv("AWS_PROFILE", "nope")
    assert stderr(["pause", "show"]).startswith("error: there is no AWS profile 'nope'\nhint: ")


@pytest.mark.parametrize("code", ["ExpiredToken", "InvalidClientTokenId"])
def test_expired_credentials_have_a_hint(code: str) -> None:
    problem = problem_of(refusal(code))
    assert problem is not None
    assert problem.hint is not None
    assert "AWS_PROFILE" in problem.hint


def test_any_other_refusal_of_aws_is_in_its_own_words() -> None:
    problem = problem_of(refusal("ConflictException", "Deployment\n in progress"))
    assert problem is not None
    assert (problem.facts, problem.hint) == (
        "AWS refused DescribeStacks: ConflictException: Deployment in progress",
        None,
    )


def made(kind: type[BotoCoreError]) -> BotoCoreError:
    """Create an error with a value for each name in its message."""

    class Anything(dict[str, str]):
        def __missing__(self, name: str) -> str:
            return name

    error = kind.__new__(kind)
    error.kwargs = Anything()
    Exception.__init__(error, kind.fmt.format_map(Anything()))
    return error


@pytest.mark.parametrize(
    "kind",
    sorted(
        {each for each in vars(exceptions).values() if isinstance(each, type) and issubclass(each, BotoCoreError)},
        key=str,
    ),
    ids=lambda each: each.__name__,
)
def test_every_error_of_boto3_is_one_line_and_the_stack_was_not_reached(kind: type[BotoCoreError]) -> None:
    problem = problem_of(made(kind))
    assert problem is not None
    assert (len(problem.facts.splitlines()), problem.exit_code) == (1, 3)


@pytest.mark.parametrize(
    ("error", "facts", "exit_code", "hint"),
    [
        (StackNotFound("no stack", hint="name one"), "no stack", 3, "name one"),
        (BusRefused("1 of 2"), "1 of 2", 3, None),
        (InvalidEvents("bad.json: no"), "bad.json: no", 2, None),
        (InvalidPresets("plan free: no"), "plan free: no", 2, None),
        (UnknownPlan("unknown plan"), "unknown plan", 2, None),
        (UnicodeDecodeError("utf-8", b"ab\xff", 2, 3, "why"), "not UTF-8, at byte 2", 2, None),
        (
            Unauthorized("No", status=401),
            "Codat: No",
            3,
            "docs/runbook.md says what to do about `unauthorized`",
        ),
        (
            ApiKeyUnusable("no key"),
            "Codat: no key",
            3,
            "docs/runbook.md says what to do about `api_key_unusable`",
        ),
        (NotHandedOver("1"), "1", 3, "docs/runbook.md says what to do about `not_handed_over`"),
        (PresetsUnusable("no"), "no", 3, "docs/runbook.md says what to do about `presets_unusable`"),
    ],
    ids=lambda each: type(each).__name__ if isinstance(each, Exception) else "",
)
def test_an_error_has_its_words_code_and_hint(error: Exception, facts: str, exit_code: int, hint: str | None) -> None:
    problem = problem_of(error)
    assert problem is not None
    assert (problem.facts, problem.exit_code, problem.hint) == (facts, exit_code, hint)


@pytest.mark.parametrize("error", [ZeroDivisionError(), KeyError("x"), OSError()])
def test_any_other_error_is_a_fault_of_the_tool(error: Exception) -> None:
    assert problem_of(error) is None


def test_each_fact_of_an_error_is_a_line_of_its_own(on_call: OnCall, monkeypatch: pytest.MonkeyPatch) -> None:
    def find(_: str) -> Any:  # noqa: ANN401
        raise StackNotFound("one\ntwo", hint="three")

    monkeypatch.setattr(Stack, "find", find)
    assert on_call("pause", "show").stderr == "error: one\nerror: two\nhint: three\n"
