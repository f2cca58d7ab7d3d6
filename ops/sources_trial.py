"""What the sources of a file make of one event, step by step. Makes no call to AWS or Codat."""

from collections.abc import Iterator
from datetime import datetime

from pydantic_core import from_json

from codat_sync.events.company_events import Ignored
from codat_sync.events.envelope import MalformedEvent, without_byte_order_mark
from codat_sync.sources.file import Sources
from codat_sync.sources.reading import PlanEvents
from codat_sync.sources.source import Step, shortened


def try_event(sources: Sources, body: str, *, now: datetime) -> tuple[list[str], bool]:
    """Return one line for each step, the result last, and whether the event would be accepted.

    The result is that of the function itself: an event, one that is ignored, or the reason for which it is parked.
    """
    lines = list(_steps(sources, body))
    try:
        event = PlanEvents(sources)(body, now=now)
    except MalformedEvent as error:
        return [*lines, f"parked: {error.reason}: {error}"], False
    if isinstance(event, Ignored):
        return [*lines, f"ignored: {event.because}"], True
    plan = "cancelled" if event.cancelled else f"plan {event.plan}"
    sequence = "" if event.sequence is None else f", sequence {event.sequence}"
    moment = event.occurred_at.isoformat()
    return [*lines, f"event {event.event_id}: company {event.company_id}, {plan}, {moment}{sequence}"], True


def _steps(sources: Sources, body: str) -> Iterator[str]:
    try:
        event = from_json(without_byte_order_mark(body))
    except ValueError:
        return  # The result says so, in the words of the contract.
    if not isinstance(event, dict):
        return
    for name, source in sources.sources.items():
        try:
            refused = source.refuses(event)
        except ValueError as error:
            yield f"source {name}: {error}"
            return
        yield f"source {name}: " + ("takes the event" if refused is None else f"does not take it: {refused}")
        if refused is None:
            yield from (_line(step) for step in source.steps(event))
            return
    yield "no source takes it: the contract of docs/events.md counts"


def _line(step: Step) -> str:
    found = f"  {step.key} = {step.expression}: found {shortened(step.found)}"
    return f"{found}: {step.problem}" if step.problem else f"{found}, read as {shortened(step.value)}"
