"""The table of docs/reliability.md holds a row for each scenario, and each row keeps its promise."""

import re

import pytest

from local.simulation.run import run
from local.simulation.scenarios import SCENARIOS, SMALL
from local.simulation.table import COLUMNS, DOCUMENT, NoPlace, markdown, row, rows_of, with_rows

ROWS = {row[0].strip("`"): dict(zip(COLUMNS, row, strict=True)) for row in rows_of(DOCUMENT.read_text("utf-8"))}
EMPTY = "before\n<!-- make simulate -->\n<!-- end -->\nafter"


def percent(text: str) -> float:
    return float(text.rstrip("%")) / 100


def test_every_scenario_has_a_row_and_no_other_has() -> None:
    assert set(ROWS) == set(SCENARIOS)


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_row_says_what_the_scenario_has_to_come_out_with(name: str) -> None:
    row, scenario = ROWS[name], SCENARIOS[name]
    parked = {reason: int(count.replace(",", "")) for count, reason in re.findall(r"([\d,]+) `(\w+)`", row["parked"])}
    assert row["lost"] == "0"
    assert row["events"] == f"{scenario.events:,}"
    assert parked == scenario.expected.parked
    assert percent(row["allowed calls used"] or "100%") >= scenario.expected.least_used
    assert percent(row["answered 429"]) <= scenario.expected.most_refused


def test_new_rows_take_the_place_of_those_of_the_same_scenario() -> None:
    old = with_rows(EMPTY, [("`b`", *"12345678"), ("`gone`", *"12345678")], ["b", "gone"])
    new = with_rows(old, [("`b`", *"87654321"), ("`a`", *"12345678")], ["a", "b", "c"])
    assert rows_of(new) == [("`a`", *"12345678"), ("`b`", *"87654321")]
    assert new.startswith("before\n")
    assert new.endswith("\nafter")


def test_a_document_without_a_place_is_refused() -> None:
    with pytest.raises(NoPlace):
        with_rows(markdown([]), [], [])


def test_a_row_shows_what_was_parked_and_when_the_last_event_was_done() -> None:
    down, up = (run(SMALL[name]) for name in ("500-for-12h-patience-4h", "pause-40h"))
    shown = [dict(zip(COLUMNS, row(each), strict=True)) for each in (down, up)]
    assert [each["parked"] for each in shown] == ["20 `server_error`", "0"]
    done, earliest = zip(*(each["done after / earliest"].split(" / ") for each in shown), strict=True)
    assert (done[0], *earliest) == ("none done", "4 h", "1 d 16 h")
    assert done[1].startswith("1 d ")
