"""TOML as an editor sees it: the line of each key, and the keys that stand twice.

Python's own parser tells no lines, and reads nothing of a text with one mistake in it. Here tree-sitter finds the
statements, and Python's parser reads each one.
"""

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias

import tree_sitter_toml
from tree_sitter import Language, Node, Parser

Keys: TypeAlias = tuple[str, ...]

_HEADERS: Final = {"table": "[{}]\n", "table_array_element": "[[{}]]\n"}
_KEYS: Final = {"bare_key", "quoted_key", "dotted_key"}


class TomlSource:
    """The keys and values of a text whose every statement is TOML, although the statements may contradict each other.

    ``values`` has what the text says; of what it says twice, the first. ``conflicts`` has a path of keys, its line and
    what is wrong for each key or table that contradicts an earlier one. Lines count from 1.
    """

    def __init__(self, text: str) -> None:
        """Raise ``ValueError`` for a text with a statement that is not TOML."""
        self.values: dict[str, Any] = {}
        self.conflicts: list[tuple[Keys, int, str]] = []
        self._lines: dict[Keys, int] = {}
        self._headers: dict[Keys, int] = {}
        self._assigned: dict[Keys, int] = {}
        self._arrays: set[Keys] = set()
        root = Parser(Language(tree_sitter_toml.language())).parse(text.encode()).root_node
        if root.has_error:
            raise ValueError("the text has a statement that is not TOML")
        self._read_pairs(root, (), "")
        for table in root.named_children:
            if table.type in _HEADERS:
                self._read_table(table)

    def line_of(self, path: Keys) -> int:
        """Return the line in which the path of keys first stands, or as much of the path as the text has."""
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path, 1)

    def _read_table(self, table: Node) -> None:
        key = next(child for child in table.named_children if child.type in _KEYS)
        header, path, line = _HEADERS[table.type].format(_text(key)), _path(key), _line(key)
        if table.type == "table_array_element":
            self._arrays.add(path)
        first = self._headers.setdefault(path, line)
        self._note(path, line, None if first == line else first)
        _merge(self.values, tomllib.loads(header))
        self._read_pairs(table, path, header)

    def _read_pairs(self, table: Node, above: Keys, header: str) -> None:
        for pair in _pairs(table):
            (path, line), *inner = _keys_of(pair, above)
            self._note(path, line, self._lines.get(path))
            self._assigned.setdefault(path, line)
            for inner_path, inner_line in inner:
                self._lines.setdefault(inner_path, inner_line)
            _merge(self.values, tomllib.loads(header + _text(pair)))

    def _note(self, path: Keys, line: int, first: int | None) -> None:
        """Note where the path and each table above it stand, and what the statement contradicts.

        In an array of tables the same path may stand many times.
        """
        beginnings = _beginnings(path)
        if not self._arrays.intersection(beginnings):
            values = [self._assigned[each] for each in beginnings if each in self._assigned]
            if first is not None:
                self.conflicts.append((path, line, f"stands twice, first in line {first}"))
            elif values:
                self.conflicts.append((path, line, f"contradicts line {values[0]}"))
        for each in beginnings:
            self._lines.setdefault(each, line)


def _pairs(table: Node) -> Iterator[Node]:
    return (child for child in table.named_children if child.type == "pair")


def _keys_of(pair: Node, above: Keys) -> Iterator[tuple[Keys, int]]:
    """Yield the path and line of the pair's key, then of each key in an inline table that is its value."""
    key, value = (child for child in pair.named_children if child.type != "comment")
    path = above + _path(key)
    yield path, _line(key)
    if value.type == "inline_table":
        for inner in _pairs(value):
            yield from _keys_of(inner, path)


def _beginnings(path: Keys) -> list[Keys]:
    return [path[:length] for length in range(1, len(path) + 1)]


def _text(node: Node) -> str:
    return (node.text or b"").decode().strip()


def _line(node: Node) -> int:
    return node.start_point.row + 1


def _path(key: Node) -> Keys:
    """Return the names of a key, which may be dotted and quoted, as Python's parser reads them."""
    names: list[str] = []
    value: object = tomllib.loads(f"{_text(key)} = 0")
    while isinstance(value, dict):
        ((name, value),) = value.items()
        names.append(name)
    return tuple(names)


def _merge(into: dict[str, Any], values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        if isinstance(value, dict) and isinstance(into.get(name), dict):
            _merge(into[name], value)
        else:
            into.setdefault(name, value)
