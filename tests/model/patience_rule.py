"""Patience is time: no event is given up before its patience ends, however often it was received."""

from codat_sync.outcomes.triage import Failure, Outcome
from tests.model.rules import Rule
from tests.model.sqs import Message

NEVER_SETTLED = "never_settled"


class PatienceIsTime(Rule):
    """Only a refusal that no retry can change ends an event early, and only a killer is given up without an answer."""

    def settled(self, message: Message, outcome: Outcome, failure: Failure | None) -> None:
        if outcome is not Outcome.PARKED_FAILED or failure is None:
            return
        age = self.world.now() - message.sent_at
        if failure.outcome is Outcome.DEFERRED and age < self.world.patience.limit:
            self.world.violated(f"{message.id} is given up as {failure.reason} after {age}")
        if failure.reason == NEVER_SETTLED and message.event_id not in self.world.killers:
            self.world.violated(f"{message.id} is given up as {NEVER_SETTLED}, and kills no process")

    def holds(self) -> None:
        for each in self.world.queues.dead_letters:
            if each.ended == "moved_by_sqs":
                self.world.violated(f"{each.id} has spent its {each.receive_count} receives before its patience ended")
