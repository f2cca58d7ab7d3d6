"""The client reports each answer to an observer, and keeps the quota of the newest one."""

from datetime import timedelta
from http import HTTPMethod

import pytest
import responses

from codat_sync.codat.client import (
    Answer,
    CodatClient,
)
from codat_sync.codat.errors import (
    CodatError,
    NotCodat,
    Unreachable,
)
from codat_sync.codat.rate_limits import RateLimit
from tests.fakes.clock import NOW
from tests.fakes.companies import COMPANY
from tests.unit.codat.clients import HOURS_FORM, KEY, OTHER_KEY, SETTINGS_URL, URL, Keys, client_of
from tests.unit.codat.scripted_server import (
    answer,
    cut,
    scripted_server,
)


def test_the_quota_is_unknown_before_the_first_answer(codat: CodatClient) -> None:
    assert codat.rate_limit == RateLimit()


@pytest.mark.parametrize("status", [200, 204, 400, 401, 402, 404, 429, 500, 503])
def test_the_quota_can_be_read_after_every_answer(status: int) -> None:
    codat = client_of()
    with responses.RequestsMock() as http:
        http.post(
            f"{URL}/companies/{COMPANY}/data/all",
            status=status,
            body="" if status == 204 else '{"statusCode": 0}',
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


@pytest.mark.parametrize(("status", "content"), [(403, "<h1>Blocked</h1>"), (301, ""), (200, "<h1>Sign in</h1>")])
def test_what_is_not_codats_says_nothing_of_the_quota(status: int, content: str, http: responses.RequestsMock) -> None:
    codat = client_of()
    http.get(SETTINGS_URL, json=HOURS_FORM, headers={"X-Rate-Limit-Remaining": "7"})
    codat.get_sync_settings(COMPANY)
    http.get(SETTINGS_URL, status=status, body=content, headers={"X-Rate-Limit-Remaining": "0"})
    with pytest.raises(NotCodat):
        codat.get_sync_settings(COMPANY)
    assert codat.rate_limit.remaining == 7


class Observed:
    """A client whose observer is told on a clock that only the test moves."""

    def __init__(self, url: str, *keys: str) -> None:
        self.answers: list[Answer] = []
        self.seconds = 0.0
        self.codat = CodatClient(
            url,
            Keys(*keys or (KEY,)),
            on_answer=self.answers.append,
            now=lambda: NOW,
            monotonic=lambda: self.seconds,
        )

    def after_half_a_second(self, status: int, content: str, **headers: str) -> tuple[int, dict[str, str], str]:
        self.seconds += 0.5
        return status, {name.replace("_", "-"): value for name, value in headers.items()}, content


@pytest.mark.parametrize("status", [200, 204, 400, 402, 404, 429, 500])
def test_an_observer_is_told_of_every_answer_and_what_it_says_of_the_quota(status: int) -> None:
    observed = Observed(URL)
    quota = {"X_Rate_Limit_Limit": "1000", "X_Rate_Limit_Remaining": "7"}
    with responses.RequestsMock() as http:
        http.add_callback(
            "POST",
            f"{URL}/companies/{COMPANY}/data/all",
            lambda _: observed.after_half_a_second(status, "" if status == 204 else '{"statusCode": 0}', **quota),
        )
        try:
            observed.codat.queue_refresh(COMPANY)
        except CodatError as error:
            assert error.status == status  # noqa: PT017  # What is asserted is below; some answers are no error.
    assert observed.answers == [Answer(HTTPMethod.POST, status, 0.5, RateLimit(limit=1000, remaining=7))]


@pytest.mark.parametrize(("status", "content"), [(403, "<h1>Blocked</h1>"), (301, ""), (200, "<h1>Sign in</h1>")])
def test_an_observer_is_told_what_is_not_codats(status: int, content: str, http: responses.RequestsMock) -> None:
    observed = Observed(URL)
    http.add_callback(
        "GET", SETTINGS_URL, lambda _: observed.after_half_a_second(status, content, X_Rate_Limit_Remaining="7")
    )
    with pytest.raises(NotCodat):
        observed.codat.get_sync_settings(COMPANY)
    assert observed.answers == [Answer(HTTPMethod.GET, status, 0.5, RateLimit(), is_codats=False)]


def test_an_observer_is_told_that_no_answer_came() -> None:
    with scripted_server(cut) as server, pytest.raises(Unreachable):
        (observed := Observed(server.url)).codat.get_sync_settings(COMPANY)
    assert observed.answers == [Answer(HTTPMethod.GET, None, 0, RateLimit())]


def test_quick_retries_are_part_of_one_answer() -> None:
    with scripted_server(cut, answer(503), answer(200)) as server:
        (observed := Observed(server.url)).codat.get_account_sync_settings()
    assert [each.status for each in observed.answers] == [200]


def test_the_second_request_after_a_401_is_an_answer_of_its_own() -> None:
    with scripted_server(answer(401), answer(200)) as server:
        (observed := Observed(server.url, KEY, OTHER_KEY)).codat.get_account_sync_settings()
    assert [each.status for each in observed.answers] == [401, 200]
