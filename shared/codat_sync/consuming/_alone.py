"""Which messages of a batch are handled now: one that may kill its function is handled alone."""

from collections.abc import Sequence
from datetime import datetime

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from codat_sync.consuming.deliveries import receive_count, waited
from codat_sync.errors import PermanentError, TransientError
from codat_sync.outcomes.deferral import GRACE, Patience


class HandledAlone(TransientError):
    """The message is suspected to kill its function, or came with one that is: it is handled in another batch."""

    reason = "handled_alone"


class NeverSettled(PermanentError):
    """No attempt at the event came to an end before its patience did: functions were killed or throttled each time."""

    reason = "never_settled"


def refuse_never_settled(record: SQSRecord, patience: Patience, now: datetime) -> None:
    """Raise ``NeverSettled`` for a message that has outlived its patience: another attempt would end as the others.

    An event whose attempts end gets its outcome when its patience ends. A first delivery that comes late is attempted.
    """
    received = receive_count(record)
    if received > 1 and patience.is_over(waited(record, now) - GRACE.total_seconds()):
        raise NeverSettled(f"the message was received {received} times, and no attempt came to an end")


def divide(
    records: Sequence[SQSRecord], patience: Patience, now: datetime
) -> tuple[Sequence[SQSRecord], Sequence[SQSRecord]]:
    """Return the messages to handle now, and those to set aside: suspects are set aside, a single one is handled alone.

    A message is a suspect once it was received more often than its deferrals explain.
    """
    suspects = [each for each in records if receive_count(each) > patience.explained_receives(waited(each, now))]
    if not suspects or len(records) == 1:
        return records, []
    unsuspected = [each for each in records if each not in suspects]
    return (unsuspected, suspects) if unsuspected else (suspects[:1], suspects[1:])
