"""The queue of companies that are to be brought to their presets, whatever their records say."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from codat_sync.errors import TransientError
from codat_sync.events.company_events import COMPANY_RECONCILIATION
from codat_sync.outcomes.deferral import SQS_BATCH

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


class NotHandedOver(TransientError):
    """SQS did not accept some of the companies. Handing all of them over again is safe."""

    reason = "not_handed_over"


@dataclass(frozen=True)
class CompanyRequest:
    """A request to reconcile one company. ``plan`` is the one that its tag at Codat names, None where it names none."""

    event_id: str
    company_id: UUID
    requested_at: datetime
    plan: str | None = None

    def body(self) -> str:
        """Return the message that ``read_company_reconciliation`` reads."""
        detail = {"companyId": str(self.company_id)} | ({"plan": self.plan} if self.plan else {})
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
