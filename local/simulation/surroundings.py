"""What the functions meet in the place of AWS, Codat and time. Everything else is theirs, as wired in Lambda.

The seams are the lowest there are: the clients of boto3, the class of urllib3's connections, and the names in the
layer's modules that stand for locks, threads, sleep and randomness.
"""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, redirect_stdout
from functools import partial
from io import BytesIO, StringIO
from itertools import count
from random import Random, SystemRandom
from types import ModuleType, SimpleNamespace
from typing import Any, Final
from unittest import mock

from urllib3 import HTTPResponse
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.util import retry

from codat_sync import wiring
from codat_sync.codat.client import CodatClient
from codat_sync.observability import logger
from codat_sync.presets.file import Presets
from codat_sync.reconciliation.pace import Pace
from local.presets import local_presets
from local.simulation.codat import Codat
from local.simulation.virtual_time import Clock, VirtualLock, VirtualThreads

ENVIRONMENT: Final[Mapping[str, str]] = {
    "AWS_DEFAULT_REGION": "eu-west-2",
    "CODAT_BASE_URL": "http://localhost",
    "CODAT_API_KEY_SECRET_NAME": "codat-sync/api-key",
    "COMPANY_PLANS_TABLE_NAME": "companies",
    "EVENT_BUS_NAME": "events",
    "FAILED_EVENTS_QUEUE_URL": "failed-events",
    "PAYMENT_REQUIRED_QUEUE_URL": "payment-required",
    "POWERTOOLS_METRICS_NAMESPACE": "simulation",
    "POWERTOOLS_LOG_LEVEL": "ERROR",
    "NO_PROXY": "*",
}
_RUNS: Final = count(1)


class Log(StringIO):
    """What the functions write. ``error_lines`` are the lines of errors; metrics are not kept."""

    def __init__(self) -> None:
        super().__init__()
        self.error_lines: list[str] = []

    def write(self, text: str, /) -> int:
        if '"level":"ERROR"' in text or '"level":"CRITICAL"' in text:
            self.error_lines.append(text)
        return len(text)


@contextmanager
def surroundings(
    clock: Clock, random: Random, clients: Mapping[str, Callable[[], object]], codat: Codat
) -> Iterator[Log]:
    """Let the functions run on the clock, against this Codat; yield what they write. ``clients`` make those of AWS."""
    log = Log()
    with ExitStack() as stack:
        service = {"POWERTOOLS_SERVICE_NAME": f"simulation-{next(_RUNS)}"}  # Powertools keeps a logger by its service.
        stack.enter_context(mock.patch.dict(os.environ, {**ENVIRONMENT, **service}, clear=True))
        stack.enter_context(redirect_stdout(log))
        logger.cache_clear()
        stack.callback(logger.cache_clear)
        stack.enter_context(mock.patch("boto3.client", lambda service, **_: clients[service]()))
        stack.enter_context(mock.patch.object(HTTPConnectionPool, "_new_conn", _connect_to(codat)))
        stack.enter_context(mock.patch.object(Presets, "packaged", local_presets))
        for module, name, substitute in _substitutes(clock, random):
            stack.enter_context(mock.patch.object(module, name, substitute))
        yield log


def _substitutes(clock: Clock, random: Random) -> Iterator[tuple[ModuleType, str, object]]:
    """Yield each name in the layer's modules that means time, a lock, threads or chance, and what it means here."""
    meant: list[tuple[object, object]] = [
        (threading.Lock, lambda: VirtualLock(clock)),
        (ThreadPoolExecutor, partial(VirtualThreads, clock)),
        (time.sleep, clock.sleep),
        (time.monotonic, clock.monotonic),
        (SystemRandom, lambda: random),
    ]
    for module_name, module in list(sys.modules.items()):
        if module_name.partition(".")[0] == "codat_sync":
            for name, value in list(vars(module).items()):
                for original, substitute in meant:
                    if value is original:
                        yield module, name, substitute
    # These take the time as defaults of their arguments.
    yield wiring, "CodatClient", partial(CodatClient, monotonic=clock.monotonic)
    yield wiring, "Pace", partial(Pace, monotonic=clock.monotonic, sleep=clock.sleep)
    yield retry, "time", SimpleNamespace(sleep=clock.sleep, time=time.time)  # It waits between its attempts.


class _Connection(HTTPConnection):
    """A connection to the simulated Codat, with all of requests and urllib3 above it."""

    def __init__(self, pool: HTTPConnectionPool, codat: Codat) -> None:
        super().__init__(pool.host, pool.port)
        self._codat = codat
        self._is_open = False
        self._asked: tuple[str, str, bytes] = ("", "", b"")

    def connect(self) -> None:
        self._is_open = True

    def close(self) -> None:
        self._is_open = False

    @property
    def is_connected(self) -> bool:
        return self._is_open

    def request(self, method: str, url: str, body: Any = None, **_: object) -> None:  # type: ignore[override]  # noqa: ANN401  # As urllib3 calls it.
        self._asked = (method, url, body.encode() if isinstance(body, str) else body or b"")

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # As urllib3 needs it.
        answer = self._codat.answer(*self._asked)
        return HTTPResponse(
            body=BytesIO(answer.body),
            headers={"Content-Type": "application/json", **answer.headers},
            status=answer.status,
            preload_content=False,
            request_method=self._asked[0],
            request_url=self._asked[1],
        )


def _connect_to(codat: Codat) -> Callable[[HTTPConnectionPool], _Connection]:
    return lambda pool: _Connection(pool, codat)
