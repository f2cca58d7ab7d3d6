"""No header makes the client fail in another way than those that it names."""

import gzip
import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from codat_sync.codat.client import CodatClient
from codat_sync.codat.errors import CodatError, NotCodat, RateLimited, Unreachable
from tests.fakes.companies import COMPANY
from tests.unit.codat.clients import HOURS_FORM, client_of
from tests.unit.codat.scripted_server import Script, answer, raw, scripted_server

SETTINGS = json.dumps(HOURS_FORM).encode()
LIMITED = b'{"statusCode": 429, "error": "You have made too many requests."}'


@pytest.fixture(scope="module")
def server() -> Iterator[Script]:
    """Serve for all tests of this module; each sets the reaction."""
    with scripted_server(answer(200)) as script:
        yield script


def said_by(server: Script, content: bytes) -> CodatError | None:
    """Return the error that an answer, given as it stands on the wire, leads to; None for settings that are read."""
    server.reactions[:] = [raw(content)]
    try:
        client_of(server.url).get_sync_settings(COMPANY)
    except CodatError as error:
        return error
    return None


@pytest.mark.parametrize(
    "location",
    [
        b"http://[",
        b"http://[::1",
        b"//",
        b"",
        b"\xff\xfe",
        b"http://a:99999999/",
        b"javascript:0",
        b"http://%zz/",
        b" ",
    ],
    ids=repr,
)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_nowhere_is_a_redirect(server: Script, status: int, location: bytes) -> None:
    error = said_by(server, b"HTTP/1.1 %d Moved\r\nLocation: %s\r\n\r\n" % (status, location))
    assert type(error) is NotCodat
    assert error.status == status


# Moments and counts: the end of the calendar, signs, no numbers, huge ones, several, other scripts and none.
ODD = [
    b"9999-12-31T23:59:59-23:59",
    b"9999-12-31T23:59:59Z",
    b"0001-01-01T00:00:00+23:59",
    b"Fri, 31 Dec 9999 23:59:59 -2359",
    b"Fri, 31 Dec 9999 23:59:59 -99999999999999999999",
    b"Fri, 99 Dec 2026 99:99:99 GMT",
    b"-1",
    b"-99999999999999999999",
    b"NaN",
    b"inf",
    b"-inf",
    b"1e308",
    b"1e999",
    b"9" * 400,
    b"99999999999999",
    b"31536000000",
    b"0x10",
    b"5, 6",
    b"\xd9\xa3",
    b"\xff",
    b"",
    b"\t",
]


@pytest.mark.parametrize("value", ODD, ids=repr)
@pytest.mark.parametrize("name", [b"Retry-After", b"X-Rate-Limit-Reset", b"X-Rate-Limit-Remaining"])
def test_an_odd_header_of_a_429_asks_for_no_wait_or_one_that_may_be(server: Script, name: bytes, value: bytes) -> None:
    error = said_by(server, b"HTTP/1.1 429 Slow\r\n%s: %s\r\n\r\n%s" % (name, value, LIMITED))
    assert isinstance(error, RateLimited)
    assert error.retry_after is None or timedelta(0) <= error.retry_after <= timedelta(days=366)


def test_a_header_that_comes_twice_with_other_values_counts_as_absent(server: Script) -> None:
    error = said_by(server, b"HTTP/1.1 429 Slow\r\nRetry-After: 5\r\nRetry-After: 7\r\n\r\n" + LIMITED)
    assert isinstance(error, RateLimited)
    assert error.retry_after is None


@pytest.mark.parametrize(
    "headers",
    [
        b"Content-Length: -5\r\n",
        b"Content-Length: many\r\n",
        b"Content-Length: 99999999999999999999999\r\n",
        b"Content-Length: 3, 5\r\n",
        b"Content-Length: 3\r\nContent-Length: 5\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        b"Transfer-Encoding: nonsense\r\n",
        b"Content-Encoding: gzip\r\n",
        b"Content-Encoding: deflate\r\n",
        b"Content-Encoding: gzip, gzip\r\n",
        b"Content-Encoding: " + b"gzip, " * 50 + b"gzip\r\n",
        b"Content-Encoding: nonsense\r\n",
        b"Content-Type: text/html; charset=nonsense\r\n",
        b"Content-Type: ;;;=\r\n",
        b"Content-Type: \xff\r\n",
        b"Set-Cookie: a=b; Expires=Fri, 31 Dec 99999 23:59:59 GMT; Max-Age=9e99; Domain=.; Version=x\r\n",
        b"Set-Cookie: \xff=\xff\r\n",
        b"Connection: keep-alive, close, nonsense\r\n",
        b"no colon\r\n",
        b": no name\r\n",
        b"X\x00Y: z\r\n",
        b" folded: x\r\n",
        b"X: \x00\r\n",
    ],
    ids=repr,
)
@pytest.mark.parametrize("content", [SETTINGS, b"", b"5\r\nabcde\r\n"], ids=["settings", "empty", "chunk"])
def test_an_odd_header_never_fails_unexpectedly(server: Script, headers: bytes, content: bytes) -> None:
    said_by(server, b"HTTP/1.1 200 OK\r\n" + headers + b"\r\n" + content)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "x-gzip"])
def test_plain_content_that_is_announced_as_compressed_cannot_be_read(server: Script, encoding: str) -> None:
    error = said_by(server, b"HTTP/1.1 200 OK\r\nContent-Encoding: " + encoding.encode() + b"\r\n\r\n" + SETTINGS)
    assert type(error) is Unreachable


def test_compressed_content_that_is_not_announced_is_not_codats(server: Script) -> None:
    assert type(said_by(server, b"HTTP/1.1 200 OK\r\n\r\n" + gzip.compress(SETTINGS))) is NotCodat


def test_compressed_content_is_read(server: Script) -> None:
    assert said_by(server, b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(SETTINGS)) is None


def test_compressed_content_that_is_cut_is_not_taken_for_whole(server: Script) -> None:
    cut = gzip.compress(SETTINGS * 20)[:-20]
    assert said_by(server, b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + cut) is not None


def test_a_cookie_is_neither_kept_nor_sent(server: Script) -> None:
    server.reactions[:] = [answer(200, SETTINGS, Set_Cookie="session=1; Path=/")]
    server.heard.clear()
    codat: CodatClient = client_of(server.url)
    codat.get_sync_settings(COMPANY)
    codat.get_sync_settings(COMPANY)
    assert [each.headers.get("Cookie") for each in server.heard] == [None, None]


NAMES = st.sampled_from(
    [
        *(
            "Location",
            "Retry-After",
            "X-Rate-Limit-Limit",
            "X-Rate-Limit-Remaining",
            "X-Rate-Limit-Reset",
            "Set-Cookie",
        ),
        *("Content-Type", "Content-Encoding", "Content-Length", "Transfer-Encoding", "Connection", "Date", "X-Other"),
    ]
)


@settings(deadline=None, max_examples=150)
@given(
    status=st.sampled_from([200, 204, 302, 400, 401, 402, 403, 404, 429, 500]),
    headers=st.lists(st.tuples(NAMES, st.binary(max_size=30) | st.sampled_from(ODD)), max_size=5),
    content=st.sampled_from([SETTINGS, LIMITED, b"", b"<html>"]),
)
@example(status=302, headers=[("Location", b"http://[")], content=b"")
def test_nothing_in_a_head_fails_unexpectedly(
    server: Script, status: int, headers: list[tuple[str, bytes]], content: bytes
) -> None:
    head = b"".join(name.encode() + b": " + value + b"\r\n" for name, value in headers)
    said_by(server, b"HTTP/1.1 %d Said\r\n%s\r\n%s" % (status, head, content))
