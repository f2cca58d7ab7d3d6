"""The sources file: valid as a whole, or refused with every problem."""

from importlib.resources import files

import pytest

from codat_sync.sources.file import InvalidSources, Sources

VALID = """
[sources.billing]
sources = ["billing"]
detail_types = ["changed"]
company = "detail.company"
plan = "detail.plan"
"""


def problems_of(text: str) -> list[str]:
    with pytest.raises(InvalidSources) as caught:
        Sources.parse(text.encode())
    return str(caught.value).splitlines()


def test_the_packaged_file_is_valid() -> None:
    Sources.packaged()


@pytest.mark.parametrize("recipe", ["stripe", "chargebee", "paddle"])
def test_each_recipe_is_a_valid_file(recipe: str) -> None:
    content = files("codat_sync.sources").joinpath(f"recipes/{recipe}.toml").read_bytes()
    assert list(Sources.parse(content).sources) == [recipe]


def test_a_byte_order_mark_does_no_harm() -> None:
    assert list(Sources.parse(b"\xef\xbb\xbf" + VALID.encode()).sources) == ["billing"]


def test_every_problem_is_named_at_once_with_the_nearest_key() -> None:
    text = VALID.replace("detail_types", "detail_type").replace('"detail.plan"', '"detail.["')
    one, two, three = sorted(problems_of(text))
    assert one == "billing, detail_type: there is no such key; did you mean detail_types?"
    assert two == "billing, detail_types: is missing"
    assert three.startswith("billing, plan: not a JMESPath expression: ")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("sources = 3", "sources: "),
        ("[source.billing]", "source: there is no such key; did you mean sources?"),
        (VALID.replace('"detail.plan"', "3"), "billing, plan: is not text"),
        (VALID.replace('["billing"]', "[]"), "billing, sources: is empty"),
        ("[sources", "not TOML: "),
    ],
)
def test_what_is_wrong_is_refused_in_words(text: str, problem: str) -> None:
    assert problems_of(text)[0].startswith(problem)


def test_a_file_that_is_not_utf_8_is_refused() -> None:
    with pytest.raises(InvalidSources, match="not TOML"):
        Sources.parse(b"\xff")
