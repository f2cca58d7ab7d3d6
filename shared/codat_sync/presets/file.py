"""A presets file: TOML in, every plan's preset out."""

import re
import tomllib
from collections.abc import Callable, Sequence
from functools import cache, cached_property
from importlib.resources import files
from itertools import chain
from typing import Any, Final, Self
from uuid import UUID

from codat_sync.errors import TransientError
from codat_sync.presets import _rules
from codat_sync.presets._tables import DataTypeNames, NamedPlan, Plans, Table, normalized
from codat_sync.presets._words import nearest, shown_names
from codat_sync.presets.preset import CompanyPreset, UnknownPlan, spread_hour
from codat_sync.presets.problem import PresetProblem

_TOML_PLACE: Final = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")
_NEEDS_QUOTATION_MARKS: Final = "a name needs quotation marks if it has more than A-Z, a-z, 0-9, _ and -"
_TOML_WORDS: Final = {
    "Cannot overwrite a value": "the key is there twice",
    "Cannot declare": "the table is there twice",
    "Cannot mutate immutable namespace": "the table was closed earlier in the file",
    "Duplicate inline table key": "the key is there twice",
    "Invalid value": "not a value; text needs quotation marks",
    "Invalid statement": f"a line is KEY = VALUE; {_NEEDS_QUOTATION_MARKS}",
    "Expected '=' after a key": f"a line is KEY = VALUE; {_NEEDS_QUOTATION_MARKS}",
    "Invalid initial character for a key part": f"a key is missing; {_NEEDS_QUOTATION_MARKS}",
    "Expected ']'": f"a table begins with [NAME]; {_NEEDS_QUOTATION_MARKS}",
    "Illegal character": "text is not closed, or has a control character",
    "Exceeds the limit": "a number with too many digits",
}
"""How Python's messages begin, and what is said instead where they are hard to understand."""
_EVENT_CHARACTERS: Final = 64
"""The most that a message repeats of a plan that an event names."""


class InvalidPresets(TransientError):
    """The presets cannot be used. The text has a line for each problem.

    ``problems`` has the same in parts, but is empty where the text comes from AppConfig's validator. The error is
    transient: events can wait until the presets are corrected.
    """

    reason = "invalid_presets"

    def __init__(self, message: str, problems: Sequence[PresetProblem] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


class Presets(Table):
    """Every plan's preset. An object of this class is valid as a whole."""

    default_plan: NamedPlan
    on_cancelled: NamedPlan
    additional_data_types: DataTypeNames = frozenset()
    plans: Plans

    @classmethod
    def packaged(cls) -> Self:
        """Return the presets that were deployed with this package. Raise ``InvalidPresets``."""
        return cls.parse(packaged_file())

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Read the presets from a file's content: TOML in UTF-8, with or without a byte order mark.

        Raise ``InvalidPresets`` with every problem.
        """
        raw = read_toml(decode(content))
        problems = problems_in(raw)
        if problems:
            raise _invalid(problems)
        return cls.model_validate(raw)

    def knows(self, plan: str) -> bool:
        """Tell whether the plan has a preset. Names are compared in Unicode's NFC."""
        return normalized(plan) in self.plans

    def for_company(self, plan: str, company_id: UUID) -> CompanyPreset:
        """Return the plan's preset for one company. Raise ``UnknownPlan`` with the nearest name."""
        name = normalized(plan)
        if name not in self.plans:
            raise UnknownPlan(self._unknown(name))
        return self._preset_of(name, spread_hour(company_id))

    @cached_property
    def _preset_of(self) -> Callable[[str, int], CompanyPreset]:
        """Make each preset once: companies of one plan and one hour of day share it."""
        return cache(lambda name, hour: self.plans[name].preset(name, hour))

    def _unknown(self, plan: str) -> str:
        shown = f"unknown plan {plan[:_EVENT_CHARACTERS]!r}:"
        meant = nearest(plan[:_EVENT_CHARACTERS], self.plans)
        known = f"presets know {shown_names(self.plans)}"
        return f"{shown} the {known}" if meant is None else f"{shown} did you mean {meant!r}? The {known}"


def packaged_file() -> bytes:
    """Return the presets file that was deployed with this package. It belongs to the team that deploys."""
    return files("codat_sync.presets").joinpath("presets.toml").read_bytes()


def validate(content: bytes, packaged: Presets) -> None:
    """Raise ``InvalidPresets`` with every problem where the content cannot go live without a deploy.

    It must have every plan of the package: companies may be on that plan, and the package is the fallback.
    """
    gone = packaged.plans.keys() - Presets.parse(content).plans.keys()
    message = "the deployed package has it; only a deploy can remove a plan"
    if gone:
        raise _invalid([PresetProblem(plan=plan, message=message) for plan in sorted(gone)])


def decode(content: bytes) -> str:
    """Decode UTF-8, with or without a byte order mark. Raise ``InvalidPresets`` with the line of the first bad byte."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        bad, line = error.object[error.start], error.object.count(b"\n", 0, error.start) + 1
        message = f"not UTF-8: byte 0x{bad:02x}; save the file as UTF-8"
        raise _invalid([PresetProblem(message=message, line=line)]) from error


def read_toml(text: str) -> dict[str, Any]:
    """Parse TOML. Raise ``InvalidPresets`` with the first line that cannot be parsed, where Python tells it."""
    try:
        return tomllib.loads(text)
    except ValueError as error:  # Also for an integer with too many digits.
        message, line = str(error), None
        if place := _TOML_PLACE.search(message):
            message, line = message[: place.start()], int(place[1] or text.rstrip().count("\n") + 1)
        plain = next((words for start, words in _TOML_WORDS.items() if message.startswith(start)), message)
        raise _invalid([PresetProblem(message=f"not TOML: {plain}", line=line)]) from error
    except RecursionError as error:
        raise _invalid([PresetProblem(message="not TOML: nested too deeply")]) from error


def problems_in(raw: dict[str, Any], *, is_complete: bool = True) -> tuple[PresetProblem, ...]:
    """Find every problem of parsed TOML of any shape.

    ``is_complete`` is false for what is left of a file after its syntax errors. Missing keys and plans are then no
    problem: the lines with errors may have them.
    """
    always = (
        _rules.key_problems(raw, Presets),
        _rules.names_alike(raw),
        _rules.unknown_data_types(raw),
        _rules.conflicting_keys(raw),
    )
    if not is_complete:
        return tuple(chain(*always))
    return tuple(chain(_rules.missing_keys(raw), *always, _rules.unknown_plans(raw), _rules.all_off(raw)))


def _invalid(problems: Sequence[PresetProblem]) -> InvalidPresets:
    return InvalidPresets("\n".join(map(str, problems)), problems)
