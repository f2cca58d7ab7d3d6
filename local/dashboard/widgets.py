"""Reads the widgets of the dashboard from template.yaml."""

import json
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final

from cfnlint.decode import cfn_yaml

TEMPLATE: Final = Path(__file__).parents[2] / "template.yaml"
CONDITIONS: Final = ("HasAlarmRecipient", "HasDetailedMetrics", "HasQuietHours")
"""The conditions of the template that the dashboard depends on, as they are in the picture."""


def widgets(stack: str, conditions: Collection[str] = CONDITIONS) -> list[dict[str, Any]]:
    """Return the widgets that CloudWatch would get from a stack of this name, with resources by their logical ids.

    Every parameter has its default. ``conditions`` are those that hold.
    """
    template = cfn_yaml.load(str(TEMPLATE))
    values = {name: str(each.get("Default")) for name, each in template["Parameters"].items()}
    values |= {"AWS::StackName": stack, "AWS::Region": "local"}
    body = _text(template["Resources"]["Dashboard"]["Properties"]["DashboardBody"], values, conditions)
    return json.loads(body)["widgets"]  # type: ignore[no-any-return]  # JSON.


def _text(value: Any, values: Mapping[str, str], conditions: Collection[str]) -> str:  # noqa: ANN401  # YAML.
    match value:
        case {"Fn::Sub": [text, own]}:
            return _substituted(
                text, {**values, **{name: _text(each, values, conditions) for name, each in own.items()}}
            )
        case {"Fn::Sub": text}:
            return _substituted(text, values)
        case {"Fn::If": [condition, met, unmet]}:
            return _text(met if condition in conditions else unmet, values, conditions)
        case {"Fn::Join": [separator, parts]}:
            return str(separator).join(_text(each, values, conditions) for each in parts)
        case _:
            return str(value)


def _substituted(text: str, values: Mapping[str, str]) -> str:
    """Replace ``${Queue.QueueName}`` by Queue, and ``${!LABEL}`` by ``${LABEL}``, which is for CloudWatch."""
    known = re.sub(r"\$\{(?!!)([\w:]+)[\w.]*\}", lambda found: values.get(found[1], found[1]), text)
    return known.replace("${!", "${")
