"""The client sends requests that Codat accepts, reads its answers, and raises an error for each that is none."""

import base64
import json
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import requests
import responses
from responses import matchers

from codat_sync.codat.client import (
    BACKOFF_SECONDS,
    CONNECT_SECONDS,
    QUICK_RETRIES,
    READ_SECONDS,
    REQUEST_SECONDS,
    CodatClient,
)
from codat_sync.codat.errors import (
    BadRequest,
    CodatError,
    CodatRefused,
    Conflict,
    Forbidden,
    NotCodat,
    NotFound,
    PaymentRequired,
    PaymentRequiredKind,
    RateLimited,
    ServerError,
    Unauthorized,
    UnexpectedAnswer,
)
from codat_sync.codat.models import Dialect, Frequency, SyncSchedule
from tests.fakes.companies import COMPANY, OTHER_COMPANY
from tests.unit.codat.clients import (
    CALLS,
    HOURS_FORM,
    KEY,
    OBJECT_FORM,
    SETTINGS_URL,
    URL,
    WANTED,
    basic,
    client_of,
    sent_json,
)
from tests.unit.codat.scripted_server import (
    answer,
    scripted_server,
)


@pytest.mark.parametrize("name", CALLS)
def test_each_method_is_one_request_to_its_endpoint_with_the_key_and_a_user_agent(name: str) -> None:
    line, call = CALLS[name]
    company = json.dumps({"id": str(COMPANY), "name": "x", "results": [], "settings": []}).encode()
    with scripted_server(answer(200, company)) as server:
        call(client_of(server.url))
    (request,) = server.heard
    assert request.line.split("?")[0].removesuffix(" HTTP/1.1") == line
    assert request.headers["Authorization"] == basic(KEY)
    assert request.headers["User-Agent"].startswith("codat-sync-presets (python-requests/")
    assert request.headers["Accept"] == "application/json"


def test_basic_authorization_is_the_encoded_key_alone() -> None:
    with scripted_server(answer(200)) as server:
        client_of(server.url).get_account_sync_settings()
    scheme, _, encoded = server.heard[0].headers["Authorization"].partition(" ")
    assert scheme == "Basic"
    assert base64.b64decode(encoded) == KEY.encode()


def test_a_netrc_file_does_not_overrule_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login user password other\ndefault login user password other\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with scripted_server(answer(200)) as server:
        assert requests.utils.get_netrc_auth(server.url) == ("user", "other")
        client_of(server.url).get_account_sync_settings()
    assert server.heard[0].headers["Authorization"] == basic(KEY)


def test_a_write_is_json_with_the_company_and_the_whole_list() -> None:
    with scripted_server(answer(204, b"")) as server:
        client_of(server.url, dialect=Dialect.HOURS).update_sync_settings(COMPANY, WANTED)
    (request,) = server.heard
    assert request.headers["Content-Type"] == "application/json"
    assert json.loads(request.body) == {"companyId": str(COMPANY), "overridesDefaults": True, **HOURS_FORM}


def test_a_slash_at_the_end_of_the_base_url_is_not_doubled() -> None:
    with scripted_server(answer(200)) as server:
        client_of(server.url + "/").get_account_sync_settings()
    assert server.lines == ["GET /profile/syncSettings HTTP/1.1"]


def test_a_write_can_return_a_company_to_the_accounts_defaults(
    codat: CodatClient, http: responses.RequestsMock
) -> None:
    http.post(SETTINGS_URL, status=204)
    codat.update_sync_settings(COMPANY, WANTED.model_copy(update={"overrides_defaults": False}))
    assert sent_json(http)[0]["overridesDefaults"] is False


def test_three_tries_have_time_enough_to_fail_in_silence() -> None:
    tries = 1 + QUICK_RETRIES
    pauses = sum(BACKOFF_SECONDS * 2**number for number in range(1, QUICK_RETRIES))
    assert tries * (CONNECT_SECONDS + READ_SECONDS) + pauses == pytest.approx(REQUEST_SECONDS)


def test_settings_are_read_with_their_dialect(codat: CodatClient, http: responses.RequestsMock) -> None:
    http.get(SETTINGS_URL, json={**OBJECT_FORM, "companyId": str(COMPANY), "overridesDefaults": True})
    read = codat.get_sync_settings(COMPANY)
    assert read.overrides_defaults
    assert read.dialect is Dialect.OBJECT
    assert read.settings[0].sync_schedule == SyncSchedule(interval_hours=Frequency.DAILY, hour_of_day=2)


def test_a_company_is_read(codat: CodatClient, http: responses.RequestsMock) -> None:
    http.get(f"{URL}/companies/{COMPANY}", json={"id": str(COMPANY), "name": "Toft", "tags": {"plan": "growth"}})
    assert codat.get_company(COMPANY).tags == {"plan": "growth"}


STATUSES: list[tuple[int, type[CodatError]]] = [
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


BUSY = {"statusCode": 429, "error": "You have made too many requests."}
ERROR_BODY = b'{"statusCode":200,"service":"PublicApi","error":"Said.","correlationId":"abc","canBeRetried":"Unknown"}'


@pytest.mark.parametrize(("status", "kind"), STATUSES)
@pytest.mark.parametrize("content", [ERROR_BODY, b"<html>Bad</html>"], ids=["json", "html"])
@pytest.mark.parametrize("name", ["get_sync_settings", "update_sync_settings"])
def test_each_status_of_codats_is_its_error(status: int, kind: type[CodatError], content: bytes, name: str) -> None:
    _, call = CALLS[name]
    with responses.RequestsMock() as http:
        http.add(name.partition("_")[0].replace("update", "post").upper(), SETTINGS_URL, body=content, status=status)
        with pytest.raises(CodatError) as raised:
            call(client_of(dialect=Dialect.HOURS))
    assert type(raised.value) is (kind if content == ERROR_BODY else NotCodat)
    assert raised.value.status == status
    assert raised.value.correlation_id == ("abc" if content == ERROR_BODY else None)


@pytest.mark.parametrize("name", CALLS)
def test_every_method_raises_codats_error(name: str) -> None:
    with (
        scripted_server(answer(402, b'{"error": "Payment Required"}')) as server,
        pytest.raises(PaymentRequired) as raised,
    ):
        CALLS[name][1](client_of(server.url))
    assert raised.value.kind is PaymentRequiredKind.ACCOUNT_EXPIRED
    assert len(server.heard) == 1


def test_a_429_says_how_long_to_wait(codat: CodatClient, http: responses.RequestsMock) -> None:
    http.get(
        SETTINGS_URL, status=429, json={"statusCode": 429}, headers={"Retry-After": "Sun, 01 Feb 2026 12:05:00 GMT"}
    )
    with pytest.raises(RateLimited) as raised:
        codat.get_sync_settings(COMPANY)
    assert raised.value.retry_after == timedelta(minutes=5)


READS = ["get_sync_settings", "get_account_sync_settings"]


def read_of(name: str, content: bytes, status: int = 200) -> CodatError:
    """Return the error of a call that is answered with this."""
    line, call = CALLS[name]
    with responses.RequestsMock() as http:
        http.get(URL + line.removeprefix("GET "), body=content, status=status)
        with pytest.raises(CodatError) as raised:
            call(client_of())
    return raised.value


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "an empty body"),
        (b"<html>Welcome</html>", "Welcome"),
        (b"[]", "[]"),
        (b"null", "null"),
        (b'"settings"', '"settings"'),
        (b'{"settings": [', '{"settings": ['),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b'{"status": "Healthy"}', '{"status": "Healthy"}'),
    ],
    ids=repr,
)
@pytest.mark.parametrize("name", READS)
def test_a_200_that_shows_nothing_of_what_was_asked_for_is_not_codats(content: bytes, words: str, name: str) -> None:
    error = read_of(name, content)
    assert type(error) is NotCodat
    assert error.status == 200
    assert str(error) == f"{CALLS[name][0]}: not Codat's own 200: {words}"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"settings": {"invoices": 24}}', "settings: "),
        (b'{"settings": [{"syncSchedule": 24}]}', "settings.0.dataType: Field required"),
        (b'{"settings": 5}', "settings: "),
    ],
    ids=repr,
)
@pytest.mark.parametrize("name", READS)
def test_settings_that_cannot_be_read_are_unexpected(content: bytes, words: str, name: str) -> None:
    error = read_of(name, content)
    assert type(error) is UnexpectedAnswer
    assert error.status == 200
    assert str(error).startswith(f"{CALLS[name][0]}: {words}")


def test_settings_without_any_field_are_read_since_codat_promises_none(http: responses.RequestsMock) -> None:
    http.get(SETTINGS_URL, json={})
    assert client_of().get_sync_settings(COMPANY).settings == ()


def test_a_byte_order_mark_before_an_answer_is_no_part_of_it(http: responses.RequestsMock) -> None:
    http.get(SETTINGS_URL, body=b"\xef\xbb\xbf" + json.dumps(HOURS_FORM).encode())
    assert client_of().get_sync_settings(COMPANY).dialect is Dialect.HOURS


def test_a_204_to_a_read_is_not_codats() -> None:
    assert type(read_of("get_sync_settings", b"", status=204)) is NotCodat


@pytest.mark.parametrize("company", [str(OTHER_COMPANY), "nonsense", 7], ids=repr)
def test_settings_of_another_company_are_not_this_ones(company: object) -> None:
    error = read_of("get_sync_settings", json.dumps({**HOURS_FORM, "companyId": company}).encode())
    assert type(error) is UnexpectedAnswer
    assert str(error) == f"{CALLS['get_sync_settings'][0]}: the answer is about another company"


@pytest.mark.parametrize("company", [str(COMPANY).upper(), COMPANY.hex, None], ids=repr)
def test_a_company_is_told_by_its_id_in_any_spelling(company: str | None, http: responses.RequestsMock) -> None:
    http.get(SETTINGS_URL, json={**HOURS_FORM, "companyId": company})
    assert client_of().get_sync_settings(COMPANY).dialect is Dialect.HOURS


def test_another_company_is_not_the_one_that_was_asked_for() -> None:
    assert type(read_of("get_company", json.dumps({"id": str(OTHER_COMPANY)}).encode())) is UnexpectedAnswer


@pytest.mark.parametrize(
    ("status", "content"),
    [(200, b""), (202, b" \r\n"), (204, b""), (200, b"{}"), (200, f'{{"companyId": "{COMPANY}"}}'.encode())],
)
def test_a_write_is_accepted_with_an_empty_body_or_json(
    status: int, content: bytes, http: responses.RequestsMock
) -> None:
    http.post(SETTINGS_URL, status=status, body=content)
    client_of().update_sync_settings(COMPANY, WANTED)


@pytest.mark.parametrize("status", [200, 202])
@pytest.mark.parametrize("name", ["update_sync_settings", "queue_refresh"])
def test_a_page_that_answers_a_write_is_not_codats(status: int, name: str) -> None:
    with (
        scripted_server(answer(status, b"<html>Sign in</html>")) as server,
        pytest.raises(NotCodat, match=r"not Codat's own 20\d: Sign in$"),
    ):
        CALLS[name][1](client_of(server.url))
    assert len(server.heard) == 1


def test_a_write_that_was_answered_for_another_company_may_not_have_been_taken(http: responses.RequestsMock) -> None:
    http.post(SETTINGS_URL, json={"companyId": str(OTHER_COMPANY)})
    with pytest.raises(UnexpectedAnswer):
        client_of().update_sync_settings(COMPANY, WANTED)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("name", ["get_sync_settings", "update_sync_settings"])
def test_a_redirect_is_not_followed(status: int, name: str) -> None:
    with (
        scripted_server(answer(200)) as elsewhere,
        scripted_server(answer(status, b"", Location=elsewhere.url)) as server,
        pytest.raises(NotCodat),
    ):
        CALLS[name][1](client_of(server.url))
    assert len(server.heard) == 1
    assert elsewhere.heard == []


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


def test_a_list_continues_where_codats_pages_are_smaller_than_requested(
    codat: CodatClient, http: responses.RequestsMock
) -> None:
    http.get(f"{URL}/companies", json=company_page(1, 2, next_page=2), match=[on_page(1, 5000)])
    http.get(f"{URL}/companies", json=company_page(3), match=[on_page(2, 5000)])
    assert [company.id.int for company in codat.list_companies(page_size=5000)] == [1, 2, 3]


def test_a_full_last_page_ends_a_list(codat: CodatClient, http: responses.RequestsMock) -> None:
    http.get(f"{URL}/companies", json=company_page(1, 2), match=[on_page(1, 2)])
    assert len(list(codat.list_companies(page_size=2))) == 2


def test_an_empty_page_ends_a_list_although_it_links_to_another(
    codat: CodatClient, http: responses.RequestsMock
) -> None:
    http.get(f"{URL}/companies", json=company_page(next_page=2))
    assert list(codat.list_companies()) == []
    assert len(http.calls) == 1


def test_a_page_of_a_list_is_read_when_it_is_needed(codat: CodatClient, http: responses.RequestsMock) -> None:
    http.get(f"{URL}/companies", json=company_page(1, next_page=2))
    companies = codat.list_companies(page_size=1)
    assert len(http.calls) == 0
    next(companies)
    assert len(http.calls) == 1


def test_an_error_on_a_later_page_is_raised(codat: CodatClient, http: responses.RequestsMock) -> None:
    http.get(f"{URL}/companies", json=company_page(1, next_page=2), match=[on_page(1, 100)])
    http.get(f"{URL}/companies", status=429, json=BUSY, match=[on_page(2, 100)])
    with pytest.raises(RateLimited):
        list(codat.list_companies())


def test_a_companys_connections_are_listed(codat: CodatClient, http: responses.RequestsMock) -> None:
    connection = {"id": str(UUID(int=9)), "status": "Linked", "platformName": "Xero"}
    http.get(f"{URL}/companies/{COMPANY}/connections", json={"results": [connection]}, match=[on_page(1, 100)])
    assert [each.status for each in codat.list_connections(COMPANY)] == ["Linked"]


def test_a_refresh_of_one_data_type_is_queued(codat: CodatClient, http: responses.RequestsMock) -> None:
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
def test_a_refresh_in_progress_is_not_queued_again(status: int, words: str) -> None:
    with responses.RequestsMock() as http:
        http.post(f"{URL}/companies/{COMPANY}/data/all", status=status, json={"error": words})
        assert not client_of().queue_refresh(COMPANY)


@pytest.mark.parametrize(("status", "kind"), [(400, BadRequest), (409, Conflict), (500, ServerError)])
def test_any_other_refusal_of_a_refresh_is_an_error(status: int, kind: type[CodatError]) -> None:
    with responses.RequestsMock() as http:
        http.post(f"{URL}/companies/{COMPANY}/data/all", status=status, json={"error": "No."})
        with pytest.raises(kind):
            client_of().queue_refresh(COMPANY)
