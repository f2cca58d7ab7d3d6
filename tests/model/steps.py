"""The steps that both searches take: an event happens, and a process makes a move."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from botocore.exceptions import ClientError, ReadTimeoutError

from codat_sync.codat.errors import (
    BadRequest,
    Conflict,
    NotFound,
    PaymentRequired,
    PaymentRequiredKind,
    RateLimited,
    ServerError,
    Unauthorized,
    Unreachable,
)
from tests.model.gate import PASS, CallResult, Crashed, Effect
from tests.model.process import CODAT_CALLS, WRITE
from tests.model.world import COMPANIES, World

FAILURES: Final[Mapping[str, Callable[[], Exception]]] = {
    "timeout": lambda: Unreachable("no"),
    "503": lambda: ServerError("no", status=503),
    "400": lambda: BadRequest("no", status=400),
    "401": lambda: Unauthorized("no", status=401),
    "402 expired": lambda: PaymentRequired("no", kind=PaymentRequiredKind.ACCOUNT_EXPIRED),
    "402 limit": lambda: PaymentRequired("no", kind=PaymentRequiredKind.COMPANY_LIMIT),
    "404": lambda: NotFound("no", status=404),
    "409": lambda: Conflict("no", status=409),
    "429": lambda: RateLimited("no", retry_after=None),
    "429 for 2 min": lambda: RateLimited("no", retry_after=timedelta(minutes=2)),
    "429 for 12 h": lambda: RateLimited("no", retry_after=timedelta(hours=12)),
    "429 for 20 h": lambda: RateLimited("no", retry_after=timedelta(hours=20)),
}
"""The errors that Codat may answer at any call."""
NO_ANSWER: Final = ("timeout", "503")
"""After these errors the call may have taken effect or not."""
CONFIRMED: Final = "confirmed"
"""The placeholder for the plan that was confirmed last: where a plan returns, its preset may seem to be in force."""
POINTS: Final = ("confirm", "get_sync_settings", "park", "answer", "pause", "record")


@dataclass(frozen=True)
class Event:
    """A company changes or cancels its plan, or connects, with or without a plan.

    ``late_by``: the number of events that were sent before this one, and occurred later or in the same minute.
    ``taken``: whether an idle process receives the event at once. It stops at the call ``until``, or at its end.
    """

    says: Callable[..., None]
    company: int
    plan: str | None
    late_by: int
    taken: bool
    until: str | None
    sequence: int | None = None

    def happen(self, world: World) -> None:
        minute = max(len(world.sent) - self.late_by, 0)
        company = COMPANIES[self.company]
        plan = world.confirmed_plan(company) if self.plan == CONFIRMED else self.plan
        self.says(world, company, plan, minute, self.sequence)
        queue = world.queues.messages[-1].queue
        idle = [n for n, process in enumerate(world.processes) if process.step is None and process.queue == queue]
        if self.taken and idle:
            world.receive(idle[0], skip=-1, most=1)
            world.run(idle[0], self.until)


@dataclass(frozen=True)
class Move:
    """A process, which receives messages if it is idle, continues to a call, which succeeds or fails.

    ``at``: that call, or None for the one at which it waits. Then the process stops at the call ``until``, or at its
    end. ``starts_after``: the seconds between the receive and the function's start.
    """

    process: int
    skip: int
    most: int
    at: str | None
    fails: str | None
    effect: Effect
    until: str | None
    starts_after: float = 0

    def happen(self, world: World) -> None:
        if world.processes[self.process].step is None:
            world.receive(self.process, skip=self.skip, most=self.most, starts_after=self.starts_after)
        if self.at is not None:
            world.run(self.process, self.at)
        step = world.processes[self.process].step
        if step is not None:
            world.resume(self.process, self._result(step))
            world.run(self.process, self.until)

    def _result(self, step: str) -> CallResult:
        effect = Effect.NEVER if self.effect is Effect.LATE and step != WRITE else self.effect
        match self.fails:
            case None:
                return PASS
            case "crash":
                return CallResult(effect, Crashed())
            case _ if step in CODAT_CALLS:
                return CallResult(effect if self.fails in NO_ANSWER else Effect.NEVER, FAILURES[self.fails]())
            case _ if step == "answer":
                return PASS
            case "timeout":
                return CallResult(effect, ReadTimeoutError(endpoint_url="https://aws.invalid"))
            case _:
                return CallResult(
                    effect, ClientError({"Error": {"Code": "ThrottlingException", "Message": "no"}}, "Any")
                )
