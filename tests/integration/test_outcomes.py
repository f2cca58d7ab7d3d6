"""A whole function, with AWS in Moto and Codat's answers over HTTP: each answer leads to its outcome."""

import importlib
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
import responses
from moto.backends import get_backend

from codat_sync import wiring
from codat_sync.companies.rate import START
from tests.fakes.lambda_ import FakeContext
from tests.integration.surroundings import SECRET, URL, Clients, record, surroundings

ROOT = Path(__file__).parents[2]
COMPANY = "8a210b68-6988-4001-a1eb-0242ac120001"
SETTINGS = f"{URL}/companies/{COMPANY}/syncSettings"
SHOWN_INVOICES = {"dataType": "invoices", "fetchOnFirstLink": True, "syncSchedule": 24, "syncOrder": 0}
SHOWN = {"companyId": COMPANY, "overridesDefaults": True, "settings": [SHOWN_INVOICES]}
HOURLY = {
    "error": "SyncSettingsValidationException: Sync schedule not allowed",
    "correlationId": "c0ffee",
    "validation": {"errors": [{"message": "Sync schedule is not allowed for this client."}]},
}


@dataclass
class Deployed:
    """The stack in Moto, with one queue as the source of the function that is invoked."""

    clients: Clients
    source: str
    payment_required: str
    failed_events: str
    subscriber: str
    """The queue that gets all announcements."""

    def deliver(self, body: str, function: str = "company_plan_changed") -> list[dict[str, str]]:
        """Do what Lambda does with one message: receive, invoke, delete unless it failed. Return the failures."""
        sqs = self.clients.sqs
        sqs.send_message(QueueUrl=self.source, MessageBody=body)
        (message,) = sqs.receive_message(
            QueueUrl=self.source, MessageSystemAttributeNames=["All"], MessageAttributeNames=["All"]
        )["Messages"]
        app = importlib.import_module(f"functions.{function}.app")
        app.consumer.cache_clear()
        answer = app.handler({"Records": [record(message, "source")]}, FakeContext())
        failures: list[dict[str, str]] = answer["batchItemFailures"]
        if not failures:
            sqs.delete_message(QueueUrl=self.source, ReceiptHandle=message["ReceiptHandle"])
        return failures

    def parked(self, url: str) -> list[Any]:
        """Return the messages of a queue."""
        answer = self.clients.sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], WaitTimeSeconds=0
        )
        return answer.get("Messages", [])


@pytest.fixture
def deployed(clients: Clients) -> Iterator[Deployed]:
    with surroundings(clients, "source") as urls:
        os.environ["SOURCE_QUEUE_URL"] = urls["source"]
        yield Deployed(clients, urls["source"], urls["payment-required"], urls["failed-events"], urls["subscriber"])


@pytest.fixture
def codat() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mocked:
        mocked.add_passthru("https://secretsmanager")
        yield mocked


def event(plan: str = "growth") -> str:
    """Return the body of billing's event."""
    sample = json.loads((ROOT / "events/company_upgraded_plan.json").read_text("utf-8"))
    return json.dumps(sample | {"detail": sample["detail"] | {"plan": plan}})


PAYMENT_REQUIRED, FAILED, DEFERRED = "payment_required", "failed_events", "deferred"


@pytest.mark.parametrize(
    ("answer", "outcome", "reason"),
    [
        ({"status": 400, "json": {"error": "Error processing request - not valid."}}, FAILED, "bad_request"),
        ({"status": 401, "json": {"error": "Unauthorized"}}, DEFERRED, None),
        ({"status": 402, "json": HOURLY}, PAYMENT_REQUIRED, "hourly_not_allowed"),
        (
            {"status": 402, "json": {"error": "CompanyValidationException: Company limit exceeded"}},
            PAYMENT_REQUIRED,
            "company_limit",
        ),
        (
            {
                "status": 402,
                "json": {"error": "Payment Required", "validation": {"errors": [{"message": "Account expired."}]}},
            },
            PAYMENT_REQUIRED,
            "account_expired",
        ),
        ({"status": 402, "json": {"error": "Something new"}}, PAYMENT_REQUIRED, "payment_required"),
        ({"status": 402, "body": "<html>Pay</html>"}, DEFERRED, None),
        ({"status": 402, "body": ""}, DEFERRED, None),
        ({"status": 403, "body": "<h1>The request is blocked.</h1>"}, DEFERRED, None),
        ({"status": 403, "body": ""}, DEFERRED, None),
        ({"status": 403, "json": {"error": "Forbidden"}}, FAILED, "forbidden"),
        ({"status": 404, "json": {"error": f"No company was found with ID {COMPANY}"}}, DEFERRED, None),
        ({"status": 409, "json": {"error": "Conflict"}}, DEFERRED, None),
        ({"status": 422, "json": {"error": "Unprocessable"}}, FAILED, "refused"),
        ({"status": 429, "json": {}, "headers": {"Retry-After": "120"}}, DEFERRED, None),
        ({"status": 500, "json": {"error": "Server error"}}, DEFERRED, None),
        ({"status": 502, "body": "<html>Bad gateway</html>"}, DEFERRED, None),
        ({"status": 503, "body": ""}, DEFERRED, None),
        ({"status": 302, "headers": {"Location": "https://elsewhere.example"}}, DEFERRED, None),
        ({"status": 302, "headers": {"Location": "http://["}}, DEFERRED, None),
        ({"body": requests.ConnectionError("cut")}, DEFERRED, None),
        ({"body": requests.ReadTimeout("late")}, DEFERRED, None),
    ],
)
@pytest.mark.parametrize("call", ["GET", "POST"])
def test_each_answer_of_codat_leads_to_its_outcome(
    deployed: Deployed,
    codat: responses.RequestsMock,
    call: str,
    answer: dict[str, Any],
    outcome: str,
    reason: str | None,
) -> None:
    if call == "POST":
        codat.get(SETTINGS, json=SHOWN)
    codat.add(call, SETTINGS, **answer)
    failures = deployed.deliver(event("starter"))
    parked = {
        PAYMENT_REQUIRED: deployed.parked(deployed.payment_required),
        FAILED: deployed.parked(deployed.failed_events),
    }
    if outcome == DEFERRED:
        assert len(failures) == 1
        assert parked == {PAYMENT_REQUIRED: [], FAILED: []}
        assert deployed.parked(deployed.source) == [], "the message is hidden until it is due"
    else:
        assert failures == []
        (message,) = parked.pop(outcome)
        assert message["Body"] == event("starter")
        assert message["MessageAttributes"]["reason"]["StringValue"] == reason
        assert message["MessageAttributes"]["status"]["StringValue"] == str(answer["status"])
        assert list(parked.values()) == [[]]


@pytest.mark.parametrize("status", [200, 204])
def test_a_write_that_codat_accepts_is_applied(deployed: Deployed, codat: responses.RequestsMock, status: int) -> None:
    codat.get(SETTINGS, json=SHOWN)
    write = codat.post(SETTINGS, status=status)
    assert deployed.deliver(event("starter")) == []
    assert write.call_count == 1
    item = deployed.clients.dynamodb.get_item(TableName="company-plans", Key={"companyId": {"S": COMPANY}})["Item"]
    assert item["desiredPlan"] == item["appliedPlan"] == {"S": "starter"}


def test_applied_settings_are_announced_on_the_bus(deployed: Deployed, codat: responses.RequestsMock) -> None:
    codat.get(SETTINGS, json=SHOWN | {"settings": [SHOWN_INVOICES | {"syncSchedule": 720}]})
    codat.post(SETTINGS, status=204)
    deployed.deliver(event("starter"))
    (message,) = deployed.parked(deployed.subscriber)
    said = json.loads(message["Body"])
    assert (said["source"], said["detail-type"]) == ("codat-sync", "Company Sync Settings Applied")
    detail = said["detail"]
    assert (detail["companyId"], detail["plan"], detail["causedBy"]) == (COMPANY, "starter", json.loads(event())["id"])
    assert detail["preset"]["plan"] == "starter"
    (invoices,) = [each for each in detail["differences"] if each["dataType"] == "invoices"]
    assert invoices["words"].startswith("invoices: monthly → daily")


def test_a_parked_event_is_announced_on_the_bus(deployed: Deployed, codat: responses.RequestsMock) -> None:
    codat.get(SETTINGS, status=403, json={"error": "Forbidden", "correlationId": "c0ffee"})
    deployed.deliver(event())
    (message,) = deployed.parked(deployed.subscriber)
    said = json.loads(message["Body"])
    detail = said["detail"]
    assert (said["detail-type"], detail["dlq"]) == ("Company Sync Settings Parked", "failed")
    assert (detail["reason"], detail["status"], detail["correlationId"]) == ("forbidden", 403, "c0ffee")


def test_an_upgrade_makes_codat_pull_at_once(deployed: Deployed, codat: responses.RequestsMock) -> None:
    codat.get(SETTINGS, json=SHOWN)
    codat.post(SETTINGS, status=204)
    refresh = codat.post(f"{URL}/companies/{COMPANY}/data/queue/invoices", json={})
    codat.post(re.compile(f"{URL}/companies/{COMPANY}/data/queue/.*"), status=404, json={"error": "No data available"})
    assert deployed.deliver(event("scale")) == []
    assert refresh.call_count == 1


@pytest.mark.parametrize("body", ["", "<html>Maintenance</html>", '{"settings": [{"syncSchedule": 24}]}', "[]"])
def test_an_event_is_deferred_where_codats_settings_cannot_be_read(
    deployed: Deployed, codat: responses.RequestsMock, body: str
) -> None:
    codat.get(SETTINGS, body=body)
    assert len(deployed.deliver(event())) == 1


def test_hourly_on_a_free_account_is_degraded_and_the_event_is_parked(
    deployed: Deployed, codat: responses.RequestsMock
) -> None:
    codat.get(SETTINGS, json=SHOWN)
    refused = codat.post(SETTINGS, status=402, json=HOURLY)
    taken = codat.post(SETTINGS, status=204)
    assert deployed.deliver(event("scale")) == []
    (message,) = deployed.parked(deployed.payment_required)
    said = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    assert (said["reason"], said["correlationId"]) == ("hourly_not_allowed", "c0ffee")
    assert said.keys() >= {"status", "companyId", "plan", "eventId", "sourceQueue", "parkedAt"}
    hours = {
        each["dataType"]: each["syncSchedule"]
        for call in (refused.calls[0], taken.calls[0])
        for each in json.loads(call.request.body or "{}")["settings"]
    }
    assert hours["invoices"] == 24


def test_a_new_connection_brings_the_company_to_its_preset(deployed: Deployed, codat: responses.RequestsMock) -> None:
    sample = json.loads((ROOT / "events/new_connection.json").read_text("utf-8"))
    settings = f"{URL}/companies/{sample['detail']['companyId']}/syncSettings"
    codat.get(settings, json=SHOWN | {"companyId": sample["detail"]["companyId"], "overridesDefaults": False})
    written = codat.post(settings, status=204)
    assert deployed.deliver(json.dumps(sample), "new_connection") == []
    (call,) = written.calls
    assert json.loads(call.request.body or "{}")["overridesDefaults"] is True
    assert (deployed.parked(deployed.payment_required), deployed.parked(deployed.failed_events)) == ([], [])


def test_a_rotated_key_is_used_without_a_deploy(deployed: Deployed, codat: responses.RequestsMock) -> None:
    def answer(request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        deployed.clients.secrets.put_secret_value(SecretId=SECRET, SecretString="new")
        is_new = request.headers["Authorization"] == "Basic bmV3"
        return (200, {}, json.dumps(SHOWN)) if is_new else (401, {}, "{}")

    codat.add_callback("GET", SETTINGS, callback=answer)
    codat.post(SETTINGS, status=204)
    assert deployed.deliver(event("starter")) == []


def test_a_call_that_codat_refuses_for_seconds_waits_for_its_turn_and_is_made_again(
    deployed: Deployed, codat: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(wiring, "sleep", slept.append)
    for url in (SETTINGS, f"{URL}/profile/syncSettings"):
        codat.get(
            url,
            status=429,
            json={"statusCode": 429, "error": "You have made too many requests."},
            headers={"Retry-After": "5"},
        )
    codat.get(SETTINGS, json=SHOWN)
    codat.post(SETTINGS, status=204)
    assert deployed.deliver(event("starter")) == []
    assert slept[0] == pytest.approx(5, abs=0.5)
    answer = deployed.clients.dynamodb.get_item(TableName="company-plans", Key={"companyId": {"S": "#call-rate"}})
    assert answer["Item"]["callsAMinute"] == {"N": str(START)}


def test_after_a_429_the_event_waits_for_as_long_as_codat_asks(
    deployed: Deployed, codat: responses.RequestsMock
) -> None:
    until = datetime.now(UTC) + timedelta(hours=5)
    codat.get(SETTINGS, status=429, headers={"Retry-After": until.strftime("%a, %d %b %Y %H:%M:%S GMT")})
    assert len(deployed.deliver(event())) == 1
    (hidden,) = get_backend("sqs")["123456789012"]["eu-west-2"].queues["source"].pending_messages
    assert hidden.visible_at / 1000 >= int(until.timestamp())


def test_all_calls_to_codat_share_one_http_session(
    deployed: Deployed, codat: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[requests.Session] = []
    real = requests.Session

    def session() -> requests.Session:
        made.append(real())
        return made[-1]

    monkeypatch.setattr(requests, "Session", session)
    codat.get(SETTINGS, json=SHOWN)
    codat.post(SETTINGS, status=204)
    deployed.deliver(event("starter"))
    assert len(made) == 1
