"""Reconciliation by whole functions, with AWS in Moto: a change made in Codat's Portal is found and repaired."""

import importlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
import requests
import responses

from codat_sync.codat.client import CodatClient
from codat_sync.companies.records import CompanyPlan, CompanyPlans
from codat_sync.events.company_events import Authority
from codat_sync.reconciliation.queue import CompanyReconciliations
from codat_sync.reconciliation.runs import ReconciliationRuns, Run
from local.presets import local_presets
from ops.backfill import Backfill, Survey
from tests.fakes.codat import fixed_key
from tests.fakes.lambda_ import FakeContext
from tests.integration.surroundings import URL, Clients, record, surroundings

ROOT = Path(__file__).parents[2]
COMPANIES = [f"8a210b68-6988-40{number:02}-a1eb-0242ac120001" for number in range(6)]
DAILY, MONTHLY = 24, 720
QUEUES: Final = ("source", "reconciliations", "companies")
# As in template.yaml: a schedule's message is not a whole envelope.
NIGHT = '{"id": "night-1", "detail-type": "Reconciliation Requested", "detail": {}}'


@dataclass
class Account:
    """A Codat account with companies. ``keep`` is what it keeps of the settings that it accepts."""

    keep: Callable[[list[dict[str, Any]]], list[dict[str, Any]]] = lambda accepted: accepted
    settings: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    tags: dict[str, dict[str, str]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    def answer(self, request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        self.calls.append(str(request.method))
        path = str(request.path_url).partition("?")[0].split("/")
        if path[-1] == "companies":
            listed = [{"id": each, "tags": self.tags.get(each, {})} for each in COMPANIES]
            return 200, {}, json.dumps({"results": listed, "_links": {}})
        company = path[2]
        if request.method == "POST":
            self.settings[company] = self.keep(json.loads(request.body or "{}")["settings"])
            return 204, {}, ""
        shown = self.settings.setdefault(
            company, [{"dataType": "invoices", "fetchOnFirstLink": True, "syncSchedule": MONTHLY, "syncOrder": 0}]
        )
        quota = {"X-Rate-Limit-Limit": "7000", "X-Rate-Limit-Remaining": "6000"}
        return 200, quota, json.dumps({"companyId": company, "overridesDefaults": True, "settings": shown})

    def invoices(self, company: str) -> int:
        (hours,) = (each["syncSchedule"] for each in self.settings[company] if each["dataType"] == "invoices")
        return int(hours)


@dataclass
class Deployed:
    """The stack in Moto, and three of its functions."""

    clients: Clients
    urls: dict[str, str]

    def work_off(self, queue: str, function: str) -> int:
        """Deliver all messages of a queue as Lambda does. Return the number of invocations."""
        os.environ["SOURCE_QUEUE_URL"] = self.urls[queue]
        app = importlib.import_module(f"functions.{function}.app")
        app.consumer.cache_clear()
        invocations = 0
        while messages := self.clients.sqs.receive_message(
            QueueUrl=self.urls[queue], MaxNumberOfMessages=10, MessageSystemAttributeNames=["All"]
        ).get("Messages"):
            invocations += 1
            records = [record(each, queue) for each in messages]
            assert app.handler({"Records": records}, FakeContext(900.0)) == {"batchItemFailures": []}
            for each in messages:
                self.clients.sqs.delete_message(QueueUrl=self.urls[queue], ReceiptHandle=each["ReceiptHandle"])
        return invocations

    def send(self, queue: str, body: str) -> None:
        self.clients.sqs.send_message(QueueUrl=self.urls[queue], MessageBody=body)

    def apply(self, *companies: str, plan: str = "growth") -> None:
        """Deliver an event of billing for each company, until all have their outcomes."""
        sample = json.loads((ROOT / "events/company_upgraded_plan.json").read_text("utf-8"))
        for company in companies:
            sample["detail"] = {"companyId": company, "plan": plan, "occurredAt": datetime.now(UTC).isoformat()}
            self.send("source", json.dumps(sample | {"id": f"{company} to {plan}"}))
        self.work_off("source", "company_plan_changed")
        self.announced()

    def announced(self) -> list[Any]:
        """Return the announcements since the last call."""
        found: list[Any] = []
        while messages := self.clients.sqs.receive_message(
            QueueUrl=self.urls["subscriber"], MaxNumberOfMessages=10
        ).get("Messages"):
            found += [json.loads(each["Body"]) for each in messages]
            for each in messages:
                self.clients.sqs.delete_message(QueueUrl=self.urls["subscriber"], ReceiptHandle=each["ReceiptHandle"])
        return found

    @property
    def plans(self) -> CompanyPlans:
        return CompanyPlans(self.clients.dynamodb, "company-plans")

    def record(self, company: str) -> CompanyPlan:
        records = {str(each.company_id): each for each in self.plans.page(None, 100).companies}
        return records[company]

    @property
    def run(self) -> Run:
        run = ReconciliationRuns(self.clients.dynamodb, "company-plans").newest()
        assert run is not None
        return run


@pytest.fixture
def deployed(clients: Clients) -> Iterator[Deployed]:
    with surroundings(clients, *QUEUES) as urls:
        os.environ.update(RECONCILE_CALLS_PER_MINUTE="1000", RECONCILE_COMPANY_QUEUE_URL=urls["companies"])
        yield Deployed(clients, urls)


@pytest.fixture
def codat() -> Iterator[Account]:
    account = Account()
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mocked:
        for method in (responses.GET, responses.POST):
            mocked.add_callback(method, f"{URL}/companies", account.answer)
            for company in COMPANIES:
                mocked.add_callback(method, f"{URL}/companies/{company}/syncSettings", account.answer)
        yield account


def test_a_change_made_in_codats_portal_is_repaired_and_announced(deployed: Deployed, codat: Account) -> None:
    deployed.apply(*COMPANIES)
    codat.settings[COMPANIES[2]][0]["syncSchedule"] = 1
    codat.calls.clear()

    deployed.send("reconciliations", NIGHT)
    assert deployed.work_off("reconciliations", "reconcile_companies") == 1
    assert codat.calls == ["GET"] * 6
    assert (deployed.run.counts["checked"], deployed.run.counts["changed_at_codat"]) == (6, 1)
    (drifted,) = deployed.announced()
    assert drifted["detail-type"] == "Company Sync Settings Drifted"
    assert (drifted["detail"]["companyId"], drifted["detail"]["causedBy"]) == (COMPANIES[2], "night-1")
    assert [each["words"].split(" at ")[0] for each in drifted["detail"]["differences"]] == ["invoices: hourly → daily"]

    assert deployed.work_off("companies", "reconcile_company") == 1
    assert codat.invoices(COMPANIES[2]) == DAILY
    assert deployed.run.outcomes == {"repaired": 1}
    (applied,) = deployed.announced()
    assert (applied["detail-type"], applied["detail"]["causedBy"]) == (
        "Company Sync Settings Applied",
        f"night-1/{COMPANIES[2]}",
    )
    record = deployed.record(COMPANIES[2])
    assert (record.times_drifted, record.desired.plan) == (1, "growth")


def test_what_codat_accepts_and_does_not_keep_is_announced_once_and_written_once_more(
    deployed: Deployed, codat: Account
) -> None:
    codat.keep = lambda accepted: [each | {"syncSchedule": 168} for each in accepted]
    deployed.apply(COMPANIES[0])
    announced, calls = [], []
    for night in ("night-1", "night-2", "night-3"):
        codat.calls.clear()
        deployed.send("reconciliations", NIGHT.replace("night-1", night))
        deployed.work_off("reconciliations", "reconcile_companies")
        deployed.work_off("companies", "reconcile_company")
        announced.append([each["detail"].get("cause") for each in deployed.announced()])
        calls.append(codat.calls.copy())
    assert announced == [["changed_at_codat", None, "not_taken"], [], []]
    assert calls == [["GET", "GET", "POST", "GET"], ["GET"], ["GET"]]
    assert deployed.run.counts == {"checked": 1, "not_taken": 1}
    assert deployed.record(COMPANIES[0]).not_taken is not None


def test_the_run_after_a_repair_finds_all_companies_in_step(deployed: Deployed, codat: Account) -> None:
    deployed.apply(*COMPANIES)
    codat.settings[COMPANIES[2]][0]["syncSchedule"] = 1
    for night in ("night-1", "night-2"):
        deployed.send("reconciliations", NIGHT.replace("night-1", night))
        deployed.work_off("reconciliations", "reconcile_companies")
        deployed.work_off("companies", "reconcile_company")
    assert (deployed.run.run_id, deployed.run.counts) == ("night-2", {"checked": 6, "in_step": 6})
    assert deployed.record(COMPANIES[2]).times_drifted == 0


def test_a_run_that_only_reports_changes_nothing_at_codat(deployed: Deployed, codat: Account) -> None:
    deployed.apply(*COMPANIES)
    codat.settings[COMPANIES[2]][0]["syncSchedule"] = 1
    codat.calls.clear()
    deployed.send("reconciliations", (ROOT / "events/reconciliation_requested.report_only.json").read_text("utf-8"))
    deployed.work_off("reconciliations", "reconcile_companies")
    assert deployed.work_off("companies", "reconcile_company") == 0
    assert (codat.calls, codat.invoices(COMPANIES[2])) == (["GET"] * 6, 1)
    assert [each["detail"]["willBeRepaired"] for each in deployed.announced()] == [False]


def test_a_request_for_one_company_repairs_that_company(deployed: Deployed, codat: Account) -> None:
    sample = json.loads((ROOT / "events/company_reconciliation_requested.json").read_text("utf-8"))
    company = COMPANIES[0]
    deployed.apply(company)
    codat.settings[company][0]["syncSchedule"] = 1
    deployed.send("companies", json.dumps(sample | {"detail": {"companyId": company}}))
    deployed.work_off("companies", "reconcile_company")
    assert codat.invoices(company) == DAILY


def test_a_backfill_brings_companies_without_a_record_to_the_plans_of_their_tags(
    deployed: Deployed, codat: Account
) -> None:
    deployed.apply(COMPANIES[0], plan="free")
    codat.tags = {COMPANIES[0]: {"plan": "scale"}, COMPANIES[1]: {"plan": "growth"}, COMPANIES[2]: {"plan": "gold"}}
    backfill = Backfill(
        CodatClient(URL, fixed_key("key")).list_companies,
        deployed.plans,
        local_presets(),
        CompanyReconciliations(deployed.clients.sqs, deployed.urls["companies"]).send,
        plan_tag="plan",
        name="backfill-1",
        now=lambda: datetime.now(UTC),
    )
    surveyed = sum(backfill.survey(), Survey())
    assert (surveyed.known, dict(surveyed.plans), surveyed.unknown_tags) == (1, {"growth": 1, "free": 4}, {"gold": 1})
    assert sum(backfill.enqueue(), Survey()) == surveyed
    deployed.work_off("companies", "reconcile_company")
    assert [deployed.record(each).desired.plan for each in COMPANIES] == [
        "free",
        "growth",
        "free",
        "free",
        "free",
        "free",
    ]
    assert deployed.record(COMPANIES[1]).desired.authority is Authority.TAGGED
    assert (codat.invoices(COMPANIES[0]), codat.invoices(COMPANIES[1])) == (MONTHLY, DAILY)
    assert sum(backfill.survey(), Survey()) == Survey(known=6)
