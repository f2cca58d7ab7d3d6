"""Faults on demand: error answers, dropped connections and delays, before or after a request takes effect."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, model_validator
from pydantic.alias_generators import to_camel

WireFault = Literal[
    "drip-headers",
    "drip-body",
    "drip-chunks",
    "endless-body",
    "endless-chunks",
    "bomb",
    "cut",
    "reset",
    "other-company",
]
"""An answer that drips, that has no end, that decompresses to 512 MB, that is cut off or reset in its middle, or that
is about another company."""


class Fault(BaseModel):
    """A fault that hits the requests it matches.

    The fault first holds the request for ``hold_seconds``. Then it drops the connection (``drop``), answers
    ``status``, or answers as ``wire`` says, with ``drip_seconds`` between two bytes; with none of these, the request
    continues. With ``moment="after"`` all of this happens after the request has taken effect: the state has changed,
    and the real answer is lost. That is so in any case where the answer is about another company. The fault hits
    ``count`` requests, or with None every one until it is removed, each with ``probability``. At most one fault hits a
    request: of those that would, the one added first.
    """

    model_config = ConfigDict(
        alias_generator=to_camel, validate_by_name=True, validate_by_alias=True, extra="forbid", frozen=True
    )

    method: Annotated[str, AfterValidator(str.upper)] | None = None
    path_prefix: Annotated[str, Field(pattern="^/")] | None = None
    company_id: Annotated[str, AfterValidator(str.lower)] | None = None
    count: Annotated[int, Field(ge=1)] | None = None
    probability: Annotated[float, Field(gt=0, le=1)] = 1.0
    moment: Literal["before", "after"] = "before"
    hold_seconds: Annotated[float, Field(ge=0, le=3600)] = 0
    drop: bool = False
    status: Annotated[int, Field(ge=400, le=599)] | None = None
    body: Literal["json", "html", "empty"] = "json"
    error: str | None = None
    retry_after_seconds: Annotated[int, Field(ge=0)] | None = None
    wire: WireFault | None = None
    drip_seconds: Annotated[float, Field(gt=0, le=3600)] = 5

    @model_validator(mode="after")
    def _does_one_thing(self) -> Self:
        if not (self.hold_seconds or self.drop or self.status or self.wire):
            raise ValueError("a fault needs a status, or drop, or wire, or holdSeconds")
        if sum(map(bool, (self.drop, self.status, self.wire))) > 1:
            raise ValueError("a fault drops the connection, answers a status or breaks the answer, not both")
        if self.status is None and (self.body != "json" or self.error or self.retry_after_seconds is not None):
            raise ValueError("body, error and retryAfterSeconds say how a status is answered: name the status")
        return self

    @property
    def lets_through(self) -> bool:
        """True if a request that the fault hits still gets Codat's own answer."""
        return self.status is None and not self.drop and self.wire is None

    def matches(self, method: str, path: str, company_id: str | None) -> bool:
        return (
            self.method in (None, method)
            and self.company_id in (None, company_id)
            and (self.path_prefix is None or path.startswith(self.path_prefix))
        )


@dataclass
class _Armed:
    fault: Fault
    struck: int = 0


class Faults:
    """The armed faults of a simulator, in the order in which they were added."""

    def __init__(self, random: Random, ids: Callable[[], str]) -> None:
        self._random = random
        self._ids = ids
        self._armed: dict[str, _Armed] = {}

    def add(self, fault: Fault) -> str:
        """Arm a fault. Return the id that removes it."""
        fault_id = self._ids()
        self._armed[fault_id] = _Armed(fault)
        return fault_id

    def remove(self, fault_id: str) -> bool:
        """Disarm a fault. Return False if it is not armed, for instance because it has hit ``count`` requests."""
        return self._armed.pop(fault_id, None) is not None

    def clear(self) -> None:
        self._armed.clear()

    def next_for(self, method: str, path: str, company_id: str | None) -> Fault | None:
        """Return the fault that hits this request, and count the hit. Return None if none does."""
        if not self._armed:
            return None
        # A copy: a test may add and remove faults from another thread.
        for fault_id, armed in list(self._armed.items()):
            fault = armed.fault
            if not fault.matches(method, path, company_id):
                continue
            if fault.probability < 1 and self._random.random() >= fault.probability:
                continue
            armed.struck += 1
            if armed.struck == fault.count:
                self.remove(fault_id)
            return fault
        return None

    def report(self) -> list[JsonValue]:
        """Return the armed faults as JSON, each with its id and the number of its hits (``struck``)."""
        return [
            {
                "id": fault_id,
                "struck": armed.struck,
                **armed.fault.model_dump(mode="json", by_alias=True, exclude_defaults=True),
            }
            for fault_id, armed in list(self._armed.items())
        ]
