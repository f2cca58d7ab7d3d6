"""Codat's lists: pages with links, and the filter by tags."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar
from urllib.parse import urlencode

from pydantic import JsonValue

from local.codat_simulator._refusals import malformed_query, not_valid, problem

DEFAULT_PAGE_SIZE: Final = 100
MAX_PAGE_SIZE: Final = 5000

T = TypeVar("T")

_TAG_TERM: Final = re.compile(r"\s*([^=!~]+?)\s*(!=|=|~)\s*(.+?)\s*")
_OPERATORS: Final[Mapping[str, Callable[[str | None, str], bool]]] = {
    "=": lambda tag, value: tag == value,
    "!=": lambda tag, value: tag != value,
    "~": lambda tag, value: tag is not None and value in tag,
}


def tag_filter(text: str) -> Callable[[Mapping[str, str]], bool]:
    """Parse Codat's ``tags`` parameter: terms with ``=``, ``!=`` or ``~`` (contains), joined by ``&&``.

    A company without the tag matches ``!=``. Raise the 400 of a malformed query, such as one with ``||``.
    """
    terms = [_TAG_TERM.fullmatch(term) for term in text.split("&&")]
    parts = [term.groups() for term in terms if term is not None]
    if len(parts) != len(terms) or "||" in text:
        raise malformed_query()
    return lambda tags: all(_OPERATORS[operator](tags.get(key), value) for key, operator, value in parts)


def page_of(
    path: str,
    items: Sequence[T],
    as_json: Callable[[T], JsonValue],
    *,
    page: str | None,
    page_size: str | None,
    query: Mapping[str, str | None],
) -> JsonValue:
    """Return one page of ``items``, as Codat's JSON. The links repeat ``query``. Raise the 400 of a bad number."""
    number = _whole_number("page", page, default=1, largest=None)
    size = _whole_number("pageSize", page_size, default=DEFAULT_PAGE_SIZE, largest=MAX_PAGE_SIZE)
    first = (number - 1) * size
    repeated = {name: value for name, value in query.items() if value}

    def href(wanted: int) -> JsonValue:
        return {"href": f"{path}?{urlencode({'page': wanted, 'pageSize': size, **repeated})}"}

    links: dict[str, JsonValue] = {"self": {"href": path}, "current": href(number)}
    if first + size < len(items):
        links["next"] = href(number + 1)
    if number > 1:
        links["previous"] = href(number - 1)
    return {
        "results": [as_json(item) for item in items[first : first + size]],
        "pageNumber": number,
        "pageSize": size,
        "totalResults": len(items),
        "_links": links,
    }


def _whole_number(name: str, text: str | None, *, default: int, largest: int | None) -> int:
    if text is None:
        return default
    if text.isascii() and text.isdigit() and int(text) >= 1 and (largest is None or int(text) <= largest):
        return int(text)
    limit = "" if largest is None else f" and at most {largest}"
    raise not_valid(problem(name, f"{name} should be a whole number of at least 1{limit}.", "Paging"))
