"""Put new presets into AppConfig, unless they would take a plan away from companies that are on it."""

from collections.abc import Callable
from dataclasses import dataclass

from codat_sync.presets.file import Presets, validate
from ops.preset_impact import Assessment, Cost, Impact, assess
from ops.presets_in_appconfig import Rollout
from ops.stack import Stack


@dataclass(frozen=True)
class PresetsPut:
    """What the new presets would change, and their rollout; ``rollout`` is None where none was started."""

    impact: Impact
    cost: Cost
    rollout: Rollout | None

    @property
    def assessment(self) -> Assessment:
        """Impact and cost."""
        return Assessment(self.impact, self.cost)


def put(content: bytes, stack: Stack, *, apply: bool, on_read: Callable[[int], None]) -> PresetsPut:
    """Assess new presets, and start their rollout where ``apply`` is set and no company loses its plan.

    Raises ``InvalidPresets``, ``StackNotFound`` where the stack has no presets in AppConfig, and ``ClientError`` where
    AppConfig refuses the rollout. ``on_read`` is called with how many more companies were read.
    """
    validate(content, Presets.packaged())
    appconfig = stack.presets_in_appconfig
    found = assess(Presets.parse(content), stack, on_read)
    takes_away = any(plan.is_gone and plan.plan in stack.presets.plans for plan in found.impact.plans)
    rollout = appconfig.put(content) if apply and not takes_away else None
    return PresetsPut(found.impact, found.cost, rollout)
