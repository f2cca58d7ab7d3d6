"""Files of events: all of them are valid, or the error names each that is not."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from ops.errors import InvalidEvents
from ops.send import read_files

NOW = datetime(2026, 2, 1, 12, 0, tzinfo=UTC)
SAMPLE = Path("events/company_upgraded_plan.json")


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
