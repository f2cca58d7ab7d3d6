"""A request ends in time, and with little memory, whatever the server does; the clock is moved by the server."""

import gzip
import json
import socket
import ssl
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Event, Thread

import pytest
import trustme

from codat_sync.codat import client as client_module
from codat_sync.codat.client import LARGEST_BODY, LARGEST_ITEM, REQUEST_SECONDS, Answer, CodatClient
from codat_sync.codat.errors import CodatError, NotCodat, ServerError, Unauthorized, Unreachable
from codat_sync.consuming.consume import RESERVE_SECONDS, START_SECONDS
from tests.fakes.clock import NOW
from tests.fakes.companies import COMPANY
from tests.unit.codat.clients import HOURS_FORM, KEY, OTHER_KEY, WANTED, Keys
from tests.unit.codat.scripted_server import Reaction, Script, answer, cut, raw, scripted_server

BETWEEN_BYTES = 5.0
SETTINGS = json.dumps(HOURS_FORM).encode()
TIME_IS_OVER = "no whole answer in the time of a request$"
TOO_LARGE = r"an answer of more than 1,048,576 bytes$"


@dataclass
class Clock:
    """A monotonic clock that the server's reactions move."""

    seconds: float = 0.0
    answers: list[Answer] = field(default_factory=list)
    looked: Event = field(default_factory=Event)

    def client_of(self, server: Script, *keys: str) -> CodatClient:
        return CodatClient(
            server.url,
            Keys(*keys or (KEY,)),
            on_answer=self.answers.append,
            now=lambda: NOW,
            monotonic=self,
        )

    def __call__(self) -> float:
        self.looked.set()
        return self.seconds

    def drip(self, begin: bytes, drop: bytes = b" ") -> Reaction:
        """Send the beginning, and then a drop every five seconds, for as long as the client listens."""

        def react(connection: socket.socket, over: Event) -> None:
            connection.sendall(begin)
            while not over.is_set():
                self.seconds += BETWEEN_BYTES
                self.looked.clear()
                connection.sendall(drop)
                self.looked.wait(0.5)  # The client looks at the clock before it waits for the next drop.

        return _until_it_leaves(react)

    def after(self, seconds: float, reaction: Reaction) -> Reaction:
        def react(connection: socket.socket, over: Event) -> None:
            self.seconds += seconds
            reaction(connection, over)

        return react


@pytest.fixture
def clock() -> Clock:
    return Clock()


def endless(begin: bytes, more: bytes) -> Reaction:
    """Send more and more, as fast as the client takes it."""

    def react(connection: socket.socket, over: Event) -> None:
        connection.sendall(begin)
        while not over.is_set():
            connection.sendall(more)

    return _until_it_leaves(react)


def _until_it_leaves(react: Reaction) -> Reaction:
    def quietly(connection: socket.socket, over: Event) -> None:
        with suppress(OSError):  # The client closed the connection, as it should.
            react(connection, over)

    return quietly


OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
DRIPS = {
    "status": (b"HTTP/1.1 200 ", b"O"),
    "header": (OK + b"X-Slow: ", b"y"),
    "headers": (OK, b"X: y\r\n"),
    "continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "body": (OK + b"Content-Length: 1000\r\n\r\n{", b" "),
    "body without length": (OK + b"\r\n{", b" "),
    "chunks": (CHUNKED, b"1\r\n \r\n"),
    "chunk": (CHUNKED + b"1000\r\n{", b" "),
    "chunk size": (CHUNKED, b"0"),
    "chunk extension": (CHUNKED + b"1;x=", b"y"),
    "trailers": (CHUNKED + b"0\r\n", b"X: y\r\n"),
    "gzip": (OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"")[:10], b"\x00\x00\x00\xff\xff"),
    "a refusal": (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 1000\r\n\r\n{", b" "),
    "a gateway's status": (b"HTTP/1.1 503 Busy\r\nContent-Length: 1000\r\n\r\n{", b" "),
    "a redirect": (b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 1000\r\n\r\n{", b" "),
}


@pytest.mark.parametrize("what", DRIPS)
@pytest.mark.parametrize("name", ["read", "write"])
def test_what_drips_is_cut_off_when_the_time_of_the_request_is_over(clock: Clock, what: str, name: str) -> None:
    with scripted_server(clock.drip(*DRIPS[what])) as server:
        codat = clock.client_of(server)
        with pytest.raises(Unreachable, match=TIME_IS_OVER):
            codat.get_sync_settings(COMPANY) if name == "read" else codat.update_sync_settings(COMPANY, WANTED)
    assert len(server.heard) == 1, "what the deadline cut is not tried again"
    assert [each.status for each in clock.answers] == [None]
    assert clock.seconds < REQUEST_SECONDS + 3 * BETWEEN_BYTES


def test_the_functions_count_with_the_bound_of_a_request() -> None:
    assert START_SECONDS == REQUEST_SECONDS + RESERVE_SECONDS


def test_an_answer_in_pieces_is_read_as_long_as_there_is_time(clock: Clock) -> None:
    def in_pieces(connection: socket.socket, _over: Event) -> None:
        connection.sendall(CHUNKED)
        for piece in (SETTINGS[:10], SETTINGS[10:], b""):
            clock.seconds += BETWEEN_BYTES
            connection.sendall(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")

    with scripted_server(in_pieces) as server:
        assert clock.client_of(server).get_sync_settings(COMPANY).settings


@pytest.mark.parametrize("trouble", [answer(503, b'{"error": "Busy."}'), cut], ids=["503", "cut"])
def test_there_is_no_retry_after_the_time_of_the_request(clock: Clock, trouble: Reaction) -> None:
    with scripted_server(clock.after(REQUEST_SECONDS / 2 + 1, trouble)) as server, pytest.raises(CodatError) as raised:
        clock.client_of(server).get_sync_settings(COMPANY)
    assert len(server.heard) == 2
    assert isinstance(raised.value, ServerError | Unreachable)


def test_there_is_no_pause_before_a_retry_that_would_come_too_late(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "BACKOFF_SECONDS", 3600.0)
    monkeypatch.setattr(client_module, "QUICK_RETRIES", 5)
    with scripted_server(cut) as server, pytest.raises(Unreachable):
        clock.client_of(server).get_sync_settings(COMPANY)
    assert len(server.heard) == 2, "the first retry comes at once"


REFUSED = answer(401, b'{"error": "Unauthorized"}')


def test_the_second_key_has_the_rest_of_the_first_ones_time(clock: Clock) -> None:
    late = clock.after(REQUEST_SECONDS - 1, REFUSED)
    with scripted_server(late, clock.drip(OK)) as server, pytest.raises(Unreachable, match=TIME_IS_OVER):
        clock.client_of(server, KEY, OTHER_KEY).get_sync_settings(COMPANY)
    assert len(server.heard) == 2
    assert clock.seconds < REQUEST_SECONDS + 3 * BETWEEN_BYTES


def test_a_second_key_that_comes_too_late_is_left_to_the_next_request(clock: Clock) -> None:
    def key(*, rejected: str | None = None) -> str:
        clock.seconds += REQUEST_SECONDS if rejected else 0
        return OTHER_KEY if rejected else KEY

    with scripted_server(REFUSED) as server, pytest.raises(Unauthorized):
        CodatClient(server.url, key, monotonic=clock).get_sync_settings(COMPANY)
    assert len(server.heard) == 1


def test_a_connection_whose_time_is_over_once_it_stands_is_closed(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.getaddrinfo

    def slow(*args: object, **kwargs: object) -> object:
        clock.seconds += REQUEST_SECONDS
        return real(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        with pytest.raises(Unreachable, match=TIME_IS_OVER) as raised:
            CodatClient(url, Keys(KEY), monotonic=clock).get_sync_settings(COMPANY)
        connection, _ = listening.accept()
        with connection:
            connection.settimeout(10)
            assert connection.recv(1) == b"", "though the error still holds its frames"
    assert raised.value.__traceback__


def test_the_second_form_has_the_rest_of_the_first_ones_time(clock: Clock) -> None:
    late = clock.after(REQUEST_SECONDS - 1, answer(400, b'{"error": "Not valid."}'))
    with scripted_server(late, clock.drip(OK)) as server, pytest.raises(Unreachable, match=TIME_IS_OVER):
        clock.client_of(server).update_sync_settings(COMPANY, WANTED)
    assert len(server.heard) == 2
    assert clock.seconds < REQUEST_SECONDS + 3 * BETWEEN_BYTES


def test_each_page_of_a_list_has_its_own_time(clock: Clock) -> None:
    page = json.dumps({"results": [{"id": str(COMPANY)}], "_links": {"next": {"href": "/companies?page=2"}}}).encode()
    slow = clock.after(REQUEST_SECONDS - 1, answer(200, page))
    last = clock.after(REQUEST_SECONDS - 1, answer(200, b'{"results": []}'))
    with scripted_server(slow, slow, last) as server:
        assert len(list(clock.client_of(server).list_companies())) == 2


# What never ends, though it comes fast: the largest answer cuts it off.
ENDLESS = {
    "body": (OK + b"\r\n[", b"1," * 1000),
    "body of a long length": (OK + b"Content-Length: 999999999999\r\n\r\n", b" " * 1000),
    "chunks": (CHUNKED, b"1\r\n \r\n" * 100),
    "chunk": (CHUNKED + b"ffffffffff\r\n", b" " * 1000),
    "continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 50),
    "trailers": (CHUNKED + b"0\r\n", b"X: y\r\n" * 100),
    "gzip of nothing": (OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"")[:10], b"\x00\x00\x00\xff\xff" * 99),
    "a gateway's status": (b"HTTP/1.1 503 Busy\r\n\r\n", b" " * 1000),
    "a redirect": (b"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n", b" " * 1000),
}


@pytest.mark.parametrize("what", ENDLESS)
def test_what_never_ends_is_cut_off_at_the_largest_answer(clock: Clock, what: str) -> None:
    with scripted_server(endless(*ENDLESS[what])) as server, pytest.raises(Unreachable, match=TOO_LARGE):
        clock.client_of(server).get_sync_settings(COMPANY)
    assert len(server.heard) == 1, "it would be as large again"


def test_headers_that_never_end_are_cut_off_by_their_number(clock: Clock) -> None:
    with scripted_server(endless(OK, b"X: y\r\n" * 100)) as server, pytest.raises(Unreachable):
        clock.client_of(server).get_sync_settings(COMPANY)


def bomb(layers: int, encoding: str) -> Reaction:
    """Answer a few kilobytes that decompress to a hundred megabytes."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = b"".join(packer.compress(bytes(1024 * 1024)) for _ in range(100)) + packer.flush()
    for _ in range(layers - 1):
        packed = gzip.compress(packed)
    return answer(200, packed, Content_Encoding=encoding)


@pytest.fixture
def peak() -> Iterator[Callable[[], int]]:
    """Yield how many bytes Python held at most, of what it took since the test began."""
    tracemalloc.start()
    yield lambda: tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()


@pytest.mark.parametrize(("layers", "encoding"), [(1, "gzip"), (2, "gzip, gzip"), (3, "gzip, gzip, gzip")])
def test_a_bomb_is_cut_off_while_it_is_decompressed(
    clock: Clock, layers: int, encoding: str, peak: Callable[[], int]
) -> None:
    reaction = bomb(layers, encoding)
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    with scripted_server(reaction) as server, pytest.raises(Unreachable, match=TOO_LARGE):
        clock.client_of(server).get_sync_settings(COMPANY)
    assert peak() - before < 6 * LARGEST_BODY


def test_the_largest_answer_is_still_read(clock: Clock) -> None:
    whole = SETTINGS.ljust(LARGEST_BODY)
    with scripted_server(answer(200, whole), answer(200, whole + b" ")) as server:
        codat = clock.client_of(server)
        assert codat.get_sync_settings(COMPANY).settings
        with pytest.raises(Unreachable, match=TOO_LARGE):
            codat.get_sync_settings(COMPANY)


def test_a_large_page_may_be_larger(clock: Clock) -> None:
    page = b'{"results": []}'.ljust(LARGEST_BODY + 500 * LARGEST_ITEM)
    with scripted_server(answer(200, page)) as server:
        assert list(clock.client_of(server).list_companies(page_size=500)) == []
        with pytest.raises(Unreachable, match="an answer of more than"):
            list(clock.client_of(server).list_companies(page_size=100))


def test_what_is_longer_than_it_says_is_read_as_long_as_it_says(clock: Clock) -> None:
    with scripted_server(
        answer(200, SETTINGS + b"HTTP/1.1 200 OK\r\n\r\n", Content_Length=str(len(SETTINGS)))
    ) as server:
        assert clock.client_of(server).get_sync_settings(COMPANY).settings


def test_what_says_that_it_is_shorter_than_it_is_cannot_be_read(clock: Clock) -> None:
    with scripted_server(answer(200, SETTINGS, Content_Length="20")) as server, pytest.raises(NotCodat):
        clock.client_of(server).get_sync_settings(COMPANY)


def test_a_name_that_is_never_resolved_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    hung = Event()
    monkeypatch.setattr(client_module, "CONNECT_SECONDS", 0.1)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: hung.wait(10) and [])
    try:
        with pytest.raises(Unreachable, match=r"ConnectTimeout$"):
            CodatClient("http://codat.example", Keys(KEY)).get_sync_settings(COMPANY)
    finally:
        hung.set()


def test_a_connection_that_comes_too_late_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    given_up = Event()
    real = socket.getaddrinfo

    def late(*args: object, **kwargs: object) -> object:
        given_up.wait(10)
        return real(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(client_module, "CONNECT_SECONDS", 0.1)
    monkeypatch.setattr(client_module, "QUICK_RETRIES", 0)
    monkeypatch.setattr(socket, "getaddrinfo", late)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        with pytest.raises(Unreachable):
            CodatClient(f"http://127.0.0.1:{listening.getsockname()[1]}", Keys(KEY)).get_sync_settings(COMPANY)
        given_up.set()
        listening.settimeout(10)
        connection, _ = listening.accept()
        with connection:
            connection.settimeout(10)
            assert connection.recv(1) == b"", "it was closed without a request"


def test_a_handshake_that_drips_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "CONNECT_SECONDS", 0.2)
    monkeypatch.setattr(client_module, "QUICK_RETRIES", 0)
    over = Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"https://127.0.0.1:{listening.getsockname()[1]}"

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.sendall(b"\x16\x03\x03\x40\x00")
                while not over.wait(0.02):
                    try:
                        connection.sendall(b"\x00")
                    except OSError:
                        return

        serving = Thread(target=serve)
        serving.start()
        with pytest.raises(Unreachable):
            CodatClient(url, Keys(KEY)).get_sync_settings(COMPANY)
        over.set()
        serving.join()


@pytest.fixture
def over_tls(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """Trust an authority of the test's own, and return the context of a server that it vouches for."""
    authority = trustme.CA()
    bundle = tmp_path_factory.mktemp("tls") / "authority.pem"
    authority.cert_pem.write_to_path(str(bundle))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


def test_over_tls_settings_are_read(clock: Clock, over_tls: ssl.SSLContext) -> None:
    with scripted_server(answer(200, SETTINGS), tls=over_tls) as server:
        assert clock.client_of(server).get_sync_settings(COMPANY).settings


@pytest.mark.parametrize("what", ["header", "body", "chunks"])
def test_over_tls_what_drips_is_cut_off_too(clock: Clock, what: str, over_tls: ssl.SSLContext) -> None:
    with (
        scripted_server(clock.drip(*DRIPS[what]), tls=over_tls) as server,
        pytest.raises(Unreachable, match=TIME_IS_OVER),
    ):
        clock.client_of(server).get_sync_settings(COMPANY)


def test_through_a_proxy_what_drips_is_cut_off_too(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted_server(clock.drip(*DRIPS["body"])) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        codat = CodatClient("http://codat.example", Keys(KEY), monotonic=clock)
        with pytest.raises(Unreachable, match=TIME_IS_OVER):
            codat.get_sync_settings(COMPANY)
    assert len(proxy.heard) == 1


def test_a_proxy_that_drips_its_consent_is_cut_off_too(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted_server(clock.drip(b"HTTP/1.1 200 ", b"O")) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        codat = CodatClient("https://codat.example", Keys(KEY), monotonic=clock)
        with pytest.raises(Unreachable, match=TIME_IS_OVER):
            codat.get_sync_settings(COMPANY)
    assert [line.split()[0] for line in proxy.lines] == ["CONNECT"]


def test_a_page_of_a_proxy_is_not_codats(monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted_server(raw(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\nSign in first")) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        with pytest.raises(NotCodat, match="not Codat's own 407: Sign in first"):
            CodatClient("http://codat.example", Keys(KEY)).get_sync_settings(COMPANY)
