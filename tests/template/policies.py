"""The policies of every stack that the template allows, with made-up ARNs. As a command, writes each into a folder."""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.template.combinations import Combination, combinations

PLACE = {
    "AWS::Partition": "aws",
    "AWS::Region": "eu-west-2",
    "AWS::AccountId": "111122223333",
    "AWS::StackName": "codat-sync",
}
HERE = f"{PLACE['AWS::Region']}:{PLACE['AWS::AccountId']}"
ARNS: Mapping[str, str] = {
    "AWS::CloudWatch::Alarm": f"arn:aws:cloudwatch:{HERE}:alarm:{{}}",
    "AWS::CloudWatch::CompositeAlarm": f"arn:aws:cloudwatch:{HERE}:alarm:{{}}",
    "AWS::DynamoDB::Table": f"arn:aws:dynamodb:{HERE}:table/{{}}",
    "AWS::Events::EventBus": f"arn:aws:events:{HERE}:event-bus/{{}}",
    "AWS::Events::Rule": f"arn:aws:events:{HERE}:rule/{{}}",
    "AWS::IAM::Role": "arn:aws:iam::111122223333:role/{}",
    "AWS::Lambda::Function": f"arn:aws:lambda:{HERE}:function:{{}}",
    "AWS::Logs::LogGroup": f"arn:aws:logs:{HERE}:log-group:{{}}:*",
    "AWS::SNS::Topic": f"arn:aws:sns:{HERE}:{{}}",
    "AWS::SQS::Queue": f"arn:aws:sqs:{HERE}:{{}}",
}
"""The ARN of a resource of each type.
https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html"""


def policies(stack: Combination) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the policies of a stack with a name each, as IAM and the services get them.

    Roles' trust policies are not among them: they name no resource. Raises ``KeyError`` for a type without an ARN here.
    """
    for name, resource in stack.resources.items():
        properties = resource.get("Properties", {})
        if "PolicyDocument" in properties:
            yield name, _filled(properties["PolicyDocument"], stack)
        for inline in properties.get("Policies", []):
            yield f"{name}-{inline['PolicyName']}", _filled(inline["PolicyDocument"], stack)


def _filled(value: Any, stack: Combination) -> Any:  # noqa: ANN401  # YAML.
    match value:
        case {"Ref": name}:
            filled: Any = _reference(name, stack)
        case {"Fn::GetAtt": [name, attribute]}:
            filled = _attribute(name, attribute, stack)
        case {"Fn::Sub": str(text)}:
            filled = _substituted(text, {}, stack)
        case {"Fn::Sub": [text, given]}:
            filled = _substituted(text, _filled(given, stack), stack)
        case dict():
            filled = {key: _filled(each, stack) for key, each in value.items()}
        case list():
            filled = [_filled(each, stack) for each in value]
        case _:
            filled = value
    return filled


def _attribute(name: str, attribute: str, stack: Combination) -> str:
    return ARNS[stack.resources[name]["Type"]].format(name) if attribute == "Arn" else f"{name}{attribute}"


def _reference(name: str, stack: Combination) -> str:
    known = PLACE | stack.values()
    return known.get(name, name)


def _substituted(text: str, given: Mapping[str, str], stack: Combination) -> str:
    before, *parts = text.split("${")
    filled = []
    for part in parts:
        name, _, rest = part.partition("}")
        resource, dot, attribute = name.partition(".")
        whole = _attribute(resource, attribute, stack) if dot else _reference(name, stack)
        filled.append(given.get(name, whole) + rest)
    return before + "".join(filled)


def write(folder: Path) -> int:
    """Write each different policy of all combinations into a file; return how many there are."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.json"):
        old.unlink()
    written = {(name, json.dumps(each, indent=1)) for stack in combinations() for name, each in policies(stack)}
    for number, (name, text) in enumerate(sorted(written)):
        (folder / f"{number:03}-{name}.json").write_text(text, "utf-8")
    return len(written)


if __name__ == "__main__":
    print(f"{write(Path(sys.argv[1]))} policies")  # noqa: T201  # A command line prints.
