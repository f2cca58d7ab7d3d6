"""A sources file: TOML in, every source out."""

import tomllib
from difflib import get_close_matches
from importlib.resources import files
from typing import Any, Final, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from codat_sync.errors import TransientError
from codat_sync.sources.source import Source

_WORDS: Final = {
    "missing": "is missing",
    "frozen_set_type": "is not a list of texts",
    "too_short": "is empty",
    "is_instance_of": "is not text",
    "value_error": "",
}
_TOML_ERRORS: Final = (ValueError, RecursionError)


class InvalidSources(TransientError):
    """The sources cannot be used. The text has a line for each problem. Events wait until the file is corrected."""

    reason = "invalid_sources"


class Sources(BaseModel):
    """Every source by its name. An object of this class is valid as a whole."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sources: dict[str, Source] = {}

    @classmethod
    def packaged(cls) -> Self:
        """Return the sources that were deployed with this package. Raise ``InvalidSources``."""
        return cls.parse(files("codat_sync.sources").joinpath("sources.toml").read_bytes())

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Read a file's content: TOML in UTF-8, with or without a byte order mark.

        Raise ``InvalidSources`` with every problem.
        """
        try:
            raw = tomllib.loads(content.decode("utf-8-sig"))
        except _TOML_ERRORS as error:
            raise InvalidSources(f"not TOML: {error}") from error
        try:
            return cls.model_validate(raw)
        except ValidationError as error:
            problems = error.errors(include_url=False, include_input=False)
            raise InvalidSources("\n".join(_in_words(each) for each in problems)) from error


def _in_words(problem: Any) -> str:  # noqa: ANN401  # Pydantic's own details.
    kind, path = problem["type"], [str(each) for each in problem["loc"]]
    place = ", ".join(path[1:] if path[:1] == ["sources"] and path[1:] else path)
    if kind == "extra_forbidden":
        model = Sources if len(path) == 1 else Source
        close = get_close_matches(path[-1].casefold(), model.model_fields, n=1)
        return f"{place}: there is no such key" + (f"; did you mean {close[0]}?" if close else "")
    words = _WORDS.get(kind, problem["msg"])
    return f"{place}: {words or problem['ctx']['error']}"
