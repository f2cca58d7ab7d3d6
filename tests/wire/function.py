"""A function as a process of its own, which ends like Lambda's when its time is over."""

import faulthandler
import importlib
import io
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from typing import Any
from unittest import mock

from codat_sync.codat import client
from codat_sync.presets.file import Presets
from local.bench.functions import peak_bytes
from local.presets import local_presets


@dataclass(frozen=True)
class Invocation:
    """How one invocation ended."""

    seconds: float
    seconds_left: float
    failed: list[str]
    """The ids of the messages that stay on the queue."""
    reasons: dict[str, str]
    """The reason of each failure, by company."""
    peak_bytes: int
    """The most memory that the process had in use since its start."""


class Context:
    """The context of an invocation that counts down."""

    def __init__(self, seconds: float) -> None:
        self._ends_at = time.monotonic() + seconds

    def get_remaining_time_in_millis(self) -> int:
        return int(1000 * (self._ends_at - time.monotonic()))


class Function:
    """``company_plan_changed``, from its source. It logs to ``log``."""

    def __init__(self, log: io.StringIO) -> None:
        self._log = log
        self._app = importlib.import_module("functions.company_plan_changed.app")

    def invoke(self, event: dict[str, Any], seconds: float) -> Invocation:
        """Handle the event. After so many seconds the process ends, whatever it does."""
        faulthandler.dump_traceback_later(seconds, exit=True)
        context, began, logged = Context(seconds), time.monotonic(), self._log.tell()
        answer = self._app.handler(event, context)
        faulthandler.cancel_dump_traceback_later()
        lines = [json.loads(line) for line in self._log.getvalue()[logged:].splitlines()]
        return Invocation(
            seconds=time.monotonic() - began,
            seconds_left=context.get_remaining_time_in_millis() / 1000,
            failed=[each["itemIdentifier"] for each in answer["batchItemFailures"]],
            reasons={each["company_id"]: each["reason"] for each in lines if "company_id" in each and "reason" in each},
            peak_bytes=peak_bytes(),
        )


@contextmanager
def function(environment: Mapping[str, str], constants: Mapping[str, float]) -> Iterator[Function]:
    """Set this process up as Lambda does, with other constants of the client: those that are counted in seconds."""
    for name, value in constants.items():
        setattr(client, name, value)
    os.environ.update(environment)
    os.environ.update(POWERTOOLS_METRICS_NAMESPACE="codat-sync", POWERTOOLS_SERVICE_NAME="wire")
    log = io.StringIO()
    with mock.patch.object(Presets, "packaged", local_presets), redirect_stdout(log):
        yield Function(log)
