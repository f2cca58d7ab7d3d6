"""The settings of template.yaml that decide how events wait: those of the queues, and of how Lambda polls them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Self

import yaml

TEMPLATE: Final = Path(__file__).parents[2] / "template.yaml"


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms, each of which is read as what stands after it."""


def _short_form(loader: _Loader, _: str, node: yaml.Node) -> object:
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_mapping(node, deep=True) if isinstance(node, yaml.MappingNode) else None


_Loader.add_multi_constructor("!", _short_form)  # type: ignore[no-untyped-call]  # PyYAML's stubs leave it so.


@cache
def _template() -> Mapping[str, Any]:
    with TEMPLATE.open(encoding="utf-8") as file:
        read: Mapping[str, Any] = yaml.load(file, _Loader)  # noqa: S506  # A safe loader.
    return read


@dataclass(frozen=True)
class Polling:
    """A function and its queue. Durations are in seconds."""

    timeout: float
    batch_size: int
    concurrency: int
    visibility_timeout: float
    retention: float
    max_receives: int

    @classmethod
    def of(cls, name: str) -> Self:
        """Return the settings of the function of this name without "Function"."""
        template = _template()
        function = template["Resources"][f"{name}Function"]["Properties"]
        mapping = function["Events"]["Queue"]["Properties"]
        queue = template["Resources"][mapping["Queue"].partition(".")[0]]["Properties"]
        most = mapping["ScalingConfig"]["MaximumConcurrency"]
        return cls(
            timeout=function.get("Timeout", template["Globals"]["Function"]["Timeout"]),
            batch_size=mapping["BatchSize"],
            concurrency=template["Parameters"][most]["Default"] if isinstance(most, str) else most,
            visibility_timeout=queue["VisibilityTimeout"],
            retention=queue["MessageRetentionPeriod"],
            max_receives=queue["RedrivePolicy"]["maxReceiveCount"],
        )


def dlq_retention(name: str) -> float:
    """Return the retention of a dead-letter queue in seconds."""
    return float(_template()["Resources"][name]["Properties"]["MessageRetentionPeriod"])
