"""Runs the simulator on a port of this machine, in a thread of this process."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

from aiohttp import web

from local.codat_simulator._server import application
from local.codat_simulator._wire import Hold
from local.codat_simulator.account import Account, AccountFlags
from local.codat_simulator.sync_settings import Dialect

HOST: Final = "127.0.0.1"
_BACKLOG: Final = 1024
_GRACE_SECONDS: Final = 0.5
"""For requests that a fault still holds when the server stops."""


@dataclass(frozen=True)
class RunningSimulator:
    """A simulator that answers at ``url``, the API's base URL. ``account`` is its state, to be read and changed."""

    url: str
    account: Account

    @property
    def api_key(self) -> str:
        """The API key that is valid now."""
        return self.account.flags.api_key


def listening_socket(port: int = 0) -> socket.socket:
    """Return a socket that already accepts connections, so that its address is known before the server starts."""
    return socket.create_server((HOST, port), backlog=_BACKLOG)


def url_of(listening: socket.socket) -> str:
    return f"http://{HOST}:{listening.getsockname()[1]}"


@contextmanager
def running_simulator(
    *,
    api_key: str = "simulated-codat-api-key",
    dialect: Dialect = "hours",
    free: bool = False,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ids: Callable[[], str] = lambda: str(uuid4()),
    seed: int = 0,
    hold: Hold = asyncio.sleep,
    port: int = 0,
) -> Iterator[RunningSimulator]:
    """Serve a new account until the block ends.

    ``clock``, ``ids`` and ``seed`` are those of ``Account``. ``hold`` waits for a fault's ``hold_seconds``. Port 0
    takes a free one. Raise ``OSError`` if the port is taken.
    """
    flags = AccountFlags(api_key=api_key, dialect=dialect, free=free)
    account = Account(flags, clock=clock, ids=ids, seed=seed)
    app = application(account, hold=hold)
    with listening_socket(port) as listening:
        started: Future[Callable[[], object]] = Future()
        thread = threading.Thread(
            target=lambda: asyncio.run(_serve(app, listening, started)),
            name="codat-simulator",
            daemon=True,
        )
        thread.start()
        stop = started.result()
        try:
            yield RunningSimulator(url_of(listening), account)
        finally:
            stop()
            thread.join()


async def _serve(app: web.Application, listening: socket.socket, started: Future[Callable[[], object]]) -> None:
    """Serve until the function that ``started`` receives is called."""
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_GRACE_SECONDS)
    try:
        await runner.setup()
        await web.SockSite(runner, listening, backlog=_BACKLOG).start()
    except BaseException as failure:
        started.set_exception(failure)
        raise
    started.set_result(lambda: loop.call_soon_threadsafe(stopping.set))
    await stopping.wait()
    await runner.cleanup()
