"""Reconcile all companies: hand over those whose sync settings at Codat have drifted from their preset."""

import os
from functools import cache
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from codat_sync.config import ReconciliationConfig
from codat_sync.consuming.duties import DutyConsumer
from codat_sync.events.requests import ReconciliationRequest
from codat_sync.wiring import wire_reconciliation

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse


@cache
def reconciliation() -> DutyConsumer[ReconciliationRequest]:
    return wire_reconciliation(ReconciliationConfig.from_env(os.environ))


def handler(event: dict[str, Any], context: LambdaContext) -> "PartialItemFailureResponse":
    return reconciliation().consume(event, context)
