"""Send events by hand: either every event meets its contract and is sent, or none is sent."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from codat_sync.announcements import SOURCE
from codat_sync.events.company_events import Authority, CompanyEvent
from codat_sync.events.envelope import MalformedEvent
from codat_sync.events.moments import read_moment
from codat_sync.presets.file import Presets
from codat_sync.presets.preset import UnknownPlan
from ops.bus import Bus
from ops.contracts import company_of, read_event
from ops.errors import InvalidEvents

if TYPE_CHECKING:
    from mypy_boto3_events.type_defs import PutEventsRequestEntryTypeDef


@dataclass(frozen=True)
class ValidEvent:
    """A validated event of a file. ``company_id`` is None where the event is not about one company.

    ``plan`` is the plan that billing or onboarding states; None where the event states none, as a tag does not.
    ``time`` is the envelope's, None where it was never set.
    """

    file: Path
    envelope: Mapping[str, Any]
    company_id: UUID | None
    plan: str | None
    time: datetime | None


@dataclass(frozen=True)
class SentEvent:
    """An event on the bus, with the id that EventBridge gave it."""

    file: Path
    detail_type: str
    company_id: UUID | None
    event_id: str


def read_files(
    files: Sequence[Path], *, now: datetime, read: Callable[[Path], bytes] = Path.read_bytes
) -> list[ValidEvent]:
    """Read one envelope from each file. Raises ``InvalidEvents``, which names every bad file, unless all are valid."""
    events, problems = [], []
    for file in files:
        try:
            events.append(_read(file, read(file), now))
        except MalformedEvent as error:
            problems.append(f"{file}: {error}")
        except UnicodeDecodeError as error:
            problems.append(f"{file}: not {error.encoding.upper()}, at byte {error.start}")
    if problems:
        raise InvalidEvents("\n".join(problems), hint="nothing was sent; docs/events.md has every field of every event")
    return events


def check_plans(events: Sequence[ValidEvent], presets: Presets) -> None:
    """Raise ``InvalidEvents``, which names every file whose plan has no preset, unless every stated plan has one."""
    problems = []
    for event in events:
        if event.plan is not None and event.company_id is not None:
            try:
                presets.for_company(event.plan, event.company_id)
            except UnknownPlan as error:
                problems.append(f"{event.file}: {error}")
    if problems:
        raise InvalidEvents("\n".join(problems), hint="nothing was sent; the functions would park such an event")


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


def _read(file: Path, content: bytes, now: datetime) -> ValidEvent:
    """Read a file in the Unicode encoding that its byte order mark names, else in UTF-8."""
    envelope, event = read_event(content.decode(json.detect_encoding(content)), now=now)
    source = envelope.get("source")
    if not isinstance(source, str) or not source or source == SOURCE:
        raise MalformedEvent(f"source: {source!r} matches no rule of the stack; it has to name the producer")
    try:
        time = read_moment(envelope.get("time"))
    except ValueError as error:
        raise MalformedEvent(f"time: {error}") from error
    stated = event.plan if isinstance(event, CompanyEvent) and event.authority is Authority.STATED else None
    return ValidEvent(file, envelope, company_of(event), stated, time)
