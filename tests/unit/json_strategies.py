"""JSON of any shape, and Codat's sync settings with known and unknown fields, for Hypothesis."""

from typing import Any

from hypothesis import strategies as st

from codat_sync.codat.models import DATA_TYPES, Dialect, Frequency

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(min_value=-(2**70), max_value=2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
)

JSON: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)

UNKNOWN_FIELDS = st.dictionaries(st.text(min_size=1, max_size=4).map("new{}".format), JSON, max_size=2)

HOURS = st.integers(min_value=0, max_value=23)


def _with_unknown(known: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(lambda fields, unknown: {**fields, **unknown}, known, UNKNOWN_FIELDS)


OBJECT_SCHEDULES = _with_unknown(
    st.fixed_dictionaries(
        {"intervalHours": st.sampled_from([int(each) for each in Frequency]) | st.integers(), "hourOfDay": HOURS}
    )
)
HOURS_SCHEDULES = st.sampled_from([int(each) for each in Frequency]) | st.integers()


def _settings(schedules: st.SearchStrategy[Any], names: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, Any]]:
    optional: dict[str, st.SearchStrategy[Any]] = {
        "fetchOnFirstLink": st.booleans(),
        "syncSchedule": schedules | st.none(),
        "syncFromUtc": st.sampled_from(["2022-10-23T00:00:00Z", "2024-01-31", "2025-06-01T12:00:00+02:00", "?"])
        | st.none(),
        "syncFromWindow": st.integers(min_value=0, max_value=1200) | st.none(),
        "monthsToSync": st.integers(min_value=0, max_value=1200) | st.none(),
        "isLocked": st.booleans() | st.none(),
    }
    return _with_unknown(st.fixed_dictionaries({"dataType": names, "syncOrder": st.integers(0, 99)}, optional=optional))


KNOWN_NAMES = st.sampled_from(sorted(DATA_TYPES))
ANY_NAMES = KNOWN_NAMES | st.text(max_size=12)

SETTINGS_BY_DIALECT = {
    Dialect.OBJECT: _settings(OBJECT_SCHEDULES, ANY_NAMES),
    Dialect.HOURS: _settings(HOURS_SCHEDULES, ANY_NAMES),
}


def answers(dialect: Dialect) -> st.SearchStrategy[dict[str, Any]]:
    """Return a strategy for whole answers of GET syncSettings, each data type once."""
    listed = st.lists(SETTINGS_BY_DIALECT[dialect], max_size=5, unique_by=lambda setting: str(setting["dataType"]))
    return st.fixed_dictionaries({"settings": listed, "overridesDefaults": st.booleans()})
