"""The queue of companies that are to be brought to their presets, whatever their records say: its two ends."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

from codat_sync.errors import TransientError
from codat_sync.events.company_events import COMPANY_RECONCILIATION, CompanyEvent, read_company_reconciliation
from codat_sync.outcomes.deferral import SQS_BATCH
from codat_sync.presets.file import Presets

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


class NotHandedOver(TransientError):
    """SQS did not accept some of the companies. Handing all of them over again is safe."""

    reason = "not_handed_over"


class OtherPresets(TransientError):
    """A run with other presets has found the company: a deployment is in progress. Another version may be right."""

    reason = "other_presets"


LONGEST_DEPLOYMENT: Final = timedelta(hours=2)
"""After this time no function has presets that a deployment replaces: the slowest pace of the template takes 100
minutes, and a rollout of AppConfig less than an hour."""
_FINGERPRINT: Final = 16


def fingerprint(presets: Presets) -> str:
    """Return the same text for presets that mean the same, and another for others."""
    content = json.dumps(presets.model_dump(), sort_keys=True, default=_plain)
    return hashlib.sha256(content.encode()).hexdigest()[:_FINGERPRINT]


def _plain(value: object) -> object:
    """Give a set an order: that of Python differs between processes."""
    return sorted(value) if isinstance(value, frozenset) else str(value)


@dataclass(frozen=True)
class CompanyRequest:
    """A request to reconcile one company. ``plan`` is the one that its tag at Codat names, None where it names none.

    ``presets`` is the fingerprint of the presets with which a run compared the company, None where no run did.
    """

    event_id: str
    company_id: UUID
    requested_at: datetime
    plan: str | None = None
    presets: str | None = None

    def body(self) -> str:
        """Return the message that ``read_company_reconciliation`` reads."""
        more = {"plan": self.plan, "presets": self.presets}
        detail = {"companyId": str(self.company_id)} | {name: value for name, value in more.items() if value}
        return json.dumps(
            {
                "id": self.event_id,
                "source": "codat-sync",
                "detail-type": COMPANY_RECONCILIATION,
                "time": self.requested_at.isoformat(),
                "detail": detail,
            }
        )


class CompanyReconciliations:
    """The queue's sending end."""

    def __init__(self, sqs: "SQSClient", url: str) -> None:
        self._sqs = sqs
        self._url = url

    def send(self, requests: Sequence[CompanyRequest]) -> None:
        """Send all requests; they are on the queue once this returns. Raise ``NotHandedOver`` where some may not be."""
        for start in range(0, len(requests), SQS_BATCH):
            answer = self._sqs.send_message_batch(
                QueueUrl=self._url,
                Entries=[
                    {"Id": str(number), "MessageBody": request.body()}
                    for number, request in enumerate(requests[start : start + SQS_BATCH])
                ],
            )
            failed = answer.get("Failed", [])
            if failed:
                words = failed[0].get("Message", failed[0]["Code"])
                raise NotHandedOver(f"SQS did not accept {len(failed)} of a batch of companies: {words}")


class ReadCompanyRequest:
    """The receiving end, for a function that works with certain presets."""

    def __init__(self, presets: Presets) -> None:
        self._presets = fingerprint(presets)

    def __call__(self, body: str, *, now: datetime) -> CompanyEvent:
        """Read the request. Raise ``MalformedEvent``.

        Raise ``OtherPresets`` where a run with other presets handed the company over within ``LONGEST_DEPLOYMENT``: an
        old version must not repair what a new one has found. Later, no deployment is left that could be in progress.
        """
        event = read_company_reconciliation(body, now=now)
        if event.presets not in {None, self._presets} and now - event.occurred_at < LONGEST_DEPLOYMENT:
            raise OtherPresets(f"the run compared with presets {event.presets}, and this function has {self._presets}")
        return event
