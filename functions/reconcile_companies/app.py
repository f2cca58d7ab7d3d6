"""Reconcile all companies: hand over those whose sync settings at Codat have drifted from their preset."""

import os
from functools import cache
from typing import TYPE_CHECKING

from aws_lambda_powertools.utilities.typing import LambdaContext

from codat_sync.callers import sqs_batch
from codat_sync.config import ReconciliationConfig
from codat_sync.consuming.consume import Consuming
from codat_sync.wiring import wire_reconciliation

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse


@cache
def consumer() -> Consuming:
    return wire_reconciliation(ReconciliationConfig.from_env(os.environ))


def handler(event: object, context: LambdaContext) -> "PartialItemFailureResponse":
    batch = sqs_batch(event)
    return consumer().consume(batch, context)
