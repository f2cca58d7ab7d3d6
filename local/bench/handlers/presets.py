"""The presets of ``local`` in the form that a handler of one's own would have: hours by data type."""

from typing import Final
from uuid import UUID

from codat_sync.codat.models import Dialect, SyncSettings
from local.presets import local_presets

ANY_COMPANY: Final = UUID(int=0)
"""The hours dialect has no hour of day, so all companies of a plan have the same settings."""


def hours_by_plan() -> dict[str, dict[str, int]]:
    """Return the interval of each data type in each plan's preset."""
    presets = local_presets()
    return {
        plan: {
            str(setting["dataType"]): int(str(setting["syncSchedule"]))
            for setting in presets.for_company(plan, ANY_COMPANY).over(SyncSettings()).on_the_wire(Dialect.HOURS)
        }
        for plan in presets.plans
    }
