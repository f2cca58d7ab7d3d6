"""Codat with a script: its companies, how long it takes to answer, and what it refuses when."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final, Protocol
from uuid import UUID

from codat_sync.codat.models import SyncSettings
from local.simulation.virtual_time import Clock

ANSWER_SECONDS: Final = (0.1, 0.5)
"""The shortest and the longest answer."""
REFUSAL_SECONDS: Final = 0.05
AT_WORK_SECONDS: Final = 1.0
"""For so long after a refusal, a function that is at work on another event of the company may not know of it."""
DATA_TYPES: Final = ("bankTransactions", "chartOfAccounts", "company", "customers", "invoices", "payments", "suppliers")
_UNSET: Final = json.dumps(
    {
        "overridesDefaults": False,
        "settings": [
            {"dataType": each, "fetchOnFirstLink": True, "syncSchedule": 720, "syncOrder": number}
            for number, each in enumerate(DATA_TYPES)
        ],
    }
).encode()


@dataclass(frozen=True)
class Request:
    """A request to Codat. ``company_id`` is None where it concerns no company."""

    method: str
    company_id: str | None
    body: bytes
    at: float


@dataclass(frozen=True)
class Answer:
    """An answer of Codat's."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


KILLED: Final = Answer(0)
"""The end of the caller's process, in the place of an answer."""


class Rule(Protocol):
    """A part of the script."""

    def __call__(self, request: Request) -> Answer | None:
        """Return a refusal or ``KILLED``, None where the rule has no objection."""


class Codat:
    """One account. Each request takes virtual time.

    ``statuses`` counts the answers. ``written_at`` is when each company's settings were last set, by company id.
    ``early`` are the requests about a company that came before the end of the wait that it was last answered with:
    how many, by company id.
    """

    def __init__(self, clock: Clock, random: Random, script: Sequence[Rule]) -> None:
        self._clock = clock
        self._random = random
        self._script = script
        self._settings: dict[str, bytes] = {}
        self.statuses: Counter[int] = Counter()
        self.written_at: dict[str, float] = {}
        self.early: Counter[str] = Counter()
        self._waits: dict[str, tuple[float, float]] = {}

    def answer(self, method: str, path: str, body: bytes) -> Answer:
        """Answer a request, after some time. A refused one takes no effect."""
        parts = path.partition("?")[0].strip("/").split("/")
        request = Request(method, parts[1] if parts[0] == "companies" else None, body, self._clock.now)
        self._check_wait(request)
        for rule in self._script:
            refusal = rule(request)
            if refusal is KILLED:
                self._clock.kill()
            if refusal is not None:
                self._clock.sleep(REFUSAL_SECONDS)
                self.statuses[refusal.status] += 1
                if request.company_id is not None and "Retry-After" in refusal.headers:
                    asked_until = request.at + int(refusal.headers["Retry-After"])
                    self._waits[request.company_id] = request.at + AT_WORK_SECONDS, asked_until
                return refusal
        self._clock.sleep(self._random.uniform(*ANSWER_SECONDS))
        answer = self._take_effect(request)
        self.statuses[answer.status] += 1
        return answer

    def settings(self, company_id: UUID) -> SyncSettings:
        """Return the settings of a company."""
        return SyncSettings.model_validate_json(self._settings.get(str(company_id), _UNSET))

    def reset(self) -> None:
        """Reset all companies to the account's settings, as somebody may do in Codat's Portal."""
        self._settings.clear()

    def _check_wait(self, request: Request) -> None:
        """Count the request if its company was asked to wait for longer."""
        if request.company_id is not None:
            known_at, asked_until = self._waits.get(request.company_id, (0.0, 0.0))
            if known_at <= request.at < asked_until:
                self.early[request.company_id] += 1

    def _take_effect(self, request: Request) -> Answer:
        if request.method == "GET":
            return Answer(200, self._settings.get(request.company_id or "", _UNSET))
        if request.body and request.company_id is not None:
            self._settings[request.company_id] = request.body
            self.written_at[request.company_id] = self._clock.now
        return Answer(204)
