"""A company's plan changed: record the plan, and bring Codat's sync settings to its preset."""

import os
from functools import cache
from typing import TYPE_CHECKING

from aws_lambda_powertools.utilities.typing import LambdaContext

from codat_sync.callers import sqs_batch
from codat_sync.config import Config
from codat_sync.consuming.consume import Consuming
from codat_sync.sources.file import Sources
from codat_sync.sources.reading import PlanEvents
from codat_sync.wiring import wire_consumer

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse


@cache
def consumer() -> Consuming:
    return wire_consumer(Config.from_env(os.environ), PlanEvents(Sources.packaged()))


def handler(event: object, context: LambdaContext) -> "PartialItemFailureResponse":
    batch = sqs_batch(event)
    return consumer().consume(batch, context)
