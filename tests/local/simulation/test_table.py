"""The table of docs/reliability.md holds a row for each scenario, and each row keeps its promise."""

import re

import pytest

from local.simulation.scenarios import SCENARIOS
from local.simulation.table import COLUMNS, DOCUMENT, NoPlace, markdown, rows_of, with_rows

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
    assert scenario.expected.parked is None or parked == scenario.expected.parked
    assert percent(row["allowed calls used"] or "100%") >= scenario.expected.least_used
    assert percent(row["answered 429"]) <= scenario.expected.most_refused


def test_new_rows_take_the_place_of_those_of_the_same_scenario() -> None:
    old = with_rows(EMPTY, [("`a`", *"12345678"), ("`b`", *"12345678")])
    new = with_rows(old, [("`b`", *"87654321"), ("`c`", *"12345678")])
    assert rows_of(new) == [("`a`", *"12345678"), ("`b`", *"87654321"), ("`c`", *"12345678")]
    assert new.startswith("before\n")
    assert new.endswith("\nafter")


def test_a_document_without_a_place_is_refused() -> None:
    with pytest.raises(NoPlace):
        with_rows(markdown([]), [])
