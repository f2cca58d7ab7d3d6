"""The simulator on a free port of this machine, in a thread of this process."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

from aiohttp import web

from local.codat_simulator._server import Hold, application
from local.codat_simulator.account import Account, AccountFlags
from local.codat_simulator.sync_settings import Dialect

HOST = "127.0.0.1"
_BACKLOG = 1024
_GRACE_SECONDS = 0.5  # For requests that a fault still holds when the server is told to stop.


@dataclass(frozen=True)
class RunningSimulator:
    """`url` is the base URL of the API; `account` is the state behind it, to be read and changed directly."""

    url: str
    account: Account

    @property
    def api_key(self) -> str:
        """The key that is valid now."""
        return self.account.flags.api_key


def listening_socket(port: int = 0) -> socket.socket:
    """A socket that already takes connections: its address can be told before anything serves it."""
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
    """Serve a new account until the block ends. See `Account` for what is injected; `hold` is how faults wait.

    Raises OSError where the port is taken.
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
    """Serve until the function that `started` is given is called."""
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
