"""The demo's scenario: companies, events in the order in which they are sent, and changes made in Codat's Portal.

Data alone: nothing here knows the stack.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from codat_sync.codat.models import Frequency
from codat_sync.outcomes.triage import Outcome


@dataclass
class ScenarioEvent:
    """One event, its expected outcome, and what the functions logged about it."""

    title: str
    company: str
    sample: str
    """The name of its file in events/, without the suffix."""
    expected: Outcome
    detail: dict[str, Any] = field(default_factory=dict)
    """The fields that differ from the sample's detail."""
    repeats: "ScenarioEvent | None" = None
    """The event that is delivered once more, under the same id."""
    event_id: str = ""
    settled: list[dict[str, Any]] = field(default_factory=list)
    """The `event_settled` log lines about it, one for each time that an outcome was reached."""

    @property
    def outcome(self) -> Outcome:
        """The first outcome."""
        return Outcome(self.settled[0]["outcome"])

    @property
    def plan(self) -> str | None:
        """The plan that it asks for; None where the function could not read one."""
        return self.settled[0].get("plan")

    @property
    def waits_for_payment(self) -> bool:
        """Whether it has to be parked in the payment-required DLQ."""
        return self.expected in {Outcome.DEGRADED, Outcome.PARKED_PAYMENT_REQUIRED}


@dataclass(frozen=True)
class Phase:
    """Events that may be handled side by side, and the state of the Codat account while they are."""

    title: str
    account: dict[str, bool]
    events: tuple[ScenarioEvent, ...]


PAID: Final = {"free": False, "expired": False}

COMPANIES: Final[Mapping[str, str | None]] = {
    "Toft Stores": "growth",
    "Ardent Cycles": "growth",
    "Bluebell Books": "scale",
    "Kew Cafe": None,
    "Harbour Fish": None,
    "Old Mill Bakery": "starter",
    "Pinecone Toys": "growth",
    "Lumen Lights": "starter",
    "Quarry Stone": "starter",
    "Summit Gear": "growth",
}
"""The companies, and the plan whose preset each has at Codat before the first event."""

EXPLAINED: Final = "Lumen Lights"
"""The company whose settings the demo explains: it pays for hourly syncs and has daily ones."""

CHANGED_AT_CODAT: Final[Mapping[str, Mapping[str, Frequency]]] = {
    "Old Mill Bakery": {"invoices": Frequency.OFF, "bills": Frequency.OFF},
    "Ardent Cycles": dict.fromkeys(("bankTransactions", "bills", "invoices", "payments"), Frequency.MONTHLY)
    | {"customers": Frequency.DAILY},
}
"""Changes made in Codat's Portal: the company, and the new frequency of each data type."""


def phases() -> list[Phase]:
    """Return the phases in order, with events that were not sent yet."""
    upgraded = ScenarioEvent("upgraded", "Toft Stores", "company_upgraded_plan", Outcome.APPLIED, {"plan": "scale"})
    return [
        Phase("Paid Codat account", PAID, (upgraded, *_first_events())),
        Phase("Repeated and late events", PAID, _repeated_and_late_events(upgraded)),
        Phase(
            "Free Codat account",
            {"free": True},
            (ScenarioEvent("upgraded", EXPLAINED, "company_upgraded_plan", Outcome.DEGRADED, {"plan": "scale"}),),
        ),
        Phase(
            "Expired Codat account",
            {"expired": True},
            (
                ScenarioEvent("upgraded", "Quarry Stone", "company_upgraded_plan", Outcome.PARKED_PAYMENT_REQUIRED,
                              {"plan": "growth"}),
            ),
        ),
    ]  # fmt: skip


def _first_events() -> tuple[ScenarioEvent, ...]:
    return (
        ScenarioEvent("downgraded", "Ardent Cycles", "company_downgraded_plan", Outcome.APPLIED, {"plan": "starter"}),
        ScenarioEvent("cancelled", "Bluebell Books", "company_cancelled_plan", Outcome.APPLIED),
        ScenarioEvent("new connection, no plan", "Kew Cafe", "new_connection", Outcome.APPLIED),
        ScenarioEvent("Codat: company created, tagged", "Harbour Fish", "codat.company_created", Outcome.APPLIED),
        ScenarioEvent("changed", "Old Mill Bakery", "company_changed_plan", Outcome.APPLIED, {"plan": "growth"}),
        ScenarioEvent("malformed: no UUID", "Pinecone Toys", "company_upgraded_plan", Outcome.PARKED_FAILED,
                      {"companyId": "pinecone-toys"}),
        ScenarioEvent("a plan without a preset", "Pinecone Toys", "company_changed_plan", Outcome.PARKED_FAILED,
                      {"plan": "platinum"}),
    )  # fmt: skip


def _repeated_and_late_events(upgraded: ScenarioEvent) -> tuple[ScenarioEvent, ...]:
    late = {"plan": "starter", "occurredAt": "2026-01-11T08:00:00Z"}
    return (
        ScenarioEvent("delivered twice", "Toft Stores", upgraded.sample, Outcome.UNCHANGED, repeats=upgraded),
        ScenarioEvent("an old event, late", "Old Mill Bakery", "company_downgraded_plan", Outcome.STALE, late),
        ScenarioEvent("Codat: reconnected", "Bluebell Books", "codat.connection_reconnected", Outcome.UNCHANGED),
    )
