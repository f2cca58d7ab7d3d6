"""What one invocation of a redrive has found and done."""

from collections import Counter
from dataclasses import dataclass, field

from codat_sync.codat.errors import PaymentRequiredKind
from codat_sync.redrive._turns import PROBES


@dataclass
class Findings:
    """What one invocation has found and done. Nothing of it outlives the invocation."""

    paid: set[PaymentRequiredKind] = field(default_factory=set)
    refused: dict[PaymentRequiredKind, str] = field(default_factory=dict)
    """The kinds that Codat refused for one company at least, and for none accepted; in Codat's words."""
    stay: dict[PaymentRequiredKind, set[str | None]] = field(default_factory=dict)
    """The companies that were tried without success, by kind. Their events stay."""
    account_expired: bool | None = None
    """None: not asked."""
    moved: Counter[str] = field(default_factory=Counter)
    """By kind."""
    homeless: Counter[str] = field(default_factory=Counter)
    """By the source queue, which is unknown or not named."""
    failed: Counter[str] = field(default_factory=Counter)
    """By SQS's error."""
    complete: bool = False

    @property
    def closed(self) -> set[PaymentRequiredKind]:
        """The kinds of which no event goes back."""
        if self.account_expired:
            return set(PaymentRequiredKind)
        return {kind for kind, companies in self.stay.items() if len(companies) >= PROBES} - self.paid

    def open(self, kind: PaymentRequiredKind) -> None:
        """Note that Codat accepts a kind."""
        self.paid.add(kind)
        self.refused.pop(kind, None)

    def tried(self, kind: PaymentRequiredKind, company_id: str | None, refusal: str | None = None) -> None:
        """Note that a company was tried without success; ``refusal`` is Codat's, None where Codat gave no answer."""
        self.stay.setdefault(kind, set()).add(company_id)
        if refusal is not None and kind not in self.paid:
            self.refused.setdefault(kind, refusal)
