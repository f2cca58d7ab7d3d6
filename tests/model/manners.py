"""What a process of the model has to do when Codat refuses something, before it goes on."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from codat_sync.codat.client import REQUEST_SECONDS
from codat_sync.codat.errors import CodatError, PaymentRequired, PaymentRequiredKind, RateLimited
from codat_sync.codat.rate_limits import SHORT_WAIT
from codat_sync.companies.account import CONFIRMATION_SECONDS, VERDICT, sounds_account_wide

ACCOUNT_CALL: Final = "get_account_sync_settings"
EARLY: Final = timedelta(seconds=REQUEST_SECONDS - CONFIRMATION_SECONDS)
"""An answer that comes later leaves no time for the confirming call."""


class Manners:
    """The steps that a refusal requires of one process.

    A refusal of one company that sounds account-wide requires a call that concerns no company. Where that call is
    refused, too, the pause has to be stored before any other step.
    """

    def __init__(self, now: Callable[[], datetime], broken: Callable[[str], None]) -> None:
        self._now = now
        self._broken = broken
        self._owes_question = False
        self._owes_pause = False
        self._knows_until = now()
        self._account_is_unknown = False
        self._refused: set[UUID] = set()

    @property
    def is_asking(self) -> bool:
        """Whether the next call of the process is the confirming one."""
        return self._owes_question

    def before(self, step: str) -> None:
        """Check the step that a process is about to take."""
        if self._owes_question and step != ACCOUNT_CALL:
            self._broken(f"a refusal sounded account-wide, and {step} came before the confirming call")
        if self._owes_pause and step != "pause":
            self._broken(f"the account was refused, and {step} came before a pause")

    def before_pause(self) -> None:
        """Check the reason for a new pause: the account was refused, or two companies were, and the account unknown."""
        if not self._owes_pause and not (self._account_is_unknown and len(self._refused) > 1):
            self._broken("a pause began on the refusal of one company")

    def after(self, step: str, began: datetime, company: UUID | None, error: BaseException | None) -> None:
        """Note how a step ended."""
        sounds = isinstance(error, CodatError) and sounds_account_wide(error)
        if step == ACCOUNT_CALL:
            if self._owes_question:
                asked = error.retry_after if isinstance(error, RateLimited) else None
                self._knows_until = self._now() + min(VERDICT, asked or VERDICT)
                self._account_is_unknown = error is not None and not sounds
            self._owes_pause = sounds and _names_an_end(error)
        elif step == "pause":
            self._owes_pause = False
        elif sounds and company is not None:
            self._refused.add(company)
            self._owes_question = self._now() >= self._knows_until and self._now() - began <= EARLY
            return
        self._owes_question = False


def _names_an_end(error: BaseException | None) -> bool:
    match error:
        case RateLimited(retry_after=timedelta() as wait) if wait > SHORT_WAIT:
            return True
        case PaymentRequired(kind=PaymentRequiredKind.ACCOUNT_EXPIRED):
            return True
        case _:
            return False
