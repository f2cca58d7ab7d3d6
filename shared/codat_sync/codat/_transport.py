"""HTTP with a bound on a whole request: one deadline, and a largest answer.

requests and urllib3 bound each wait on a socket, so an answer that drips, or never ends, could last for ever. Here each
wait is given what is left of the request's time, by the timeout of the socket itself: no thread watches. The bounds
travel in a context variable, since neither library has a parameter for them.
"""

import socket
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from http.client import HTTPResponse
from io import BufferedReader, RawIOBase
from threading import Thread
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from requests.adapters import HTTPAdapter
from urllib3 import BaseHTTPResponse, HTTPConnectionPool, HTTPSConnectionPool, Retry
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import ConnectionPool
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, ReadTimeoutError

from codat_sync.deadline import Deadline

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_FRAMING: Final = 128 * 1024
"""The bytes that an answer may take on the wire beside its body: status, headers, and the framing of chunks."""


class OverLimitError(OSError):
    """The answer is larger than this request allows."""


@dataclass
class Bounds:
    """What one request may take in all: time, and bytes of an answer, compressed and decompressed.

    The bytes of all its tries count together.
    """

    deadline: Deadline
    largest_body: int
    received: int = 0
    too_large: bool = False

    def seconds(self, at_most: float) -> float:
        """Return how long a wait may take. Raise ``OSError`` where none may begin any more."""
        if self.too_large:
            raise OverLimitError  # urllib3 reads a 503 to its end before a retry, and lets nothing of that be known.
        left = self.deadline.seconds_left
        if left <= 0:
            raise TimeoutError("the time of the whole request is over")
        return min(at_most, left)

    def count(self, received: int) -> None:
        """Count bytes from the wire. Raise ``OverLimitError`` where they are too many."""
        self.received += received
        self._check(self.received, self.largest_body + _FRAMING)

    def check_body(self, size: int) -> None:
        """Raise ``OverLimitError`` where a body of so many bytes, decompressed, is too large."""
        self._check(size, self.largest_body)

    def allows_retry(self, after_seconds: float) -> bool:
        """Return whether another try may begin after a pause."""
        return not self.too_large and self.deadline.seconds_left > after_seconds

    @property
    def reached(self) -> str | None:
        """The bound that was reached, in words; None where none was."""
        if self.too_large:
            return f"an answer of more than {self.largest_body:,} bytes"
        return "no whole answer in the time of a request" if self.deadline.seconds_left <= 0 else None

    def _check(self, size: int, largest: int) -> None:
        if size > largest:
            self.too_large = True
            raise OverLimitError


_bounds: ContextVar[Bounds] = ContextVar("bounds of the request")


@contextmanager
def within(bounds: Bounds) -> Iterator[None]:
    """Bound the requests of this thread while the block runs. Connections are used in such a block only."""
    token = _bounds.set(bounds)
    try:
        yield
    finally:
        _bounds.reset(token)


class BoundedAdapter(HTTPAdapter):
    """The transport of a session of requests, also through a proxy."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  # As requests passes them.
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  # As above.
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager


class QuickRetry(Retry):
    """A retry that gives up at once on a read that timed out, and on whatever has reached the request's bounds."""

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: BaseHTTPResponse | None = None,
        error: Exception | None = None,
        _pool: ConnectionPool | None = None,
        _stacktrace: TracebackType | None = None,
    ) -> Self:
        if isinstance(error, ReadTimeoutError):
            raise error
        retry = super().increment(method, url, response, error, _pool, _stacktrace)
        if not _bounds.get().allows_retry(retry.get_backoff_time()):
            raise error or MaxRetryError(_pool, url or "")  # type: ignore[arg-type]  # urllib3 always passes its pool.
        return retry


class _Connection(HTTPConnection):
    """A connection whose every wait is within the bounds of the request in progress."""

    def _new_conn(self) -> socket.socket:
        self.timeout = _bounds.get().seconds(self.timeout or 0)
        connection = self._in_time(super()._new_conn)
        try:
            connection.settimeout(_bounds.get().seconds(self.timeout))  # TLS's whole handshake takes no longer.
        except OSError:
            connection.close()
            raise
        return connection

    def _in_time(self, connect: Callable[[], socket.socket]) -> socket.socket:
        """Connect in a thread that is left behind if it is late: Python cannot interrupt the resolution of a name.

        The resolver's own limits end that thread. It also keeps several addresses from taking the timeout each.
        """
        attempt: Future[socket.socket] = Future()
        Thread(target=_fulfil, args=(attempt, connect), name="connect-to-codat", daemon=True).start()
        try:
            return attempt.result(self.timeout)
        except TimeoutError as late:
            attempt.add_done_callback(_close)
            raise ConnectTimeoutError(self, f"no connection to {self.host} within {self.timeout:.1f} s") from late

    def send(self, data: Any) -> None:  # noqa: ANN401  # As http.client takes it.
        if self.sock is not None:
            self.sock.settimeout(_bounds.get().seconds(self.timeout or 0))
        super().send(data)

    def response_class(self, sock: socket.socket, *args: Any, **kwargs: Any) -> HTTPResponse:  # type: ignore[override]  # noqa: ANN401  # http.client calls it.
        return HTTPResponse(_BoundedSocket(sock, self.timeout or 0), *args, **kwargs)  # type: ignore[arg-type]  # All that it uses.


class _SecureConnection(_Connection, HTTPSConnection):
    """The same over TLS."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


_POOLS: Final = {"http": _Pool, "https": _SecurePool}


class _BoundedSocket:
    """A socket, as far as ``HTTPResponse`` reads from it: headers, body and chunks all come from this one file."""

    def __init__(self, sock: socket.socket, silence_seconds: float) -> None:
        self._sock = sock
        self._silence_seconds = silence_seconds

    def makefile(self, _mode: str) -> BufferedReader:
        return BufferedReader(_BoundedStream(self._sock, self._silence_seconds, _bounds.get()))


class _BoundedStream(RawIOBase):
    """What a socket receives, each time within what is left of the bounds."""

    def __init__(self, sock: socket.socket, silence_seconds: float, bounds: Bounds) -> None:
        self._sock = sock
        self._stream = sock.makefile("rb", buffering=0)
        self._silence_seconds = silence_seconds
        self._bounds = bounds

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int | None:
        self._sock.settimeout(self._bounds.seconds(self._silence_seconds))
        received = self._stream.readinto(buffer)
        self._bounds.count(received or 0)
        return received

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()


def _fulfil(attempt: "Future[socket.socket]", connect: Callable[[], socket.socket]) -> None:
    try:
        attempt.set_result(connect())
    except BaseException as error:  # noqa: BLE001  # Raised in the thread that waits.
        attempt.set_exception(error)


def _close(attempt: "Future[socket.socket]") -> None:
    if attempt.exception() is None:
        attempt.result().close()
