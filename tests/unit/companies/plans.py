"""Plans that events named for a company, and a preset that was applied."""

from datetime import timedelta

from codat_sync.companies.desired import DesiredPlan
from codat_sync.companies.records import AppliedPreset
from codat_sync.events.company_events import Authority
from tests.fakes.clock import NOW

LATER = NOW + timedelta(minutes=1)


def stated(plan: str, *, minutes: float = 0, event_id: str = "e1") -> DesiredPlan:
    """Return a plan that billing named, so many minutes after ``NOW``."""
    return DesiredPlan.named(plan, Authority.STATED, NOW + timedelta(minutes=minutes), event_id)


def tagged(plan: str, *, minutes: float = 0, event_id: str = "e1") -> DesiredPlan:
    """Return a plan that a company's tag at Codat names, so many minutes after ``NOW``."""
    return DesiredPlan.named(plan, Authority.TAGGED, NOW + timedelta(minutes=minutes), event_id)


APPLIED = AppliedPreset(plan="growth", fingerprint="3f0039a059719258", event_id="e1", order=stated("growth").order)
