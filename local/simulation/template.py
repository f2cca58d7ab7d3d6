"""The settings of template.yaml that decide how events wait: those of the queues, and of how Lambda polls them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Self

from cfnlint.decode import cfn_yaml

TEMPLATE: Final = Path(__file__).parents[2] / "template.yaml"


@cache
def _template() -> Mapping[str, Any]:
    read: Mapping[str, Any] = cfn_yaml.load(str(TEMPLATE))
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
        queue = template["Resources"][mapping["Queue"]["Fn::GetAtt"][0]]["Properties"]
        most = mapping["ScalingConfig"]["MaximumConcurrency"]
        return cls(
            timeout=function.get("Timeout", template["Globals"]["Function"]["Timeout"]),
            batch_size=mapping["BatchSize"],
            concurrency=most if isinstance(most, int) else template["Parameters"][most["Ref"]]["Default"],
            visibility_timeout=queue["VisibilityTimeout"],
            retention=queue["MessageRetentionPeriod"],
            max_receives=queue["RedrivePolicy"]["maxReceiveCount"],
        )


def dlq_retention(name: str) -> float:
    """Return the retention of a dead-letter queue in seconds."""
    return float(_template()["Resources"][name]["Properties"]["MessageRetentionPeriod"])
