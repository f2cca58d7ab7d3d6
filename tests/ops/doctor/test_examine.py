"""All checks in order, and a check that AWS does not answer is a line as well."""

from collections.abc import Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, NoCredentialsError

from codat_sync.presets.hosted import PresetsUnusable
from ops.doctor import alarms, examine, machine
from ops.doctor.finding import Finding, Light, green
from ops.doctor.subject import BEFORE_A_DEPLOY, Subject
from ops.errors import StackNotFound
from tests.ops.doctor.stubbed import Answers, subject_of
from tests.template.translation import translated


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "GetAlias")


@pytest.mark.parametrize(
    ("error", "in_emulator", "light", "words"),
    [
        (refusal("AccessDeniedException"), False, Light.YELLOW, "not seen: AWS does not allow you GetAlias"),
        (refusal("ResourceNotFoundException"), False, Light.RED, "AWS refused GetAlias: ResourceNotFoundException: no"),
        (refusal("InvalidAction"), True, Light.UNANSWERED, "the emulator does not know GetAlias"),
        (refusal("InvalidAction"), False, Light.RED, "AWS refused GetAlias: InvalidAction: no"),
        (ConnectTimeoutError(endpoint_url="https://sqs"), False, Light.RED, "AWS: Connect timeout"),
        (StackNotFound("the stack has no X"), False, Light.RED, "the stack has no X"),
        (PresetsUnusable("AppConfig cannot be read"), False, Light.RED, "AppConfig cannot be read"),
    ],
)
def test_a_check_that_fails_is_a_line_and_the_others_are_made(
    monkeypatch: pytest.MonkeyPatch, error: Exception, *, in_emulator: bool, light: Light, words: str
) -> None:
    def fails(_: Subject) -> Finding:
        raise error

    monkeypatch.setattr(examine, "BEFORE", {"first": fails, "second": lambda _: green("well")})
    monkeypatch.setattr(examine, "AFTER", {})
    first, second = examine.examine(subject_of(Answers(), in_emulator=in_emulator), deployed=True)
    assert (first.check, first.light) == ("first", light)
    assert first.words.startswith(words)
    assert second.light is Light.GREEN


def test_a_mistake_of_the_tool_is_no_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def mistake(_: Subject) -> Finding:
        raise KeyError("State")

    monkeypatch.setattr(examine, "BEFORE", {"first": mistake})
    with pytest.raises(KeyError):
        examine.examine(subject_of(Answers()), deployed=True)


def test_without_a_stack_the_rest_is_checked_and_a_line_says_that_it_is_not_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(examine, "BEFORE", {"first": lambda _: green("well")})
    first, stack = examine.examine(subject_of(Answers()), deployed=False)
    assert first.light is Light.GREEN
    assert (stack.check, stack.light) == ("stack", Light.YELLOW)
    assert stack.words == "there is no stack 'codat-sync' in eu-west-2"


# --- The access to AWS ----------------------------------------------------------------------------------------------


def test_the_account_and_the_identity_are_named() -> None:
    answers = Answers()
    answers.add("sts", "get_caller_identity", {"Account": "123456789012", "Arn": "arn:aws:sts::123456789012:a/b"})
    region, credentials = examine.reach(subject_of(answers))
    assert region.words == "eu-west-2"
    assert credentials.words == "account 123456789012, arn:aws:sts::123456789012:a/b"


@pytest.mark.parametrize("name", [None, ""])
def test_without_a_region_nothing_more_is_asked(name: str | None) -> None:
    (region,) = examine.reach(subject_of(Answers(region_name=name)))
    assert (region.check, region.light) == ("region", Light.RED)


def test_credentials_that_are_expired_or_absent_are_red(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = Answers()
    answers.refuse("sts", "get_caller_identity", "ExpiredToken")
    assert examine.reach(subject_of(answers))[-1].light is Light.RED

    def absent(*_: Any) -> Any:  # noqa: ANN401
        raise NoCredentialsError

    monkeypatch.setattr(Answers, "client", absent)
    assert examine.reach(subject_of(Answers()))[-1].words == "AWS: Unable to locate credentials"


def test_a_python_that_the_build_does_not_find_is_yellow(monkeypatch: pytest.MonkeyPatch) -> None:
    found: Mapping[str, str] = {"python3.13": "/usr/bin/python3.13"}
    monkeypatch.setattr("shutil.which", found.get)
    lights = [
        machine.python(subject_of(Answers(), parameters={"PythonRuntime": runtime})).light
        for runtime in ("python3.13", "python3.12")
    ]
    assert lights == [Light.GREEN, Light.YELLOW]


# --- What the checks take for granted of the template ---------------------------------------------------------------


def test_before_a_deploy_the_defaults_of_the_template_are_assumed() -> None:
    defaults = translated()["Parameters"]
    assert {name: defaults[name]["Default"] for name in BEFORE_A_DEPLOY} == BEFORE_A_DEPLOY


def test_the_alarms_that_may_be_silent_are_those_without_an_action_in_the_template() -> None:
    resources = {name: each for name, each in translated()["Resources"].items() if "Alarm" in each["Type"]}
    rules = str([each["Properties"].get("AlarmRule") for each in resources.values()])
    silent = {
        name for name, each in resources.items() if "AlarmActions" not in each["Properties"] and name not in rules
    }
    assert silent == alarms.SILENT


def test_each_alias_belongs_to_a_function_by_its_name() -> None:
    resources = translated()["Resources"]
    aliases = {name for name, each in resources.items() if each["Type"] == "AWS::Lambda::Alias"}
    assert aliases
    for alias in aliases:
        assert resources[alias.removesuffix("Aliaslive")]["Type"] == "AWS::Lambda::Function"


@pytest.mark.parametrize("name", ["CompanyPlanChangedLogGroup", "NewConnectionLogGroup"])
def test_the_functions_of_live_events_have_log_groups(name: str) -> None:
    assert translated()["Resources"][name]["Type"] == "AWS::Logs::LogGroup"


def test_one_rule_alone_is_on_the_default_bus() -> None:
    resources = translated()["Resources"]
    rules = {name: each["Properties"] for name, each in resources.items() if each["Type"] == "AWS::Events::Rule"}
    assert [name for name, rule in rules.items() if "EventBusName" not in rule] == ["PresetsDeployedRule"]
