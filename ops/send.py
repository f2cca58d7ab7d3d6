"""Send events by hand: either every event meets its contract and is sent, or none is sent."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from codat_sync.announcements import SOURCE
from codat_sync.events.envelope import MalformedEvent
from codat_sync.events.moments import read_moment
from ops.bus import Bus
from ops.contracts import read_envelope
from ops.errors import InvalidEvents

if TYPE_CHECKING:
    from mypy_boto3_events.type_defs import PutEventsRequestEntryTypeDef


@dataclass(frozen=True)
class ValidEvent:
    """A validated event of a file. ``company_id`` is None where the event is not about one company.

    ``time`` is the envelope's, None where it was never set.
    """

    file: Path
    envelope: Mapping[str, Any]
    company_id: UUID | None
    time: datetime | None


@dataclass(frozen=True)
class SentEvent:
    """An event on the bus, with the id that EventBridge gave it."""

    file: Path
    detail_type: str
    company_id: UUID | None
    event_id: str


def read_files(files: Sequence[Path], *, now: datetime) -> list[ValidEvent]:
    """Read one envelope from each file. Raises ``InvalidEvents``, which names every bad file, unless all are valid."""
    events, problems = [], []
    for file in files:
        try:
            events.append(_read(file, now))
        except MalformedEvent as error:
            problems.append(f"{file}: {error}")
        except UnicodeDecodeError as error:
            problems.append(f"{file}: not {error.encoding.upper()}, at byte {error.start}")
    if problems:
        raise InvalidEvents("\n".join(problems), hint="nothing was sent; docs/events.md has every field of every event")
    return events


def send(events: Sequence[ValidEvent], bus: Bus) -> list[SentEvent]:
    """Put the events on the bus, in order. EventBridge gives new ids. Raises ``BusRefused``.

    Their times are kept, to the second. An event whose time was never set gets EventBridge's.
    """
    event_ids = bus.put([_entry(event) for event in events])
    return [
        SentEvent(event.file, event.envelope["detail-type"], event.company_id, event_id)
        for event, event_id in zip(events, event_ids, strict=True)
    ]


def _entry(event: ValidEvent) -> "PutEventsRequestEntryTypeDef":
    return {
        "Source": event.envelope["source"],
        "DetailType": event.envelope["detail-type"],
        "Detail": json.dumps(event.envelope["detail"]),
        **({"Time": event.time} if event.time else {}),
    }


def _read(file: Path, now: datetime) -> ValidEvent:
    """Read a file in the Unicode encoding that its byte order mark names, else in UTF-8."""
    content = file.read_bytes()
    envelope, company_id = read_envelope(content.decode(json.detect_encoding(content)), now=now)
    source = envelope.get("source")
    if not isinstance(source, str) or not source or source == SOURCE:
        raise MalformedEvent(f"source: {source!r} matches no rule of the stack; it has to name the producer")
    try:
        time = read_moment(envelope.get("time"))
    except ValueError as error:
        raise MalformedEvent(f"time: {error}") from error
    return ValidEvent(file, envelope, company_id, time)
