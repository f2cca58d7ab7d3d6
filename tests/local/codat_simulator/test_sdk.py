"""Codat's official Python SDK works with the simulator, in the dialect of Codat's OpenAPI."""

# The SDK re-exports its classes lazily and gives two of them one name, which mypy cannot follow.
# mypy: disable-error-code="attr-defined, name-defined"

import base64
from collections.abc import Iterator

import pytest
from codat_platform import CodatPlatform
from codat_platform.models import errors, operations, shared
from codat_platform.utils.retries import RetryConfig

from local.codat_simulator.company import NewConnection
from local.codat_simulator.faults import Fault
from local.codat_simulator.running import RunningSimulator, running_simulator
from local.codat_simulator.sync_settings import DATA_TYPES

COMPANY = "8a210b68-6988-11ed-a1eb-0242ac120002"
UNKNOWN_COMPANY = "846ed55c-974b-4392-a1f1-87b6fdbf3c5e"


@pytest.fixture
def simulator() -> Iterator[RunningSimulator]:
    with running_simulator() as it:
        it.account.add_company(COMPANY, name="Technicalium", tags={"region": "uk"})
        yield it


@pytest.fixture
def sdk(simulator: RunningSimulator) -> Iterator[CodatPlatform]:
    key = base64.b64encode(simulator.api_key.encode()).decode()
    with CodatPlatform(
        security=shared.Security(auth_header=f"Basic {key}"),
        server_url=simulator.url,
        retry_config=RetryConfig("none"),
    ) as client:
        yield client


def current(sdk: CodatPlatform) -> shared.CompanySyncSettings:
    return sdk.companies.get_company_sync_settings(request=operations.GetCompanySyncSettingsRequest(company_id=COMPANY))


def put(sdk: CodatPlatform, settings: list[shared.SyncSetting], *, overrides: bool = True) -> None:
    body = operations.SetCompanySyncSettingsRequestBody(
        company_id=COMPANY, settings=settings, overrides_defaults=overrides
    )
    sdk.companies.set_company_sync_settings(
        request=operations.SetCompanySyncSettingsRequest(company_id=COMPANY, request_body=body)
    )


def invoices(hours: int) -> shared.SyncSetting:
    return shared.SyncSetting(
        data_type=shared.DataType.INVOICES,
        fetch_on_first_link=True,
        sync_schedule=hours,
        sync_order=0,
        sync_from_window=24,
        is_locked=False,
    )


def test_a_company_starts_with_a_setting_for_each_data_type(sdk: CodatPlatform) -> None:
    answer = current(sdk)
    assert (answer.company_id, answer.overrides_defaults) == (COMPANY, False)
    assert answer.settings is not None
    assert [setting.data_type.value for setting in answer.settings] == list(DATA_TYPES)


def test_the_data_types_are_those_of_the_sdk() -> None:
    assert {data_type.value for data_type in shared.DataType} == set(DATA_TYPES)


def test_settings_come_back_as_they_were_set(sdk: CodatPlatform) -> None:
    put(sdk, [invoices(168)])
    answer = current(sdk)
    assert answer.settings == [invoices(168)]
    assert answer.overrides_defaults is True


def test_what_was_read_can_be_written_back_unchanged(sdk: CodatPlatform) -> None:
    before = current(sdk).settings
    assert before is not None
    put(sdk, before)
    assert current(sdk).settings == before


def test_an_override_can_be_taken_back(sdk: CodatPlatform) -> None:
    put(sdk, [invoices(168)])
    put(sdk, [], overrides=False)
    assert current(sdk).overrides_defaults is False


def test_companies_are_listed_page_by_page(sdk: CodatPlatform, simulator: RunningSimulator) -> None:
    for _ in range(4):
        simulator.account.add_company()
    pages = [sdk.companies.list(request=operations.ListCompaniesRequest(page=page, page_size=2)) for page in (1, 2, 3)]
    assert [company.id for page in pages for company in page.results or []] == list(simulator.account.companies)
    assert {page.total_results for page in pages} == {5}
    assert pages[0].links.next is not None
    assert pages[0].links.next.href == "/companies?page=2&pageSize=2"
    assert pages[2].links.next is None


def test_companies_are_found_by_tag(sdk: CodatPlatform, simulator: RunningSimulator) -> None:
    simulator.account.add_company(tags={"region": "us"})
    page = sdk.companies.list(request=operations.ListCompaniesRequest(tags="region=uk"))
    assert [company.id for company in page.results or []] == [COMPANY]


def test_a_company_is_created_and_read(sdk: CodatPlatform) -> None:
    created = sdk.companies.create(request=shared.CompanyRequestBody(name="Bank of Dave", tags={"plan": "free"}))
    assert sdk.companies.get(request=operations.GetCompanyRequest(company_id=created.id)) == created


def test_connections_are_read(sdk: CodatPlatform, simulator: RunningSimulator) -> None:
    connection_id = simulator.account.connect(simulator.account.companies[COMPANY], NewConnection())
    listed = sdk.connections.list(request=operations.ListConnectionsRequest(company_id=COMPANY))
    one = sdk.connections.get(request=operations.GetConnectionRequest(company_id=COMPANY, connection_id=connection_id))
    assert listed.results == [one]
    assert one.status == shared.DataConnectionStatus.LINKED


def test_data_are_refreshed(sdk: CodatPlatform, simulator: RunningSimulator) -> None:
    company = simulator.account.companies[COMPANY]
    simulator.account.connect(company, NewConnection())
    sdk.refresh_data.all(request=operations.RefreshCompanyDataRequest(company_id=COMPANY))
    assert len(company.pulls) == len(DATA_TYPES)
    pull = sdk.refresh_data.by_data_type(
        request=operations.RefreshDataTypeRequest(company_id=COMPANY, data_type=shared.SchemaDataType.INVOICES)
    )
    assert (pull.company_id, pull.data_type) == (COMPANY, "invoices")


def test_the_profiles_settings_are_read_and_set(sdk: CodatPlatform, simulator: RunningSimulator) -> None:
    client_id = sdk.settings.get_sync_settings().client_id
    assert client_id == simulator.account.flags.client_id
    sdk.settings.update_sync_settings(
        request=operations.UpdateProfileSyncSettingsRequestBody(client_id=client_id, settings=[invoices(24)])
    )
    assert sdk.settings.get_sync_settings().settings == [invoices(24)]
    assert current(sdk).settings == [invoices(24)]


def test_a_402_is_the_sdks_error_with_codats_words(sdk: CodatPlatform, simulator: RunningSimulator) -> None:
    simulator.account.flags.free = True
    with pytest.raises(errors.ErrorMessage) as raised:
        put(sdk, [invoices(1)])
    assert raised.value.status_code == 402
    assert raised.value.data.error == "SyncSettingsValidationException: Sync schedule not allowed"
    validation = raised.value.data.validation
    assert isinstance(validation, shared.ErrorValidation)
    [item] = validation.errors or []
    assert item.message == "Sync schedule is not allowed for this client."


def test_an_unknown_company_is_the_sdks_404(sdk: CodatPlatform) -> None:
    with pytest.raises(errors.ErrorMessage) as raised:
        sdk.companies.get(request=operations.GetCompanyRequest(company_id=UNKNOWN_COMPANY))
    assert raised.value.status_code == 404
    assert raised.value.data.service == "ClientsApi"


def test_a_wrong_key_is_the_sdks_401(simulator: RunningSimulator) -> None:
    with (
        CodatPlatform(security=shared.Security(auth_header="Basic d3Jvbmc="), server_url=simulator.url) as sdk,
        pytest.raises(errors.ErrorMessage) as raised,
    ):
        current(sdk)
    assert raised.value.status_code == 401


@pytest.mark.parametrize("status", [403, 429, 500, 503])
def test_a_fault_is_the_sdks_error_with_codats_fields(
    sdk: CodatPlatform, simulator: RunningSimulator, status: int
) -> None:
    # Without a Retry-After, since the SDK's HTTP library would wait for that long.
    simulator.account.faults.add(Fault(status=status))
    with pytest.raises(errors.ErrorMessage) as raised:
        current(sdk)
    assert raised.value.status_code == status
    assert raised.value.data.can_be_retried == "Unknown"
    assert raised.value.headers["X-Rate-Limit-Limit"] == str(simulator.account.quota.limit)
