"""The client sends the API key, fetches it anew after a 401, and never shows it in an error."""

import base64
import json
import traceback
from urllib.parse import quote

import pytest
import responses

from codat_sync.codat.client import (
    CodatClient,
)
from codat_sync.codat.errors import (
    CodatError,
    NotCodat,
    Unauthorized,
    Unreachable,
)
from tests.fakes.companies import COMPANY
from tests.unit.codat.clients import KEY, OTHER_KEY, SETTINGS_URL, URL, WANTED, Keys, basic, client_of
from tests.unit.codat.scripted_server import (
    answer,
    cut,
    scripted_server,
)

UNAUTHORIZED = b'{"statusCode": 401, "error": "Unauthorized"}'


def test_after_a_401_the_request_is_repeated_once_with_a_fresh_key() -> None:
    keys = Keys(KEY, OTHER_KEY)
    with scripted_server(answer(401, UNAUTHORIZED), answer(200)) as server:
        CodatClient(server.url, keys).get_account_sync_settings()
    assert [each.headers["Authorization"] for each in server.heard] == [basic(KEY), basic(OTHER_KEY)]
    assert keys.rejected == [KEY]


def test_a_write_is_sent_whole_with_the_second_key() -> None:
    with scripted_server(answer(401, UNAUTHORIZED), answer(204, b"")) as server:
        client_of(server.url, KEY, OTHER_KEY).update_sync_settings(COMPANY, WANTED)
    first, second = server.heard
    assert first.body == second.body != b""


def test_a_401_is_not_retried_where_the_fresh_key_is_the_same() -> None:
    keys = Keys(KEY)
    with scripted_server(answer(401, UNAUTHORIZED)) as server, pytest.raises(Unauthorized):
        CodatClient(server.url, keys).get_account_sync_settings()
    assert len(server.heard) == 1
    assert keys.rejected == [KEY]


def test_a_401_to_the_fresh_key_is_not_retried() -> None:
    keys = Keys(KEY, OTHER_KEY, "a third one")
    with scripted_server(answer(401, UNAUTHORIZED)) as server, pytest.raises(Unauthorized):
        CodatClient(server.url, keys).get_account_sync_settings()
    assert len(server.heard) == 2
    assert keys.rejected == [KEY]


@pytest.mark.parametrize("status", [400, 402, 403, 404, 429, 500])
def test_no_other_status_fetches_the_key_anew(status: int) -> None:
    keys = Keys(KEY, OTHER_KEY)
    with scripted_server(answer(status)) as server, pytest.raises(CodatError):
        CodatClient(server.url, keys).get_account_sync_settings()
    assert len(server.heard) == 1
    assert keys.rejected == []


def test_the_key_is_fetched_for_each_request_so_that_a_rotated_one_is_used() -> None:
    key = KEY

    def current(*, rejected: str | None = None) -> str:
        assert rejected is None
        return key

    with scripted_server(answer(200)) as server:
        codat = CodatClient(server.url, current)
        codat.get_account_sync_settings()
        key = OTHER_KEY
        codat.get_account_sync_settings()
    assert [each.headers["Authorization"] for each in server.heard] == [basic(KEY), basic(OTHER_KEY)]


@pytest.mark.parametrize("content", [b"", b"<html>Sign in</html>"], ids=["empty", "html"])
def test_a_401_of_whomever_asks_for_the_key_anew_but_only_codats_blames_the_key(content: bytes) -> None:
    keys = Keys(KEY, OTHER_KEY)
    with scripted_server(answer(401, content)) as server, pytest.raises(NotCodat):
        CodatClient(server.url, keys).get_account_sync_settings()
    assert len(server.heard) == 2
    assert keys.rejected == [KEY]


ODD_KEY = "kéy+with/odd=chars~0123456789"


@pytest.mark.parametrize("key", [KEY, ODD_KEY])
@pytest.mark.parametrize("status", [400, 401, 402, 429, 500])
@pytest.mark.parametrize("shape", ["json", "escaped", "html", "entities", "address", "text"])
def test_the_key_is_in_no_error_though_the_body_repeats_it(key: str, status: int, shape: str) -> None:
    said = f"You sent Authorization: {basic(key)}, that is {key}"
    content = {
        "json": json.dumps({"error": said, "correlationId": "abc"}, ensure_ascii=False),
        "escaped": json.dumps({"error": said, "correlationId": said}),
        "html": f"<html>{said}</html>",
        "entities": f"<html>{said.replace('+', '&#43;')}</html>",
        "address": quote(said),
        "text": said,
    }[shape]
    with responses.RequestsMock() as http:
        http.get(SETTINGS_URL, status=status, body=content.encode())
        with pytest.raises(CodatError) as raised:
            client_of(URL, key).get_sync_settings(COMPANY)
    text = "".join(traceback.format_exception(raised.value)) + repr(raised.value)
    assert key not in text
    assert base64.b64encode(key.encode()).decode() not in text
    assert "(the API key)" in str(raised.value)


def test_an_error_hides_the_fresh_key_too() -> None:
    with (
        scripted_server(
            answer(401, UNAUTHORIZED), answer(403, f"{KEY} {OTHER_KEY} {basic(OTHER_KEY)}".encode())
        ) as server,
        pytest.raises(NotCodat) as raised,
    ):
        client_of(server.url, KEY, OTHER_KEY).get_account_sync_settings()
    assert OTHER_KEY not in str(raised.value)
    assert basic(OTHER_KEY) not in str(raised.value)


def test_an_error_hides_the_first_key_after_the_fresh_one_was_refused() -> None:
    with (
        scripted_server(answer(401, UNAUTHORIZED), answer(403, f"{KEY} {basic(KEY)}".encode())) as server,
        pytest.raises(NotCodat) as raised,
    ):
        client_of(server.url, KEY, OTHER_KEY).get_account_sync_settings()
    assert KEY not in str(raised.value)


def test_an_empty_key_leaves_the_words_of_a_refusal_readable(http: responses.RequestsMock) -> None:
    http.get(SETTINGS_URL, status=401, json={"error": "Unauthorized", "correlationId": "abc"})
    with pytest.raises(Unauthorized) as raised:
        CodatClient(URL, lambda *, rejected=None: "").get_sync_settings(COMPANY)  # noqa: ARG005
    assert raised.value.correlation_id == "abc"


def test_an_error_of_a_connection_hides_the_key() -> None:
    with scripted_server(cut) as server, pytest.raises(Unreachable) as raised:
        client_of(server.url).get_sync_settings(COMPANY)
    text = "".join(traceback.format_exception(raised.value))
    assert KEY not in text
    assert basic(KEY) not in text
