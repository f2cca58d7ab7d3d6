"""Files of events: all of them are valid, or the error names each that is not."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ops.bus import Bus
from ops.errors import InvalidEvents
from ops.send import read_files, send

NOW = datetime(2026, 2, 1, 12, 0, tzinfo=UTC)
SAMPLE = Path("events/company_upgraded_plan.json")
MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"


def test_the_events_are_read_in_the_order_of_their_files() -> None:
    files = [Path("events/new_connection.json"), SAMPLE]
    assert [event.file for event in read_files(files, now=NOW)] == files


def test_each_bad_file_is_a_line_and_a_good_one_is_not_named(tmp_path: Path) -> None:
    (tmp_path / "one.json").write_bytes(b"{}\xff")
    (tmp_path / "two.json").write_text("[]", "utf-8")
    with pytest.raises(InvalidEvents) as raised:
        read_files([tmp_path / "one.json", SAMPLE, tmp_path / "two.json"], now=NOW)
    one, two = str(raised.value).splitlines()
    assert one == f"{tmp_path / 'one.json'}: not UTF-8, at byte 2"
    assert two.startswith(f"{tmp_path / 'two.json'}: detail-type: None is not one of ")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be", "utf-32-le"])
def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path, encoding: str) -> None:
    """As Notepad writes it, or a redirection in Windows PowerShell."""
    file = tmp_path / "marked.json"
    file.write_bytes((MARK + SAMPLE.read_text("utf-8")).encode(encoding))
    (event,) = read_files([file], now=NOW)
    assert event.envelope == json.loads(SAMPLE.read_text("utf-8"))


def sample_at(path: Path, time: object) -> Path:
    path.write_text(json.dumps({**json.loads(SAMPLE.read_text("utf-8")), "time": time}), "utf-8")
    return path


class FakeBus:
    """EventBridge's client, as far as a bus needs it: it keeps what it was sent."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []

    def put_events(self, *, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803  # As boto3's own.
        self.entries += Entries
        return {"FailedEntryCount": 0, "Entries": [{"EventId": f"e{number}"} for number, _ in enumerate(Entries)]}


def times_of(*files: Path) -> list[object]:
    client = FakeBus()
    send(read_files(files, now=NOW), Bus(client, "bus"))  # type: ignore[arg-type]  # As much as is called.
    return [entry.get("Time") for entry in client.entries]


def test_a_time_is_kept_in_whatever_form_and_one_that_was_never_set_is_eventbridges(tmp_path: Path) -> None:
    times = ["20260120T120000Z", 1_768_910_400_000, "0001-01-01T00:00:00Z", ""]
    noon = datetime(2026, 1, 20, 12, tzinfo=UTC)
    files = [sample_at(tmp_path / f"{number}.json", time) for number, time in enumerate(times)]
    assert times_of(*files) == [noon, noon, None, None]


def test_a_request_of_an_unreadable_time_is_a_bad_file(tmp_path: Path) -> None:
    """Its function does not read the time, and EventBridge would refuse it."""
    request = json.loads(Path("events/reconciliation_requested.json").read_text("utf-8"))
    (tmp_path / "bad.json").write_text(json.dumps({**request, "time": "yesterday"}), "utf-8")
    with pytest.raises(InvalidEvents, match=r"bad\.json: time: a moment is ISO 8601 text"):
        read_files([tmp_path / "bad.json"], now=NOW)
