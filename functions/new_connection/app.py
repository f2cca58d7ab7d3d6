"""A company connected: bring Codat's sync settings to the preset of its plan, or of the default plan."""

import os
from functools import cache, partial
from typing import TYPE_CHECKING

from aws_lambda_powertools.utilities.typing import LambdaContext

from codat_sync.callers import sqs_batch
from codat_sync.config import Config
from codat_sync.consuming.consume import Consuming
from codat_sync.events.company_events import read_connection_event
from codat_sync.wiring import wire_consumer

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse


@cache
def consumer() -> Consuming:
    config = Config.from_env(os.environ)
    return wire_consumer(config, partial(read_connection_event, plan_tag=config.company_plan_tag))


def handler(event: object, context: LambdaContext) -> "PartialItemFailureResponse":
    batch = sqs_batch(event)
    return consumer().consume(batch, context)
