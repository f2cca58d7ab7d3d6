"""One whole answer over HTTP, whoever gave it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from html import unescape
from typing import Final

from pydantic import JsonValue
from pydantic_core import from_json

_QUOTABLE: Final = 64 * 1024
"""The bytes of a page in which its first words are looked for."""
_MARKUP: Final = re.compile(r"<(script|style)\b.*?(?:</\1\s*>|\Z)|<[^<>]*>", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True)
class Reply:
    """An answer. ``request`` names what it answers, as in ``GET /companies``."""

    request: str
    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Their names are looked up in any case."""
    conceal: Callable[[str], str] = str
    """Takes the API key out of a text: a page may show the request that it answers."""

    @property
    def is_empty(self) -> bool:
        """True for no body, and for an object without fields: neither tells who answered."""
        return self.body.strip() in (b"", b"{}")

    @cached_property
    def json(self) -> JsonValue:
        """The body as JSON; None also where it is none."""
        try:
            parsed: JsonValue = from_json(self.body)
        except ValueError:
            return None
        return parsed

    @property
    def fields(self) -> dict[str, JsonValue]:
        """The fields of a JSON object; none where the body is anything else."""
        return self.json if isinstance(self.json, dict) else {}

    def words(self, longest: int) -> str:
        """Return the first words of the body on one line, without the markup of a page; empty for an empty body."""
        text = self.body[:_QUOTABLE].decode("utf-8", errors="replace")
        read = unescape(_MARKUP.sub(" ", text)) if "<" in text else text
        return self.conceal(" ".join((read if read.strip() else text).split()))[:longest]
