"""A simulated company: its connections, its own settings, and the history of writes and pulls."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue
from pydantic.alias_generators import to_camel

from local.codat_simulator.sync_settings import Settings

HISTORY_KEPT: Final = 100
"""How many writes and pulls are kept for each company."""

_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)

Tags = Annotated[
    dict[Annotated[str, Field(min_length=1, max_length=27)], Annotated[str, Field(max_length=100)]],
    Field(max_length=10),
]


def canonical_uuid(text: str) -> str:
    """Return the id in lower case. Raise ``ValueError`` unless it is a UUID with dashes."""
    if _UUID.fullmatch(text) is None:
        raise ValueError("should be a UUID")
    return text.lower()


Uuid = Annotated[str, AfterValidator(canonical_uuid)]


class NewConnection(BaseModel):
    """A connection to add to a company, from Codat's Connection schema."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, validate_by_alias=True, extra="forbid")

    id: Uuid | None = None
    status: Literal["PendingAuth", "Linked", "Unlinked", "Deauthorized"] = "Linked"
    source_type: Literal["Accounting", "Banking", "BankFeed", "Commerce", "Expense", "Other", "Unknown"] = "Accounting"
    integration_key: Annotated[str, Field(pattern="^[a-z]{4}$")] = "gbol"
    platform_name: str = "Xero"

    def as_json(
        self, company_id: str, *, connection_id: str, integration_id: str, source_id: str, at: datetime
    ) -> dict[str, JsonValue]:
        """Return Codat's Connection, created at ``at``."""
        return {
            "id": connection_id,
            "integrationId": integration_id,
            "integrationKey": self.integration_key,
            "sourceId": source_id,
            "platformName": self.platform_name,
            "linkUrl": f"https://link-api.codat.io/companies/{company_id}/connections/{connection_id}/start",
            "status": self.status,
            "created": utc_text(at),
            "sourceType": self.source_type,
        }


@dataclass(frozen=True, slots=True)
class Write:
    """An accepted POST of sync settings, as it was posted: before locks and omitted types were considered."""

    at: datetime
    overrides_defaults: bool
    settings: Settings


@dataclass(slots=True)
class Company:
    """A company. ``override`` is None while the account's settings apply.

    ``locked`` are the settings that no POST changes. ``in_progress`` maps a data type whose pull is in progress to the
    id of its data set. ``writes`` and ``pulls`` keep the last ``HISTORY_KEPT``, ``write_count`` counts all writes.
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
    writes: list[Write] = field(default_factory=list)
    write_count: int = 0
    pulls: list[dict[str, JsonValue]] = field(default_factory=list)

    @property
    def linked_connections(self) -> list[str]:
        """The ids of the connections that data can be pulled from."""
        return [each for each, connection in self.connections.items() if connection["status"] == "Linked"]

    def as_json(self) -> dict[str, JsonValue]:
        """Return Codat's Company."""
        return {
            "id": self.id,
            "name": self.name,
            "description": self.description,
            "redirect": f"https://link.codat.io/company/{self.id}",
            "created": utc_text(self.created),
            "createdByUserName": None,
            "products": list(self.products),
            "tags": dict(self.tags),
            "referenceSubsidiaryCompanies": [],
            "dataConnections": list(self.connections.values()),
        }


def utc_text(moment: datetime) -> str:
    """Return a moment in UTC as Codat's JSON spells it, such as 2026-03-01T12:00:00Z."""
    return moment.isoformat().replace("+00:00", "Z")
