"""One problem of a presets file, in parts that a tool can use and as a line of text."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from codat_sync.presets._words import shown_name


@dataclass(frozen=True, kw_only=True)
class PresetProblem:
    """What is wrong, and where in the file: the keys that lead there.

    ``nearest`` is the known word that the wrong one resembles most, where there is one. ``line`` counts from 1. This
    package knows it only for a file that is not TOML or not UTF-8; for all other problems ``path`` tells the place.
    """

    message: str = ""
    plan: str | None = None
    data_type: str | None = None
    key: str | None = None
    nearest: str | None = None
    line: int | None = None

    @classmethod
    def at(cls, path: Sequence[str], message: str = "") -> Self:
        """Return a problem at a path of keys."""
        plan = data_type = None
        keys = list(path)
        if keys[:1] == ["plans"] and keys[1:]:
            plan, keys = keys[1], keys[2:]
            if keys[:1] == ["data_types"] and keys[1:]:
                data_type, keys = keys[1], keys[2:]
        return cls(message=message, plan=plan, data_type=data_type, key=keys[0] if keys else None)

    @property
    def path(self) -> tuple[str, ...]:
        """The keys from the top of the file, such as ``("plans", "growth", "data_types", "bills", "frequency")``."""
        plan = () if self.plan is None else ("plans", self.plan)
        data_type = () if self.data_type is None else ("data_types", self.data_type)
        return (*plan, *data_type, *(() if self.key is None else (self.key,)))

    @property
    def words(self) -> str:
        """The problem in one line without a line number, such as "plan growth, bills, frequency: …"."""
        plan = () if self.plan is None else (f"plan {shown_name(self.plan)}",)
        names = (*plan, *(shown_name(each) for each in (self.data_type, self.key) if each is not None))
        place = f"{', '.join(names)}: " if names else ""
        hint = "" if self.nearest is None else f"; did you mean {shown_name(self.nearest)}?"
        return f"{place}{self.message}{hint}"

    def __str__(self) -> str:
        return self.words if self.line is None else f"line {self.line}: {self.words}"
