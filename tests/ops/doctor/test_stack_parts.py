"""Each part of the stack, as it should be and as it should not."""

import pytest

from ops.doctor import stack_parts
from ops.doctor.finding import Light
from tests.ops.doctor.stubbed import Answers, subject_of

UUID = "9d8e9f2c-0c5a-4c4b-8c3e-5f1d2a3b4c5d"
RULE = ("Events::Rule", "CompanyPlanChangedRule", "events|plan-rule")
MAPPING = ("Lambda::EventSourceMapping", "CompanyPlanChangedFunctionQueue", UUID)
FUNCTION = ("Lambda::Function", "CompanyPlanChangedFunction", "plan-changed")
ALIAS = ("Lambda::Alias", "CompanyPlanChangedFunctionAliaslive", "arn:…:live")


@pytest.fixture
def answers() -> Answers:
    return Answers()


@pytest.mark.parametrize(
    ("state", "light"),
    [
        ("CREATE_COMPLETE", Light.GREEN),
        ("UPDATE_COMPLETE", Light.GREEN),
        ("UPDATE_IN_PROGRESS", Light.YELLOW),
        ("UPDATE_ROLLBACK_COMPLETE", Light.YELLOW),
        ("ROLLBACK_COMPLETE", Light.RED),
        ("UPDATE_ROLLBACK_FAILED", Light.RED),
        ("DELETE_FAILED", Light.RED),
    ],
)
def test_the_state_of_the_stack(answers: Answers, state: str, light: Light) -> None:
    stack = {"StackName": "codat-sync", "CreationTime": "2026-02-01T12:00:00Z", "StackStatus": state}
    answers.add("cloudformation", "describe_stacks", {"Stacks": [stack]})
    assert stack_parts.status(subject_of(answers)).light is light


@pytest.mark.parametrize(
    ("rules", "light", "words"),
    [
        ([{"Name": "plan-rule", "State": "ENABLED"}], Light.GREEN, "1 rules enabled"),
        ([{"Name": "plan-rule", "State": "DISABLED"}], Light.RED, "disabled: plan-rule"),
        ([{"Name": "another", "State": "ENABLED"}], Light.RED, "missing: plan-rule"),
        ([{"Name": "plan-rule", "State": "ENABLED"}, {"Name": "other", "State": "DISABLED"}], Light.GREEN, "1 rules"),
    ],
    ids=["enabled", "disabled", "missing", "of others"],
)
def test_the_rules_of_the_bus(answers: Answers, rules: list[dict[str, str]], light: Light, words: str) -> None:
    answers.add("events", "describe_event_bus", {"Name": "events"}, {"Name": "events"})
    answers.add("events", "list_rules", {"Rules": rules}, {"EventBusName": "events"})
    finding = stack_parts.bus(subject_of(answers, RULE, outputs={"EventBusName": "events"}))
    assert finding.light is light
    assert words in finding.words


def test_a_bus_that_is_gone_is_red(answers: Answers) -> None:
    answers.refuse("events", "describe_event_bus", "ResourceNotFoundException")
    finding = stack_parts.bus(subject_of(answers, RULE, outputs={"EventBusName": "events"}))
    assert (finding.light, finding.words) == (Light.RED, "there is no bus events")


def mapping(answers: Answers, state: str = "Enabled", most: int = 2) -> None:
    arn = "arn:aws:lambda:eu-west-2:123456789012:function:plan-changed:live"
    answer = {"FunctionArn": arn, "State": state, "ScalingConfig": {"MaximumConcurrency": most}}
    answers.add("lambda", "get_event_source_mapping", answer, {"UUID": UUID})


@pytest.mark.parametrize(
    ("state", "light", "words"),
    [
        ("Enabled", Light.GREEN, "1 enabled"),
        ("Disabled", Light.RED, "disabled for plan-changed"),
        ("Disabling", Light.RED, "disabled for plan-changed"),
        ("Updating", Light.YELLOW, "changing for plan-changed (Updating)"),
    ],
)
def test_the_event_source_mappings(answers: Answers, state: str, light: Light, words: str) -> None:
    mapping(answers, state)
    finding = stack_parts.mappings(subject_of(answers, MAPPING))
    assert (finding.light, finding.words) == (light, words)


def test_a_stack_without_mappings_is_red(answers: Answers) -> None:
    assert stack_parts.mappings(subject_of(answers)).light is Light.RED


@pytest.mark.parametrize(
    ("routing", "light", "words"),
    [
        ({}, Light.GREEN, "1 functions, each at one version"),
        (
            {"RoutingConfig": {"AdditionalVersionWeights": {"8": 0.1}}},
            Light.YELLOW,
            "CompanyPlanChangedFunction: 10% to version 8",
        ),
    ],
    ids=["one version", "gradual deployment"],
)
def test_the_weights_of_an_alias(answers: Answers, routing: dict[str, object], light: Light, words: str) -> None:
    answers.add("lambda", "get_alias", routing, {"FunctionName": "plan-changed", "Name": "live"})
    finding = stack_parts.weights(subject_of(answers, FUNCTION, ALIAS))
    assert (finding.light, finding.words) == (light, words)


@pytest.mark.parametrize(("free", "light"), [(1000, Light.GREEN), (11, Light.GREEN), (10, Light.RED), (0, Light.RED)])
def test_an_account_that_has_no_more_executions_than_the_stack_may_take_throttles(
    answers: Answers, free: int, light: Light
) -> None:
    answers.add("lambda", "get_account_settings", {"AccountLimit": {"UnreservedConcurrentExecutions": free}})
    mapping(answers, most=10)
    assert stack_parts.concurrency(subject_of(answers, MAPPING)).light is light
