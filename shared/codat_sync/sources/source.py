"""One source: which events it takes, and what its expressions find in them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from json import dumps
from typing import Annotated, Any, Final
from uuid import UUID

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.parser import ParsedResult
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from codat_sync.events.moments import read_moment, read_sequence

_SHOWN: Final = 120
"""The most characters that a message repeats of what an expression found."""
_NOTHING: Final[tuple[object, ...]] = (None, "", [], {})
_CANCELLED: Final = "cancelled"


def _compiled(text: object) -> object:
    if not isinstance(text, str):
        return text
    try:
        return jmespath.compile(text)
    except JMESPathError as error:
        reason = " ".join(str(error).partition("\n")[0].split())
        raise ValueError(f"not a JMESPath expression: {reason}") from error


Expression = Annotated[ParsedResult, BeforeValidator(_compiled)]
"""A JMESPath expression on the whole event, envelope and all, compiled once. https://jmespath.org/specification.html"""
Word = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=256)]
Words = Annotated[frozenset[Word], Field(min_length=1)]


@dataclass(frozen=True)
class Step:
    """What one expression found. ``value`` is what the event means by it; ``problem`` says why it has no use."""

    key: str
    expression: str
    found: object
    value: object = None
    problem: str | None = None


class Source(BaseModel):
    """One table of the file. Without ``event_id`` and ``occurred_at``, the envelope's ``id`` and ``time`` count.

    ``sources`` are values of the envelope's ``source``; one that ends in ``*`` stands for all that begin so.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    sources: Words
    detail_types: Words
    ignored: frozenset[Word] = frozenset()
    condition: Expression | None = None
    ignored_if: Expression | None = None
    event_id: Expression | None = None
    company: Expression
    plan: Expression
    plan_aliases: Mapping[Word, Word] = {}
    cancelled: Expression | None = None
    occurred_at: Expression | None = None
    sequence: Expression | None = None

    def refuses(self, event: Mapping[str, Any]) -> str | None:
        """Return why the source does not take the event. None: it takes it."""
        source, detail_type = event.get("source"), event.get("detail-type")
        if not isinstance(source, str) or not self._is_from_here(source):
            return f"source is {shortened(source)}"
        if not isinstance(detail_type, str) or detail_type not in self._known_types:
            return f"detail-type is {shortened(detail_type)}"
        if self.condition is not None and not _is_true("condition", self.condition, event):
            return f"the condition does not hold: {self.condition.expression}"
        return None

    def ignores(self, event: Mapping[str, Any]) -> str | None:
        """Return why an event that the source takes changes no plan. None: it may change one."""
        if event["detail-type"] in self.ignored:
            return f"detail-type {event['detail-type']}"
        if self.ignored_if is not None and _is_true("ignored_if", self.ignored_if, event):
            return f"ignored_if: {self.ignored_if.expression}"
        return None

    def steps(self, event: Mapping[str, Any]) -> Iterator[Step]:
        """Yield what each expression finds, in the order of reading. A cancellation names no plan."""
        if self.event_id is not None:
            yield _step("event_id", self.event_id, event, _text)
        yield _step("company", self.company, event, _company)
        cancelled = False
        if self.cancelled is not None:
            step = _step(_CANCELLED, self.cancelled, event, _holds)
            cancelled = bool(step.value)
            yield step
        if not cancelled:
            yield _step("plan", self.plan, event, self._plan)
        if self.occurred_at is not None:
            yield _step("occurred_at", self.occurred_at, event, _moment)
        if self.sequence is not None:
            yield _step("sequence", self.sequence, event, _sequence)

    @cached_property
    def _known_types(self) -> frozenset[str]:
        return self.detail_types | self.ignored

    def _is_from_here(self, source: str) -> bool:
        return any(source.startswith(each[:-1]) if each.endswith("*") else source == each for each in self.sources)

    def _plan(self, found: object) -> str:
        """Take one plan, alone or in a list in which all say the same."""
        names = found if isinstance(found, list) else [found]
        plans = {self.plan_aliases.get(_text(each), _text(each)) for each in names if each not in _NOTHING}
        if len(plans) != 1:
            raise ValueError("it names several plans" if plans else "it found nothing")
        return plans.pop()


def shortened(value: object) -> str:
    """Show a value of an event as JSON, cut to a length that fits a message."""
    text = dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _search(expression: ParsedResult, event: object) -> object:
    """Return what the expression finds. Raise ``ValueError`` where a function of it does not fit the event."""
    try:
        found: object = expression.search(event)
    except (JMESPathError, TypeError) as error:
        raise ValueError(" ".join(str(error).split())) from error
    return found


def _step(key: str, expression: ParsedResult, event: object, read: Any) -> Step:  # noqa: ANN401  # One reader a key.
    text, found = expression.expression, None
    try:
        found = _search(expression, event)
        if found in _NOTHING and key != _CANCELLED:
            return Step(key, text, found, problem="it found nothing")
        return Step(key, text, found, read(found))
    except ValueError as error:
        return Step(key, text, found, problem=str(error))


def _is_true(key: str, expression: ParsedResult, event: object) -> bool:
    try:
        return _holds(_search(expression, event))
    except ValueError as error:
        raise ValueError(f"{key} = {expression.expression}: {error}") from error


def _holds(found: object) -> bool:
    """Tell truth as JMESPath does: false, null and what is empty are false."""
    return found is not False and found not in _NOTHING


def _text(found: object) -> str:
    if isinstance(found, bool) or not isinstance(found, str | int):
        raise ValueError("it is neither text nor a whole number")  # noqa: TRY004  # A value of the event, not of a type.
    return str(found)


def _company(found: object) -> str:
    try:
        return str(UUID(_text(found)))
    except ValueError as error:
        raise ValueError("it is not Codat's company id, which is a UUID") from error


def _moment(found: object) -> str:
    moment = read_moment(found)
    if moment is None:
        raise ValueError("the time was never set")
    return moment.isoformat()


def _sequence(found: object) -> int | None:
    return read_sequence(found)
