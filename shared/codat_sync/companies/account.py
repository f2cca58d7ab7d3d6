"""Whether Codat refuses the whole account or one company alone.

An answer to a call about one company never holds back another company. What sounds as if it concerned the whole account
is confirmed by a call that concerns no company, or by a second company where that call gets no answer.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import Final
from uuid import UUID

from codat_sync.codat.client import CONNECT_SECONDS, READ_SECONDS, REQUEST_SECONDS
from codat_sync.codat.errors import CodatError, PaymentRequired, PaymentRequiredKind, RateLimited, Unauthorized

CONFIRMATION_SECONDS: Final = CONNECT_SECONDS + READ_SECONDS
"""The confirming call at its slowest: it is made by a client without quick retries."""
VERDICT: Final = timedelta(seconds=5)
"""How long a process uses the answer to one confirming call, for whichever company."""
SUSPICION: Final = timedelta(minutes=5)
"""How long the refusal of one company counts towards that of a second one."""


def sounds_account_wide(error: CodatError) -> bool:
    """Return whether an answer reads as if it concerned the whole account."""
    match error:
        case RateLimited() | Unauthorized() | PaymentRequired(kind=PaymentRequiredKind.ACCOUNT_EXPIRED):
            return True
        case _:
            return False


@dataclass(frozen=True)
class Refusal:
    """Codat refuses the whole account: its answer, and when it came."""

    error: CodatError
    at: datetime


@dataclass(frozen=True)
class _Verdict:
    answer: CodatError | None
    at: datetime
    holds_until: datetime


@dataclass(frozen=True)
class _Suspect:
    reason: str
    company_id: UUID
    at: datetime


class Account:
    """The whole account at Codat. Safe to share between threads: one of them asks, the others use its answer."""

    def __init__(self, ask: Callable[[], object], now: Callable[[], datetime]) -> None:
        """``ask`` makes a call that concerns no company, and raises ``CodatError`` where Codat refuses it."""
        self._ask = ask
        self._now = now
        self._lock = Lock()
        self._verdict: _Verdict | None = None
        self._suspect: _Suspect | None = None

    def confirms(self, error: CodatError, company_id: UUID | None, *, began: datetime) -> Refusal | None:
        """Return Codat's refusal of the whole account; None where the error concerns the company alone.

        ``company_id`` None: the call that met the error concerned no company. ``began`` is when that call began: both
        calls together take no longer than one at its slowest. Where that call was too slow, nothing is confirmed.
        """
        if not sounds_account_wide(error):
            return None
        if company_id is None:
            return Refusal(error, self._now())
        if self._now() - began > timedelta(seconds=REQUEST_SECONDS - CONFIRMATION_SECONDS):
            return None
        with self._lock:
            return self._decide(error, company_id)

    def _decide(self, error: CodatError, company_id: UUID) -> Refusal | None:
        verdict = self._newest_verdict()
        if verdict.answer is None:
            self._suspect = None
            return None
        if sounds_account_wide(verdict.answer):
            return Refusal(verdict.answer, verdict.at)
        # Codat said nothing of the account.
        before, now = self._suspect, self._now()
        self._suspect = _Suspect(error.reason, company_id, now)
        if before is None or before.company_id == company_id or before.reason != error.reason:
            return None
        return Refusal(error, now) if now - before.at < SUSPICION else None

    def _newest_verdict(self) -> _Verdict:
        if self._verdict is None or self._now() >= self._verdict.holds_until:
            answer: CodatError | None = None
            try:
                self._ask()
            except CodatError as error:
                answer = error
            at = self._now()
            asked = answer.retry_after if isinstance(answer, RateLimited) else None
            self._verdict = _Verdict(answer, at, at + min(VERDICT, asked or VERDICT))
        return self._verdict
