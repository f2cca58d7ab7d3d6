"""A stage of samconfig.toml: what it deploys, and why it cannot be deployed, before anything is built."""

import re
import shlex
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from samtranslator.yaml_helper import yaml_parse

LONGEST_STACK_NAME: Final = 56
"""With which the longest name of a resource, a queue's, has the 80 characters that SQS allows.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-queues.html"""

_STACK_NAME: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9-]*")
_QUOTED: Final = re.compile(r'["\\]')


class StageRefused(ValueError):
    """A stage cannot be deployed as it is. Each argument is one reason."""

    def __str__(self) -> str:
        """Return the reasons, one a line."""
        return "\n".join(map(str, self.args))


@dataclass(frozen=True)
class Stage:
    """A stage that can be deployed."""

    name: str
    stack_name: str
    parameters: Mapping[str, str]
    """Every parameter of the template except Release: the stage's own value, or the template's default.

    SAM CLI tells CloudFormation to keep the value of a parameter that is not given. So all are given, and a parameter
    that was taken out of a stage has its default again.
    """

    @classmethod
    def read(cls, name: str, samconfig: str, template: str) -> Self:
        """Return a stage from the texts of samconfig.toml and template.yaml. Raises ``StageRefused``."""
        settings = _settings(name, tomllib.loads(samconfig))
        declared: Mapping[str, Mapping[str, Any]] = yaml_parse(template)["Parameters"]
        given = _given(settings.get("parameter_overrides", []))
        values = {key: str(given.get(key, each.get("Default", ""))) for key, each in declared.items()}
        del values["Release"]
        stack_name = str(settings.get("stack_name", ""))
        problems = [
            *(f"template.yaml has no parameter {each}" for each in given if each not in declared),
            *_problems_of_the_stack_name(stack_name),
            *(f"{key} has a quote or a backslash: {value}" for key, value in values.items() if _QUOTED.search(value)),
            *(_unwatched(values) if name.partition("-")[0] == "prod" else ()),
        ]
        if problems:
            raise StageRefused(f"the stage {name} of samconfig.toml cannot be deployed:", *problems)
        return cls(name, stack_name, values)

    def overrides(self, **more: str) -> list[str]:
        """Return SAM CLI's ``--parameter-overrides`` and one argument for each parameter, whatever spaces it holds."""
        return ["--parameter-overrides", *(f'{key}="{value}"' for key, value in {**self.parameters, **more}.items())]


def _settings(name: str, samconfig: Mapping[str, Any]) -> Mapping[str, Any]:
    stages = {key: each["deploy"]["parameters"] for key, each in samconfig.items() if "deploy" in _table(each)}
    if name not in stages:
        raise StageRefused(f"samconfig.toml has no stage {name!r}; it has {', '.join(stages)}")
    settings: Mapping[str, Any] = stages[name]
    return settings


def _table(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _given(overrides: str | list[str] | Mapping[str, object]) -> dict[str, str]:
    """Return the parameters that a stage gives, in one of the forms that SAM CLI reads: a string, a list, a table."""
    if isinstance(overrides, Mapping):
        return {name: str(value) for name, value in overrides.items()}
    given = {}
    for line in [overrides] if isinstance(overrides, str) else overrides:
        for word in shlex.split(line):
            name, equals, value = word.partition("=")
            if not equals:
                raise StageRefused(f"SAM CLI reads only a part of {line!r}; quote the value: 'Name=\"two words\"'")
            given[name] = value
    return given


def _problems_of_the_stack_name(stack_name: str) -> list[str]:
    if not _STACK_NAME.fullmatch(stack_name):
        return [f"stack_name must begin with a letter and hold letters, digits and hyphens only: {stack_name!r}"]
    if len(stack_name) > LONGEST_STACK_NAME:
        return [f"stack_name is longer than {LONGEST_STACK_NAME} characters, too long for the queues: {stack_name}"]
    return []


def _unwatched(values: Mapping[str, str]) -> list[str]:
    """Return what is missing so that an alarm of production reaches somebody who then knows what to do."""
    problems = []
    if not values["AlarmEmail"] and not values["AlarmTopicArn"]:
        problems.append("nobody would hear of an alarm: give AlarmEmail or AlarmTopicArn")
    if not values["RunbookUrl"].startswith(("https://", "http://")):
        problems.append(
            "the links of alarms would lead nowhere: give RunbookUrl, where your people read docs/runbook.md"
        )
    return problems
