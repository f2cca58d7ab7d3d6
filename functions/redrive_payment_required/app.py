"""Codat's bill may be paid: probe with one event of the payment-required DLQ, and redrive the rest if Codat accepts."""

import os
from functools import cache
from typing import TYPE_CHECKING

from aws_lambda_powertools.utilities.typing import LambdaContext

from codat_sync.callers import sqs_batch
from codat_sync.config import RedriveConfig
from codat_sync.consuming.consume import Consuming
from codat_sync.wiring import wire_redrive

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse


@cache
def consumer() -> Consuming:
    return wire_redrive(RedriveConfig.from_env(os.environ))


def handler(event: object, context: LambdaContext) -> "PartialItemFailureResponse":
    batch = sqs_batch(event)
    return consumer().consume(batch, context)
