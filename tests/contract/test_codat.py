"""Our client and Codat's own: the simulator between them, and the official SDK's models as the judge."""

# The SDK re-exports its classes lazily, which mypy cannot follow.
# mypy: disable-error-code="attr-defined"

from collections.abc import Iterator
from uuid import UUID

import pytest
from codat_platform.models import operations

from codat_sync.codat.client import CodatClient
from codat_sync.codat.differences import differences
from codat_sync.codat.errors import BadRequest, NotFound, PaymentRequired, PaymentRequiredKind, Unauthorized
from codat_sync.codat.models import DATA_TYPES, Dialect, Frequency, SyncSchedule, SyncSettings
from local.codat_simulator.company import NewConnection
from local.codat_simulator.running import RunningSimulator, running_simulator
from local.presets import local_presets
from tests.fakes.codat import fixed_key
from tests.fakes.companies import COMPANY, OTHER_COMPANY

PRESETS = local_presets()


@pytest.fixture
def simulator() -> Iterator[RunningSimulator]:
    with running_simulator() as it:
        it.account.add_company(str(COMPANY), name="Toft Stores", tags={"plan": "growth"})
        yield it


@pytest.fixture
def client(simulator: RunningSimulator) -> CodatClient:
    return CodatClient(simulator.url, fixed_key(simulator.api_key))


@pytest.mark.parametrize("plan", PRESETS.plans)
def test_what_we_send_in_the_hours_dialect_is_a_request_of_the_sdks(plan: str) -> None:
    preset = PRESETS.for_company(plan, COMPANY)
    sent = preset.over(SyncSettings()).on_the_wire(Dialect.HOURS)
    body = operations.SetCompanySyncSettingsRequestBody.model_validate(
        {"companyId": str(COMPANY), "overridesDefaults": True, "settings": sent}
    )
    understood = {each.data_type.value: each.sync_schedule for each in body.settings}
    assert understood == {each["dataType"]: each["syncSchedule"] for each in sent}
    assert set(understood) == DATA_TYPES


def test_we_know_the_data_types_that_the_sdk_knows() -> None:
    known = operations.SetCompanySyncSettingsRequestBody.model_json_schema()["$defs"]["DataType"]["enum"]
    assert set(known) == DATA_TYPES


@pytest.mark.parametrize("dialect", ["hours", "object", "both"])
@pytest.mark.parametrize("plan", PRESETS.plans)
def test_a_preset_is_at_codat_after_one_write_in_either_dialect(
    simulator: RunningSimulator, client: CodatClient, dialect: str, plan: str
) -> None:
    simulator.account.flags.dialect = dialect  # type: ignore[assignment]  # One of those above.
    preset = PRESETS.for_company(plan, COMPANY)
    client.update_sync_settings(COMPANY, preset.over(client.get_sync_settings(COMPANY)))
    shown = client.get_sync_settings(COMPANY)
    assert differences(shown, preset.over(shown)) == ()
    assert shown.overrides_defaults


@pytest.mark.parametrize("dialect", ["hours", "object"])
def test_an_unknown_dialect_is_found_by_asking(simulator: RunningSimulator, client: CodatClient, dialect: str) -> None:
    simulator.account.flags.dialect = dialect  # type: ignore[assignment]  # One of those above.
    client.update_sync_settings(COMPANY, PRESETS.for_company("growth", COMPANY).over(SyncSettings()))
    posts = simulator.account.calls.total(method="POST")
    assert posts == (2 if dialect == "hours" else 1)
    client.update_sync_settings(COMPANY, PRESETS.for_company("free", COMPANY).over(SyncSettings()))
    assert simulator.account.calls.total(method="POST") == posts + 1, "it is remembered"


def test_the_wrong_dialect_on_purpose_is_refused(simulator: RunningSimulator) -> None:
    fixed = CodatClient(simulator.url, fixed_key(simulator.api_key), dialect=Dialect.OBJECT)
    with pytest.raises(BadRequest):
        fixed.update_sync_settings(COMPANY, PRESETS.for_company("growth", COMPANY).over(SyncSettings()))
    assert simulator.account.calls.total(method="POST") == 1


def test_giving_up_the_override_brings_back_the_accounts_own(simulator: RunningSimulator, client: CodatClient) -> None:
    client.update_sync_settings(COMPANY, PRESETS.for_company("growth", COMPANY).over(client.get_sync_settings(COMPANY)))
    mine = client.get_sync_settings(COMPANY)
    client.update_sync_settings(COMPANY, mine.model_copy(update={"overrides_defaults": False}))
    account = client.get_account_sync_settings()
    assert client.get_sync_settings(COMPANY).settings == account.settings
    assert simulator.account.companies[str(COMPANY)].override is None


def test_locked_data_types_stay_as_they_are(simulator: RunningSimulator, client: CodatClient) -> None:
    simulator.account.lock(simulator.account.companies[str(COMPANY)], "invoices")
    preset = PRESETS.for_company("scale", COMPANY)
    client.update_sync_settings(COMPANY, preset.over(client.get_sync_settings(COMPANY)))
    shown = {each.data_type: each.sync_schedule for each in client.get_sync_settings(COMPANY).settings}
    assert shown["invoices"] == SyncSchedule(interval_hours=Frequency.OFF)
    assert shown["bills"] == SyncSchedule(interval_hours=Frequency.HOURLY)


def test_the_402s_are_told_apart(simulator: RunningSimulator, client: CodatClient) -> None:
    simulator.account.flags.free = True
    with pytest.raises(PaymentRequired) as hourly:
        client.update_sync_settings(COMPANY, PRESETS.for_company("scale", COMPANY).over(SyncSettings()))
    simulator.account.flags.expired = True
    with pytest.raises(PaymentRequired) as expired:
        client.get_company(COMPANY)
    assert (hourly.value.kind, expired.value.kind) == (
        PaymentRequiredKind.HOURLY_NOT_ALLOWED,
        PaymentRequiredKind.ACCOUNT_EXPIRED,
    )


def test_a_company_that_is_not_there_and_a_key_that_is_not_right(simulator: RunningSimulator) -> None:
    with pytest.raises(NotFound, match=str(OTHER_COMPANY)):
        CodatClient(simulator.url, fixed_key(simulator.api_key)).get_sync_settings(OTHER_COMPANY)
    with pytest.raises(Unauthorized):
        CodatClient(simulator.url, fixed_key("wrong")).get_sync_settings(COMPANY)


def test_lists_are_read_to_their_end(simulator: RunningSimulator, client: CodatClient) -> None:
    ids = {UUID(simulator.account.add_company(name=f"Company {number}").id) for number in range(25)}
    assert {company.id for company in client.list_companies(page_size=10)} == ids | {COMPANY}
    company = client.get_company(COMPANY)
    assert (company.name, company.tags) == ("Toft Stores", {"plan": "growth"})
    linked = simulator.account.connect(simulator.account.companies[str(COMPANY)], NewConnection())
    assert [str(connection.id) for connection in client.list_connections(COMPANY)] == [linked]


def test_a_refresh_that_is_under_way_is_no_error(simulator: RunningSimulator, client: CodatClient) -> None:
    known = simulator.account.companies[str(COMPANY)]
    simulator.account.connect(known, NewConnection())
    assert client.queue_refresh(COMPANY)
    simulator.account.put_in_progress(known, "invoices")
    assert not client.queue_refresh(COMPANY, "invoices")
    assert client.queue_refresh(COMPANY, "bills")
