"""One event through the stack, and a wait that ends."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

import pytest

from codat_sync.companies.desired import DesiredPlan
from codat_sync.events.company_events import Authority, read_plan_event
from codat_sync.presets.preset import UnknownPlan
from local.presets import local_presets
from ops.clock import now
from ops.doctor.finding import Finding, Light
from ops.doctor.trial import WAIT_SECONDS, plan_of, send_trial
from ops.errors import InvalidEvents
from tests.ops.on_call import COMPANY, OnCall


@dataclass
class Waiting:
    """A clock that a sleep moves on, and what happens meanwhile."""

    meanwhile: Callable[[], object]
    seconds: float = 0
    slept: list[float] = field(default_factory=list)

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        self.slept.append(seconds)
        if len(self.slept) == 3:
            self.meanwhile()


def tried(on_call: OnCall, meanwhile: Callable[[], object]) -> tuple[Finding, Waiting]:
    waiting = Waiting(meanwhile)
    finding = send_trial(on_call.stack, COMPANY, "growth", now=now, monotonic=waiting.monotonic, sleep=waiting.sleep)
    return finding, waiting


def sent(on_call: OnCall) -> DesiredPlan:
    """Return the plan that the event on the bus asks for."""
    (event,) = on_call.events()
    return DesiredPlan.named("growth", Authority.STATED, now(), event["id"])


def test_an_event_that_is_applied_is_green(on_call: OnCall) -> None:
    def function() -> None:
        desired = sent(on_call)
        on_call.plans.record(COMPANY, desired, at=now())
        on_call.confirm(desired)

    finding, waiting = tried(on_call, function)
    assert finding.light is Light.GREEN
    assert "growth is in force at Codat after 3 s" in finding.words
    assert waiting.seconds == 3


def test_it_is_an_event_that_the_function_accepts_for_the_company(on_call: OnCall) -> None:
    tried(on_call, lambda: None)
    (event,) = on_call.events()
    read = read_plan_event(json.dumps(event), now=now())
    assert (read.company_id, read.plan) == (COMPANY, "growth")


def test_an_older_confirmation_does_not_count(on_call: OnCall) -> None:
    on_call.confirm(on_call.record())
    finding, _ = tried(on_call, lambda: None)
    assert finding.light is Light.RED


def test_an_event_that_fails_says_why_at_once(on_call: OnCall) -> None:
    on_call.record()

    def function() -> None:
        (event,) = on_call.events()
        on_call.plans.note_failure(COMPANY, event["id"], "account_expired: Expired.", at=now())

    finding, waiting = tried(on_call, function)
    assert finding.light is Light.RED
    assert "account_expired: Expired." in finding.words
    assert waiting.seconds == 3


def test_the_wait_ends_where_nothing_reads_the_queue(on_call: OnCall) -> None:
    finding, waiting = tried(on_call, lambda: None)
    assert finding.light is Light.RED
    assert "is not settled after 120 s" in finding.words
    assert waiting.seconds == WAIT_SECONDS


@pytest.fixture
def known(on_call: OnCall) -> OnCall:
    on_call.stack.__dict__["presets"] = local_presets()
    return on_call


def test_the_plan_is_the_one_that_is_given_else_the_recorded_one(known: OnCall) -> None:
    known.record(plan="starter")
    assert plan_of(known.stack, COMPANY, None) == "starter"
    assert plan_of(known.stack, COMPANY, "growth") == "growth"


def test_nothing_is_sent_where_no_plan_is_known(known: OnCall) -> None:
    with pytest.raises(InvalidEvents, match="has no record"):
        plan_of(known.stack, UUID(int=1), None)
    with pytest.raises(UnknownPlan):
        plan_of(known.stack, COMPANY, "no-such-plan")
    assert known.events() == []
