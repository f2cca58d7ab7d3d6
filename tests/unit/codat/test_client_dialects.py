"""The client writes settings in the dialect in which Codat answers."""

import json
from typing import Any

import pytest
import responses
from hypothesis import given, settings
from hypothesis import strategies as st

from codat_sync.codat.client import (
    CodatClient,
)
from codat_sync.codat.errors import (
    BadRequest,
    CodatError,
    PaymentRequired,
)
from codat_sync.codat.models import Dialect
from tests.fakes.companies import COMPANY
from tests.unit.codat.clients import (
    HOURS_FORM,
    NO_SETTINGS,
    OBJECT_FORM,
    SETTINGS_URL,
    URL,
    WANTED,
    client_of,
    sent_json,
)
from tests.unit.json_strategies import answers

REFUSED = {"statusCode": 400, "error": "Error processing request - not valid."}


def forms_sent(http: responses.RequestsMock) -> list[str]:
    """Return the dialect of each write."""
    return ["hours" if isinstance(body["settings"][0]["syncSchedule"], int) else "object" for body in sent_json(http)]


@pytest.mark.parametrize(("shown", "form"), [(OBJECT_FORM, "object"), (HOURS_FORM, "hours")])
@pytest.mark.parametrize("path", [f"/companies/{COMPANY}/syncSettings", "/profile/syncSettings"])
def test_auto_writes_in_the_dialect_of_the_last_answer(shown: object, form: str, path: str) -> None:
    codat = client_of()
    with responses.RequestsMock() as http:
        http.get(URL + path, json=shown)
        http.post(SETTINGS_URL, status=204)
        codat.get_account_sync_settings() if "profile" in path else codat.get_sync_settings(COMPANY)
        codat.update_sync_settings(COMPANY, WANTED)
        assert forms_sent(http) == [form]


def test_the_dialect_of_the_settings_themselves_wins_over_that_of_other_answers(
    codat: CodatClient, http: responses.RequestsMock
) -> None:
    http.get(SETTINGS_URL, json=OBJECT_FORM)
    http.get(f"{URL}/profile/syncSettings", json=HOURS_FORM)
    http.post(SETTINGS_URL, status=204)
    shown = codat.get_sync_settings(COMPANY)
    codat.get_account_sync_settings()
    codat.update_sync_settings(COMPANY, shown)
    assert forms_sent(http) == ["object"]


def test_an_answer_without_settings_does_not_change_the_dialect(
    codat: CodatClient, http: responses.RequestsMock
) -> None:
    http.get(SETTINGS_URL, json=HOURS_FORM)
    http.get(SETTINGS_URL, json=NO_SETTINGS)
    http.post(SETTINGS_URL, status=204)
    codat.get_sync_settings(COMPANY)
    codat.get_sync_settings(COMPANY)
    codat.update_sync_settings(COMPANY, WANTED)
    assert forms_sent(http) == ["hours"]


def test_where_no_dialect_is_known_the_object_form_is_sent_and_remembered(
    codat: CodatClient, http: responses.RequestsMock
) -> None:
    http.post(SETTINGS_URL, status=204)
    http.post(SETTINGS_URL, status=400, json=REFUSED)
    codat.update_sync_settings(COMPANY, WANTED)
    with pytest.raises(BadRequest):
        codat.update_sync_settings(COMPANY, WANTED)
    assert forms_sent(http) == ["object", "object"]


def test_a_400_to_the_object_form_sends_the_hours_form_once_and_remembers_it(
    codat: CodatClient, http: responses.RequestsMock
) -> None:
    http.get(SETTINGS_URL, json=NO_SETTINGS)
    http.post(SETTINGS_URL, status=400, json=REFUSED)
    http.post(SETTINGS_URL, status=204)
    http.post(SETTINGS_URL, status=204)
    codat.update_sync_settings(COMPANY, codat.get_sync_settings(COMPANY).model_copy(update=dict(WANTED)))
    codat.update_sync_settings(COMPANY, WANTED)
    assert forms_sent(http) == ["object", "hours", "hours"]


def test_a_400_to_both_forms_is_a_bad_request_and_leaves_the_dialect_unknown(
    codat: CodatClient, http: responses.RequestsMock
) -> None:
    http.post(SETTINGS_URL, status=400, json=REFUSED)
    with pytest.raises(BadRequest):
        codat.update_sync_settings(COMPANY, WANTED)
    with pytest.raises(BadRequest):
        codat.update_sync_settings(COMPANY, WANTED)
    assert forms_sent(http) == ["object", "hours"] * 2


def test_a_400_of_something_else_is_tried_in_the_other_form_too(
    codat: CodatClient, http: responses.RequestsMock
) -> None:
    http.post(SETTINGS_URL, status=400, body="<h1>Bad Request</h1>")
    http.post(SETTINGS_URL, status=204)
    codat.update_sync_settings(COMPANY, WANTED)
    assert forms_sent(http) == ["object", "hours"]


@pytest.mark.parametrize("status", [401, 402, 403, 404, 409, 429, 500, 503])
def test_only_a_400_makes_the_client_try_the_hours_form(status: int) -> None:
    with responses.RequestsMock() as http:
        http.post(SETTINGS_URL, status=status)
        with pytest.raises(CodatError):
            client_of().update_sync_settings(COMPANY, WANTED)
        assert set(forms_sent(http)) == {"object"}


def test_a_402_to_the_hours_form_is_still_a_402(codat: CodatClient, http: responses.RequestsMock) -> None:
    http.post(SETTINGS_URL, status=400, json=REFUSED)
    http.post(SETTINGS_URL, status=402, json={"error": "Sync schedule not allowed"})
    with pytest.raises(PaymentRequired):
        codat.update_sync_settings(COMPANY, WANTED)


@pytest.mark.parametrize("shown", [OBJECT_FORM, HOURS_FORM], ids=["object", "hours"])
def test_a_known_dialect_is_kept_after_a_400(shown: object) -> None:
    codat = client_of()
    with responses.RequestsMock() as http:
        http.get(SETTINGS_URL, json=shown)
        http.post(SETTINGS_URL, status=400, json=REFUSED)
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
        http.post(SETTINGS_URL, status=status, body=b"" if status == 204 else json.dumps(REFUSED))
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
def test_settings_that_were_read_are_written_back_unchanged(dialect: Dialect, fixed: bool, data: st.DataObject) -> None:  # noqa: FBT001
    shown = data.draw(answers(dialect).filter(lambda answer: spoken_in(answer, dialect)))
    codat = client_of(dialect=dialect if fixed else None)
    with responses.RequestsMock() as http:
        http.get(SETTINGS_URL, json={"companyId": str(COMPANY), **shown})
        http.post(SETTINGS_URL, status=204)
        codat.update_sync_settings(COMPANY, codat.get_sync_settings(COMPANY))
        (sent,) = sent_json(http)
    assert json.dumps(sent, sort_keys=True) == json.dumps({"companyId": str(COMPANY), **shown}, sort_keys=True)


def spoken_in(answer: dict[str, Any], dialect: Dialect) -> bool:
    """Return whether an answer shows which dialect it is in."""
    form = int if dialect is Dialect.HOURS else dict
    return any(isinstance(each.get("syncSchedule"), form) for each in answer["settings"])
