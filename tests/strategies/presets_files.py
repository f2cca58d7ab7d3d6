"""Valid presets files: any names, any settings, and any way that TOML has to write them."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final
from unicodedata import normalize

from hypothesis import strategies as st

from codat_sync.codat.models import DATA_TYPES, Frequency

Keys = tuple[str, ...]

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_FREQUENCIES: Final = st.sampled_from([str(frequency) for frequency in Frequency])


@dataclass(frozen=True)
class PresetsFile:
    """A valid file, the names of its plans as written, and the line (from 1) of each path of keys in it."""

    content: bytes
    plans: tuple[str, ...]
    lines: Mapping[Keys, int]


def _is_a_plans_name(text: str) -> bool:
    return bool(text) and len(normalize("NFC", text)) <= 64 and text == text.strip() and text.isprintable()


def _folded(name: str) -> str:
    return normalize("NFC", normalize("NFC", name).casefold())


PLAN_NAMES = st.sampled_from(
    [
        "free",
        "Pro +",
        "Größe L",
        "Gro\u0308ße XL",
        "v2.0",
        'the "best"',
        "it's",
        "日本 プラン",
        "50 €/Monat",
        "a\\b",
        "plans",
    ]
) | st.text(min_size=1, max_size=24).filter(_is_a_plans_name)
NEW_DATA_TYPES = st.lists(
    st.text(min_size=1, max_size=12).filter(lambda name: name not in DATA_TYPES), max_size=2, unique=True
)
DATES = st.dates(date(1990, 1, 1), date(2090, 1, 1))
MOMENTS = st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)).map(  # noqa: DTZ001  # A bound has no time zone.
    lambda moment: moment.replace(microsecond=0, tzinfo=UTC)
)
HISTORY_STARTS: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.just({}),
    st.fixed_dictionaries({"sync_from_window": st.integers(1, 1200)}),
    st.fixed_dictionaries({"sync_from_utc": DATES | MOMENTS | DATES.map(str) | MOMENTS.map(datetime.isoformat)}),
)
SETTINGS = st.builds(
    lambda settings, start: {**settings, **start},
    st.fixed_dictionaries(
        {},
        optional={
            "frequency": _FREQUENCIES,
            "hour_of_day": st.integers(0, 23) | st.just("spread"),
            "fetch_on_first_link": st.booleans(),
            "months_to_sync": st.integers(1, 1200),
        },
    ),
    HISTORY_STARTS,
)


@st.composite
def _plans(draw: st.DrawFn, data_types: list[str]) -> dict[str, Any]:
    """Draw what a plan says. It may switch everything off, so it insists wherever it could."""
    flags = st.fixed_dictionaries({}, optional={"allow_history_narrowing": st.booleans()})
    if draw(st.integers(0, 5)) == 0:
        return {"use_account_defaults": True, **draw(flags)}
    plan = draw(SETTINGS) | draw(flags)
    plan |= draw(st.fixed_dictionaries({}, optional={"refresh_on_upgrade": st.booleans()}))
    fallbacks = st.sampled_from(["off", "daily", "weekly", "monthly"])
    plan |= draw(st.fixed_dictionaries({}, optional={"on_payment_required": fallbacks}))
    if "off" in (plan.get("frequency"), plan.get("on_payment_required")):
        plan["allow_all_off"] = True
    exceptions = draw(st.dictionaries(st.sampled_from(data_types), _FREQUENCIES | SETTINGS, max_size=4))
    return plan | ({"data_types": exceptions} if exceptions else {})


class _Text:
    """The text of a file as it grows, in one of TOML's ways to write each thing."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw
        self.lines: list[str] = []
        self.places: dict[Keys, int] = {}

    def chance(self) -> bool:
        return self._draw(st.booleans())

    def add(self, path: Keys, text: str) -> None:
        """Write a line, which is where the path begins, after a comment and blank lines if chance wants it."""
        self.lines += [""] * self._draw(st.integers(0, 1))
        if self.chance():
            self.lines.append("# [plans.comment] = 1")
        self.lines.append(text + (" # a comment" if self.chance() else ""))
        for length in range(1, len(path) + 1):
            self.places.setdefault(path[:length], len(self.lines))

    def key(self, *names: str) -> str:
        return ".".join(map(self._name, names))

    def _name(self, name: str) -> str:
        if _BARE.fullmatch(name) and self.chance():
            return name
        is_literal = "'" not in name and name.isprintable() and self.chance()
        return f"'{name}'" if is_literal else _basic(name)

    def value(self, value: object) -> str:
        if isinstance(value, dict):
            pairs = (f"{self.key(name)} = {self.value(each)}" for name, each in value.items())
            return f"{{ {', '.join(pairs)} }}"
        if isinstance(value, list):
            return f"[{', '.join(map(self.value, value))}]"
        if isinstance(value, str):
            return _basic(value)
        return value.isoformat() if isinstance(value, date) else json.dumps(value)

    def pairs(self, above: Keys, prefix: Keys, values: Mapping[str, Any]) -> None:
        """Write pairs in the current table, nested tables inline or by dotted keys."""
        for name, value in values.items():
            path = (*above, name)
            if isinstance(value, dict) and value and self.chance():
                self.pairs(path, (*prefix, name), value)
                continue
            self.add(path, f"{self.key(*prefix, name)} = {self.value(value)}")
            self._place_inner(path, value)

    def _place_inner(self, path: Keys, value: object) -> None:
        if isinstance(value, dict):
            for name, inner in value.items():
                self.places.setdefault((*path, name), len(self.lines))
                self._place_inner((*path, name), inner)

    def header(self, path: Keys) -> None:
        self.add(path, f"[{self.key(*path)}]")

    def plan(self, name: str, values: dict[str, Any]) -> None:
        path, own = ("plans", name), dict(values)
        below = own.pop("data_types") if "data_types" in own and self.chance() else None
        self.header(path)
        self.pairs(path, (), own)
        if below is not None:
            self.header((*path, "data_types"))
            self.pairs((*path, "data_types"), (), below)


def _basic(text: str) -> str:
    """Write a basic string. JSON escapes the same, except that TOML also wants DEL escaped."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


@st.composite
def presets_files(draw: st.DrawFn) -> PresetsFile:
    """Draw a valid presets file."""
    names = draw(st.lists(PLAN_NAMES, min_size=1, max_size=4, unique_by=_folded))
    new_data_types = draw(NEW_DATA_TYPES)
    text = _Text(draw)
    top: dict[str, Any] = {key: draw(st.sampled_from(names)) for key in ("default_plan", "on_cancelled")}
    if new_data_types or text.chance():
        top["additional_data_types"] = new_data_types
    text.pairs((), (), top)
    for name in names:
        text.plan(name, draw(_plans(sorted(DATA_TYPES) + new_data_types)))
    mark, line_end = draw(st.sampled_from(["", "\ufeff"])), draw(st.sampled_from(["\n", "\r\n"]))
    last_line_end = line_end if text.chance() else ""
    content = f"{mark}{line_end.join(text.lines)}{last_line_end}".encode()
    return PresetsFile(content, tuple(names), text.places)
