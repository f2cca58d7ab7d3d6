"""Whatever the parameters, the stack has no cycle and refers to nothing that is not there."""

import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import pytest

from tests.template.combinations import Combination, combinations
from tests.template.policies import policies, write
from tests.template.translation import translated

ROOT = Path(__file__).parents[2]
COMBINATIONS = list(combinations())
PSEUDO = re.compile(r"AWS::(AccountId|NoValue|Partition|Region|StackId|StackName|URLSuffix)")


def targets(value: Any) -> Iterator[str]:  # noqa: ANN401  # YAML.
    """Yield the names that a value refers to: of resources, parameters and pseudo parameters."""
    match value:
        case {"Ref": str(name)}:
            yield name
        case {"Fn::GetAtt": [str(name), *_]}:
            yield name
        case {"Fn::GetAtt": str(name)}:
            yield name.partition(".")[0]
        case {"Fn::Sub": str(text)}:
            yield from re.findall(r"\$\{([A-Za-z0-9:]+)", text)
        case {"Fn::Sub": [str(text), dict(given)]}:
            yield from set(re.findall(r"\$\{([A-Za-z0-9:]+)", text)) - given.keys()
            yield from targets(list(given.values()))
        case dict():
            yield from targets(list(value.values()))
        case list():
            for each in value:
                yield from targets(each)


def depends_on(resource: dict[str, Any]) -> set[str]:
    explicit = resource.get("DependsOn", [])
    return {*targets(resource), *([explicit] if isinstance(explicit, str) else explicit)}


def dangling(stack: Combination) -> set[str]:
    """Return what a stack refers to and does not have."""
    used = {name for each in stack.resources.values() for name in depends_on(each)} | {*targets(stack.outputs)}
    return {each for each in used - stack.resources.keys() - stack.values().keys() if not PSEUDO.fullmatch(each)}


def check_order(stack: Combination) -> None:
    """Raise ``CycleError`` where CloudFormation could make none of some resources first."""
    known = stack.resources.keys()
    TopologicalSorter({name: depends_on(each) & known for name, each in stack.resources.items()}).prepare()


def stack_of(**resources: Any) -> Combination:  # noqa: ANN401
    return Combination({}, resources, {})


def test_there_are_stacks_with_and_without_each_conditional_resource() -> None:
    conditional = [name for name, each in translated()["Resources"].items() if "Condition" in each]
    assert conditional
    for name in conditional:
        assert {name in each.resources for each in COMBINATIONS} == {True, False}


def test_no_stack_refers_to_what_it_does_not_have() -> None:
    assert [(each.parameters, found) for each in COMBINATIONS if (found := dangling(each))] == []


def test_no_stack_has_a_cycle() -> None:
    for each in COMBINATIONS:
        check_order(each)


@pytest.mark.parametrize(
    "reference",
    [
        {"Ref": "Gone"},
        {"Fn::GetAtt": ["Gone", "Arn"]},
        {"Fn::GetAtt": "Gone.Arn"},
        {"Fn::Sub": "arn:${Gone}"},
        {"Fn::Sub": ["${A}", {"A": {"Fn::GetAtt": ["Gone", "Arn"]}}]},
    ],
)
def test_a_dangling_reference_would_be_noticed(reference: Any) -> None:  # noqa: ANN401
    assert dangling(stack_of(One={"Properties": [reference]})) == {"Gone"}


def test_a_dangling_dependency_and_output_would_be_noticed() -> None:
    assert dangling(stack_of(One={"DependsOn": "Gone"})) == {"Gone"}
    assert dangling(Combination({}, {}, {"Url": {"Value": {"Ref": "Gone"}}})) == {"Gone"}


def test_a_cycle_would_be_noticed() -> None:
    with pytest.raises(CycleError):
        check_order(stack_of(One={"DependsOn": ["Two"]}, Two={"Fn::Sub": "${One.Arn}"}))


def test_the_other_parameters_do_not_change_the_translation() -> None:
    """So each combination is translated once for those that do, and its conditions are evaluated afterwards."""
    for values in {tuple(each.parameters.items()) for each in COMBINATIONS[:: len(COMBINATIONS) // 8]}:
        given = dict(values)
        assert (
            translated(given)["Resources"]
            == translated({"GradualDeployments": given["GradualDeployments"]})["Resources"]
        )


def test_every_policy_of_every_stack_is_written_for_the_linter_without_a_function_of_cloudformation(
    tmp_path: Path,
) -> None:
    assert write(tmp_path) == len(list(tmp_path.iterdir()))
    texts = {path.name[4:-5]: path.read_text("utf-8") for path in tmp_path.iterdir()}
    documents = {
        name
        for stack in COMBINATIONS
        for name, each in stack.resources.items()
        if {"PolicyDocument", "Policies"} & each["Properties"].keys()
    }
    assert {name.partition("-")[0] for name in texts} == documents
    assert [name for name, text in texts.items() if re.search(r"Fn::|\$\{|\"Ref\"|AWS::", text)] == []


def test_a_policy_has_the_arns_of_its_own_stack() -> None:
    queue, bus = {"Type": "AWS::SQS::Queue"}, {"Fn::Sub": ["arn:${AWS::Partition}:${Bus}", {"Bus": {"Ref": "Other"}}]}
    statement = {"Resource": [{"Fn::GetAtt": ["Queue", "Arn"]}, bus]}
    stack = Combination({}, {"Queue": queue, "Role": {"Properties": {"PolicyDocument": statement}}}, {})
    written = ["arn:aws:sqs:eu-west-2:111122223333:Queue", "arn:aws:Other"]
    assert list(policies(stack)) == [("Role", {"Resource": written})]


def test_make_check_lints_them() -> None:
    recipe = (ROOT / "Makefile").read_text("utf-8").split("\ncheck:")[1].split("\n\n")[0]
    assert re.search(r"tests\.template\.policies (\S+)\n.*/parliament --directory \1$", recipe, re.MULTILINE)
