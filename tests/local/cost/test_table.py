"""The figures of the deploy guide are those that the template, the prices and the usage give."""

import re
import shutil
from pathlib import Path

import pytest

from local.cost import __main__ as command
from local.cost.month import Month
from local.cost.stack import IdleStack
from local.cost.table import BEGIN, END, table, with_table
from local.prices import AS_OF

DEPLOY = Path(__file__).parents[3] / "docs/deploy.md"
LINES = table(IdleStack.of_template())


def test_the_table_in_the_deploy_guide_is_the_computed_one() -> None:
    # `make costs` writes it anew.
    text = DEPLOY.read_text("utf-8")
    assert with_table(text, LINES) == text


def test_the_deploy_guide_dates_the_prices() -> None:
    assert AS_OF in DEPLOY.read_text("utf-8")


def test_the_sum_of_the_rows_is_what_the_table_says() -> None:
    """But for rounding: half a cent for each row, and for those under a cent."""
    rows = [line.strip("| ").split(" | ") for line in LINES]
    end = [each[0] for each in rows].index("**together**")
    for column in (1, 2, 3):
        shown = sum(float(each[column]) for each in rows[2:end] if "under" not in each[column])
        assert shown == pytest.approx(float(rows[end][column].strip("*")), abs=0.05)


def test_every_row_of_a_month_has_a_line_and_no_figure_is_missing() -> None:
    stack = IdleStack.of_template()
    months = Month(1_000, stack)
    assert len(LINES) == 2 + len(months.rows) + 2 + len(months.options)
    assert all(len(re.findall(r"\d+\.\d\d", line)) == 3 for line in LINES[2:])


def test_the_command_writes_the_table_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = tmp_path / "deploy.md"
    shutil.copy(DEPLOY, copy)
    copy.write_text(with_table(copy.read_text("utf-8"), ["| old |"]), "utf-8")
    monkeypatch.setattr(command, "DOCUMENT", copy)
    assert command.main([]) == 0
    assert "| old |" in copy.read_text("utf-8")
    assert command.main(["--write"]) == 0
    assert copy.read_text("utf-8") == DEPLOY.read_text("utf-8")


@pytest.mark.parametrize("text", ["no marks", f"{BEGIN}\nno end", f"{END} no begin"])
def test_a_document_without_marks_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no <!--"):
        with_table(text, LINES)
