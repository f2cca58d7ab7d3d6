"""Sending events by hand: all of them are what the contracts ask for, or none is sent."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from codat_sync.announcements import SOURCE
from codat_sync.events.envelope import MalformedEvent
from ops.bus import Bus
from ops.contracts import read_envelope


class UnfitEvents(ValueError):
    """Some files hold no event that the stack would take. The text has a line for each: the file, what is wrong."""


@dataclass(frozen=True)
class Sendable:
    """An event as it stands in a file, checked. ``company_id`` is None where it is about no one company."""

    file: Path
    envelope: Mapping[str, Any]
    company_id: UUID | None


@dataclass(frozen=True)
class Sent:
    """An event on the bus, under the id that EventBridge gave it."""

    file: Path
    detail_type: str
    company_id: UUID | None
    event_id: str


def read_files(files: Sequence[Path], *, now: datetime) -> list[Sendable]:
    """The events in the files, one envelope in each. Raises ``UnfitEvents`` unless all are good."""
    events, unfit = [], []
    for file in files:
        try:
            events.append(_read(file, now))
        except (MalformedEvent, UnicodeDecodeError) as error:
            unfit.append(f"{file}: {error}")
    if unfit:
        raise UnfitEvents("\n".join(unfit))
    return events


def send(events: Sequence[Sendable], bus: Bus) -> list[Sent]:
    """Put all of them on the bus, in their order; it keeps their times and gives new ids. Raises ``BusRefused``."""
    event_ids = bus.put(
        [
            {
                "Source": event.envelope["source"],
                "DetailType": event.envelope["detail-type"],
                "Detail": json.dumps(event.envelope["detail"]),
                **({"Time": event.envelope["time"]} if "time" in event.envelope else {}),
            }
            for event in events
        ]
    )
    return [
        Sent(event.file, event.envelope["detail-type"], event.company_id, event_id)
        for event, event_id in zip(events, event_ids, strict=True)
    ]


def _read(file: Path, now: datetime) -> Sendable:
    envelope, company_id = read_envelope(file.read_text("utf-8"), now=now)
    source = envelope.get("source")
    if not isinstance(source, str) or not source or source == SOURCE:
        raise MalformedEvent(f"source: {source!r} is nobody whom the rules listen to: name the producer")
    return Sendable(file, envelope, company_id)
