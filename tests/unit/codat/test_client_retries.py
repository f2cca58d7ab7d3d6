"""The client retries failed connections and gateway errors at once, and nothing else."""

import json
import socket

import pytest

from codat_sync.codat.errors import (
    CodatError,
    ServerError,
    Unreachable,
)
from codat_sync.codat.models import Dialect, SyncSettings
from tests.fakes.companies import COMPANY
from tests.unit.codat.clients import CALLS, HOURS_FORM, client_of
from tests.unit.codat.scripted_server import (
    Reaction,
    answer,
    cut,
    raw,
    scripted_server,
    silence,
    silence_after,
)


@pytest.mark.parametrize("status", [502, 503, 504])
@pytest.mark.parametrize("name", CALLS)
def test_a_gateway_error_is_retried_exactly_twice(status: int, name: str) -> None:
    with scripted_server(answer(status, b'{"error": "Down."}')) as server, pytest.raises(ServerError) as raised:
        CALLS[name][1](client_of(server.url))
    assert len(server.heard) == 3
    assert len({(each.line, each.body) for each in server.heard}) == 1
    assert raised.value.status == status
    assert str(raised.value) == "Down."


@pytest.mark.parametrize("failure", [answer(502), answer(503), answer(504), cut, raw(b"nonsense\r\n\r\n")])
@pytest.mark.parametrize("times", [1, 2])
def test_a_failure_that_passes_at_once_is_hidden_by_the_retries(failure: Reaction, times: int) -> None:
    with scripted_server(*[failure] * times, answer(200, json.dumps(HOURS_FORM).encode())) as server:
        assert client_of(server.url).get_sync_settings(COMPANY).dialect is Dialect.HOURS
    assert len(server.heard) == times + 1


@pytest.mark.parametrize("status", [301, 400, 401, 402, 403, 404, 408, 409, 422, 429, 451, 500, 501])
@pytest.mark.parametrize("name", ["get_sync_settings", "update_sync_settings"])
def test_no_other_status_is_retried(status: int, name: str) -> None:
    with scripted_server(answer(status, Retry_After="0")) as server, pytest.raises(CodatError):
        CALLS[name][1](client_of(server.url, dialect=Dialect.HOURS))
    assert len(server.heard) == 1


@pytest.mark.parametrize("status", [429, 503])
def test_the_client_does_not_sleep_for_a_retry_after(status: int) -> None:
    with scripted_server(answer(status, Retry_After="43200")) as server, pytest.raises(CodatError):
        client_of(server.url).get_sync_settings(COMPANY)


@pytest.mark.parametrize("name", ["get_sync_settings", "update_sync_settings"])
def test_a_connection_that_is_cut_before_the_answer_is_retried_exactly_twice(name: str) -> None:
    with scripted_server(cut) as server, pytest.raises(Unreachable) as raised:
        CALLS[name][1](client_of(server.url))
    assert len(server.heard) == 3
    assert raised.value.status is None
    assert str(raised.value) == f"{CALLS[name][0]}: ConnectionError"


HALF_A_BODY = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + json.dumps(HOURS_FORM).encode()


HALF_A_CHUNK = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1000\r\n{}"


@pytest.mark.parametrize("half", [HALF_A_BODY, HALF_A_CHUNK], ids=["of a body", "of a chunk"])
@pytest.mark.parametrize("name", ["get_sync_settings", "update_sync_settings"])
def test_a_truncated_answer_is_unreachable(half: bytes, name: str) -> None:
    with scripted_server(raw(half)) as server, pytest.raises(Unreachable):
        CALLS[name][1](client_of(server.url))


def test_a_truncated_answer_is_not_retried() -> None:
    with scripted_server(raw(HALF_A_BODY), answer(200)) as server, pytest.raises(Unreachable):
        client_of(server.url).get_sync_settings(COMPANY)
    assert len(server.heard) == 1


@pytest.mark.parametrize(
    "reaction",
    [silence, silence_after(b"HTTP/1.1 200 OK\r\n"), silence_after(HALF_A_BODY)],
    ids=["no answer", "half of the headers", "half of the body"],
)
@pytest.mark.parametrize("name", ["get_sync_settings", "update_sync_settings"])
def test_a_read_that_timed_out_is_not_retried(reaction: Reaction, name: str) -> None:
    with scripted_server(reaction) as server, pytest.raises(Unreachable) as raised:
        CALLS[name][1](client_of(server.url))
    assert len(server.heard) == 1
    assert raised.value.status is None


def test_a_timeout_is_named_in_the_error() -> None:
    with scripted_server(silence) as server, pytest.raises(Unreachable, match=r"ReadTimeout$"):
        client_of(server.url).get_sync_settings(COMPANY)


def test_a_port_without_a_listener_is_unreachable() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    with pytest.raises(Unreachable, match=r"ConnectionError$"):
        client_of(f"http://127.0.0.1:{port}").get_sync_settings(COMPANY)


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x00\x01\x02",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n",
    ],
    ids=["binary", "another protocol", "no status", "no gzip", "many headers", "a long header", "no chunk"],
)
def test_an_answer_that_is_no_http_is_unreachable(garbage: bytes) -> None:
    with scripted_server(raw(garbage)) as server, pytest.raises(Unreachable):
        client_of(server.url).get_sync_settings(COMPANY)


def test_the_client_is_usable_after_failures() -> None:
    with scripted_server(cut, cut, cut, answer(500), silence, answer(200)) as server:
        codat = client_of(server.url)
        for failure in (Unreachable, ServerError, Unreachable):
            with pytest.raises(failure):
                codat.get_account_sync_settings()
        assert codat.get_account_sync_settings() == SyncSettings()
