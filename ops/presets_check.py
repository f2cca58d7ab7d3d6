"""Every problem of a presets file, each with its line. Makes no call to AWS or Codat."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from codat_sync.presets.file import InvalidPresets, Presets, decode, problems_in, read_toml
from codat_sync.presets.problem import PresetProblem
from ops._toml_source import TomlSource

MOST_LINES: Final = 100
"""How many lines that cannot be parsed are left out in search of the next. A file with more is hardly TOML."""

_HEADER: Final = re.compile(r"\s*\[")
_OPENS_TEXT: Final = re.compile(r"=\s*(\"{3}|'{3})")
_OPENS: Final = re.compile(r"=\s*(\[[^\]]*$|\{[^}]*$|\"{3}|'{3})")


@dataclass(frozen=True, kw_only=True)
class Problem(PresetProblem):
    """One problem of a presets file. As text it is one line that an editor can jump to: ``FILE:LINE: …``."""

    file: Path

    def __str__(self) -> str:
        place = f"{self.file}" if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.words}"


def check(file: Path) -> list[Problem]:
    """Find every problem of a presets file, in the order of its lines. The list is empty where the file can be used.

    A file that cannot be read is a problem, too: it has no line.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        found: Iterable[PresetProblem] = [PresetProblem(message=f"cannot be read: {error.strerror or error}")]
    else:
        found = _problems_of(content)
    problems = [Problem(file=file, **asdict(each)) for each in found]
    return sorted(problems, key=lambda each: each.line or 0)


def _problems_of(content: bytes) -> list[PresetProblem]:
    try:
        Presets.parse(content)
    except InvalidPresets as error:
        problems = error.problems
    else:
        return []
    try:
        text = decode(content)
    except InvalidPresets:
        return list(problems)
    return _with_lines(text) or list(problems)


def _with_lines(text: str) -> list[PresetProblem]:
    """Find the problems of a text, each with its line. The list is empty where the lines cannot be found."""
    broken = _without_errors(text)
    try:
        source = TomlSource(broken.rest)
    except (ValueError, RecursionError):
        return broken.errors
    conflicts = [replace(PresetProblem.at(path, message), line=line) for path, line, message in source.conflicts]
    if broken.conflict and broken.conflict.line not in {each.line for each in conflicts}:
        conflicts.append(broken.conflict)
    found = problems_in(source.values, is_complete=not broken.errors)
    return [*broken.errors, *conflicts, *(replace(each, line=source.line_of(each.path)) for each in found)]


@dataclass(frozen=True)
class _Broken:
    """The lines that are not TOML, and the rest of the text, in which lines keep their numbers.

    ``conflict`` is the first statement in the rest that cannot stand after those before it.
    """

    rest: str
    errors: list[PresetProblem]
    conflict: PresetProblem | None


def _without_errors(text: str) -> _Broken:
    """Leave out one line after the other that cannot be parsed, and what belongs to it."""
    lines = text.replace("\r\n", "\n").split("\n")
    rest, errors, conflicts = [*lines], list[PresetProblem](), list[PresetProblem]()
    for _ in range(MOST_LINES):
        error = _error(lines)
        if error is None or error.line is None:
            break
        at = error.line - 1
        opening = _unclosed(lines, at)
        if opening is not None:
            message = "not TOML: what opens here does not close, so the lines below were not checked"
            errors.append(replace(error, line=opening + 1, message=message))
            lines[opening:] = rest[opening:] = [""] * (len(lines) - opening)
        elif _error([lines[at]]):
            end = _end(lines, at)
            below = "; the lines of this table were not checked" if end > at + 1 else ""
            errors.append(replace(error, message=f"{error.message}{below}"))
            lines[at:end] = rest[at:end] = [""] * (end - at)
        else:
            conflicts.append(error)
            lines[at] = ""
    return _Broken("\n".join(rest), errors, conflicts[0] if conflicts else None)


def _error(lines: Sequence[str]) -> PresetProblem | None:
    try:
        read_toml("\n".join(lines))
    except InvalidPresets as error:
        return error.problems[0]
    return None


def _unclosed(lines: Sequence[str], at: int) -> int | None:
    """Return the line whose bracket or quotation marks are still open where the parser gave up. None where none are."""
    opening = next((each for each in range(at, -1, -1) if _OPENS.search(lines[each]) and _error([lines[each]])), None)
    if opening is None or opening == at:
        return opening
    is_open = _error(lines[:at]) is not None
    return opening if is_open and (_OPENS_TEXT.search(lines[opening]) or not _error([lines[at]])) else None


def _end(lines: Sequence[str], at: int) -> int:
    """Return the end of what has to be left out: the line alone, or all lines of the table that its header began."""
    if not _HEADER.match(lines[at]):
        return at + 1
    return next((each for each in range(at + 1, len(lines)) if _HEADER.match(lines[each])), len(lines))
