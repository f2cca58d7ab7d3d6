"""What a reconciliation run promises: it misses no company, hands over what has drifted, and its request ends last."""

import json
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from codat_sync.codat.differences import differences
from codat_sync.codat.errors import CodatError
from codat_sync.reconciliation.queue import LONGEST_DEPLOYMENT, fingerprint
from tests.model.rules import Call, Rule
from tests.model.sqs import RECONCILE_COMPANIES, RECONCILE_COMPANY, Message

if TYPE_CHECKING:
    from tests.model.world import World

RUN = "#reconciliation"


class RunMissesNobody(Rule):
    """A finished run has asked, with its own presets, about each company that rested meanwhile.

    What it was shown and found to differ, it hands over before it moves on. Whom Codat answers with an error of its own
    is passed by.
    """

    def __init__(self, world: "World") -> None:
        super().__init__(world)
        self._disturbed: dict[UUID, datetime] = {}
        self._read: dict[tuple[UUID, str], datetime] = {}
        self._owed: dict[str, set[UUID]] = {}

    def before(self, call: Call) -> None:
        assert call.process.attempt is not None
        for message, _ in call.process.attempt.batch:
            company = self.world.company_of(message)
            if company is not None:
                self._disturbed[company] = self.world.now()
        if call.step == "read_run":
            self._owed[call.process.name] = set()

    def took_effect(self, call: Call) -> None:
        if call.process.queue != RECONCILE_COMPANIES:
            return
        match call.step:
            case "get_sync_settings" if call.is_answered:
                self._note_read(call)
            case "hand_over":
                for entry in call.request["Entries"]:
                    detail = json.loads(entry["MessageBody"])["detail"]
                    self._owed[call.process.name].discard(UUID(detail["companyId"]))
            case "advance":
                self._check_handed_over(call)
                if ":finished" in call.values:
                    self._check_all_read()

    def failed(self, call: Call, error: BaseException) -> None:
        if call.step == "get_sync_settings" and isinstance(error, CodatError):
            self._read[call.args[0], fingerprint(call.process.presets)] = self.world.now()

    def _note_read(self, call: Call) -> None:
        company: UUID = call.args[0]
        self._read[company, fingerprint(call.process.presets)] = self.world.now()
        item = self.world.table.items[str(company)]
        may_be_left = {"lastFailure", "notTaken", "degradedTo"} & item.keys() or self.world.table.items[RUN][
            "reportOnly"
        ]
        preset = call.process.presets.for_company(item["desiredPlan"], company)
        shown = call.answer if call.answer.settings else self.world.codat.in_force(company)
        is_repaired = self._rests(company) and not may_be_left and not self.world.table.items[RUN]["reportOnly"]
        if is_repaired and differences(shown, preset.over(shown)):
            self._owed[call.process.name].add(company)

    def _check_handed_over(self, call: Call) -> None:
        checked_up_to = call.values.get(":cursor", {}).get("S", "~")
        owed = {each for each in self._owed[call.process.name] if str(each) <= checked_up_to and self._rests(each)}
        if owed:
            self.world.violated(f"the run moves on, and {owed} have drifted and were not handed over")
        self._owed[call.process.name] = set()

    def _check_all_read(self) -> None:
        run = self.world.table.items[RUN]
        began = datetime.fromisoformat(run["startedAt"])
        for company in self.world.recorded_companies():
            if not self._rests(company) or self._disturbed.get(company, began) >= began:
                continue
            if self._read.get((company, run["presets"]), datetime.min.replace(tzinfo=began.tzinfo)) < began:
                self.world.violated(f"the run {run['runId']} is finished, and has not read {company} with its presets")

    def _rests(self, company: UUID) -> bool:
        waiting = [*self.world.queues.messages, *self.world.queues.dead_letters]
        return all(self.world.company_of(message) != company for message in waiting)


class RequestEndsWithItsRun(Rule):
    """A request leaves its queue once a run of its mode, begun for it or since it came, is finished."""

    def __init__(self, world: "World") -> None:
        super().__init__(world)
        self._finished: list[tuple[str, bool, datetime]] = []

    def took_effect(self, call: Call) -> None:
        if call.step == "advance" and ":finished" in call.values:
            run = self.world.table.items[RUN]
            self._finished.append((run["runId"], run["reportOnly"], datetime.fromisoformat(run["startedAt"])))

    def carried_out(self, message: Message) -> None:
        report_only = json.loads(message.body)["detail"]["reportOnly"]
        if not any(
            mode is report_only and (run_id == message.event_id or began >= message.sent_at.replace(microsecond=0))
            for run_id, mode, began in self._finished
        ):
            self.world.violated(f"the request {message.event_id} ends, and no run of it has finished")


class OldPresetsRepairNothing(Rule):
    """What a run with the newest presets hands over, no function with others confirms during a deployment."""

    def before(self, call: Call) -> None:
        newest = self.world.presets
        if call.step != "confirm" or call.process.queue != RECONCILE_COMPANY or call.process.presets is newest:
            return
        assert call.process.attempt is not None
        company = UUID(call.request["Key"]["companyId"]["S"])
        details = [
            json.loads(message.body)
            for message, _ in call.process.attempt.batch
            if self.world.company_of(message) == company
        ]
        found_by_newest = all(each["detail"].get("presets") == fingerprint(newest) for each in details)
        asked = max(datetime.fromisoformat(each["time"]) for each in details)
        if found_by_newest and self.world.now() - asked < LONGEST_DEPLOYMENT:
            self.world.violated(f"{call.process.name} takes old presets for right at {company}")
