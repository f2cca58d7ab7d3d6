"""An HTTP server on a real socket that reacts to each request as the script of a test says."""

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import parse_headers
from io import BytesIO
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Event, Thread

Reaction = Callable[[socket.socket, Event], None]


@dataclass(frozen=True)
class Heard:
    """One request as it was received."""

    line: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Script:
    """The reactions to the requests, in order. The last one is repeated for all further requests."""

    url: str
    reactions: list[Reaction]
    heard: list[Heard] = field(default_factory=list)

    def next_reaction(self) -> Reaction:
        return self.reactions.pop(0) if len(self.reactions) > 1 else self.reactions[0]

    @property
    def lines(self) -> list[str]:
        return [each.line for each in self.heard]


def answer(status: int, content: bytes = b"{}", **headers: str) -> Reaction:
    """Send a complete answer."""
    fields = {"Content-Length": str(len(content)), "Connection": "close"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return raw(f"HTTP/1.1 {status} Said\r\n{head}\r\n".encode() + content)


def raw(content: bytes) -> Reaction:
    """Send these bytes and close the connection."""
    return lambda connection, _: connection.sendall(content)


def cut(_connection: socket.socket, _over: Event) -> None:
    """Close the connection without an answer."""


def silence(_connection: socket.socket, over: Event) -> None:
    """Send nothing for as long as the test runs."""
    over.wait(timeout=10)


def silence_after(content: bytes) -> Reaction:
    """Send these bytes, and then nothing more for as long as the test runs."""

    def react(connection: socket.socket, over: Event) -> None:
        connection.sendall(content)
        over.wait(timeout=10)

    return react


@contextmanager
def scripted_server(*reactions: Reaction, tls: ssl.SSLContext | None = None) -> Iterator[Script]:
    """Serve on a free port of this machine until the block ends."""
    over = Event()

    class Handler(StreamRequestHandler):
        def handle(self) -> None:
            line = self.rfile.readline().decode().rstrip()
            if not line:
                return
            headers = dict(parse_headers(BytesIO(self._head())).items())
            body = self.rfile.read(int(headers.get("Content-Length", 0)))
            script.heard.append(Heard(line, headers, body))
            script.next_reaction()(self.connection, over)

        def _head(self) -> bytes:
            lines = b""
            while (line := self.rfile.readline()) not in (b"\r\n", b""):
                lines += line
            return lines + b"\r\n"

    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        scheme = "http" if tls is None else "https"
        script = Script(f"{scheme}://127.0.0.1:{server.server_address[1]}", list(reactions))
        serving = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.001})
        serving.start()
        try:
            yield script
        finally:
            over.set()
            server.shutdown()
            serving.join()
