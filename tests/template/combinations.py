"""Every stack that the template's conditions allow: its resources, with the conditions evaluated."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from tests.template.translation import translated

EXAMPLES: Mapping[str, str] = {
    "AlarmEmail": "someone@example.com",
    "AlarmTopicArn": "arn:aws:sns:eu-west-2:111122223333:alarms",
    "EventBusName": "existing-bus",
    "EventSources": "billing,onboarding",
    "KmsKeyArn": "arn:aws:kms:eu-west-2:111122223333:key/00000000-0000-0000-0000-000000000000",
    "MonthlyBudget": "50",
    "PermissionsBoundaryArn": "arn:aws:iam::111122223333:policy/boundary",
    "QuietHours": "6",
    "DescribedSources": "aws.partner/stripe.com",
}
"""A value that is not the default, of each parameter that a condition reads and that has no list of allowed values."""
ABSENT: Any = {"Ref": "AWS::NoValue"}
VARIED = 3
"""How many parameters differ from all the others at most."""
TRANSLATED = ("GradualDeployments",)
"""The parameters without a condition that decide how SAM translates."""


@dataclass(frozen=True)
class Combination:
    """One stack: the values of the parameters that decide about its resources, and what CloudFormation would make."""

    parameters: Mapping[str, str]
    resources: Mapping[str, Any]
    outputs: Mapping[str, Any]

    def values(self) -> dict[str, str]:
        """Return the value of every parameter."""
        return {**_defaults(), **self.parameters}


def combinations() -> Iterator[Combination]:
    """Yield the combinations of the conditions' parameters in which at most three differ from all the others.

    That is every combination of any three, both where all else is the default and where nothing is: no reference here
    depends on more conditions. All combinations of all would be thousands. Raises ``KeyError`` for a parameter that has
    no example.
    """
    conditions = translated()["Conditions"]
    read = sorted({name for each in conditions.values() for name in _referenced(each)} | {*TRANSLATED})
    for parameters in _varied({name: _choices(name) for name in read}):
        template = _translated(tuple((name, parameters[name]) for name in TRANSLATED))
        evaluated = _Evaluated(template["Conditions"], {**_defaults(), **parameters})
        yield Combination(
            parameters,
            evaluated.existing(template["Resources"]),
            evaluated.existing(template["Outputs"]),
        )


def _varied(choices: Mapping[str, Sequence[str]]) -> Iterator[dict[str, str]]:
    names = sorted(choices)
    for most in (0, -1):
        common = {name: choices[name][most] for name in names}
        for size in range(VARIED + 1):
            for varied in itertools.combinations(names, size):
                others = ([each for each in choices[name] if each != common[name]] for name in varied)
                for chosen in itertools.product(*others):
                    yield common | dict(zip(varied, chosen, strict=True))


@cache
def _translated(parameters: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    return translated(dict(parameters))


@cache
def _parameters() -> dict[str, Any]:
    return translated()["Parameters"]  # type: ignore[no-any-return]  # YAML.


def _defaults() -> dict[str, str]:
    return {name: str(each["Default"]) for name, each in _parameters().items()}


def _choices(name: str) -> list[str]:
    allowed = _parameters()[name].get("AllowedValues")
    return list(map(str, allowed)) if allowed else [_defaults()[name], EXAMPLES[name]]


def _referenced(value: Any) -> Iterator[str]:  # noqa: ANN401  # YAML.
    match value:
        case {"Ref": name}:
            yield name
        case dict() | list():
            for each in value.values() if isinstance(value, dict) else value:
                yield from _referenced(each)


@dataclass(frozen=True)
class _Evaluated:
    """The conditions of a template under the values of its parameters."""

    conditions: Mapping[str, Any]
    values: Mapping[str, str]

    def existing(self, entries: Mapping[str, Any]) -> dict[str, Any]:
        """Return the resources or outputs whose condition holds, without ``Fn::If`` and ``AWS::NoValue``."""
        return {
            name: self._pruned({key: each for key, each in entry.items() if key != "Condition"})
            for name, entry in entries.items()
            if "Condition" not in entry or self.holds({"Condition": entry["Condition"]})
        }

    def holds(self, condition: Any) -> bool:  # noqa: ANN401
        """Tell whether a condition holds. Raises ``ValueError`` for a function that CloudFormation does not have."""
        match condition:
            case {"Condition": name}:
                return self.holds(self.conditions[name])
            case {"Fn::Equals": [one, other]}:
                return self._plain(one) == self._plain(other)
            case {"Fn::Not": [other]}:
                return not self.holds(other)
            case {"Fn::And": list(parts)}:
                return all(map(self.holds, parts))
            case {"Fn::Or": list(parts)}:
                return any(map(self.holds, parts))
        raise ValueError(f"not a condition: {condition}")

    def _plain(self, value: Any) -> str:  # noqa: ANN401
        match value:
            case {"Ref": name}:
                return self.values[name]
            case {"Fn::Join": ["", {"Ref": name}]}:
                return self.values[name].replace(",", "")
        return str(value)

    def _pruned(self, value: Any) -> Any:  # noqa: ANN401
        match value:
            case {"Fn::If": [name, one, other]}:
                return self._pruned(one if self.holds({"Condition": name}) else other)
            case dict():
                pruned = {key: self._pruned(each) for key, each in value.items()}
                return {key: each for key, each in pruned.items() if each != ABSENT or key == "Ref"}
            case list():
                return [each for each in map(self._pruned, value) if each != ABSENT]
        return value
