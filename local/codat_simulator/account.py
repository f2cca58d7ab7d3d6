"""The state of a simulated Codat account and the rules that Codat puts on it. No HTTP here.

Where Codat's documents are silent, a flag chooses between the behaviours that would agree with them. The account may be
changed from another thread while it is served: every change is one assignment.
"""

import base64
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from random import Random
from typing import Annotated, Literal, TypeVar
from urllib.parse import urlencode
from uuid import uuid4

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    ValidationError,
)
from pydantic.alias_generators import to_camel

from local.codat_simulator import _refusals as refusals
from local.codat_simulator._calls import CallLog
from local.codat_simulator._refusals import RefusalError
from local.codat_simulator.faults import Faults
from local.codat_simulator.rate_limits import DailyQuota, MomentFormat
from local.codat_simulator.sync_settings import (
    Dialect,
    Settings,
    built_in_settings,
    parsed_settings,
)

COMPANIES_OF_A_FREE_ACCOUNT = 50
MAX_PAGE_SIZE = 5000
HISTORY_KEPT = 100  # Writes and pulls remembered for each company.
HOURS_OF_A_DAY = 24

T = TypeVar("T")

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_TAG_TERM = re.compile(r"\s*([^=!~]+?)\s*(!=|=|~)\s*(.+?)\s*")

Tags = Annotated[
    dict[Annotated[str, Field(min_length=1, max_length=27)], Annotated[str, Field(max_length=100)]],
    Field(max_length=10),
]


def canonical_uuid(text: str) -> str:
    """The id in lower case; raises ValueError where it is not a UUID with dashes."""
    if _UUID.fullmatch(text) is None:
        raise ValueError("should be a UUID")
    return text.lower()


Uuid = Annotated[str, AfterValidator(canonical_uuid)]


class AccountFlags(BaseModel):
    """How the account behaves. Assigning a value that makes no sense raises `pydantic.ValidationError`.

    - `free`: no schedule of less than a day, 50 companies. `expired`: every call answers 402.
    - `dialect`: see `sync_settings`.
    - `omitted_types`: what happens to the data types that a POST does not name.
    - `without_override`: what a company answers that has no settings of its own: the account's, or none.
    - `retry_after_format`, `rate_limit_reset_format`: how the two headers spell a moment.
    - `concurrent_requests`: more than this many at a time answer 429 (None: no limit). The simulator answers so fast
      that requests are only ever side by side while a fault holds them.
    """

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        extra="forbid",
        validate_assignment=True,
    )

    api_key: Annotated[str, Field(min_length=1)] = "simulated-codat-api-key"
    client_id: Uuid = "367f7975-267b-439b-90c6-a6040ee680f3"
    dialect: Dialect = "hours"
    free: bool = False
    expired: bool = False
    omitted_types: Literal["dropped", "kept"] = "dropped"
    without_override: Literal["defaults", "nothing"] = "defaults"
    retry_after_format: MomentFormat = "seconds"
    rate_limit_reset_format: MomentFormat = "iso8601"
    concurrent_requests: Annotated[int, Field(ge=1)] | None = None


class NewConnection(BaseModel):
    """A connection to put into a company, from Codat's Connection schema."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, validate_by_alias=True, extra="forbid")

    id: Uuid | None = None
    status: Literal["PendingAuth", "Linked", "Unlinked", "Deauthorized"] = "Linked"
    source_type: Literal["Accounting", "Banking", "BankFeed", "Commerce", "Expense", "Other", "Unknown"] = "Accounting"
    integration_key: Annotated[str, Field(pattern="^[a-z]{4}$")] = "gbol"
    platform_name: str = "Xero"


class _CompanyRequest(BaseModel):
    """Codat's CompanyRequestBody."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9\s\-',&@.?!]+$", min_length=1)]
    description: str | None = None
    tags: Tags | None = None


class _SettingsRequest(BaseModel):
    """The body of both syncSettings POSTs, without its owner and the inside of its settings."""

    model_config = ConfigDict(alias_generator=to_camel, strict=True)

    settings: list[object]
    overrides_defaults: bool


@dataclass(frozen=True, slots=True)
class Write:
    """An accepted POST of sync settings: what was posted, before locks and omitted types had their say."""

    at: datetime
    overrides_defaults: bool
    settings: Settings


@dataclass(slots=True)
class Company:
    """A company. `override` is None while the account's settings hold.

    `locked` are the settings that no POST changes; `in_progress` maps a data type that is being pulled to
    its data set's id.
    """

    id: str
    name: str
    created: datetime
    description: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    products: list[str] = field(default_factory=list)
    connections: dict[str, dict[str, JsonValue]] = field(default_factory=dict)
    override: Settings | None = None
    locked: Settings = field(default_factory=dict)
    in_progress: dict[str, str] = field(default_factory=dict)
    writes: list[Write] = field(default_factory=list)  # The last HISTORY_KEPT of them.
    write_count: int = 0
    pulls: list[dict[str, JsonValue]] = field(default_factory=list)  # The last HISTORY_KEPT pull operations.

    def as_json(self) -> dict[str, JsonValue]:
        """Codat's Company."""
        return {
            "id": self.id,
            "name": self.name,
            "description": self.description,
            "redirect": f"https://link.codat.io/company/{self.id}",
            "created": _utc(self.created),
            "createdByUserName": None,
            "products": list(self.products),
            "tags": dict(self.tags),
            "referenceSubsidiaryCompanies": [],
            "dataConnections": list(self.connections.values()),
        }


@lru_cache(maxsize=8)
def _credentials(api_key: str) -> frozenset[str]:
    # Codat encodes the key alone; HTTP clients with a Basic of their own put a colon behind it.
    return frozenset(base64.b64encode(text.encode()).decode() for text in (api_key, f"{api_key}:"))


def _utc(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


class Account:
    """A Codat account: companies, settings, limits, faults and the log of what was asked of it."""

    def __init__(
        self,
        flags: AccountFlags | None = None,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        ids: Callable[[], str] = lambda: str(uuid4()),
        seed: int = 0,
        daily_quota: int = 100_000_000,
        calls_kept: int = 20_000,
    ) -> None:
        """`clock` answers the time in UTC, `ids` a new UUID.

        `seed` decides which requests a fault strikes that has a probability.
        """
        self.clock = clock
        self.ids = ids
        self._seed = seed
        self._initial_flags = flags or AccountFlags()
        self._daily_quota = daily_quota
        self.calls = CallLog(calls_kept)
        self.reset()

    def reset(self) -> None:
        """Back to the account as it was constructed: no companies, no faults, an empty log."""
        self.flags = self._initial_flags.model_copy()
        self.quota = DailyQuota(self._daily_quota, self._daily_quota, self.clock().date())
        # S311: which request an unlikely fault strikes has to be repeatable, not secret.
        self.faults = Faults(Random(self._seed), self.ids)  # noqa: S311
        self.companies: dict[str, Company] = {}
        self.settings: Settings = built_in_settings()
        self.locked: Settings = {}
        self.writes: list[Write] = []
        self.calls.clear()

    # What a test or the control API does to the account.

    def add_company(
        self,
        company_id: str | None = None,
        *,
        name: str = "Technicalium",
        description: str = "",
        tags: Mapping[str, str] | None = None,
        products: Iterable[str] = (),
        connections: Iterable[NewConnection] = (),
        settings: Iterable[Mapping[str, object]] | None = None,
        locked: Iterable[str] = (),
        in_progress: Iterable[str] = (),
    ) -> Company:
        """Put a company there, whatever the plan of the account allows.

        `settings` (in the account's dialect) become its override. Raises ValueError where the id is no UUID or is there
        already, and `pydantic.ValidationError` for settings that are not in the dialect.
        """
        company_id = canonical_uuid(company_id or self.ids())
        if company_id in self.companies:
            raise ValueError(f"company {company_id} is there already")
        company = Company(company_id, name, self.clock(), description, dict(tags or {}), products=list(products))
        if settings is not None:
            company.override = self.parsed(settings)
        for connection in connections:
            self.connect(company, connection)
        self.lock(company, *locked)
        self.put_in_progress(company, *in_progress)
        self.companies[company_id] = company
        return company

    def remove_company(self, company_id: str) -> bool:
        """Whether there was one, as when it is deleted in Codat's Portal."""
        return self.companies.pop(company_id.lower(), None) is not None

    def connect(self, company: Company, connection: NewConnection) -> str:
        """Give the company a connection, or replace the one with this id; answers its id."""
        connection_id = connection.id or self.ids()
        company.connections = company.connections | {
            connection_id: {
                "id": connection_id,
                "integrationId": self.ids(),
                "integrationKey": connection.integration_key,
                "sourceId": self.ids(),
                "platformName": connection.platform_name,
                "linkUrl": f"https://link-api.codat.io/companies/{company.id}/connections/{connection_id}/start",
                "status": connection.status,
                "created": _utc(self.clock()),
                "sourceType": connection.source_type,
            }
        }
        return connection_id

    def lock(self, company: Company, *data_types: str) -> None:
        """Make these, and no others, the locked types of the company: they keep the setting that they have now."""
        settings = self.effective_settings(company)
        company.locked = {name: settings[name] for name in data_types if name in settings}

    def lock_defaults(self, *data_types: str) -> None:
        """The same for the settings of the account, which locks the types for every company."""
        self.locked = {name: self.settings[name] for name in data_types if name in self.settings}

    def put_in_progress(self, company: Company, *data_types: str) -> None:
        """Make these, and no others, the types that are being pulled: queueing one answers 409."""
        company.in_progress = {name: company.in_progress.get(name) or self.ids() for name in data_types}

    def parsed(self, settings: Iterable[Mapping[str, object]]) -> Settings:
        """Settings in the account's dialect; raises `pydantic.ValidationError`."""
        return parsed_settings(json.dumps(list(settings)), self.flags.dialect)

    def effective_settings(self, company: Company) -> Settings:
        """What holds for the company: its own list or, without one, the account's; with what is locked."""
        own = company.override if company.override is not None else self.settings
        locked = self.locked_settings(company)
        return {**own, **locked} if locked else own

    def locked_settings(self, company: Company) -> Settings:
        """What no POST changes for the company: its own locks and, where it has none on a type, the account's."""
        return {**self.locked, **company.locked}

    # What Codat does for a request.

    def admit(self, authorization: str | None) -> None:
        """Let a request in, or raise what refuses every request: a wrong key, a limit, an expired account."""
        scheme, _, credentials = (authorization or "").partition(" ")
        if scheme.lower() != "basic" or credentials not in _credentials(self.flags.api_key):
            raise RefusalError(401)
        now = self.clock()
        at_once = self.flags.concurrent_requests
        if at_once is not None and self.calls.in_flight > at_once:
            # Codat does not say what Retry-After is here; the quota that remains tells the two 429s apart.
            raise RefusalError(429)
        if not self.quota.take(now):
            raise RefusalError(429, retry_after=self.quota.resets_at(now) - now)
        if self.flags.expired:
            raise refusals.account_expired()

    def company(self, company_id: str) -> Company:
        """Raises 400 where the id is no UUID, and 404."""
        try:
            return self.companies[_path_uuid(company_id, "companyId")]
        except KeyError:
            raise refusals.company_not_found(company_id) from None

    def list_companies(
        self, *, page: str | None, page_size: str | None, order_by: str | None, tags: str | None
    ) -> JsonValue:
        """One page, in the order of creation unless `order_by` is name or created (a leading `-` turns it round)."""
        companies = list(self.companies.values())
        if tags:
            agrees = _tag_filter(tags)
            companies = [company for company in companies if agrees(company.tags)]
        match (order_by or "").removeprefix("-"):
            case "name":
                companies.sort(key=lambda company: company.name)
            case "created":
                companies.sort(key=lambda company: company.created)
        if order_by in ("-name", "-created"):
            companies.reverse()
        kept = {"orderBy": order_by, "tags": tags}
        return _page("/companies", companies, Company.as_json, page=page, page_size=page_size, kept=kept)

    def create_company(self, body: JsonValue) -> JsonValue:
        """Raises 400, and 402 where a free account has its 50 companies."""
        try:
            request = _CompanyRequest.model_validate(body)
        except ValidationError as failure:
            raise refusals.not_valid(*refusals.problems_of(failure, "CreateCompany")) from failure
        if self.flags.free and len(self.companies) >= COMPANIES_OF_A_FREE_ACCOUNT:
            raise refusals.company_limit_exceeded()
        return self.add_company(name=request.name, description=request.description or "", tags=request.tags).as_json()

    def list_connections(self, company_id: str, *, page: str | None, page_size: str | None) -> JsonValue:
        company = self.company(company_id)
        connections = list(company.connections.values())
        return _page(f"/companies/{company.id}/connections", connections, dict, page=page, page_size=page_size, kept={})

    def connection(self, company_id: str, connection_id: str) -> JsonValue:
        company = self.company(company_id)
        try:
            return company.connections[_path_uuid(connection_id, "connectionId")]
        except KeyError:
            raise refusals.connection_not_found(connection_id) from None

    def sync_settings(self, company_id: str) -> JsonValue:
        """What GET /companies/{id}/syncSettings answers."""
        company = self.company(company_id)
        overridden = company.override is not None
        shown = overridden or self.flags.without_override == "defaults"
        settings = self.effective_settings(company) if shown else {}
        return {
            "companyId": company.id,
            "settings": self.in_dialect(settings, self.locked_settings(company)),
            "overridesDefaults": overridden,
        }

    def set_sync_settings(self, company_id: str, body: JsonValue) -> None:
        """A company's settings become its own, or with `overridesDefaults: false` the account's again.

        Raises 400 before 404, and 402 where a free account names a schedule of less than a day.
        """
        write = self._write(body, "companyId", _path_uuid(company_id, "companyId"))
        company = self.company(company_id)
        self._allow_schedules(write.settings, self.locked_settings(company))
        if write.overrides_defaults:
            company.override = self._stored(write.settings, over=self.effective_settings(company))
        else:
            company.override = None
        company.writes = [*company.writes, write][-HISTORY_KEPT:]
        company.write_count += 1

    def profile_sync_settings(self) -> JsonValue:
        """What GET /profile/syncSettings answers: the settings of every company without its own."""
        return {
            "clientId": self.flags.client_id,
            "settings": self.in_dialect(self.settings, self.locked),
            "overridesDefaults": bool(self.writes) and self.writes[-1].overrides_defaults,
        }

    def set_profile_sync_settings(self, body: JsonValue) -> None:
        """As for a company. Without `overridesDefaults` the account goes back to what Codat starts it with.

        The 400 is not in the OpenAPI, which lists none for this operation.
        """
        write = self._write(body, "clientId", self.flags.client_id)
        self._allow_schedules(write.settings, self.locked)
        settings = self._stored(write.settings, over=self.settings) if write.overrides_defaults else built_in_settings()
        self.settings = {**settings, **self.locked}
        self.writes = [*self.writes, write][-HISTORY_KEPT:]

    def refresh_all(self, company_id: str) -> None:
        """Queue every type that is fetched at first link and is not being pulled, on each linked connection."""
        company = self.company(company_id)
        for connection in _linked(company):
            for setting in self.effective_settings(company).values():
                if setting.fetch_on_first_link and setting.data_type not in company.in_progress:
                    self._pull(company, setting.data_type, connection)

    def queue(self, company_id: str, data_type: str, *, connection_id: str | None) -> JsonValue:
        """Queue one pull, on the named connection or the first linked one; answers a PullOperation.

        Raises 409 while a pull of the type is in progress. A pull that was queued here is over at once.
        """
        company = self.company(company_id)
        if connection_id is None:
            connection = next(iter(_linked(company)), None)
        else:
            connection = _path_uuid(connection_id, "connectionId")
            if connection not in company.connections:
                raise refusals.connection_not_found(connection_id)
        if connection is None:
            raise refusals.no_linked_connection(company.id)
        dataset_id = company.in_progress.get(data_type)
        if dataset_id is not None:
            raise refusals.pull_in_progress(company.id, data_type, dataset_id)
        return self._pull(company, data_type, connection)

    def in_dialect(self, settings: Settings, locked: Settings) -> list[JsonValue]:
        """Settings as the account's GETs show them."""
        dialect = self.flags.dialect
        return [setting.in_dialect(dialect, locked=data_type in locked) for data_type, setting in settings.items()]

    def _pull(self, company: Company, data_type: str, connection_id: str) -> dict[str, JsonValue]:
        pull: dict[str, JsonValue] = {
            "id": self.ids(),
            "companyId": company.id,
            "connectionId": connection_id,
            "dataType": data_type,
            "status": "Initial",
            "requested": _utc(self.clock()),
            "progress": 0,
            "isCompleted": False,
            "isErrored": False,
        }
        company.pulls = [*company.pulls, pull][-HISTORY_KEPT:]
        return pull

    def _write(self, body: JsonValue, owner: str, owner_id: str) -> Write:
        named = body.get(owner) if isinstance(body, dict) else None
        if not isinstance(named, str) or named.lower() != owner_id:
            raise refusals.not_valid(
                refusals.problem(owner, f"{owner} should be {owner_id}.", "SyncSettings"),
                service="ClientsApi",
            )
        place = ""
        try:
            request = _SettingsRequest.model_validate(body)
            place = "settings"
            settings = parsed_settings(json.dumps(request.settings), self.flags.dialect)
        except ValidationError as failure:
            raise refusals.not_valid(
                *refusals.problems_of(failure, "SyncSettings", under=place), service="ClientsApi"
            ) from failure
        return Write(self.clock(), request.overrides_defaults, settings)

    def _allow_schedules(self, settings: Settings, locked: Settings) -> None:
        if self.flags.free and any(
            0 < setting.interval_hours < HOURS_OF_A_DAY and data_type not in locked
            for data_type, setting in settings.items()
        ):
            raise refusals.schedule_not_allowed()

    def _stored(self, posted: Settings, *, over: Settings) -> Settings:
        return posted if self.flags.omitted_types == "dropped" else {**over, **posted}


def _linked(company: Company) -> list[str]:
    return [
        connection_id for connection_id, connection in company.connections.items() if connection["status"] == "Linked"
    ]


def _path_uuid(text: str, name: str) -> str:
    try:
        return canonical_uuid(text)
    except ValueError:
        raise refusals.not_valid(refusals.problem(name, f"{name} should be a UUID.", "Path")) from None


def _tag_filter(text: str) -> Callable[[Mapping[str, str]], bool]:
    """Codat's `tags` parameter: `=`, `!=` (also true without the tag) and `~` (contains), joined by `&&` alone."""
    terms = [_TAG_TERM.fullmatch(term) for term in text.split("&&")]
    parts = [term.groups() for term in terms if term is not None]
    if len(parts) != len(terms) or "||" in text:
        raise refusals.malformed_query()

    def agrees(tags: Mapping[str, str]) -> bool:
        for key, operator, value in parts:
            tag = tags.get(key)
            match operator:
                case "=":
                    holds = tag == value
                case "!=":
                    holds = tag != value
                case _:
                    holds = tag is not None and value in tag
            if not holds:
                return False
        return True

    return agrees


def _page(
    path: str,
    items: list[T],
    as_json: Callable[[T], JsonValue],
    *,
    page: str | None,
    page_size: str | None,
    kept: Mapping[str, str | None],
) -> JsonValue:
    number = _whole_number("page", page, default=1, most=None)
    size = _whole_number("pageSize", page_size, default=100, most=MAX_PAGE_SIZE)
    first = (number - 1) * size

    def href(wanted: int) -> JsonValue:
        query = {name: value for name, value in kept.items() if value}
        return {"href": f"{path}?{urlencode({'page': wanted, 'pageSize': size, **query})}"}

    links: dict[str, JsonValue] = {"self": {"href": path}, "current": href(number)}
    if first + size < len(items):
        links["next"] = href(number + 1)
    if number > 1:
        links["previous"] = href(number - 1)
    return {
        "results": [as_json(item) for item in items[first : first + size]],
        "pageNumber": number,
        "pageSize": size,
        "totalResults": len(items),
        "_links": links,
    }


def _whole_number(name: str, text: str | None, *, default: int, most: int | None) -> int:
    if text is None:
        return default
    if text.isascii() and text.isdigit() and int(text) >= 1 and (most is None or int(text) <= most):
        return int(text)
    limit = "" if most is None else f" and at most {most}"
    raise refusals.not_valid(refusals.problem(name, f"{name} should be a whole number of at least 1{limit}.", "Paging"))
