"""Reads plan events: those that a source takes, and all others by this package's own contract."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic_core import from_json

from codat_sync.events.company_events import PLAN_CANCELLED, PLAN_CHANGED, CompanyEvent, Ignored, read_plan_event
from codat_sync.events.envelope import MalformedEvent, without_byte_order_mark
from codat_sync.sources.file import Sources
from codat_sync.sources.source import Source, shortened


class Unmapped(MalformedEvent):
    """A source takes the event, but one of its expressions finds nothing of use. The text names both, and what stood
    there.
    """

    reason = "unmapped"


class PlanEvents:
    """The reader of plan events. The first source of the file that takes an event reads it."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources.sources

    def __call__(self, body: str, *, now: datetime) -> CompanyEvent | Ignored:
        """Return the event, or that a source ignores it. Raise ``Unmapped`` or ``MalformedEvent``."""
        event = _parsed(body) if self._sources else None
        if event is None:
            return read_plan_event(body, now=now)
        for name, source in self._sources.items():
            try:
                if source.refuses(event) is None:
                    ignored = source.ignores(event)
                    return Ignored(_id(event), name, ignored) if ignored else _read(name, source, event, now)
            except ValueError as error:
                if isinstance(error, MalformedEvent):
                    raise
                raise Unmapped(f"source {name}: {error}", _id(event)) from error
        return read_plan_event(body, now=now)


def _parsed(body: str) -> Mapping[str, Any] | None:
    """Return the event where it is a JSON object; what is none is refused by the contract, in words."""
    try:
        event = from_json(without_byte_order_mark(body))
    except ValueError:
        return None
    return event if isinstance(event, dict) else None


def _read(name: str, source: Source, event: Mapping[str, Any], now: datetime) -> CompanyEvent:
    """Write the event in the form of the contract, and read that: each rule about events holds for these, too."""
    values: dict[str, Any] = {}
    for step in source.steps(event):
        if step.problem is not None:
            found = f"{step.problem}; found: {shortened(step.found)}"
            raise Unmapped(f"source {name}: {step.key} = {step.expression}: {found}", _id(event))
        values[step.key] = step.value
    detail = {"companyId": values["company"], "plan": values.get("plan")}
    detail |= {"occurredAt": values.get("occurred_at"), "sequence": values.get("sequence")}
    changed, cancelled = PLAN_CHANGED[-1], PLAN_CANCELLED
    contract = {
        **{key: event[key] for key in ("id", "time", "replay-name") if key in event},
        "detail-type": cancelled if values.get("cancelled") else changed,
        "detail": detail,
    }
    if "event_id" in values:
        contract["id"] = values["event_id"]
    return read_plan_event(json.dumps(contract), now=now)


def _id(event: Mapping[str, Any]) -> str | None:
    identifier = event.get("id")
    return identifier if isinstance(identifier, str) else None
