"""The pause: what concerns the whole Codat account, shared by all functions, so that one 429 does not become 10,000.

A pause begins only once a call that concerns no company, or a second company, has met the same (account.py). While it
lasts, every call to Codat is answered from the record as Codat would answer it. When it has lapsed, a single caller
probes whether Codat answers again; the others wait for its result.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING, Final, Protocol
from uuid import UUID

from codat_sync.codat.errors import CodatError, NoAnswer, PaymentRequired, PaymentRequiredKind, RateLimited
from codat_sync.codat.models import SyncSettings
from codat_sync.codat.rate_limits import SHORT_WAIT
from codat_sync.companies.account import Account, Refusal
from codat_sync.companies.converge import Codat
from codat_sync.companies.records import OWN_KEYS
from codat_sync.observability import count_pause, logger

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

CACHE: Final = timedelta(seconds=5)
"""How long a process uses what it last read of the pause."""
EXPIRED_ACCOUNT: Final = timedelta(minutes=10)
"""How long an expired account is assumed to stay expired. Codat sends no event when the bill is paid."""
PROBE: Final = timedelta(seconds=60)
"""How long the probe's lease lasts. Longer than any one call."""
LONGEST: Final = timedelta(hours=25)
"""Codat's quota is by the day. A header that asks for more is wrong, and must not stop all calls for a year."""

_KEY: Final = f"{OWN_KEYS}pause"


@dataclass(frozen=True)
class Pause:
    """Until when no function calls Codat, and why, in Codat's words."""

    reason: str
    words: str
    until: datetime

    def as_codat_would_say(self, now: datetime) -> CodatError:
        """Return the error that a call would have met."""
        words = f"paused until {self.until.isoformat(timespec='seconds')}: {self.words}"
        error: CodatError = RateLimited(words, retry_after=max(self.until - now, timedelta(0)))
        if self.reason == PaymentRequiredKind.ACCOUNT_EXPIRED:
            error = PaymentRequired(words, kind=PaymentRequiredKind.ACCOUNT_EXPIRED)
        error.concerns_account = True
        return error


class PauseRecord(Protocol):
    """The store of the pause. ``swap`` is a compare-and-set: it lets a single caller probe."""

    def read(self) -> Pause | None:
        """Return the current pause, lapsed or not."""

    def write(self, pause: Pause) -> None:
        """Begin a pause, or extend the current one to the later end of the two."""

    def swap(self, old: Pause, new: Pause | None) -> bool:
        """Replace the old pause by the new one, or by none, if the old one is still current; return whether it was."""


class StoredPause:
    """The pause in the companies' table, under a key that no company can have."""

    def __init__(self, dynamodb: "DynamoDBClient", table_name: str) -> None:
        self._dynamodb = dynamodb
        self._table_name = table_name

    def read(self) -> Pause | None:
        """Read once, consistent with every earlier write."""
        answer = self._dynamodb.get_item(
            TableName=self._table_name, Key={"companyId": {"S": _KEY}}, ConsistentRead=True
        )
        item = answer.get("Item", {})
        if "until" not in item:
            return None
        return Pause(item["reason"]["S"], item["words"]["S"], datetime.fromisoformat(item["until"]["S"]))

    def write(self, pause: Pause) -> None:
        """Write the pause unless the current one ends later, for whatever reason."""
        self._update(_SET, "attribute_not_exists(#until) OR #until < :until", _values(pause))

    def swap(self, old: Pause, new: Pause | None) -> bool:
        """Return whether the old pause was current as given."""
        before = {":old": _text(old.until)}
        if new is None:
            return self._update("REMOVE #until", "#until = :old", before)
        return self._update(_SET, "#until = :old", _values(new) | before)

    def _update(self, update: str, condition: str, values: dict[str, str]) -> bool:
        try:
            self._dynamodb.update_item(
                TableName=self._table_name,
                Key={"companyId": {"S": _KEY}},
                UpdateExpression=update,
                ConditionExpression=condition,
                ExpressionAttributeNames={"#until": "until"},
                ExpressionAttributeValues={name: {"S": value} for name, value in values.items()},
            )
        except self._dynamodb.exceptions.ConditionalCheckFailedException:
            return False
        return True


_SET: Final = "SET reason = :reason, words = :words, #until = :until"


def _values(pause: Pause) -> dict[str, str]:
    return {":reason": pause.reason, ":words": pause.words, ":until": _text(pause.until)}


def _text(moment: datetime) -> str:
    """Write a moment in a fixed width and in one zone, so that DynamoDB's string comparison orders moments."""
    return moment.isoformat(timespec="microseconds")


class HoldsBack(Protocol):
    """The call rate, as far as it learns of refusals."""

    def refused(self, wait: timedelta | None, company_id: UUID | None, *, began: datetime) -> bool:
        """Learn from a refused call; return whether all calls wait for their turns now. A long wait is the pause's."""


class PausingCodat:
    """Codat, respecting the pause. Safe to share between threads.

    Errors that concern the whole account are marked so (``concerns_account``), whether a pause answered or Codat.
    """

    def __init__(
        self,
        codat: Codat,
        record: PauseRecord,
        now: Callable[[], datetime],
        ask_account: Callable[[], object] | None = None,
        call_rate: HoldsBack | None = None,
    ) -> None:
        """``ask_account`` makes the confirming call, within ``CONFIRMATION_SECONDS``; None: by ``codat`` itself.

        ``call_rate`` learns of each refusal for its rate.
        """
        self._codat = codat
        self._record = record
        self._now = now
        self._call_rate = call_rate
        self._account = Account(ask_account or codat.get_account_sync_settings, now)
        self._lock = Lock()
        self._known: Pause | None = None
        self._read_at: datetime | None = None

    def get_sync_settings(self, company_id: UUID) -> SyncSettings:
        """Call ``CodatClient``; raise the error that Codat would answer where a pause is in force."""
        with self._call(company_id):
            return self._codat.get_sync_settings(company_id)

    def get_account_sync_settings(self) -> SyncSettings:
        """Call ``CodatClient``; raise the error that Codat would answer where a pause is in force."""
        with self._call():
            return self._codat.get_account_sync_settings()

    def update_sync_settings(self, company_id: UUID, settings: SyncSettings) -> None:
        """Call ``CodatClient``; raise the error that Codat would answer where a pause is in force."""
        with self._call(company_id):
            self._codat.update_sync_settings(company_id, settings)

    def queue_refresh(self, company_id: UUID, data_type: str) -> bool:
        """Call ``CodatClient``; raise the error that Codat would answer where a pause is in force."""
        with self._call(company_id):
            return self._codat.queue_refresh(company_id, data_type)

    @contextmanager
    def _call(self, company_id: UUID | None = None) -> Iterator[None]:
        probed = self._respect()
        began = self._now()
        try:
            yield
        except CodatError as error:
            self._learn(error, self._refusal_of_all(error, company_id, began), probed)
            raise
        if probed is not None:
            self._lift(probed)

    def _refusal_of_all(self, error: CodatError, company_id: UUID | None, began: datetime) -> Refusal | None:
        """Return Codat's refusal of the whole account. One for its rate makes all calls wait for their turns."""
        if self._call_rate is None or not isinstance(error, RateLimited):
            return self._account.confirms(error, company_id, began=began)
        if self._call_rate.refused(error.retry_after, company_id, began=began):
            return Refusal(error, self._now())
        refusal = self._account.confirms(error, company_id, began=began)
        if refusal is not None:
            self._call_rate.refused(error.retry_after, None, began=began)
        return refusal

    def _learn(self, error: CodatError, refusal: Refusal | None, probed: Pause | None) -> None:
        """Begin a pause where Codat refuses the whole account and says for how long. End or pass on a probe."""
        error.concerns_account = refusal is not None
        pause = None if refusal is None else _pause_for(refusal.error, refusal.at)
        if pause is not None:
            self._begin(pause, probed)
        elif probed is not None and isinstance(error, NoAnswer):
            self._hand_over(probed)
        elif probed is not None:
            self._lift(probed)

    def _respect(self) -> Pause | None:
        """Raise where a pause is in force. Return a lapsed one to the single caller that may probe."""
        with self._lock:
            now = self._now()
            if self._read_at is None or now - self._read_at >= CACHE:
                self._known, self._read_at = self._record.read(), now
            if self._known is not None and self._known.until <= now:
                return self._become_the_probe(self._known, now)
            if self._known is not None:
                raise self._known.as_codat_would_say(now)
            return None

    def _become_the_probe(self, lapsed: Pause, now: datetime) -> Pause | None:
        probe = replace(lapsed, until=now + PROBE)
        if self._record.swap(lapsed, probe):
            self._known = probe
            return probe
        self._known = self._record.read()
        if self._known is not None:
            raise self._known.as_codat_would_say(now)
        return None

    def _begin(self, pause: Pause, probed: Pause | None) -> None:
        """Begin the pause, once for all threads that met it. A probe's result replaces its lease."""
        with self._lock:
            if probed is None and self._known == pause:
                return
            self._known, self._read_at = pause, self._now()
            if probed is None or not self._record.swap(probed, pause):
                self._record.write(pause)
        logger().warning(
            "pause_began", extra={"reason": pause.reason, "words": pause.words, "until": _text(pause.until)}
        )
        count_pause(pause.reason, (pause.until - self._now()).total_seconds())

    def _hand_over(self, probed: Pause) -> None:
        """Let the next probe start soon: this one got no answer, so it has learnt nothing."""
        with self._lock:
            now = self._now()
            lapsing = replace(probed, until=now + CACHE)
            if self._record.swap(probed, lapsing):
                self._known, self._read_at = lapsing, now

    def _lift(self, probed: Pause) -> None:
        with self._lock:
            is_lifted = self._record.swap(probed, None)
            # Else a pause was begun during the probe, which says nothing of it.
            self._known, self._read_at = None if is_lifted else self._record.read(), self._now()
        if is_lifted:
            logger().info("pause_lifted", extra={"reason": probed.reason})


def _pause_for(error: CodatError, at: datetime) -> Pause | None:
    """Return the pause that an answer calls for. A 429 for a short time, or without one, begins none."""
    match error:
        case RateLimited(retry_after=timedelta() as wait) if wait > SHORT_WAIT:
            until = at + min(wait, LONGEST)
        case PaymentRequired(kind=PaymentRequiredKind.ACCOUNT_EXPIRED):
            until = at + EXPIRED_ACCOUNT
        case _:
            return None
    return Pause(error.reason, str(error), until)
