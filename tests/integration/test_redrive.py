"""Redrive by whole functions, with AWS in Moto: from the first 402 to the last company at its preset.

Codat is an account that has no hourly schedule until its bill is paid, and that answers over HTTP.
"""

import importlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
import responses

from codat_sync.outcomes import parked_events
from codat_sync.outcomes.parked_events import DeadLetterQueue
from codat_sync.redrive._turns import PROBES
from tests.fakes.lambda_ import FakeContext
from tests.integration.surroundings import URL, Clients, record, surroundings

ROOT = Path(__file__).parents[2]
COMPANIES = [f"8a210b68-6988-40{number:02}-a1eb-0242ac120001" for number in range(12)]
HOURLY = {
    "error": "SyncSettingsValidationException: Sync schedule not allowed",
    "correlationId": "c0ffee",
    "validation": {"errors": [{"message": "Sync schedule is not allowed for this client."}]},
}
EXPIRED = {"error": "Payment Required", "validation": {"errors": [{"message": "Account expired."}]}}


class Killed(BaseException):
    """The function is cut off in the middle of its work."""


@dataclass
class Account:
    """A Codat account, and the calls that it got."""

    paid: bool = False
    expired: bool = False
    settings: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)

    def answer(self, request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        company = str(request.path_url).split("/")[2]
        self.calls.append((str(request.method), company))
        if self.expired:
            return 402, {}, json.dumps(EXPIRED)
        if request.method == "GET":
            shown = self.settings.setdefault(
                company, [{"dataType": "invoices", "fetchOnFirstLink": True, "syncSchedule": 168, "syncOrder": 0}]
            )
            return 200, {}, json.dumps({"companyId": company, "overridesDefaults": True, "settings": shown})
        wanted = json.loads(request.body or "{}")["settings"]
        if not self.paid and any(each["syncSchedule"] == 1 for each in wanted):
            return 402, {}, json.dumps(HOURLY)
        self.settings[company] = wanted
        return 204, {}, ""

    def hours(self, company: str) -> int:
        """Return the hours between two pulls of the company's invoices."""
        (hours,) = (each["syncSchedule"] for each in self.settings[company] if each["dataType"] == "invoices")
        return int(hours)

    @property
    def writes(self) -> int:
        return sum(method == "POST" for method, _ in self.calls)


@dataclass
class Deployed:
    """The stack in Moto, and two of its functions."""

    clients: Clients
    urls: dict[str, str]

    def upgrade(self, *companies: str, plan: str = "scale") -> None:
        """Deliver an event of billing for each company, until all have their outcomes."""
        sample = json.loads((ROOT / "events/company_upgraded_plan.json").read_text("utf-8"))
        for company in companies:
            sample["detail"] |= {"companyId": company, "plan": plan, "occurredAt": datetime.now(UTC).isoformat()}
            sample["id"] = f"{company} to {plan}"
            self.clients.sqs.send_message(QueueUrl=self.urls["source"], MessageBody=json.dumps(sample))
        self.settle_source_queue()

    def settle_source_queue(self) -> None:
        """Deliver all messages of the source queue as Lambda does."""
        while messages := self.clients.sqs.receive_message(
            QueueUrl=self.urls["source"],
            MaxNumberOfMessages=10,
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
        ).get("Messages"):
            records = [record(each, "source") for each in messages]
            answer = self._invoke("company_plan_changed", "source", records)
            assert answer == {"batchItemFailures": []}
            for each in messages:
                self.clients.sqs.delete_message(QueueUrl=self.urls["source"], ReceiptHandle=each["ReceiptHandle"])

    def redrive(self, sample: str = "codat_plan_upgraded") -> bool:
        """Deliver a request for a redrive once. Return whether it is done."""
        message = {
            "MessageId": "m",
            "ReceiptHandle": "h",
            "Body": (ROOT / f"events/{sample}.json").read_text("utf-8"),
            "Attributes": {
                "ApproximateReceiveCount": "1",
                "SentTimestamp": str(int((datetime.now(UTC) + timedelta(seconds=1)).timestamp() * 1000)),
            },
        }
        records = [record(message, "redrives")]
        answer = self._invoke("redrive_payment_required", "redrives", records, FakeContext(900))
        return not answer["batchItemFailures"]

    def parked(self) -> dict[str, str]:
        """Return the reason of each parked event by event id."""
        with_reason = {}
        for each in self.messages("payment-required"):
            said = {name: value["StringValue"] for name, value in each["MessageAttributes"].items()}
            with_reason[said["eventId"]] = said["reason"]
        return with_reason

    def waiting(self) -> list[Any]:
        """Return the messages of the source queue."""
        return self.messages("source")

    def messages(self, name: str) -> list[Any]:
        """Return the messages of a queue, and leave all of them visible."""
        url, found = self.urls[name], []
        while messages := self.clients.sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        ).get("Messages"):
            found += messages
        for each in found:
            self.clients.sqs.change_message_visibility(
                QueueUrl=url, ReceiptHandle=each["ReceiptHandle"], VisibilityTimeout=0
            )
        return found

    def _invoke(
        self, function: str, queue: str, records: list[dict[str, Any]], context: FakeContext | None = None
    ) -> Any:  # noqa: ANN401
        os.environ["SOURCE_QUEUE_URL"] = self.urls[queue]
        app = importlib.import_module(f"functions.{function}.app")
        return app.handler({"Records": records}, context or FakeContext())


@pytest.fixture
def deployed(clients: Clients, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployed]:
    monkeypatch.setattr(parked_events, "LONG_POLL_SECONDS", 0)
    # Functions cache a pause for as long as a redrive waits after it has lifted one. No test waits.
    monkeypatch.setattr("codat_sync.companies.pause.CACHE", timedelta(0))
    monkeypatch.setattr("codat_sync.wiring.sleep", lambda _: None)
    with surroundings(clients, "source", "redrives") as urls:
        os.environ.update(MAX_CONCURRENT_COMPANIES="1", REDRIVE_EVENTS_PER_MINUTE="10000")
        for function in ("company_plan_changed", "redrive_payment_required"):
            importlib.import_module(f"functions.{function}.app").consumer.cache_clear()
        yield Deployed(clients, urls)


@pytest.fixture
def account() -> Iterator[Account]:
    account = Account()
    with responses.RequestsMock(assert_all_requests_are_fired=False) as codat:
        for company in COMPANIES:
            for method in ("GET", "POST"):
                codat.add_callback(method, f"{URL}/companies/{company}/syncSettings", callback=account.answer)
        codat.add_callback("GET", f"{URL}/profile/syncSettings", callback=account.answer)
        yield account


@pytest.fixture
def degraded(deployed: Deployed, account: Account) -> list[str]:
    """Return the ids of the events of companies that are degraded to daily."""
    deployed.upgrade(*COMPANIES)
    assert {account.hours(company) for company in COMPANIES} == {24}
    account.calls.clear()
    return [f"{company} to scale" for company in COMPANIES]


def test_while_the_bill_is_unpaid_a_redrive_writes_for_each_probe_and_leaves_the_dlq_unchanged(
    deployed: Deployed, account: Account, degraded: list[str]
) -> None:
    assert deployed.redrive()
    assert account.writes == PROBES
    assert deployed.parked() == dict.fromkeys(degraded, "hourly_not_allowed")
    assert deployed.waiting() == []


def test_once_the_bill_is_paid_every_company_gets_its_preset_and_the_dlq_is_empty(
    deployed: Deployed, account: Account, degraded: list[str]
) -> None:
    account.paid = True
    assert deployed.redrive()
    assert account.writes == 1, "the write of the probe"
    assert deployed.parked() == {}
    assert len(deployed.waiting()) == len(degraded)
    assert all("parkedAt" in each["MessageAttributes"] for each in deployed.waiting())
    deployed.settle_source_queue()
    assert {account.hours(company) for company in COMPANIES} == {1}
    assert deployed.parked() == {}
    assert account.writes == len(COMPANIES)


def test_a_redriven_body_is_the_original_byte_for_byte(deployed: Deployed, account: Account) -> None:
    deployed.upgrade(COMPANIES[0])
    (parked,) = deployed.messages("payment-required")
    account.paid = True
    deployed.redrive()
    (back,) = deployed.waiting()
    assert (back["Body"], back["MessageAttributes"]) == (parked["Body"], parked["MessageAttributes"])


def test_the_first_redrive_after_the_bill_is_paid_brings_the_events_back(
    deployed: Deployed, account: Account, degraded: list[str]
) -> None:
    assert deployed.redrive("redrive_requested")
    account.paid = True
    assert deployed.redrive("redrive_requested")
    deployed.settle_source_queue()
    assert {account.hours(company) for company in COMPANIES} == {1}
    assert degraded
    assert deployed.parked() == {}


def test_the_newest_plan_wins_over_a_parked_one(deployed: Deployed, account: Account, degraded: list[str]) -> None:
    deployed.upgrade(COMPANIES[0], plan="starter")
    deployed.upgrade(COMPANIES[-1], plan="growth")
    account.paid = True
    assert deployed.redrive()
    deployed.settle_source_queue()
    assert deployed.parked() == {}
    assert len(degraded) == len(COMPANIES)
    hours = {company: account.hours(company) for company in COMPANIES}
    assert hours == dict.fromkeys(COMPANIES, 1) | {COMPANIES[0]: 24, COMPANIES[-1]: 24}, (
        "both plans have daily invoices"
    )


def test_a_redrive_of_one_reason_and_one_company_leaves_the_others_parked(
    deployed: Deployed, account: Account, degraded: list[str]
) -> None:
    account.paid = True
    sample = json.loads((ROOT / "events/redrive_requested.one_reason.json").read_text("utf-8"))
    assert sample["detail"]["companyId"] == COMPANIES[1]
    assert deployed.redrive("redrive_requested.one_reason")
    deployed.settle_source_queue()
    assert [company for company in COMPANIES if account.hours(company) == 1] == [COMPANIES[1]]
    assert len(deployed.parked()) == len(degraded) - 1


def test_a_redrive_that_is_killed_between_sending_and_deleting_loses_no_event(
    deployed: Deployed, account: Account, degraded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    account.paid = True
    with monkeypatch.context() as patched:

        def killed(*_: object) -> None:
            raise Killed

        patched.setattr(DeadLetterQueue, "_delete", killed)
        with pytest.raises(Killed):
            deployed.redrive()
    sent = {json.loads(each["Body"])["id"] for each in deployed.waiting()}
    assert sent
    assert deployed.parked() == dict.fromkeys(degraded, "hourly_not_allowed"), "no event was deleted"
    deployed.settle_source_queue()
    assert deployed.redrive()
    deployed.settle_source_queue()
    assert deployed.parked() == {}
    assert {account.hours(company) for company in COMPANIES} == {1}


class TestExpiredAccount:
    @pytest.fixture(autouse=True)
    def expired(self, deployed: Deployed, account: Account) -> None:
        """Let a call and its confirmation meet the 402; the pause parks the other events without a call."""
        account.expired = True
        deployed.upgrade(*COMPANIES, plan="growth")
        assert set(deployed.parked().values()) == {"account_expired"}
        assert len(account.calls) == 2
        account.calls.clear()

    def test_while_it_is_expired_a_redrive_makes_two_calls_and_no_write(
        self, deployed: Deployed, account: Account
    ) -> None:
        assert deployed.redrive()
        assert [method for method, _ in account.calls] == ["GET", "GET"]
        assert len(deployed.parked()) == len(COMPANIES)

    def test_once_it_is_paid_the_pause_no_longer_holds_events_back(self, deployed: Deployed, account: Account) -> None:
        account.expired = False
        assert deployed.redrive()
        deployed.settle_source_queue()
        assert deployed.parked() == {}
        assert {account.hours(company) for company in COMPANIES} == {24}


def test_while_codat_does_not_answer_the_request_stays_on_its_queue(
    deployed: Deployed, account: Account, degraded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account, "answer", None)
    with responses.RequestsMock() as codat:
        codat.get(f"{URL}/companies/{COMPANIES[0]}/syncSettings", status=500)
        assert not deployed.redrive()
    assert len(deployed.parked()) == len(degraded)
