"""The client sends what Codat takes, reads what Codat says, and names every way in which that fails."""

import base64
import json
import socket
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http import HTTPMethod
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import requests
import responses
from hypothesis import given, settings
from hypothesis import strategies as st
from responses import matchers

from codat_sync.codat import client as client_module
from codat_sync.codat.client import (
    BACKOFF_SECONDS,
    CONNECT_SECONDS,
    QUICK_RETRIES,
    READ_SECONDS,
    REQUEST_SECONDS,
    Answer,
    CodatClient,
)
from codat_sync.codat.errors import (
    BadRequest,
    CodatError,
    CodatRefused,
    Conflict,
    Forbidden,
    NotFound,
    PaymentRequired,
    PaymentRequiredKind,
    RateLimited,
    ServerError,
    Unauthorized,
    UnexpectedAnswer,
    Unreachable,
)
from codat_sync.codat.models import Dialect, Frequency, SyncSchedule, SyncSetting, SyncSettings
from codat_sync.codat.rate_limits import RateLimit
from tests.unit.codat.scripted_server import (
    Reaction,
    answer,
    cut,
    raw,
    scripted_server,
    silence,
    silence_after,
)
from tests.unit.json_strategies import answers

NOW = datetime(2026, 2, 1, 12, 0, tzinfo=UTC)
COMPANY = UUID("8a210b68-6988-4001-a1eb-0242ac120001")
URL = "https://api.codat.io"
SETTINGS_URL = f"{URL}/companies/{COMPANY}/syncSettings"
KEY = "WDEUmQPlTuMF2vpYDSyTMWAdbKvOkk0fhmXcShQV"
OTHER_KEY = "gTNThSHL4vfTMdd2EDTgiTiwAZ4cPTJeWZ1hEUsv"
OBJECT_FORM = {"settings": [{"dataType": "invoices", "syncSchedule": {"intervalHours": 24, "hourOfDay": 2}}]}
HOURS_FORM = {"settings": [{"dataType": "invoices", "syncSchedule": 24, "syncOrder": 0}]}
NO_SETTINGS: dict[str, object] = {"settings": [], "overridesDefaults": False}
WANTED = SyncSettings(
    settings=(SyncSetting(data_type="invoices", sync_schedule=SyncSchedule(interval_hours=Frequency.DAILY)),),
    overrides_defaults=True,
)


class Keys:
    """A source of keys: the next one is given when the last one was rejected, as long as there is one."""

    def __init__(self, *keys: str) -> None:
        self._keys = list(keys)
        self.rejected: list[str] = []

    def __call__(self, *, rejected: str | None = None) -> str:
        if rejected is not None:
            self.rejected.append(rejected)
            if rejected == self._keys[0] and len(self._keys) > 1:
                self._keys.pop(0)
        return self._keys[0]


def client_of(url: str = URL, *keys: str, dialect: Dialect | None = None) -> CodatClient:
    return CodatClient(url, Keys(*keys or (KEY,)), dialect=dialect, now=lambda: NOW)


def basic(key: str) -> str:
    return "Basic " + base64.b64encode(key.encode()).decode()


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Quick retries come at once, and a read that is never answered times out soon, yet not on a busy machine alone."""
    monkeypatch.setattr(client_module, "BACKOFF_SECONDS", 0)
    monkeypatch.setattr(client_module, "READ_SECONDS", 0.5)


@pytest.fixture
def codat() -> CodatClient:
    return client_of()


@pytest.fixture
def http() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as mock:
        yield mock


CALLS: dict[str, tuple[str, Callable[[CodatClient], object]]] = {
    "get_sync_settings": (
        f"GET /companies/{COMPANY}/syncSettings",
        lambda codat: codat.get_sync_settings(COMPANY),
    ),
    "get_account_sync_settings": ("GET /profile/syncSettings", lambda codat: codat.get_account_sync_settings()),
    "update_sync_settings": (
        f"POST /companies/{COMPANY}/syncSettings",
        lambda codat: codat.update_sync_settings(COMPANY, WANTED),
    ),
    "get_company": (f"GET /companies/{COMPANY}", lambda codat: codat.get_company(COMPANY)),
    "list_companies": ("GET /companies", lambda codat: list(codat.list_companies())),
    "list_connections": (
        f"GET /companies/{COMPANY}/connections",
        lambda codat: list(codat.list_connections(COMPANY)),
    ),
    "queue_refresh": (f"POST /companies/{COMPANY}/data/all", lambda codat: codat.queue_refresh(COMPANY)),
}


def sent_json(http: responses.RequestsMock) -> list[Any]:
    """The bodies of all POSTs."""
    return [json.loads(call.request.body or b"") for call in http.calls if call.request.method == "POST"]


# --- What is sent ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CALLS)
def test_each_method_is_one_request_to_its_endpoint_with_the_key_and_our_name(name: str) -> None:
    line, call = CALLS[name]
    company = json.dumps({"id": str(COMPANY), "name": "x", "results": []}).encode()
    with scripted_server(answer(200, company)) as server:
        call(client_of(server.url))
    (request,) = server.heard
    assert request.line.split("?")[0].removesuffix(" HTTP/1.1") == line
    assert request.headers["Authorization"] == basic(KEY)
    assert request.headers["User-Agent"].startswith("codat-sync-presets (python-requests/")
    assert request.headers["Accept"] == "application/json"


def test_basic_is_the_key_alone_without_a_user_or_a_colon() -> None:
    with scripted_server(answer(200)) as server:
        client_of(server.url).get_account_sync_settings()
    scheme, _, encoded = server.heard[0].headers["Authorization"].partition(" ")
    assert scheme == "Basic"
    assert base64.b64decode(encoded) == KEY.encode()


def test_a_netrc_file_does_not_overrule_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\ndefault login someone password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with scripted_server(answer(200)) as server:
        assert requests.utils.get_netrc_auth(server.url) == ("someone", "else")
        client_of(server.url).get_account_sync_settings()
    assert server.heard[0].headers["Authorization"] == basic(KEY)


def test_a_write_is_json_with_the_company_and_the_whole_list() -> None:
    with scripted_server(answer(204, b"")) as server:
        client_of(server.url, dialect=Dialect.HOURS).update_sync_settings(COMPANY, WANTED)
    (request,) = server.heard
    assert request.headers["Content-Type"] == "application/json"
    assert json.loads(request.body) == {"companyId": str(COMPANY), "overridesDefaults": True, **HOURS_FORM}


def test_a_slash_at_the_end_of_the_base_url_is_no_second_slash() -> None:
    with scripted_server(answer(200)) as server:
        client_of(server.url + "/").get_account_sync_settings()
    assert server.lines == ["GET /profile/syncSettings HTTP/1.1"]


def test_a_company_goes_back_to_the_accounts_defaults(codat: CodatClient, http: responses.RequestsMock) -> None:
    http.post(SETTINGS_URL, status=204)
    codat.update_sync_settings(COMPANY, WANTED.model_copy(update={"overrides_defaults": False}))
    assert sent_json(http)[0]["overridesDefaults"] is False


def test_no_more_time_is_waited_than_the_functions_are_told() -> None:
    tries = 1 + QUICK_RETRIES
    pauses = sum(BACKOFF_SECONDS * 2**number for number in range(1, QUICK_RETRIES))
    assert tries * (CONNECT_SECONDS + READ_SECONDS) + pauses == pytest.approx(REQUEST_SECONDS)


# --- What is answered -----------------------------------------------------------------------------------------------


def test_settings_are_read_and_their_dialect_heard(codat: CodatClient, http: responses.RequestsMock) -> None:
    http.get(SETTINGS_URL, json={**OBJECT_FORM, "companyId": str(COMPANY), "overridesDefaults": True})
    read = codat.get_sync_settings(COMPANY)
    assert read.overrides_defaults
    assert read.dialect is Dialect.OBJECT
    assert read.settings[0].sync_schedule == SyncSchedule(interval_hours=Frequency.DAILY, hour_of_day=2)


def test_a_company_is_read(codat: CodatClient, http: responses.RequestsMock) -> None:
    http.get(f"{URL}/companies/{COMPANY}", json={"id": str(COMPANY), "name": "Toft", "tags": {"plan": "growth"}})
    assert codat.get_company(COMPANY).tags == {"plan": "growth"}


STATUSES: list[tuple[int, type[CodatError]]] = [
    (301, UnexpectedAnswer),
    (302, UnexpectedAnswer),
    (307, UnexpectedAnswer),
    (400, BadRequest),
    (401, Unauthorized),
    (402, PaymentRequired),
    (403, Forbidden),
    (404, NotFound),
    (405, CodatRefused),
    (408, ServerError),
    (409, Conflict),
    (422, CodatRefused),
    (429, RateLimited),
    (451, CodatRefused),
    (500, ServerError),
    (502, ServerError),
    (503, ServerError),
    (504, ServerError),
]
ERROR_BODY = b'{"statusCode":200,"service":"PublicApi","error":"Said.","correlationId":"abc","canBeRetried":"Unknown"}'


@pytest.mark.parametrize(("status", "kind"), STATUSES)
@pytest.mark.parametrize("content", [ERROR_BODY, b"<html>Bad</html>"], ids=["json", "html"])
@pytest.mark.parametrize("name", ["get_sync_settings", "update_sync_settings"])
def test_each_status_is_its_error(status: int, kind: type[CodatError], content: bytes, name: str) -> None:
    _, call = CALLS[name]
    with responses.RequestsMock() as http:
        http.add(name.partition("_")[0].replace("update", "post").upper(), SETTINGS_URL, body=content, status=status)
        with pytest.raises(kind) as raised:
            call(client_of(dialect=Dialect.HOURS))
    assert type(raised.value) is kind
    assert raised.value.status == status
    assert raised.value.correlation_id == ("abc" if content == ERROR_BODY else None)


@pytest.mark.parametrize("name", CALLS)
def test_every_method_raises_what_codat_says(name: str) -> None:
    with (
        scripted_server(answer(402, b'{"error": "Payment Required"}')) as server,
        pytest.raises(PaymentRequired) as raised,
    ):
        CALLS[name][1](client_of(server.url))
    assert raised.value.kind is PaymentRequiredKind.ACCOUNT_EXPIRED
    assert len(server.heard) == 1


def test_a_429_says_how_long_to_wait(codat: CodatClient, http: responses.RequestsMock) -> None:
    http.get(SETTINGS_URL, status=429, headers={"Retry-After": "Sun, 01 Feb 2026 12:05:00 GMT"})
    with pytest.raises(RateLimited) as raised:
        codat.get_sync_settings(COMPANY)
    assert raised.value.retry_after == timedelta(minutes=5)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "body: Invalid JSON"),
        (b"<html>Welcome</html>", "body: Invalid JSON"),
        (b"[]", "body: "),
        (b"null", "body: "),
        (b'"settings"', "body: "),
        (b'{"settings": {"invoices": 24}}', "settings: "),
        (b'{"settings": [{"syncSchedule": 24}]}', "settings.0.dataType: Field required"),
        (b'{"settings": [', "body: Invalid JSON"),
        (b"\xff\xfe", "body: Invalid JSON"),
        (b'{"settings": 5}', "settings: "),
    ],
    ids=repr,
)
@pytest.mark.parametrize("name", ["get_sync_settings", "get_account_sync_settings"])
def test_a_200_that_is_not_codats_is_unexpected(content: bytes, words: str, name: str) -> None:
    line, call = CALLS[name]
    path = line.removeprefix("GET ")
    with responses.RequestsMock() as http:
        http.get(URL + path, body=content)
        with pytest.raises(UnexpectedAnswer) as raised:
            call(client_of())
    assert raised.value.status == 200
    assert str(raised.value).startswith(f"GET {path}: {words}")


def test_a_204_to_a_read_is_unexpected(codat: CodatClient, http: responses.RequestsMock) -> None:
    http.get(SETTINGS_URL, status=204)
    with pytest.raises(UnexpectedAnswer):
        codat.get_sync_settings(COMPANY)


@pytest.mark.parametrize("status", [200, 202, 204])
def test_the_body_of_an_accepted_write_is_not_read(status: int) -> None:
    with responses.RequestsMock() as http:
        http.post(SETTINGS_URL, status=status, body=b"" if status == 204 else b"<html>")
        client_of().update_sync_settings(COMPANY, WANTED)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("name", ["get_sync_settings", "update_sync_settings"])
def test_a_redirect_is_not_followed(status: int, name: str) -> None:
    with (
        scripted_server(answer(200)) as elsewhere,
        scripted_server(answer(status, b"", Location=elsewhere.url)) as server,
        pytest.raises(UnexpectedAnswer),
    ):
        CALLS[name][1](client_of(server.url))
    assert len(server.heard) == 1
    assert elsewhere.heard == []


# --- The quota ------------------------------------------------------------------------------------------------------


def test_nothing_is_known_of_the_quota_before_the_first_answer(codat: CodatClient) -> None:
    assert codat.rate_limit == RateLimit()


@pytest.mark.parametrize("status", [200, 204, 301, 400, 401, 402, 404, 429, 500, 503])
def test_the_quota_can_be_read_after_every_answer(status: int) -> None:
    codat = client_of()
    with responses.RequestsMock() as http:
        http.post(
            f"{URL}/companies/{COMPANY}/data/all",
            status=status,
            headers={"X-Rate-Limit-Limit": "1000", "x-rate-limit-remaining": "7", "X-Rate-Limit-Reset": "60"},
        )
        try:
            codat.queue_refresh(COMPANY)
        except CodatError as error:
            assert error.status == status  # noqa: PT017  # What is asserted is below; some answers are no error.
    assert codat.rate_limit == RateLimit(limit=1000, remaining=7, resets_at=NOW + timedelta(minutes=1))


def test_the_quota_is_that_of_the_newest_answer(codat: CodatClient, http: responses.RequestsMock) -> None:
    for remaining in ("7", "6"):
        http.get(SETTINGS_URL, json=HOURS_FORM, headers={"X-Rate-Limit-Remaining": remaining})
        codat.get_sync_settings(COMPANY)
    assert codat.rate_limit.remaining == 6


# --- The observer ---------------------------------------------------------------------------------------------------


class Observed:
    """A client whose every look at the clock is half a second after the one before, and what its observer is told."""

    def __init__(self, url: str, *keys: str) -> None:
        self.answers: list[Answer] = []
        self.codat = CodatClient(
            url,
            Keys(*keys or (KEY,)),
            on_answer=self.answers.append,
            now=lambda: NOW,
            monotonic=count(0, 0.5).__next__,
        )


@pytest.mark.parametrize("status", [200, 204, 301, 400, 402, 404, 429, 500])
def test_an_observer_is_told_of_every_answer_and_what_it_says_of_the_quota(status: int) -> None:
    observed = Observed(URL)
    with responses.RequestsMock() as http:
        http.post(
            f"{URL}/companies/{COMPANY}/data/all",
            status=status,
            headers={"X-Rate-Limit-Limit": "1000", "X-Rate-Limit-Remaining": "7"},
        )
        try:
            observed.codat.queue_refresh(COMPANY)
        except CodatError as error:
            assert error.status == status  # noqa: PT017  # What is asserted is below; some answers are no error.
    assert observed.answers == [Answer(HTTPMethod.POST, status, 0.5, RateLimit(limit=1000, remaining=7))]


def test_an_observer_is_told_that_no_answer_came() -> None:
    with scripted_server(cut) as server, pytest.raises(Unreachable):
        (observed := Observed(server.url)).codat.get_sync_settings(COMPANY)
    assert observed.answers == [Answer(HTTPMethod.GET, None, 0.5, RateLimit())]


def test_quick_retries_are_part_of_one_answer() -> None:
    with scripted_server(cut, answer(503), answer(200)) as server:
        (observed := Observed(server.url)).codat.get_account_sync_settings()
    assert [each.status for each in observed.answers] == [200]


def test_the_second_request_after_a_401_is_an_answer_of_its_own() -> None:
    with scripted_server(answer(401), answer(200)) as server:
        (observed := Observed(server.url, KEY, OTHER_KEY)).codat.get_account_sync_settings()
    assert [each.status for each in observed.answers] == [401, 200]


# --- The key --------------------------------------------------------------------------------------------------------


def test_a_401_asks_for_the_key_anew_and_tries_once_more_with_another() -> None:
    keys = Keys(KEY, OTHER_KEY)
    with scripted_server(answer(401), answer(200)) as server:
        CodatClient(server.url, keys).get_account_sync_settings()
    assert [each.headers["Authorization"] for each in server.heard] == [basic(KEY), basic(OTHER_KEY)]
    assert keys.rejected == [KEY]


def test_a_write_is_sent_whole_with_the_second_key() -> None:
    with scripted_server(answer(401), answer(204, b"")) as server:
        client_of(server.url, KEY, OTHER_KEY).update_sync_settings(COMPANY, WANTED)
    first, second = server.heard
    assert first.body == second.body != b""


def test_a_401_with_the_same_key_again_is_not_tried_again() -> None:
    keys = Keys(KEY)
    with scripted_server(answer(401)) as server, pytest.raises(Unauthorized):
        CodatClient(server.url, keys).get_account_sync_settings()
    assert len(server.heard) == 1
    assert keys.rejected == [KEY]


def test_a_401_with_a_fresh_key_too_is_the_end_of_it() -> None:
    keys = Keys(KEY, OTHER_KEY, "a third one")
    with scripted_server(answer(401)) as server, pytest.raises(Unauthorized):
        CodatClient(server.url, keys).get_account_sync_settings()
    assert len(server.heard) == 2
    assert keys.rejected == [KEY]


@pytest.mark.parametrize("status", [400, 402, 403, 404, 429, 500])
def test_no_other_status_asks_for_the_key_anew(status: int) -> None:
    keys = Keys(KEY, OTHER_KEY)
    with scripted_server(answer(status)) as server, pytest.raises(CodatError):
        CodatClient(server.url, keys).get_account_sync_settings()
    assert len(server.heard) == 1
    assert keys.rejected == []


def test_the_key_is_asked_for_at_each_request_so_that_a_rotated_one_is_taken_up() -> None:
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


ODD_KEY = "kéy+with/odd=chars~0123456789"


@pytest.mark.parametrize("key", [KEY, ODD_KEY])
@pytest.mark.parametrize("status", [400, 401, 402, 429, 500])
@pytest.mark.parametrize("shape", ["json", "html", "text"])
def test_the_key_is_in_no_error_though_the_body_repeats_it(key: str, status: int, shape: str) -> None:
    said = f"You sent Authorization: {basic(key)}, that is {key}"
    content = {
        "json": json.dumps({"error": said, "correlationId": "abc"}, ensure_ascii=False),
        "html": f"<html>{said}</html>",
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


def test_the_second_key_is_in_no_error_either() -> None:
    with (
        scripted_server(answer(401), answer(403, f"{KEY} {OTHER_KEY} {basic(OTHER_KEY)}".encode())) as server,
        pytest.raises(Forbidden) as raised,
    ):
        client_of(server.url, KEY, OTHER_KEY).get_account_sync_settings()
    assert OTHER_KEY not in str(raised.value)
    assert basic(OTHER_KEY) not in str(raised.value)


def test_the_first_key_is_in_no_error_after_the_second_was_refused() -> None:
    with (
        scripted_server(answer(401), answer(403, f"{KEY} {basic(KEY)}".encode())) as server,
        pytest.raises(Forbidden) as raised,
    ):
        client_of(server.url, KEY, OTHER_KEY).get_account_sync_settings()
    assert KEY not in str(raised.value)


def test_an_empty_key_leaves_the_words_of_a_refusal_readable(http: responses.RequestsMock) -> None:
    http.get(SETTINGS_URL, status=401, json={"error": "Unauthorized", "correlationId": "abc"})
    with pytest.raises(Unauthorized) as raised:
        CodatClient(URL, lambda *, rejected=None: "").get_sync_settings(COMPANY)  # noqa: ARG005
    assert raised.value.correlation_id == "abc"


def test_the_key_is_in_no_error_of_a_connection() -> None:
    with scripted_server(cut) as server, pytest.raises(Unreachable) as raised:
        client_of(server.url).get_sync_settings(COMPANY)
    text = "".join(traceback.format_exception(raised.value))
    assert KEY not in text
    assert basic(KEY) not in text


# --- Connections, and quick retries ---------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [502, 503, 504])
@pytest.mark.parametrize("name", CALLS)
def test_a_gateways_status_is_tried_exactly_twice_more(status: int, name: str) -> None:
    with scripted_server(answer(status, b'{"error": "Down."}')) as server, pytest.raises(ServerError) as raised:
        CALLS[name][1](client_of(server.url))
    assert len(server.heard) == 3
    assert len({(each.line, each.body) for each in server.heard}) == 1
    assert raised.value.status == status
    assert str(raised.value) == "Down."


@pytest.mark.parametrize("trouble", [answer(502), answer(503), answer(504), cut, raw(b"nonsense\r\n\r\n")])
@pytest.mark.parametrize("times", [1, 2])
def test_trouble_that_passes_at_once_is_not_seen(trouble: Reaction, times: int) -> None:
    with scripted_server(*[trouble] * times, answer(200, json.dumps(HOURS_FORM).encode())) as server:
        assert client_of(server.url).get_sync_settings(COMPANY).dialect is Dialect.HOURS
    assert len(server.heard) == times + 1


@pytest.mark.parametrize("status", [301, 400, 401, 402, 403, 404, 408, 409, 422, 429, 451, 500, 501])
@pytest.mark.parametrize("name", ["get_sync_settings", "update_sync_settings"])
def test_no_other_status_is_tried_again(status: int, name: str) -> None:
    with scripted_server(answer(status, Retry_After="0")) as server, pytest.raises(CodatError):
        CALLS[name][1](client_of(server.url, dialect=Dialect.HOURS))
    assert len(server.heard) == 1


@pytest.mark.parametrize("status", [429, 503])
def test_a_retry_after_is_not_slept_through(status: int) -> None:
    with scripted_server(answer(status, Retry_After="43200")) as server, pytest.raises(CodatError):
        client_of(server.url).get_sync_settings(COMPANY)


@pytest.mark.parametrize("name", ["get_sync_settings", "update_sync_settings"])
def test_a_connection_that_is_cut_before_the_answer_is_tried_exactly_twice_more(name: str) -> None:
    with scripted_server(cut) as server, pytest.raises(Unreachable) as raised:
        CALLS[name][1](client_of(server.url))
    assert len(server.heard) == 3
    assert raised.value.status is None
    assert str(raised.value) == f"{CALLS[name][0]}: ConnectionError"


HALF_A_BODY = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + json.dumps(HOURS_FORM).encode()
HALF_A_CHUNK = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1000\r\n{}"


@pytest.mark.parametrize("half", [HALF_A_BODY, HALF_A_CHUNK], ids=["of a body", "of a chunk"])
@pytest.mark.parametrize("name", ["get_sync_settings", "update_sync_settings"])
def test_an_answer_that_is_cut_off_is_not_taken_for_a_whole_one(half: bytes, name: str) -> None:
    with scripted_server(raw(half)) as server, pytest.raises(Unreachable):
        CALLS[name][1](client_of(server.url))


def test_an_answer_that_is_cut_off_after_it_began_is_not_tried_again() -> None:
    with scripted_server(raw(HALF_A_BODY), answer(200)) as server, pytest.raises(Unreachable):
        client_of(server.url).get_sync_settings(COMPANY)
    assert len(server.heard) == 1


@pytest.mark.parametrize(
    "wordless",
    [silence, silence_after(b"HTTP/1.1 200 OK\r\n"), silence_after(HALF_A_BODY)],
    ids=["no answer", "half of the headers", "half of the body"],
)
@pytest.mark.parametrize("name", ["get_sync_settings", "update_sync_settings"])
def test_a_read_that_timed_out_is_not_tried_again(wordless: Reaction, name: str) -> None:
    with scripted_server(wordless) as server, pytest.raises(Unreachable) as raised:
        CALLS[name][1](client_of(server.url))
    assert len(server.heard) == 1
    assert raised.value.status is None


def test_a_timeout_is_named_as_such() -> None:
    with scripted_server(silence) as server, pytest.raises(Unreachable, match=r"ReadTimeout$"):
        client_of(server.url).get_sync_settings(COMPANY)


def test_a_port_that_nobody_listens_on_is_unreachable() -> None:
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
def test_what_is_no_http_is_unreachable(garbage: bytes) -> None:
    with scripted_server(raw(garbage)) as server, pytest.raises(Unreachable):
        client_of(server.url).get_sync_settings(COMPANY)


def test_the_client_is_usable_after_trouble() -> None:
    with scripted_server(cut, cut, cut, answer(500), silence, answer(200)) as server:
        codat = client_of(server.url)
        for trouble in (Unreachable, ServerError, Unreachable):
            with pytest.raises(trouble):
                codat.get_account_sync_settings()
        assert codat.get_account_sync_settings() == SyncSettings()


# --- Dialects -------------------------------------------------------------------------------------------------------


def forms_sent(http: responses.RequestsMock) -> list[str]:
    """The dialect of each write."""
    return ["hours" if isinstance(body["settings"][0]["syncSchedule"], int) else "object" for body in sent_json(http)]


@pytest.mark.parametrize(("shown", "form"), [(OBJECT_FORM, "object"), (HOURS_FORM, "hours")])
@pytest.mark.parametrize("path", [f"/companies/{COMPANY}/syncSettings", "/profile/syncSettings"])
def test_auto_answers_in_the_dialect_of_the_last_answer(shown: object, form: str, path: str) -> None:
    codat = client_of()
    with responses.RequestsMock() as http:
        http.get(URL + path, json=shown)
        http.post(SETTINGS_URL, status=204)
        codat.get_account_sync_settings() if "profile" in path else codat.get_sync_settings(COMPANY)
        codat.update_sync_settings(COMPANY, WANTED)
        assert forms_sent(http) == [form]


def test_the_dialect_of_the_settings_themselves_wins_over_what_was_heard_of_others(
    codat: CodatClient, http: responses.RequestsMock
) -> None:
    http.get(SETTINGS_URL, json=OBJECT_FORM)
    http.get(f"{URL}/profile/syncSettings", json=HOURS_FORM)
    http.post(SETTINGS_URL, status=204)
    shown = codat.get_sync_settings(COMPANY)
    codat.get_account_sync_settings()
    codat.update_sync_settings(COMPANY, shown)
    assert forms_sent(http) == ["object"]


def test_an_answer_without_settings_does_not_unlearn_the_dialect(
    codat: CodatClient, http: responses.RequestsMock
) -> None:
    http.get(SETTINGS_URL, json=HOURS_FORM)
    http.get(SETTINGS_URL, json=NO_SETTINGS)
    http.post(SETTINGS_URL, status=204)
    codat.get_sync_settings(COMPANY)
    codat.get_sync_settings(COMPANY)
    codat.update_sync_settings(COMPANY, WANTED)
    assert forms_sent(http) == ["hours"]


def test_where_nothing_was_heard_the_object_form_is_sent_and_remembered(
    codat: CodatClient, http: responses.RequestsMock
) -> None:
    http.post(SETTINGS_URL, status=204)
    http.post(SETTINGS_URL, status=400)
    codat.update_sync_settings(COMPANY, WANTED)
    with pytest.raises(BadRequest):
        codat.update_sync_settings(COMPANY, WANTED)
    assert forms_sent(http) == ["object", "object"]


def test_a_400_to_the_object_form_sends_the_hours_form_once_and_remembers_it(
    codat: CodatClient, http: responses.RequestsMock
) -> None:
    http.get(SETTINGS_URL, json=NO_SETTINGS)
    http.post(SETTINGS_URL, status=400)
    http.post(SETTINGS_URL, status=204)
    http.post(SETTINGS_URL, status=204)
    codat.update_sync_settings(COMPANY, codat.get_sync_settings(COMPANY).model_copy(update=dict(WANTED)))
    codat.update_sync_settings(COMPANY, WANTED)
    assert forms_sent(http) == ["object", "hours", "hours"]


def test_a_400_to_both_forms_is_a_bad_request_and_teaches_nothing(
    codat: CodatClient, http: responses.RequestsMock
) -> None:
    http.post(SETTINGS_URL, status=400)
    with pytest.raises(BadRequest):
        codat.update_sync_settings(COMPANY, WANTED)
    with pytest.raises(BadRequest):
        codat.update_sync_settings(COMPANY, WANTED)
    assert forms_sent(http) == ["object", "hours"] * 2


@pytest.mark.parametrize("status", [401, 402, 403, 404, 409, 429, 500, 503])
def test_only_a_400_makes_the_client_try_the_other_form(status: int) -> None:
    with responses.RequestsMock() as http:
        http.post(SETTINGS_URL, status=status)
        with pytest.raises(CodatError):
            client_of().update_sync_settings(COMPANY, WANTED)
        assert set(forms_sent(http)) == {"object"}


def test_a_402_to_the_hours_form_is_still_a_402(codat: CodatClient, http: responses.RequestsMock) -> None:
    http.post(SETTINGS_URL, status=400)
    http.post(SETTINGS_URL, status=402, json={"error": "Sync schedule not allowed"})
    with pytest.raises(PaymentRequired):
        codat.update_sync_settings(COMPANY, WANTED)


@pytest.mark.parametrize("shown", [OBJECT_FORM, HOURS_FORM], ids=["object", "hours"])
def test_a_form_that_was_heard_is_not_given_up_for_a_400(shown: object) -> None:
    codat = client_of()
    with responses.RequestsMock() as http:
        http.get(SETTINGS_URL, json=shown)
        http.post(SETTINGS_URL, status=400)
        with pytest.raises(BadRequest):
            codat.update_sync_settings(COMPANY, codat.get_sync_settings(COMPANY))
        assert len(sent_json(http)) == 1


@pytest.mark.parametrize("fixed", Dialect)
@pytest.mark.parametrize("shown", [OBJECT_FORM, HOURS_FORM, NO_SETTINGS], ids=["object", "hours", "none"])
@pytest.mark.parametrize("status", [204, 400])
def test_a_fixed_dialect_never_switches(fixed: Dialect, shown: object, status: int) -> None:
    codat = client_of(dialect=fixed)
    with responses.RequestsMock() as http:
        http.get(SETTINGS_URL, json=shown)
        http.post(SETTINGS_URL, status=status)
        wanted = codat.get_sync_settings(COMPANY).model_copy(update={"settings": WANTED.settings})
        try:
            codat.update_sync_settings(COMPANY, wanted)
        except BadRequest:
            assert status == 400
        assert forms_sent(http) == [fixed.value]


@pytest.mark.parametrize("dialect", Dialect)
@pytest.mark.parametrize("fixed", [True, False], ids=["fixed", "auto"])
@settings(deadline=None, max_examples=10)
@given(data=st.data())
def test_what_codat_shows_is_sent_back_as_it_came(dialect: Dialect, fixed: bool, data: st.DataObject) -> None:  # noqa: FBT001
    shown = data.draw(answers(dialect).filter(lambda answer: spoken_in(answer, dialect)))
    codat = client_of(dialect=dialect if fixed else None)
    with responses.RequestsMock() as http:
        http.get(SETTINGS_URL, json={"companyId": str(COMPANY), **shown})
        http.post(SETTINGS_URL, status=204)
        codat.update_sync_settings(COMPANY, codat.get_sync_settings(COMPANY))
        (sent,) = sent_json(http)
    assert json.dumps(sent, sort_keys=True) == json.dumps({"companyId": str(COMPANY), **shown}, sort_keys=True)


def spoken_in(answer: dict[str, Any], dialect: Dialect) -> bool:
    """Whether an answer shows which dialect it is in."""
    form = int if dialect is Dialect.HOURS else dict
    return any(isinstance(each.get("syncSchedule"), form) for each in answer["settings"])


# --- Lists ----------------------------------------------------------------------------------------------------------


def company_page(*numbers: int, next_page: int | None = None) -> dict[str, object]:
    links: dict[str, object] = {"self": {"href": "/companies"}, "current": {"href": "/companies?page=1"}}
    if next_page is not None:
        links["next"] = {"href": f"/companies?page={next_page}"}
    return {"results": [{"id": str(UUID(int=number)), "name": "x"} for number in numbers], "_links": links}


def on_page(number: int, size: int) -> Any:  # noqa: ANN401  # As responses types its matchers.
    return matchers.query_param_matcher({"page": str(number), "pageSize": str(size)})


def test_a_list_follows_the_links_to_its_end(codat: CodatClient, http: responses.RequestsMock) -> None:
    http.get(f"{URL}/companies", json=company_page(1, 2, next_page=2), match=[on_page(1, 2)])
    http.get(f"{URL}/companies", json=company_page(3, 4, next_page=3), match=[on_page(2, 2)])
    http.get(f"{URL}/companies", json=company_page(5), match=[on_page(3, 2)])
    assert [company.id.int for company in codat.list_companies(page_size=2)] == [1, 2, 3, 4, 5]


def test_a_list_goes_on_where_codat_gives_smaller_pages_than_were_asked_for(
    codat: CodatClient, http: responses.RequestsMock
) -> None:
    http.get(f"{URL}/companies", json=company_page(1, 2, next_page=2), match=[on_page(1, 5000)])
    http.get(f"{URL}/companies", json=company_page(3), match=[on_page(2, 5000)])
    assert [company.id.int for company in codat.list_companies(page_size=5000)] == [1, 2, 3]


def test_a_full_last_page_ends_a_list(codat: CodatClient, http: responses.RequestsMock) -> None:
    http.get(f"{URL}/companies", json=company_page(1, 2), match=[on_page(1, 2)])
    assert len(list(codat.list_companies(page_size=2))) == 2


def test_an_empty_page_ends_a_list_though_it_links_on(codat: CodatClient, http: responses.RequestsMock) -> None:
    http.get(f"{URL}/companies", json=company_page(next_page=2))
    assert list(codat.list_companies()) == []
    assert len(http.calls) == 1


def test_a_list_is_read_page_by_page_as_it_is_used(codat: CodatClient, http: responses.RequestsMock) -> None:
    http.get(f"{URL}/companies", json=company_page(1, next_page=2))
    companies = codat.list_companies(page_size=1)
    assert len(http.calls) == 0
    next(companies)
    assert len(http.calls) == 1


def test_an_error_on_a_later_page_is_not_an_end(codat: CodatClient, http: responses.RequestsMock) -> None:
    http.get(f"{URL}/companies", json=company_page(1, next_page=2), match=[on_page(1, 100)])
    http.get(f"{URL}/companies", status=429, match=[on_page(2, 100)])
    with pytest.raises(RateLimited):
        list(codat.list_companies())


def test_a_companys_connections_are_listed(codat: CodatClient, http: responses.RequestsMock) -> None:
    connection = {"id": str(UUID(int=9)), "status": "Linked", "platformName": "Xero"}
    http.get(f"{URL}/companies/{COMPANY}/connections", json={"results": [connection]}, match=[on_page(1, 100)])
    assert [each.status for each in codat.list_connections(COMPANY)] == ["Linked"]


# --- Refreshing -----------------------------------------------------------------------------------------------------


def test_one_data_type_is_queued(codat: CodatClient, http: responses.RequestsMock) -> None:
    http.post(f"{URL}/companies/{COMPANY}/data/queue/invoices", json={"id": "x"})
    assert codat.queue_refresh(COMPANY, "invoices")


def test_a_data_type_with_a_slash_in_it_is_one_segment_of_the_path() -> None:
    with scripted_server(answer(200)) as server:
        client_of(server.url).queue_refresh(COMPANY, "custom/a b?")
    assert server.lines == [f"POST /companies/{COMPANY}/data/queue/custom%2Fa%20b%3F HTTP/1.1"]


@pytest.mark.parametrize("status", [400, 409])
@pytest.mark.parametrize(
    "words",
    [
        "DatasetAlreadyInProgressException: Cannot queue invoices sync as previous sync is still in progress",
        "Dataset already in progress",
    ],
)
def test_a_refresh_that_is_under_way_is_not_queued_again(status: int, words: str) -> None:
    with responses.RequestsMock() as http:
        http.post(f"{URL}/companies/{COMPANY}/data/all", status=status, json={"error": words})
        assert not client_of().queue_refresh(COMPANY)


@pytest.mark.parametrize(("status", "kind"), [(400, BadRequest), (409, Conflict), (500, ServerError)])
def test_another_refusal_of_a_refresh_is_an_error(status: int, kind: type[CodatError]) -> None:
    with responses.RequestsMock() as http:
        http.post(f"{URL}/companies/{COMPANY}/data/all", status=status, json={"error": "No."})
        with pytest.raises(kind):
            client_of().queue_refresh(COMPANY)
