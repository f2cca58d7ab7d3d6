"""The state of a simulated Codat account, for tests and the control API to set up and to read. No HTTP here.

Another thread may change the account while the server answers requests: every change is one assignment.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from random import Random
from typing import Annotated, Literal
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from pydantic.alias_generators import to_camel

from local.codat_simulator._calls import CallLog
from local.codat_simulator.company import Company, NewConnection, Uuid, Write, canonical_uuid
from local.codat_simulator.faults import Faults
from local.codat_simulator.rate_limits import DailyQuota, MomentFormat
from local.codat_simulator.sync_settings import Dialect, Settings, built_in_settings, parsed_settings


class AccountFlags(BaseModel):
    """The behaviour of the account. An invalid value raises ``pydantic.ValidationError``, also when it is assigned.

    Where Codat's documentation leaves a behaviour open, a flag chooses among those that would agree with it.

    - ``free``: schedules of less than a day are refused, and the account holds at most 50 companies.
    - ``expired``: every call is answered with 402.
    - ``dialect``: see ``sync_settings``.
    - ``omitted_types``: whether the data types that a POST does not name are dropped or kept.
    - ``without_override``: whether a company without settings of its own shows the account's settings or none.
    - ``retry_after_format``, ``rate_limit_reset_format``: the format of the moment in each of the two headers.
    - ``concurrent_requests``: more requests than this at a time are answered with 429. None means no limit. The
      simulator answers so fast that requests overlap only while a fault holds them.
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


class Account:
    """A Codat account: its flags, companies, settings, quota and faults, and the log of calls."""

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
        """Create an account without companies.

        ``clock`` returns the time in UTC, ``ids`` a new UUID. ``seed`` decides which requests are hit by a fault whose
        probability is less than 1.
        """
        self.clock = clock
        self.ids = ids
        self._seed = seed
        self._initial_flags = flags or AccountFlags()
        self._daily_quota = daily_quota
        self.calls = CallLog(calls_kept)
        self.reset()

    def reset(self) -> None:
        """Restore the state that the account was created with: no companies, no faults, an empty log."""
        self.flags = self._initial_flags.model_copy()
        self.quota = DailyQuota(self._daily_quota, self._daily_quota, self.clock().date())
        # S311: the requests that a fault hits have to be repeatable, not secret.
        self.faults = Faults(Random(self._seed), self.ids)  # noqa: S311
        self.companies: dict[str, Company] = {}
        self.settings: Settings = built_in_settings()
        self.locked: Settings = {}
        self.writes: list[Write] = []
        self.calls.clear()

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
        """Add a company, also to a free account that holds its 50.

        ``settings``, in the account's dialect, become its override. Raise ``ValueError`` if the id is not a UUID or is
        taken, and ``pydantic.ValidationError`` if the settings are not in the dialect.
        """
        company_id = canonical_uuid(company_id or self.ids())
        if company_id in self.companies:
            raise ValueError(f"company {company_id} already exists")
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
        """Remove a company, as when it is deleted in Codat's Portal. Return whether it was there."""
        return self.companies.pop(company_id.lower(), None) is not None

    def connect(self, company: Company, connection: NewConnection) -> str:
        """Add a connection to the company, or replace the one with the same id. Return the id."""
        connection_id = connection.id or self.ids()
        added = connection.as_json(
            company.id,
            connection_id=connection_id,
            integration_id=self.ids(),
            source_id=self.ids(),
            at=self.clock(),
        )
        company.connections = company.connections | {connection_id: added}
        return connection_id

    def lock(self, company: Company, *data_types: str) -> None:
        """Lock exactly these data types of the company, each with the setting that it has now."""
        settings = self.effective_settings(company)
        company.locked = {name: settings[name] for name in data_types if name in settings}

    def lock_defaults(self, *data_types: str) -> None:
        """Lock exactly these data types of the account, and so of every company, each with its present setting."""
        self.locked = {name: self.settings[name] for name in data_types if name in self.settings}

    def put_in_progress(self, company: Company, *data_types: str) -> None:
        """Put the pulls of exactly these data types in progress: Codat then answers 409 when one is queued."""
        company.in_progress = {name: company.in_progress.get(name) or self.ids() for name in data_types}

    def parsed(self, settings: Iterable[Mapping[str, object]]) -> Settings:
        """Parse settings in the account's dialect. Raise ``pydantic.ValidationError`` if they are not in it."""
        return parsed_settings(json.dumps(list(settings)), self.flags.dialect)

    def effective_settings(self, company: Company) -> Settings:
        """Return the settings in force: the company's own list or else the account's, and the locked ones over it."""
        own = company.override if company.override is not None else self.settings
        locked = self.locked_settings(company)
        return {**own, **locked} if locked else own

    def locked_settings(self, company: Company) -> Settings:
        """Return the settings that no POST changes for the company: the account's locks, and its own over them."""
        return {**self.locked, **company.locked}

    def in_dialect(self, settings: Settings, locked: Settings) -> list[JsonValue]:
        """Return settings as JSON in the account's dialect, the way that Codat answers a GET."""
        dialect = self.flags.dialect
        return [setting.in_dialect(dialect, locked=data_type in locked) for data_type, setting in settings.items()]
