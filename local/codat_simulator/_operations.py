"""The operations of Codat's API on an account, and the rules that Codat sets for them. No HTTP here.

Each method answers one request. It returns the JSON of the answer, or raises the ``RefusalError`` that is the answer.
"""

import base64
import json
from functools import lru_cache
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, JsonValue, StringConstraints, ValidationError
from pydantic.alias_generators import to_camel

from local.codat_simulator import _refusals
from local.codat_simulator._listing import page_of, tag_filter
from local.codat_simulator._refusals import RefusalError
from local.codat_simulator.account import Account
from local.codat_simulator.company import HISTORY_KEPT, Company, Tags, Write, canonical_uuid, utc_text
from local.codat_simulator.sync_settings import Settings, built_in_settings, parsed_settings

COMPANIES_OF_A_FREE_ACCOUNT: Final = 50
HOURS_OF_A_DAY: Final = 24


class _CompanyRequest(BaseModel):
    """Codat's CompanyRequestBody."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9\s\-',&@.?!]+$", min_length=1)]
    description: str | None = None
    tags: Tags | None = None


class _SettingsRequest(BaseModel):
    """The body of both syncSettings POSTs, without the id of the owner and the contents of the settings."""

    model_config = ConfigDict(alias_generator=to_camel, strict=True)

    settings: list[object]
    overrides_defaults: bool


class Operations:
    """Codat's API for one account."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def admit(self, authorization: str | None) -> None:
        """Accept a request, or raise what refuses every request: a wrong key, a limit, an expired account."""
        account = self._account
        scheme, _, credentials = (authorization or "").partition(" ")
        if scheme.lower() != "basic" or credentials not in _credentials(account.flags.api_key):
            raise RefusalError(401)
        now = account.clock()
        most_at_a_time = account.flags.concurrent_requests
        if most_at_a_time is not None and account.calls.in_flight > most_at_a_time:
            # Codat does not document a Retry-After here. The quota that remains tells this 429 from that of the quota.
            raise RefusalError(429)
        if not account.quota.take(now):
            raise RefusalError(429, retry_after=account.quota.resets_at(now) - now)
        if account.flags.expired:
            raise _refusals.account_expired()

    def list_companies(
        self, *, page: str | None, page_size: str | None, order_by: str | None, tags: str | None
    ) -> JsonValue:
        """Return one page, in the order of creation unless ``order_by`` is name or created; ``-`` reverses it."""
        companies = list(self._account.companies.values())
        if tags:
            matches = tag_filter(tags)
            companies = [company for company in companies if matches(company.tags)]
        match (order_by or "").removeprefix("-"):
            case "name":
                companies.sort(key=lambda company: company.name)
            case "created":
                companies.sort(key=lambda company: company.created)
        if order_by in ("-name", "-created"):
            companies.reverse()
        query = {"orderBy": order_by, "tags": tags}
        return page_of("/companies", companies, Company.as_json, page=page, page_size=page_size, query=query)

    def create_company(self, body: JsonValue) -> JsonValue:
        """Raise 400, and 402 if a free account holds its 50 companies."""
        try:
            request = _CompanyRequest.model_validate(body)
        except ValidationError as failure:
            raise _refusals.not_valid(*_refusals.problems_of(failure, "CreateCompany")) from failure
        if self._account.flags.free and len(self._account.companies) >= COMPANIES_OF_A_FREE_ACCOUNT:
            raise _refusals.company_limit_exceeded()
        created = self._account.add_company(name=request.name, description=request.description or "", tags=request.tags)
        return created.as_json()

    def get_company(self, company_id: str) -> JsonValue:
        """Raise 400 if the id is not a UUID, and 404."""
        return self._company(company_id).as_json()

    def list_connections(self, company_id: str, *, page: str | None, page_size: str | None) -> JsonValue:
        company = self._company(company_id)
        path, connections = f"/companies/{company.id}/connections", list(company.connections.values())
        return page_of(path, connections, dict, page=page, page_size=page_size, query={})

    def get_connection(self, company_id: str, connection_id: str) -> JsonValue:
        company = self._company(company_id)
        try:
            return company.connections[_path_uuid(connection_id, "connectionId")]
        except KeyError:
            raise _refusals.connection_not_found(connection_id) from None

    def get_sync_settings(self, company_id: str) -> JsonValue:
        account, company = self._account, self._company(company_id)
        overridden = company.override is not None
        are_shown = overridden or account.flags.without_override == "defaults"
        settings = account.effective_settings(company) if are_shown else {}
        return {
            "companyId": company.id,
            "settings": account.in_dialect(settings, account.locked_settings(company)),
            "overridesDefaults": overridden,
        }

    def set_sync_settings(self, company_id: str, body: JsonValue) -> None:
        """Replace a company's own settings, or with ``overridesDefaults: false`` remove them.

        Raise 400 before 404, and 402 if a free account asks for a schedule of less than a day.
        """
        write = self._parsed_write(body, "companyId", _path_uuid(company_id, "companyId"))
        company = self._company(company_id)
        self._allow_schedules(write.settings, self._account.locked_settings(company))
        if write.overrides_defaults:
            company.override = self._stored(write.settings, over=self._account.effective_settings(company))
        else:
            company.override = None
        company.writes = [*company.writes, write][-HISTORY_KEPT:]
        company.write_count += 1

    def get_profile_sync_settings(self) -> JsonValue:
        """Return the account's settings, which apply to every company without settings of its own."""
        account = self._account
        return {
            "clientId": account.flags.client_id,
            "settings": account.in_dialect(account.settings, account.locked),
            "overridesDefaults": bool(account.writes) and account.writes[-1].overrides_defaults,
        }

    def set_profile_sync_settings(self, body: JsonValue) -> None:
        """Replace the account's settings, or with ``overridesDefaults: false`` restore Codat's built-in ones.

        Raise 400 and 402, as for a company. Codat's OpenAPI does not list the 400 for this operation.
        """
        account = self._account
        write = self._parsed_write(body, "clientId", account.flags.client_id)
        self._allow_schedules(write.settings, account.locked)
        settings = (
            self._stored(write.settings, over=account.settings) if write.overrides_defaults else built_in_settings()
        )
        account.settings = {**settings, **account.locked}
        account.writes = [*account.writes, write][-HISTORY_KEPT:]

    def refresh_all(self, company_id: str) -> None:
        """Queue a pull of every type that is fetched at first link, on each linked connection.

        Types whose pull is in progress are left out.
        """
        company = self._company(company_id)
        for connection in company.linked_connections:
            for setting in self._account.effective_settings(company).values():
                if setting.fetch_on_first_link and setting.data_type not in company.in_progress:
                    self._pull(company, setting.data_type, connection)

    def queue_pull(self, company_id: str, data_type: str, *, connection_id: str | None) -> JsonValue:
        """Queue one pull, on the named connection or else the first linked one. Return Codat's PullOperation.

        Raise 404 without such a connection, and 409 while a pull of the type is in progress. A pull that is queued
        here ends at once.
        """
        company = self._company(company_id)
        if connection_id is None:
            connection = next(iter(company.linked_connections), None)
        else:
            connection = _path_uuid(connection_id, "connectionId")
            if connection not in company.connections:
                raise _refusals.connection_not_found(connection_id)
        if connection is None:
            raise _refusals.no_linked_connection(company.id)
        dataset_id = company.in_progress.get(data_type)
        if dataset_id is not None:
            raise _refusals.pull_in_progress(company.id, data_type, dataset_id)
        return self._pull(company, data_type, connection)

    def _company(self, company_id: str) -> Company:
        try:
            return self._account.companies[_path_uuid(company_id, "companyId")]
        except KeyError:
            raise _refusals.company_not_found(company_id) from None

    def _pull(self, company: Company, data_type: str, connection_id: str) -> dict[str, JsonValue]:
        pull: dict[str, JsonValue] = {
            "id": self._account.ids(),
            "companyId": company.id,
            "connectionId": connection_id,
            "dataType": data_type,
            "status": "Initial",
            "requested": utc_text(self._account.clock()),
            "progress": 0,
            "isCompleted": False,
            "isErrored": False,
        }
        company.pulls = [*company.pulls, pull][-HISTORY_KEPT:]
        return pull

    def _parsed_write(self, body: JsonValue, owner: str, owner_id: str) -> Write:
        named = body.get(owner) if isinstance(body, dict) else None
        if not isinstance(named, str) or named.lower() != owner_id:
            wrong_owner = _refusals.problem(owner, f"{owner} should be {owner_id}.", "SyncSettings")
            raise _refusals.not_valid(wrong_owner, service="ClientsApi")
        place = ""
        try:
            request = _SettingsRequest.model_validate(body)
            place = "settings"
            settings = parsed_settings(json.dumps(request.settings), self._account.flags.dialect)
        except ValidationError as failure:
            problems = _refusals.problems_of(failure, "SyncSettings", under=place)
            raise _refusals.not_valid(*problems, service="ClientsApi") from failure
        return Write(self._account.clock(), request.overrides_defaults, settings)

    def _allow_schedules(self, settings: Settings, locked: Settings) -> None:
        if self._account.flags.free and any(
            0 < setting.interval_hours < HOURS_OF_A_DAY and data_type not in locked
            for data_type, setting in settings.items()
        ):
            raise _refusals.schedule_not_allowed()

    def _stored(self, posted: Settings, *, over: Settings) -> Settings:
        return posted if self._account.flags.omitted_types == "dropped" else {**over, **posted}


@lru_cache(maxsize=8)
def _credentials(api_key: str) -> frozenset[str]:
    # Codat encodes the key alone. HTTP clients that build the Basic header themselves add a colon.
    return frozenset(base64.b64encode(text.encode()).decode() for text in (api_key, f"{api_key}:"))


def _path_uuid(text: str, name: str) -> str:
    try:
        return canonical_uuid(text)
    except ValueError:
        raise _refusals.not_valid(_refusals.problem(name, f"{name} should be a UUID.", "Path")) from None
