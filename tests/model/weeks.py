"""The world of the protocol, seen over days: with reconciliation, SQS's limits, and edits in Codat's Portal."""

import json
from datetime import timedelta
from typing import Final
from uuid import UUID

from codat_sync.codat.models import Frequency, SyncSettings
from codat_sync.events.requests import RECONCILIATION
from codat_sync.outcomes.deferral import Patience
from codat_sync.reconciliation.findings import TRIED_EVERY
from tests.fakes.codat import setting, settings
from tests.model.codat import ACCOUNT_SETTINGS, Account
from tests.model.patience_rule import PatienceIsTime
from tests.model.process import InvariantViolated
from tests.model.run_rules import OldPresetsRepairNothing, RequestEndsWithItsRun, RunMissesNobody
from tests.model.sqs import BILLING, ONBOARDING, RECONCILE_COMPANIES, RECONCILE_COMPANY, QueueSettings
from tests.model.workers import RunWorker
from tests.model.world import Surroundings, World

PATIENCE: Final = timedelta(hours=24)
SLACK: Final = timedelta(days=3)
"""How much longer than the longest patience the template's queues keep a message."""
LONGEST_OUTAGE: Final = timedelta(hours=20)
"""For so long in all nothing may be polled. Were it as long as the patience, an event that was received once and held
by a function that died would have waited out its patience without another attempt."""
WEEKS: Final = Surroundings(
    {
        "billing-1": BILLING,
        "billing-2": BILLING,
        "onboarding-1": ONBOARDING,
        "run-1": RECONCILE_COMPANIES,
        "run-2": RECONCILE_COMPANIES,
        "company-1": RECONCILE_COMPANY,
        "company-2": RECONCILE_COMPANY,
    },
    Patience(PATIENCE, first_ceiling=60),
    QueueSettings(1_000, PATIENCE + SLACK, {RECONCILE_COMPANIES: 6 * RunWorker.TIMEOUT}),
    (PatienceIsTime, RunMissesNobody, RequestEndsWithItsRun, OldPresetsRepairNothing),
)
EDITS: Final = (
    ACCOUNT_SETTINGS,
    settings(setting("invoices", Frequency.OFF), setting("bills", Frequency.DAILY)),
    settings(setting("invoices", Frequency.HOURLY), setting("bills", Frequency.HOURLY)),
)
"""What somebody may set in Codat's Portal."""


class Weeks(World):
    """The world with all functions, and with what happens in the course of weeks."""

    def __init__(self) -> None:
        super().__init__(WEEKS)
        self._outage_left = LONGEST_OUTAGE

    # ---- Steps.

    def ask_to_reconcile(self, *, report_only: bool = False) -> None:
        """Send a request to reconcile all companies, as the schedule and the on-call do."""
        body = {
            "id": f"request-{len(self.queues.messages)}-{self.now().isoformat()}-{report_only}",
            "source": "codat-sync",
            "detail-type": RECONCILIATION,
            "time": self.now().isoformat(),
            "detail": {"reportOnly": report_only},
        }
        self.queues.send(json.dumps(body), RECONCILE_COMPANIES)

    def edit(self, company: UUID, shown: SyncSettings) -> None:
        """Change a company's settings in Codat's Portal. The check waits for the next run, or its next event."""
        self.codat.edit(company, shown)

    def use_up_the_quota(self, duration: timedelta) -> None:
        """Let Codat refuse every call for so long, and say for how long."""
        self.codat.no_quota_until = self.now() + duration

    def throttle(self, number: int, most: int) -> None:
        """Receive messages for a function that Lambda then throttles: each has spent a receive, and stays hidden."""
        for message in self.queues.visible(self.processes[number].queue)[:most]:
            self.queues.receive(message)

    def stand_still(self, duration: timedelta) -> None:
        """Poll nothing for a while. All such whiles together are no longer than ``LONGEST_OUTAGE``."""
        duration = min(duration, self._outage_left)
        self._outage_left -= duration
        self.wait(duration.total_seconds())

    def night(self) -> None:
        """Process the events, with Codat's account as it is; mend the account, and reconcile all companies."""
        self.drain(seldom=RECONCILE_COMPANIES)
        self.codat.account = Account.PAID
        self.ask_to_reconcile()
        self.drain()

    # ---- Invariants.

    def end(self) -> None:
        """Mend everything and bring back what was parked. After one more night each company is at its newest preset."""
        self.night()
        self.killers.clear()
        self.replay_everything()
        self.wait(TRIED_EVERY.total_seconds())
        self.night()
        for company in self.recorded_companies():
            plan = self.table.items[str(company)]["desiredPlan"]
            if not self.is_at(company, self.presets.for_company(plan, company)):
                item, shown = self.table.items[str(company)], self.codat.in_force(company)
                raise InvariantViolated(f"after a night {company} should be at {plan}: {item}, {shown}")
