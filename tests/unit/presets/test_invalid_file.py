"""Invalid presets files: every problem in plain words, with its plan, data type and key."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codat_sync.presets.file import InvalidPresets, Presets, problems_in
from codat_sync.presets.problem import PresetProblem
from tests.unit.json_strategies import JSON
from tests.unit.presets.one_plan import preset, problems

HEAD = 'default_plan = "a"\non_cancelled = "a"\n'
FREQUENCIES = "off, hourly, daily, weekly, monthly"
HOURS = '0 to 23, or "spread"'
MONTHS = "should be a whole number from 1 to 1200, not"
SETTING_KEYS = "frequency, hour_of_day, fetch_on_first_link, months_to_sync, sync_from_window, sync_from_utc"
ACCOUNT_DEFAULTS = "plan a, use_account_defaults: Codat's account settings apply, so nothing else can be set:"
ALL_OFF = "plan a: every data type is off, which lets connections expire; allow_all_off = true insists"


def refused(toml: str) -> list[str]:
    """Return the lines of ``InvalidPresets`` for a whole file."""
    with pytest.raises(InvalidPresets) as raised:
        Presets.parse(toml.encode())
    assert str(raised.value) == "\n".join(map(str, raised.value.problems))
    return str(raised.value).splitlines()


# --- One plan -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("plan", "problem"),
    [
        ('frequency = "wekly"', f'frequency: "wekly" is not a frequency: {FREQUENCIES}; did you mean weekly?'),
        ('frequency = "Daily"', f'frequency: "Daily" is not a frequency: {FREQUENCIES}; did you mean daily?'),
        ("frequency = 24", f"frequency: 24 is not a frequency: {FREQUENCIES}; did you mean daily?"),
        ("frequency = 6", f"frequency: 6 is not a frequency: {FREQUENCIES}"),
        ('frequency = ""', f'frequency: "" is not a frequency: {FREQUENCIES}'),
        (
            'data_types.invoices = "dayly"',
            f'invoices, frequency: "dayly" is not a frequency: {FREQUENCIES}; did you mean daily?',
        ),
        (
            'data_types.invoices = { frequency = ["daily"] }',
            f"invoices, frequency: a list is not a frequency: {FREQUENCIES}",
        ),
        ("data_types.bills = 3", f"bills: should be a frequency ({FREQUENCIES}) or a table, not 3"),
        (
            "data_types.bills = 168",
            f"bills: should be a frequency ({FREQUENCIES}) or a table, not 168; did you mean weekly?",
        ),
        ("data_types = 3", "data_types: should be a table, not 3"),
        ("hour_of_day = 25", f"hour_of_day: 25 is not an hour of day: {HOURS}"),
        ("hour_of_day = -1", f"hour_of_day: -1 is not an hour of day: {HOURS}"),
        ("hour_of_day = true", f"hour_of_day: true is not an hour of day: {HOURS}"),
        ('hour_of_day = "2"', f'hour_of_day: "2" is not an hour of day: {HOURS}'),
        ('hour_of_day = "spraed"', f'hour_of_day: "spraed" is not an hour of day: {HOURS}; did you mean spread?'),
        ("hour_of_day = 2.0", f"hour_of_day: 2.0 is not an hour of day: {HOURS}"),
        ("months_to_sync = 0", f"months_to_sync: {MONTHS} 0"),
        ("months_to_sync = 1201", f"months_to_sync: {MONTHS} 1201"),
        ('months_to_sync = "24"', f'months_to_sync: {MONTHS} "24"'),
        ("sync_from_window = 1.5", f"sync_from_window: {MONTHS} 1.5"),
        ("sync_from_window = true", f"sync_from_window: {MONTHS} true"),
        (f"sync_from_window = 0x{'f' * 9000}", f"sync_from_window: {MONTHS} a number with too many digits"),
        (
            'fetch_on_first_link = "yes"',
            'fetch_on_first_link: should be true or false, not "yes"; did you mean true?',
        ),
        ("allow_all_off = 1", "allow_all_off: should be true or false, not 1"),
        (
            'sync_from_utc = "31/01/2024"',
            'sync_from_utc: "31/01/2024" is not a date, such as 2024-01-31 or 2024-01-31T12:00:00Z',
        ),
        (
            "sync_from_utc = 12:00:00",
            "sync_from_utc: 12:00:00 is not a date, such as 2024-01-31 or 2024-01-31T12:00:00Z",
        ),
        (
            'sync_from_window = 12\nsync_from_utc = "2024-01-31"',
            "sync_from_utc: sync_from_window and sync_from_utc exclude each other",
        ),
        (
            'data_types.bills = { sync_from_window = 12, sync_from_utc = "2024-01-31" }',
            "bills, sync_from_utc: sync_from_window and sync_from_utc exclude each other",
        ),
        ('freqency = "daily"', "freqency: unknown key; did you mean frequency?"),
        ('data_types.bills = { freqency = "daily" }', "bills, freqency: unknown key; did you mean frequency?"),
        ('bills = "daily"', "bills: unknown key; did you mean data_types.bills?"),
        ("data_types.bills = { x = 1 }", f"bills, x: unknown key; this table takes {SETTING_KEYS}"),
        (
            'frequency = "hourly"\non_payment_required = "hourly"',
            "on_payment_required: should be less frequent than hourly; did you mean daily?",
        ),
        (
            'on_payment_required = "dayly"',
            f'on_payment_required: "dayly" is not a frequency: {FREQUENCIES}; did you mean daily?',
        ),
        (
            'data_types.invoces = "daily"',
            "invoces: not a data type that Codat documents; did you mean invoices?",
        ),
        (
            'data_types.zzz = "daily"',
            "zzz: not a data type that Codat documents; additional_data_types takes new ones",
        ),
    ],
)
def test_a_problem_names_the_plan_the_data_type_the_key_and_what_is_wrong(plan: str, problem: str) -> None:
    assert problems(plan) == [f"plan a, {problem}"]


@pytest.mark.parametrize(
    ("plan", "excluded"),
    [
        ('frequency = "daily"', "frequency"),
        ("refresh_on_upgrade = true", "refresh_on_upgrade"),
        ('data_types.bills = "daily"', "data_types"),
        ("hour_of_day = 3\nmonths_to_sync = 24", "hour_of_day, months_to_sync"),
    ],
)
def test_account_defaults_exclude_settings_of_ones_own(plan: str, excluded: str) -> None:
    assert problems(f"use_account_defaults = true\n{plan}") == [f"{ACCOUNT_DEFAULTS} {excluded}"]


@pytest.mark.parametrize(
    "plan",
    [
        'frequency = "off"',
        'frequency = "off"\ndata_types.bills = "off"',
        'frequency = "off"\ndata_types.bills = { fetch_on_first_link = true }',
        'frequency = "hourly"\non_payment_required = "off"',
        'frequency = "hourly"\non_payment_required = "off"\ndata_types.bills = "off"',
        'frequency = "off"\non_payment_required = "off"\ndata_types.bills = "hourly"',
    ],
)
def test_a_plan_that_switches_everything_off_in_one_way_or_another_is_refused(plan: str) -> None:
    assert problems(plan) == [ALL_OFF]


@pytest.mark.parametrize(
    "plan",
    [
        'data_types.banking-accountBalances = "off"',
        'frequency = "hourly"\non_payment_required = "off"\ndata_types.bills = "weekly"',
        'frequency = "off"\nallow_all_off = true',
    ],
)
def test_a_plan_under_which_something_stays_on_is_valid(plan: str) -> None:
    assert preset(plan).plan == "a"


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00"])
def test_a_date_at_the_edge_of_the_calendar_is_a_problem_like_others(moment: str) -> None:
    (line,) = problems(f'frequency = "daily"\nsync_from_utc = "{moment}"')
    assert line.startswith(f'plan a, sync_from_utc: "{moment}" is not a date')


@pytest.mark.parametrize(
    "flag",
    ["use_account_defaults", "allow_history_narrowing", "allow_all_off", "refresh_on_upgrade", "fetch_on_first_link"],
)
@pytest.mark.parametrize("value", ['"yes"', "1"])
def test_a_flag_is_true_or_false_and_nothing_else(flag: str, value: str) -> None:
    (line,) = problems(f"{flag} = {value}")
    assert line.startswith(f"plan a, {flag}: should be true or false, not {value}")


# --- Several problems -----------------------------------------------------------------------------------------------


def test_every_problem_of_every_plan_is_named_at_once() -> None:
    toml = """
    frequency = "dayly"
    hour_of_day = 24
    colour = "red"
    sync_from_window = 12
    sync_from_utc = "2024-01-31"
    data_types.bills = "wekly"
    data_types.invoces = "daily"
    [plans.b]
    months_to_sync = 0
    [plans.c]
    use_account_defaults = true
    frequency = "daily"
    """
    assert {line.split(":")[0] for line in problems(toml)} == {
        "plan a, frequency",
        "plan a, hour_of_day",
        "plan a, colour",
        "plan a, sync_from_utc",
        "plan a, bills, frequency",
        "plan a, invoces",
        "plan b, months_to_sync",
        "plan c, use_account_defaults",
    }


def test_every_unknown_name_is_named_at_once() -> None:
    toml = 'default_plan = "x"\non_cancelled = "grwoth"\n[plans.growth.data_types]\ninvoces = "daily"\nbils = "daily"'
    assert refused(toml) == [
        "plan growth, invoces: not a data type that Codat documents; did you mean invoices?",
        "plan growth, bils: not a data type that Codat documents; did you mean bills?",
        'default_plan: there is no plan "x"',
        'on_cancelled: there is no plan "grwoth"; did you mean growth?',
    ]


# --- The file as a whole --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("toml", "lines"),
    [
        (
            "",
            [
                "default_plan: missing: the plan of a company that no event has named a plan for",
                "on_cancelled: missing: the plan that a cancelled plan leads to",
                "plans: missing: at least one plan, [plans.NAME]",
            ],
        ),
        (
            'default_plan = "a"\n[plans.a]\nfrequency = "daily"',
            ["on_cancelled: missing: the plan that a cancelled plan leads to"],
        ),
        (f"{HEAD}plans = 3", ["plans: should be a table, not 3"]),
        (f"{HEAD}[[plans]]", ["plans: should be a table, not a list of tables"]),
        (f"{HEAD}[plans]\na = 3", ["plan a: should be a table, not 3"]),
        (f"{HEAD}[[plans.a]]", ["plan a: should be a table, not a list of tables"]),
        (
            'default_plan = 1\non_cancelled = ["a"]\n[plans.a]',
            [
                "default_plan: should be the name of a plan, not 1",
                "on_cancelled: should be the name of a plan, not a list",
            ],
        ),
        (f'colours = "red"\n{HEAD}[plans.a]', ["colours: unknown key; this table takes "]),
        (f"{HEAD}[plan.a]\n[plans.a]", ["plan: unknown key; did you mean plans?"]),
        (f"{HEAD}[premium]\n[plans.a]", ["premium: unknown key; did you mean plans.premium?"]),
        (f'default_plans = "a"\n{HEAD}[plans.a]', ["default_plans: unknown key; did you mean default_plan?"]),
        (
            f"additional_data_types = 3\n{HEAD}[plans.a]",
            ["additional_data_types: should be a list of names, not 3"],
        ),
        (
            f'additional_data_types = ["x", 3]\n{HEAD}[plans.a]',
            ["additional_data_types: should be a list of names, but has 3"],
        ),
        (
            f'additional_data_types = "expenses"\n{HEAD}[plans.a]',
            ['additional_data_types: should be a list of names, not "expenses"'],
        ),
    ],
)
def test_a_file_of_another_shape_is_invalid(toml: str, lines: list[str]) -> None:
    found = refused(toml)
    assert [line[: len(start)] for line, start in zip(found, lines, strict=True)] == lines


def test_a_file_without_a_plan_is_invalid() -> None:
    assert refused(f"{HEAD}[plans]") == [
        "plans: missing: at least one plan, [plans.NAME]",
        'default_plan: there is no plan "a"',
        'on_cancelled: there is no plan "a"',
    ]


@pytest.mark.parametrize(
    ("toml", "line"),
    [
        ("default_plan = ", "line 1: not TOML: not a value; text needs quotation marks"),
        ("default_plan = free", "line 1: not TOML: not a value; text needs quotation marks"),
        (
            'default_plan = "free"\nthis: is YAML',
            "line 2: not TOML: a line is KEY = VALUE; a name needs quotation marks if it has more than A-Z",
        ),
        ("[plans.a]\nhour_of_day = 1\nhour_of_day = 2", "line 3: not TOML: the key is there twice"),
        ("[plans.a]\n[plans.a]", "line 2: not TOML: the table is there twice"),
        ("[plans.Größe]", "line 1: not TOML: a table begins with [NAME]; a name needs quotation marks if "),
        (f"x = {'9' * 5000}", "not TOML: a number with too many digits"),
        (f"x = {'[' * 5000}", "not TOML: nested too deeply"),
    ],
)
def test_what_is_not_toml_is_named_with_its_line(toml: str, line: str) -> None:
    (found,) = refused(toml)
    assert found.startswith(line)


# --- Names of plans -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("", 'plan "": a plan\'s name has 1 to 64 characters, not 0'),
        ("x" * 65, f'plan "{"x" * 64}…": a plan\'s name has 1 to 64 characters, not 65'),
        (" pro", 'plan " pro": a plan\'s name has no blank at its start or end'),
        ("pro ", 'plan "pro ": a plan\'s name has no blank at its start or end'),
        (r"a\nb", 'plan "a\\nb": a plan\'s name has no control characters, and no blanks but the ordinary space'),
        (r"a\u00a0b", 'plan "a\\u00a0b": a plan\'s name has no control characters, and no blanks but'),
        (r"a\u200bb", 'plan "a\\u200bb": a plan\'s name has no control characters, and no blanks but'),
    ],
)
def test_a_name_that_billing_would_not_give_is_refused(name: str, line: str) -> None:
    (found,) = refused(f'{HEAD}[plans.a]\n[plans."{name}"]')
    assert found.startswith(line)


@pytest.mark.parametrize(
    ("first", "second"), [("Growth", "growth"), ("STRASSE", "straße"), ("Größe", "GRÖSSE"), ("é", "e\u0301")]
)
def test_names_that_differ_in_case_or_unicode_form_alone_are_refused_with_both(first: str, second: str) -> None:
    assert refused(f'{HEAD}[plans.a]\n[plans."{first}"]\n[plans."{second}"]') == [
        f"plan {second}: the name differs from that of plan {first} in case or Unicode form alone"
    ]


def test_a_name_that_a_reader_could_take_for_two_is_in_quotation_marks() -> None:
    assert refused(f'{HEAD}[plans.a]\n[plans."Pro, yearly"]\nhour_of_day = 25') == [
        f'plan "Pro, yearly", hour_of_day: 25 is not an hour of day: {HOURS}'
    ]


# --- Anything at all ------------------------------------------------------------------------------------------------

RAW_WORDS = ("Input should", "Extra inputs", "Field required", "Value error", "pattern", "Traceback")


@settings(deadline=None, max_examples=100)
@given(text=st.text() | st.text('=[]"{}.#\nabdefilnpstuy_01-', max_size=80))
def test_any_text_is_presets_or_invalid(text: str) -> None:
    with pytest.raises(InvalidPresets):
        Presets.parse(text.encode())


@settings(deadline=None, max_examples=100)
@given(content=st.binary(max_size=80))
def test_any_bytes_are_presets_or_invalid(content: bytes) -> None:
    with pytest.raises(InvalidPresets):
        Presets.parse(content)


KEYS = st.sampled_from(
    """
    default_plan on_cancelled additional_data_types plans a frequency hour_of_day months_to_sync sync_from_window
    sync_from_utc data_types bills use_account_defaults on_payment_required allow_all_off
    """.split()
)
VALUES = st.sampled_from(["a", "off", "hourly", "bills", True, False, 1, 24]) | JSON
SHAPES = st.recursive(VALUES, lambda inner: st.dictionaries(KEYS | st.text(max_size=8), inner, max_size=4))


def nested(plans: dict[str, Any], rest: dict[str, Any]) -> dict[str, Any]:
    return {**rest, "plans": {"a": plans}}


@settings(deadline=None, max_examples=200)
@given(
    raw=st.dictionaries(KEYS, SHAPES) | st.builds(nested, st.dictionaries(KEYS, SHAPES), st.dictionaries(KEYS, SHAPES))
)
def test_a_file_of_any_shape_is_valid_or_refused_in_plain_words(raw: dict[str, Any]) -> None:
    for is_complete in (True, False):
        for problem in problems_in(raw, is_complete=is_complete):
            words = str(problem)
            assert problem.message
            assert words.isprintable()
            assert len(words) < 500
            assert not [raw_words for raw_words in RAW_WORDS if raw_words in problem.message]


@settings(deadline=None, max_examples=100)
@given(raw=st.builds(nested, st.dictionaries(KEYS, SHAPES), st.dictionaries(KEYS, SHAPES)))
def test_what_has_no_problem_can_be_read(raw: dict[str, Any]) -> None:
    if not problems_in(raw):
        Presets.model_validate(raw)


@pytest.mark.parametrize(
    ("path", "place"),
    [
        (("plans", "p", "data_types", "bills", "frequency"), ("p", "bills", "frequency")),
        (("plans", "p", "data_types", "bills"), ("p", "bills", None)),
        (("plans", "p", "data_types"), ("p", None, "data_types")),
        (("plans", "p", "frequency"), ("p", None, "frequency")),
        (("plans", "data_types"), ("data_types", None, None)),
        (("plans",), (None, None, "plans")),
        (("default_plan",), (None, None, "default_plan")),
        ((), (None, None, None)),
    ],
)
def test_a_path_of_keys_tells_the_plan_the_data_type_and_the_key(
    path: tuple[str, ...], place: tuple[str | None, ...]
) -> None:
    problem = PresetProblem.at(path, "no")
    assert (problem.plan, problem.data_type, problem.key) == place
    assert problem.path == path
