"""Reconcile one company: bring Codat's sync settings to the preset of its plan, whatever its record says."""

import os
from functools import cache
from typing import TYPE_CHECKING

from aws_lambda_powertools.utilities.typing import LambdaContext

from codat_sync.callers import sqs_batch
from codat_sync.config import Config
from codat_sync.consuming.consume import Consuming
from codat_sync.wiring import wire_company_reconciliation

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse


@cache
def consumer() -> Consuming:
    return wire_company_reconciliation(Config.from_env(os.environ))


def handler(event: object, context: LambdaContext) -> "PartialItemFailureResponse":
    batch = sqs_batch(event)
    return consumer().consume(batch, context)
