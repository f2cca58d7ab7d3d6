"""Every problem of a presets file, each in one line with its place."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codat_sync.presets.file import InvalidPresets, Presets
from local.presets import FILE
from ops.presets_check import MOST_LINES, Problem, check
from tests.strategies.presets_files import PresetsFile, presets_files

HEAD = 'default_plan = "a"\non_cancelled = "a"\n[plans.a]\n'
FREQUENCIES = "off, hourly, daily, weekly, monthly"
QUOTATION_MARKS = "a name needs quotation marks if it has more than A-Z, a-z, 0-9, _ and -"
NOT_CLOSED = "not TOML: what opens here does not close, so the lines below were not checked"


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("presets") / "presets.toml"


def found(path: Path, content: str | bytes) -> list[str]:
    """Return the problems of a file with that content, from the line number on."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    lines = [str(problem) for problem in check(path)]
    assert all(line.startswith(f"{path}:") for line in lines)
    return [line.removeprefix(f"{path}:") for line in lines]


# --- A file with mistakes -------------------------------------------------------------------------------------------

MISTAKES = """\
# What a tired product manager may write.
default_plan = "fre"
on_cancelled = "nowhere"
colour = "red"

[plans.free]
freqency = "daily"
bills = 3
frequency = "wekly"

[plans."Größe L.2"]
hour_of_day = 25
frequency = "daily"
frequency = "weekly"
data_types.invoices.hour_of_day = 24
data_types.invoces = "hourly"
data_types = { bills = "hourlyy" }

[[plans.starter]]
frequency = "daily"

[plans.pro]
frequency = "off"
[plans.pro.data_types]
bills = 3
company = { fetch_on_first_link = "no", months_to_sync = 0 }

[plans.free]
refresh_on_upgrade = 1
[plans.FREE]
"""


def test_every_problem_is_found_with_its_line(path: Path) -> None:
    assert found(path, MISTAKES) == [
        '2: default_plan: there is no plan "fre"; did you mean free?',
        '3: on_cancelled: there is no plan "nowhere"',
        "4: colour: unknown key; this table takes default_plan, on_cancelled, additional_data_types, plans",
        "7: plan free, freqency: unknown key; did you mean frequency?",
        "8: plan free, bills: unknown key; did you mean data_types.bills?",
        f'9: plan free, frequency: "wekly" is not a frequency: {FREQUENCIES}; did you mean weekly?',
        '12: plan Größe L.2, hour_of_day: 25 is not an hour of day: 0 to 23, or "spread"',
        "14: plan Größe L.2, frequency: stands twice, first in line 13",
        '15: plan Größe L.2, invoices, hour_of_day: 24 is not an hour of day: 0 to 23, or "spread"',
        "16: plan Größe L.2, invoces: not a data type that Codat documents; did you mean invoices?",
        "17: plan Größe L.2, data_types: stands twice, first in line 15",
        f'17: plan Größe L.2, bills, frequency: "hourlyy" is not a frequency: {FREQUENCIES}; did you mean hourly?',
        "19: plan starter: should be a table, not a list of tables",
        f"25: plan pro, bills: should be a frequency ({FREQUENCIES}) or a table, not 3",
        '26: plan pro, company, fetch_on_first_link: should be true or false, not "no"; did you mean false?',
        "26: plan pro, company, months_to_sync: should be a whole number from 1 to 1200, not 0",
        "28: plan free: stands twice, first in line 6",
        "29: plan free, refresh_on_upgrade: should be true or false, not 1",
        "30: plan FREE: the name differs from that of plan free in case or Unicode form alone",
    ]


@pytest.mark.parametrize("change", [lambda text: "\ufeff" + text, lambda text: text.replace("\n", "\r\n")])
def test_a_byte_order_mark_and_windows_line_ends_move_no_line(path: Path, change: object) -> None:
    assert callable(change)
    assert found(path, change(MISTAKES)) == found(path, MISTAKES)


def test_a_problem_has_its_parts_for_a_machine(path: Path) -> None:
    path.write_text(f'{HEAD}data_types.bills = "hourlyy"\n', "utf-8")
    (problem,) = check(path)
    assert problem == Problem(
        file=path,
        line=4,
        plan="a",
        data_type="bills",
        key="frequency",
        message=f'"hourlyy" is not a frequency: {FREQUENCIES}',
        nearest="hourly",
    )


def test_a_valid_file_has_no_problem() -> None:
    assert check(FILE) == []


# --- One mistake each -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("toml", "lines"),
    [
        (
            'data_types = { bills = "hourly", bils = "daily" }',
            ["4: plan a, bils: not a data type that Codat documents"],
        ),
        (
            'data_types.bills = { freqency = "daily" }',
            ["4: plan a, bills, freqency: unknown key; did you mean frequency?"],
        ),
        ('"hour_of_day" = 25', ["4: plan a, hour_of_day: 25 is not an hour of day"]),
        ('[plans."a.b + ü"]\nhour_of_day = 25', ["5: plan a.b + ü, hour_of_day: 25 is not an hour of day"]),
        ("[plans.b]\n\n[plans.b.data_types.bills]\nhour_of_day = 25", ["7: plan b, bills, hour_of_day: 25 is not"]),
        ('frequency = "off"', ["3: plan a: every data type is off"]),
        ('[plans.b]\nfrequency = "off"', ["4: plan b: every data type is off"]),
        ("[plans.b.data_types]\n[plans.b]\n[plans.b]", ["6: plan b: stands twice, first in line 5"]),
        (
            "[plans]\nb.hour_of_day = 25\n[plans.b]",
            ["5: plan b, hour_of_day: 25 is not an hour of day", "6: not TOML: the table is there twice"],
        ),
        ("x = 1, x = 2", ["4: not TOML: Expected newline or end of document after a statement"]),
        ("data_types = { bills = 1, bills = 2 }", ["4: not TOML: the key is there twice"]),
    ],
)
def test_a_mistake_in_a_plan_is_found_in_its_line(path: Path, toml: str, lines: list[str]) -> None:
    assert [line[: len(start)] for line, start in zip(found(path, HEAD + toml), lines, strict=True)] == lines


@pytest.mark.parametrize(
    ("toml", "lines"),
    [
        ("", ["1: default_plan: missing", "1: on_cancelled: missing", "1: plans: missing"]),
        ("# Nothing yet.\n", ["1: default_plan: missing", "1: on_cancelled: missing", "1: plans: missing"]),
        ('on_cancelled = "a"\n[plans.a]', ["1: default_plan: missing"]),
        ('plans = 3\ndefault_plan = "a"\non_cancelled = "a"', ["1: plans: should be a table, not 3"]),
        (
            'plans = 3\ndefault_plan = "a"\non_cancelled = "a"\n[plans.a]\n[plans.b]',
            ["1: plans: should be a table", "4: plan a: contradicts line 1", "5: plan b: contradicts line 1"],
        ),
    ],
)
def test_a_mistake_of_the_file_as_a_whole_is_found(path: Path, toml: str, lines: list[str]) -> None:
    assert [line[: len(start)] for line, start in zip(found(path, toml), lines, strict=True)] == lines


def test_a_file_in_another_encoding_is_a_problem_with_the_line_of_its_first_bad_byte(path: Path) -> None:
    assert found(path, HEAD.encode() + "# Größe".encode("latin-1")) == [
        "4: not UTF-8: byte 0xf6; save the file as UTF-8"
    ]


def test_a_file_that_is_missing_or_cannot_be_read_is_a_problem_without_a_line(tmp_path: Path) -> None:
    missing = tmp_path / "nothing.toml"
    assert [str(problem) for path in (missing, tmp_path) for problem in check(path)] == [
        f"{missing}: cannot be read: No such file or directory",
        f"{tmp_path}: cannot be read: Is a directory",
    ]


# --- What is not TOML -----------------------------------------------------------------------------------------------


def test_each_line_that_is_not_toml_is_found_and_the_rest_is_checked(path: Path) -> None:
    toml = """\
default_plan = free
on_cancelled = "free"
[plans.free]
frequency = daily
hour_of_day = 25
[plans.Größe]
freqency = "in a table whose name cannot be read"
[plans.pro]
frequency = "wekly
freqency = "daily"
bills: hourly
"""
    assert found(path, toml) == [
        "1: not TOML: not a value; text needs quotation marks",
        "4: not TOML: not a value; text needs quotation marks",
        '5: plan free, hour_of_day: 25 is not an hour of day: 0 to 23, or "spread"',
        f"6: not TOML: a table begins with [NAME]; {QUOTATION_MARKS}; the lines of this table were not checked",
        "9: not TOML: text is not closed, or has a control character",
        "10: plan pro, freqency: unknown key; did you mean frequency?",
        f"11: not TOML: a line is KEY = VALUE; {QUOTATION_MARKS}",
    ]


def test_a_file_that_is_not_complete_is_not_judged_by_what_it_lacks(path: Path) -> None:
    """The broken lines may have had it."""
    assert found(path, 'on_cancelled = "pro"\n[plans.free]\nfrequency = "off"\nallow_all_off = yes') == [
        "4: not TOML: not a value; text needs quotation marks"
    ]


@pytest.mark.parametrize(
    ("toml", "lines"),
    [
        ('data_types = {\n  bills = "daily",\n}\n[plans.b]\nhour_of_day = 25', [f"4: {NOT_CLOSED}"]),
        ('x = [\n  "a",\n[plans.b]\nhour_of_day = 25', [f"4: {NOT_CLOSED}"]),
        ('x = """\nfrequency = 1\n[plans.b]\nsome text\n', [f"4: {NOT_CLOSED}"]),
        ("x = '''\nsome text\n", [f"4: {NOT_CLOSED}"]),
        ('x = [\n  "a"\n  "b",\n]\nhour_of_day = 25', ["6: not TOML: Unclosed array", "8: plan a, hour_of_day: 25"]),
        ('x = [\n  "a",\n]\nhour_of_day = 25\ny = z', ["7: plan a, hour_of_day: 25", "8: not TOML: not a value"]),
        ('x = [\n  "a",\n]\nhour_of_day = 1\nhour_of_day = 2', ["8: plan a, hour_of_day: stands twice"]),
    ],
)
def test_a_bracket_that_does_not_close_is_found_where_it_opens(path: Path, toml: str, lines: list[str]) -> None:
    got = [line for line in found(path, HEAD + toml) if "unknown key" not in line]
    assert [line[: len(start)] for line, start in zip(got, lines, strict=True)] == lines


@pytest.mark.parametrize(
    "content", [b"- a: b\n" * 3000, b'{\n"default_plan": "a"\n}\n' * 1000, bytes(range(32, 127)) * 100, b"]\n" * 5000]
)
def test_a_file_that_is_something_else_has_a_bounded_number_of_problems(path: Path, content: bytes) -> None:
    lines = found(path, content)
    assert 0 < len(lines) <= MOST_LINES
    assert all("not TOML" in line for line in lines)


@pytest.mark.parametrize(
    ("toml", "line"),
    [(f"x = {'9' * 5000}", "not TOML: a number with too many digits"), (f"x = {'[' * 5000}", "not TOML: ")],
)
def test_what_python_cannot_read_at_all_is_a_problem(path: Path, toml: str, line: str) -> None:
    (problem,) = found(path, HEAD + toml)
    assert line in problem


# --- Any file -------------------------------------------------------------------------------------------------------


def is_valid(content: bytes) -> bool:
    try:
        Presets.parse(content)
    except InvalidPresets:
        return False
    return True


@settings(deadline=None, max_examples=60)
@given(file=presets_files(), data=st.data())
def test_a_mistake_in_any_file_is_found_in_its_line(path: Path, file: PresetsFile, data: st.DataObject) -> None:
    plan = data.draw(st.sampled_from(file.plans))
    header = file.lines["plans", plan]
    lines = file.content.decode().split("\n")
    path.write_bytes("\n".join([*lines[:header], "frequenc = 1", *lines[header:]]).encode())
    (problem,) = check(path)
    assert (problem.line, problem.plan, problem.key) == (header + 1, plan, "frequenc")
    assert problem.nearest == "frequency"


@settings(deadline=None, max_examples=100)
@given(file=presets_files(), data=st.data())
def test_any_change_of_a_file_has_problems_exactly_where_it_cannot_be_used(
    path: Path, file: PresetsFile, data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(file.content)))
    until = data.draw(st.integers(at, min(at + 8, len(file.content))))
    content = (
        file.content[:at]
        + data.draw(st.binary(max_size=4) | st.sampled_from([b'"', b"[", b"\n", b"= 3"]))
        + file.content[until:]
    )
    problems = found(path, content)
    assert (problems == []) == is_valid(content)
    assert all(line.isprintable() for line in problems)


@settings(deadline=None, max_examples=100)
@given(lines=st.lists(st.sampled_from(MISTAKES.splitlines()) | st.text('=[]"{}.#\n\rabx_ 1', max_size=20), max_size=20))
def test_any_text_has_problems_exactly_where_it_cannot_be_used(path: Path, lines: list[str]) -> None:
    content = "\n".join(lines).encode()
    assert (found(path, content) == []) == is_valid(content)
