"""Codat's bill may be paid: probe with one event of the payment-required DLQ, and redrive the rest if Codat accepts."""

import os
from functools import cache
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from codat_sync.config import RedriveConfig
from codat_sync.consuming.duties import DutyConsumer
from codat_sync.events.requests import RedriveRequest
from codat_sync.wiring import wire_redrive

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse


@cache
def consumer() -> DutyConsumer[RedriveRequest]:
    return wire_redrive(RedriveConfig.from_env(os.environ))


def handler(event: dict[str, Any], context: LambdaContext) -> "PartialItemFailureResponse":
    return consumer().consume(event, context)
