"""The call rate: what Codat allows in a minute, learnt from its refusals and shared by all functions.

While no limit is known, calls are free and nothing is written. Once Codat has refused a call for a short while, each
call waits for its turn: turns are evenly spaced, and a process takes a few of them with one write.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from random import Random
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, Protocol
from uuid import UUID

from botocore.exceptions import BotoCoreError, ClientError

from codat_sync.codat.client import Answer
from codat_sync.codat.rate_limits import SHORT_WAIT
from codat_sync.companies.rate import Rate
from codat_sync.companies.records import OWN_KEYS
from codat_sync.observability import logger

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

CACHE: Final = 5_000
"""For how many milliseconds a process believes that there is no limit."""
CACHE_OF_A_LIMIT: Final = 1_000
"""For how many it uses what it last read of a limit: so late it learns that another process was refused."""
KEPT: Final = 5_000
"""A turn that no call has used for so long is given up: saved up, turns would become a burst."""
UNNAMED_WAIT: Final = timedelta(seconds=5)
"""The wait after a 429 that names none."""
SHORTEST_WAIT: Final = 1_000
SUSPICION: Final = 10_000
"""For how many milliseconds the refusal of one company counts towards that of a second one."""
MILLISECOND: Final = timedelta(milliseconds=1)
YIELDING_SHARE: Final = 0.8
"""The share of the limit that is left to callers that yield."""
YIELDING_WAIT: Final = 5_000
"""For how long after an opening they leave it to the others."""
ATTEMPTS: Final = 5

_KEY: Final = f"{OWN_KEYS}call-rate"


class CallRateRecord(Protocol):
    """The store of the rate. Both writes compare and set, and raise what the AWS client raises."""

    def read(self) -> Rate | None:
        """Return the rate, None where none was ever learnt."""

    def take(self, known: Rate, *, length: int, now: int) -> Rate | None:
        """Take the next turns, which last ``length`` together, in one write; return the rate afterwards.

        None where the limit is another, calls are closed, or the next turn is past: then turns have to begin now.
        """

    def swap(self, old: Rate | None, new: Rate) -> bool:
        """Replace the old rate by the new one if the old one is still current; return whether it was."""


class StoredCallRate:
    """The rate in the companies' table, under a key that no company can have."""

    def __init__(self, dynamodb: "DynamoDBClient", table_name: str) -> None:
        self._dynamodb = dynamodb
        self._table_name = table_name

    def read(self) -> Rate | None:
        """Read once. The read may miss a write of the same second, which costs one refused call at most."""
        answer = self._dynamodb.get_item(TableName=self._table_name, Key={"companyId": {"S": _KEY}})
        item = answer.get("Item", {})
        return _rate(item) if "callsAMinute" in item else None

    def take(self, known: Rate, *, length: int, now: int) -> Rate | None:
        """Take the next turns with one write: other processes may have taken theirs meanwhile."""
        return self._update(
            "SET nextTurn = nextTurn + :length, granted = granted + :turns",
            "callsAMinute = :limit AND openedAt = :opened AND nextTurn >= :now",
            {
                "length": length,
                "turns": known.turns_at_once,
                "limit": known.limit,
                "opened": known.opened_at,
                "now": now,
            },
        )

    def swap(self, old: Rate | None, new: Rate) -> bool:
        """Return whether the old rate was current as given."""
        condition, values = "attribute_not_exists(callsAMinute)", {f"new{name}": getattr(new, name) for name in _NAMES}
        if old is not None:
            condition = "callsAMinute = :limit AND nextTurn = :next AND openedAt = :opened"
            values |= {"limit": old.limit, "next": old.next_turn, "opened": old.opened_at}
        update = ", ".join(f"{attribute} = :new{name}" for name, attribute in _NAMES.items())
        return self._update(f"SET {update}", condition, values) is not None

    def _update(self, update: str, condition: str, values: dict[str, int]) -> Rate | None:
        try:
            answer = self._dynamodb.update_item(
                TableName=self._table_name,
                Key={"companyId": {"S": _KEY}},
                UpdateExpression=update,
                ConditionExpression=condition,
                ExpressionAttributeValues={f":{name}": {"N": str(value)} for name, value in values.items()},
                ReturnValues="ALL_NEW",
            )
        except self._dynamodb.exceptions.ConditionalCheckFailedException:
            return None
        return _rate(answer["Attributes"])


_NAMES: Final = {
    "limit": "callsAMinute",
    "next_turn": "nextTurn",
    "opened_at": "openedAt",
    "granted": "granted",
    "counted_since": "countedSince",
    "refused_at": "refusedAt",
    "raised_at": "raisedAt",
}


def _rate(item: Any) -> Rate:  # noqa: ANN401  # An item of DynamoDB.
    return Rate(**{name: int(item[attribute]["N"]) for name, attribute in _NAMES.items()})


@dataclass(frozen=True)
class _Turn:
    """A moment at which a call may be made; where it is not ``taken``, one at which to ask for a turn again."""

    at: int
    taken: bool = True


class CallRate:
    """A process's share of the rate. Safe to share between threads. No failure of the record stops a call."""

    def __init__(
        self,
        record: CallRateRecord,
        *,
        now: Callable[[], datetime],
        sleep: Callable[[float], None],
        random: Random,
        yields: bool = False,
    ) -> None:
        """Where the process ``yields``, it takes turns that no other waits for, and leaves a part of the limit."""
        self._record = record
        self._now = now
        self._sleep = sleep
        self._random = random
        self._yields = yields
        self._lock = Lock()
        self._known: Rate | None = None
        self._read_at: int | None = None
        self._alone_until = 0
        self._accepted_at = 0
        self._suspect: tuple[UUID, int] | None = None
        self._turns: deque[int] = deque()

    def wait(self, *, within: float) -> bool:
        """Wait for a turn. Return False where it is more than ``within`` seconds away: then no turn is taken."""
        now = self._milliseconds()
        latest = now + within * 1000
        while True:
            with self._lock:
                turn = self._next(now, latest)
            if turn.at > latest:
                return False
            if turn.at > now:
                self._sleep((turn.at - now) / 1000)
                now = self._milliseconds()
            if turn.taken and self._stands(turn.at, now):
                return True

    def note(self, answer: Answer) -> None:
        """Learn from an answer that was no refusal. Where it says that nothing remains of a short window, all wait."""
        if not answer.is_codats or answer.status in {None, HTTPStatus.TOO_MANY_REQUESTS}:
            return
        now = self._milliseconds()
        began = now - round(answer.seconds * 1000)
        self._accepted_at = max(self._accepted_at, began)
        wait = answer.rate_limit.wait(self._now()) if answer.rate_limit.remaining == 0 else None
        if wait is not None and wait <= SHORT_WAIT:
            with self._lock:
                self._close(began, now, wait)

    def refused(self, wait: timedelta | None, company_id: UUID | None, *, began: datetime) -> bool:
        """Learn from a call that Codat refused; return whether all calls wait for their turns now.

        They do where the refused call concerned no company (None), or another company was refused just before: one
        company's refusal holds back no other. A long wait is the pause's.
        """
        if wait is not None and wait > SHORT_WAIT:
            return False
        now, began_at = self._milliseconds(), _milliseconds(began)
        with self._lock:
            is_closed = self._known is not None and self._known.opened_at > began_at
            if not is_closed and company_id is not None and not self._is_second(company_id, now):
                return False
            self._close(began_at, now, UNNAMED_WAIT if wait is None else wait)
        return True

    def _is_second(self, company_id: UUID, now: int) -> bool:
        """Return whether another company was refused just before; remember this one."""
        before, self._suspect = self._suspect, (company_id, now)
        return before is not None and before[0] != company_id and now - before[1] <= SUSPICION

    def _next(self, now: int, latest: float) -> _Turn:
        """Return the next turn; one that comes too late is left to another call."""
        rate = self._look(now)
        while rate is not None and self._turns and self._turns[0] < max(rate.opened_at, now - KEPT):
            self._turns.popleft()
        for _ in range(ATTEMPTS):
            if rate is None:
                return _Turn(now)
            if self._turns:
                return _Turn(self._turns.popleft() if self._turns[0] <= latest else self._turns[0])
            again_at = self._yield_until(rate, now)
            if again_at is not None:
                return _Turn(again_at, taken=False)
            if rate.next_turn > latest:
                return _Turn(rate.next_turn)
            rate = self._take(rate, now)
        return _Turn(now + self._random.randint(10, 100), taken=False)  # Other processes were faster each time.

    def _yield_until(self, rate: Rate, now: int) -> int | None:
        """Return when to ask again, where the process yields and others want the next turns."""
        free_at = max(rate.next_turn, rate.opened_at + YIELDING_WAIT)
        return free_at + self._random.randint(100, 1_000) if self._yields and free_at > now else None

    def _take(self, rate: Rate, now: int) -> Rate | None:
        """Take some turns, with one write. Return the newest rate, also where another process was faster."""
        share = YIELDING_SHARE if self._yields else 1
        raised = rate.raised(now) if rate.is_to_be_raised(now) and not self._yields else rate
        taken: Rate | None = raised.granting(now, share)
        length = round(raised.turns_at_once * raised.distance(share))
        if now >= self._alone_until:
            try:
                if raised is not rate or rate.next_turn < now:
                    taken = taken if self._record.swap(rate, raised.granting(now, share)) else None
                else:
                    taken = self._record.take(rate, length=length, now=now)
            except (BotoCoreError, ClientError) as error:
                self._go_on_alone(error, now)
        if taken is None:
            self._read_at = None
            return self._look(now)
        self._know(taken, now)
        first, turns = taken.next_turn - length, raised.turns_at_once
        self._turns.extend(round(first + number * length / turns) for number in range(turns))
        return taken

    def _stands(self, turn: int, now: int) -> bool:
        """Return whether the turn still counts: another process may have been refused since it was taken."""
        with self._lock:
            rate = self._look(now)
        return rate is None or rate.opened_at <= turn

    def _look(self, now: int) -> Rate | None:
        """Return the rate, read anew where what is known of it is too old; None where there is no limit."""
        old = CACHE if self._limit(now) is None else CACHE_OF_A_LIMIT
        if now >= self._alone_until and (self._read_at is None or now - self._read_at >= old):
            try:
                self._know(self._record.read(), now)
            except (BotoCoreError, ClientError) as error:
                self._go_on_alone(error, now)
        return self._limit(now)

    def _limit(self, now: int) -> Rate | None:
        return None if self._known is None or self._known.is_forgotten(now) else self._known

    def _know(self, rate: Rate | None, now: int) -> None:
        self._known, self._read_at = rate, now

    def _close(self, began: int, now: int, wait: timedelta) -> None:
        """Let no process call Codat for so long, and lower the limit once for all calls that were refused together."""
        until = now + max(round(wait / MILLISECOND), SHORTEST_WAIT)
        rate, closed = self._known, self._closed(self._known, began, now, until)
        if closed is rate:
            return
        try:
            for _ in range(ATTEMPTS if now >= self._alone_until else 0):
                rate = self._record.read()
                closed = self._closed(rate, began, now, until)
                if closed is rate or self._record.swap(rate, closed):
                    break
        except (BotoCoreError, ClientError) as error:
            self._go_on_alone(error, now)
        self._know(closed, now)
        if closed is not rate:
            logger().info("calls_held_back", calls_a_minute=closed.limit, seconds=(until - now) / 1000)

    def _closed(self, rate: Rate | None, began: int, now: int, until: int) -> Rate:
        """Return the rate after a refusal; the same one where another call's refusal has closed it until then."""
        if rate is None or rate.is_forgotten(now):
            return Rate.first(opens_at=until, now=now)
        if rate.opened_at > began and until <= rate.opened_at + SHORTEST_WAIT:
            return rate
        closed = rate.closed(began=began, until=until, now=now)
        # Refused all the time, or by the refusal that closed the rate before: that shows no limit.
        return closed.lowered() if self._accepted_at >= rate.opened_at else closed

    def _milliseconds(self) -> int:
        return _milliseconds(self._now())

    def _go_on_alone(self, error: Exception, now: int) -> None:
        """Do without the record for a while: each process for itself, at the limit that it knows."""
        self._alone_until = now + CACHE
        logger().warning("call_rate_unavailable", exc_info=error)


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
