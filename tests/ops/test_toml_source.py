"""Where the keys of a TOML text stand, and which of its statements contradict each other."""

import tomllib

import pytest
from hypothesis import given, settings

from ops._toml_source import TomlSource
from tests.strategies.presets_files import PresetsFile, presets_files


@settings(deadline=None, max_examples=60)
@given(file=presets_files())
def test_a_valid_file_says_what_pythons_parser_reads_and_each_key_has_its_line(file: PresetsFile) -> None:
    text = file.content.decode("utf-8-sig")
    source = TomlSource(text)
    assert source.values == tomllib.loads(text)
    assert source.conflicts == []
    assert {path: source.line_of(path) for path in file.lines} == file.lines


TEXT = """# A comment.
a = 1
b.c."d e" = [
  2,
]
"b".'é' = { x = { y = 3 }, "z.z" = 4 } # after

[ plans . "\\u00e9.f" ]
g = '''
h = 5
'''
[[tables]]
k = 6
[[tables]]
k = 7
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ((), 1),
        (("a",), 2),
        (("b",), 3),
        (("b", "c", "d e"), 3),
        (("b", "é"), 6),
        (("b", "é", "x", "y"), 6),
        (("b", "é", "z.z"), 6),
        (("plans", "é.f"), 8),
        (("plans", "é.f", "g"), 9),
        (("plans", "é.f", "nothing", "such"), 8),
        (("tables",), 12),
        (("nothing",), 1),
    ],
)
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_a_path_has_the_line_of_as_many_of_its_keys_as_there_are(
    path: tuple[str, ...], line: int, line_end: str
) -> None:
    assert TomlSource(TEXT.replace("\n", line_end)).line_of(path) == line


@pytest.mark.parametrize(
    ("text", "conflict"),
    [
        ("a = 1\n\na = 2", (("a",), 3, "stands twice, first in line 1")),
        ("a.b = 1\n'a'.\"b\" = 2", (("a", "b"), 2, "stands twice, first in line 1")),
        ("[a]\nb = 1\nb = 2", (("a", "b"), 3, "stands twice, first in line 2")),
        ("[a]\n[b]\n[a]", (("a",), 3, "stands twice, first in line 1")),
        ("[a.b]\n[a]\nb = 1", (("a", "b"), 3, "stands twice, first in line 1")),
        ("a = 1\n[a]", (("a",), 2, "contradicts line 1")),
        ("a = 1\n[a.b.c]", (("a", "b", "c"), 2, "contradicts line 1")),
        ("a = { b = 1 }\n[a]", (("a",), 2, "contradicts line 1")),
        ("a = { b = 1 }\na.c = 2", (("a", "c"), 2, "contradicts line 1")),
        ("a = 1\na.b = 2", (("a", "b"), 2, "contradicts line 1")),
    ],
)
def test_a_statement_that_contradicts_an_earlier_one_is_named_with_both_lines(
    text: str, conflict: tuple[tuple[str, ...], int, str]
) -> None:
    assert TomlSource(text).conflicts == [conflict]


@pytest.mark.parametrize(
    "text",
    ["[a]\nb = 1\n[a.c]\n[d]", "[a.b]\n[a]\nc = 1", "[[a]]\n[a.b]\nc = 1\n[[a]]\n[a.b]\nc = 1", "a.b = 1\na.c = 2"],
)
def test_tables_that_complete_each_other_are_no_conflict(text: str) -> None:
    tomllib.loads(text)
    assert TomlSource(text).conflicts == []


def test_of_what_is_said_twice_the_first_counts_and_nothing_else_is_lost() -> None:
    text = "[a]\nb = 1\nb = 2\nc = 3\n[a]\nd = 4\n[a.e]\nf = 5"
    assert TomlSource(text).values == {"a": {"b": 1, "c": 3, "d": 4, "e": {"f": 5}}}


@pytest.mark.parametrize("text", ["a", "a = ", "[a", "a = 2024-13-45", 'a = "\\q"'])
def test_a_text_with_a_statement_that_is_not_toml_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        TomlSource(text)
