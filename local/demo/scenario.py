"""What happens in the demo, in order. Data alone: nothing here knows where it is played."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from codat_sync.codat.models import Frequency
from codat_sync.outcomes.triage import Outcome


@dataclass
class Step:
    """One event of the story, and how it has to end."""

    title: str
    company: str
    sample: str
    expected: Outcome
    detail: dict[str, Any] = field(default_factory=dict)
    """What differs from the sample's detail."""
    repeats: "Step | None" = None
    """The step whose event is delivered once more, under the same id."""
    event_id: str = ""
    settled: list[dict[str, Any]] = field(default_factory=list)
    """The function's own lines about it, one for each time that it came to one."""

    @property
    def outcome(self) -> Outcome:
        """How it ended the first time."""
        return Outcome(self.settled[0]["outcome"])

    @property
    def plan(self) -> str | None:
        """The plan that it asks for; None where nobody could tell."""
        return self.settled[0].get("plan")

    @property
    def waits_for_payment(self) -> bool:
        """Whether it has to end in the payment-required DLQ."""
        return self.expected in {Outcome.DEGRADED, Outcome.PARKED_PAYMENT_REQUIRED}


@dataclass(frozen=True)
class Scene:
    """Steps that may go side by side, and the state of the Codat account that they meet."""

    title: str
    account: dict[str, bool]
    steps: tuple[Step, ...]


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
"""The companies, and the plan whose preset each is at when the story begins."""

ASKED_ABOUT: Final = "Lumen Lights"
"""Whose settings somebody wants explained: it pays for hourly, and has daily."""

CHANGED_AT_CODAT: Final[Mapping[str, Mapping[str, Frequency]]] = {
    "Old Mill Bakery": {"invoices": Frequency.OFF, "bills": Frequency.OFF},
    "Ardent Cycles": dict.fromkeys(("bankTransactions", "bills", "invoices", "payments"), Frequency.MONTHLY)
    | {"customers": Frequency.DAILY},
}
"""What somebody sets by hand in Codat's Portal: the company, and how often each data type is then pulled."""


def first_act() -> list[Scene]:
    """Events, and what becomes of each."""
    upgrade = Step("upgraded", "Toft Stores", "company_upgraded_plan", Outcome.APPLIED, {"plan": "scale"})
    late = {"plan": "starter", "occurredAt": "2026-01-11T08:00:00Z"}
    return [
        Scene(
            "Paid Codat account",
            PAID,
            (
                upgrade,
                Step("downgraded", "Ardent Cycles", "company_downgraded_plan", Outcome.APPLIED, {"plan": "starter"}),
                Step("cancelled", "Bluebell Books", "company_cancelled_plan", Outcome.APPLIED),
                Step("new connection, no plan", "Kew Cafe", "new_connection", Outcome.APPLIED),
                Step("Codat: company created, tagged", "Harbour Fish", "codat.company_created", Outcome.APPLIED),
                Step("changed", "Old Mill Bakery", "company_changed_plan", Outcome.APPLIED, {"plan": "growth"}),
                Step("malformed: no UUID", "Pinecone Toys", "company_upgraded_plan", Outcome.PARKED_FAILED,
                     {"companyId": "pinecone-toys"}),
                Step("a plan without a preset", "Pinecone Toys", "company_changed_plan", Outcome.PARKED_FAILED,
                     {"plan": "platinum"}),
            ),
        ),
        Scene(
            "The same again, and too late",
            PAID,
            (
                Step("delivered twice", "Toft Stores", upgrade.sample, Outcome.UNCHANGED, repeats=upgrade),
                Step("an old event, late", "Old Mill Bakery", "company_downgraded_plan", Outcome.STALE, late),
                Step("Codat: reconnected", "Bluebell Books", "codat.connection_reconnected", Outcome.UNCHANGED),
            ),
        ),
        Scene(
            "Free Codat account",
            {"free": True},
            (Step("upgraded", ASKED_ABOUT, "company_upgraded_plan", Outcome.DEGRADED, {"plan": "scale"}),),
        ),
        Scene(
            "Expired Codat account",
            {"expired": True},
            (
                Step("upgraded", "Quarry Stone", "company_upgraded_plan", Outcome.PARKED_PAYMENT_REQUIRED,
                     {"plan": "growth"}),
            ),
        ),
    ]  # fmt: skip
