"""Each sample in events/ is understood, and reaches the queue of the function that understands it; what we say none."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import Any

import boto3
import pytest
from cfnlint.decode import cfn_yaml
from jsonschema import Draft202012Validator
from moto import mock_aws

from codat_sync.announcements import SOURCE, Announcement
from codat_sync.events import company_events as events
from codat_sync.events.company_events import read_company_reconciliation, read_connection_event, read_plan_event
from codat_sync.events.envelope import MalformedEvent
from codat_sync.events.requests import (
    CODAT_UPGRADED,
    RECONCILIATION,
    REDRIVE,
    read_reconciliation_request,
    read_redrive_request,
)
from local.event_schemas import ANNOUNCEMENTS, FOLDER, schemas
from ops.bus import OPERATIONS

ROOT = Path(__file__).parents[2]
SAMPLES = sorted((ROOT / "events").glob("*.json"))
NOW = datetime(2026, 2, 1, tzinfo=UTC)
READERS: dict[str, Callable[[str], object]] = {
    "CodatPlanUpgradedRule": partial(read_redrive_request, sent_at=NOW),
    "CompanyPlanChangedRule": partial(read_plan_event, now=NOW),
    "CompanyReconciliationRequestedRule": partial(read_company_reconciliation, now=NOW),
    "NewConnectionRule": partial(read_connection_event, now=NOW, plan_tag="plan"),
    "ReconciliationRequestedRule": partial(read_reconciliation_request, sent_at=NOW),
}
TAKEN = {
    "CodatPlanUpgradedRule": {CODAT_UPGRADED, REDRIVE},
    "CompanyPlanChangedRule": {*events.PLAN_CHANGED, events.PLAN_CANCELLED},
    "CompanyReconciliationRequestedRule": {events.COMPANY_RECONCILIATION},
    "NewConnectionRule": {events.NEW_CONNECTION, *events.CODAT_CONNECTED},
    "ReconciliationRequestedRule": {RECONCILIATION},
}
TEMPLATE: Any = cfn_yaml.load(str(ROOT / "template.yaml"))
RULES = {
    name
    for name, each in TEMPLATE["Resources"].items()
    if each["Type"] == "AWS::Events::Rule" and "EventBusName" in each["Properties"] and name != "DescribedSourcesRule"
}
"""Of the bus that producers know, and for the events of this contract. Another rule listens to AWS itself, on the
default bus."""
DETAIL = {
    "companyId": "8a210b68-6988-4001-a1eb-0242ac120001",
    "plan": "scale",
    "preset": {"plan": "scale", "fingerprint": "20d10c115c06c69d"},
    "causedBy": "6f1e0e2a-0c1b-4a57-9d3e-1c64c3b5b001",
    "occurredAt": NOW,
    "differences": [
        {"dataType": "invoices", "field": "sync_schedule", "before": "daily", "after": "hourly", "words": "…"}
    ],
    "degradedTo": "daily",
    "words": "Sync schedule not allowed",
    "reason": "account_expired",
    "status": 402,
    "correlationId": None,
    "dlq": "payment_required",
    "cause": "changed_at_codat",
    "believedSince": None,
    "timesInARow": 1,
    "willBeRepaired": True,
}
"""All that our events say, in one."""
SAID = [announcement.model_validate(DETAIL) for announcement in ANNOUNCEMENTS]


def pattern(rule: str, sources: str = "") -> dict[str, Any]:
    """Return the pattern of a rule where the parameter EventSources has this value."""

    def resolved(value: Any) -> Any:  # noqa: ANN401  # YAML.
        match value:
            case {"Fn::If": ["HasEventSources", named, unnamed]}:
                return resolved(named if sources else unnamed)
            case {"Fn::Split": [separator, joined]}:
                return resolved(joined).split(separator)
            case {"Fn::Sub": text}:
                return text.replace("${EventSources}", sources)
            case list():
                return [resolved(each) for each in value]
            case _:
                return value

    return {key: resolved(each) for key, each in TEMPLATE["Resources"][rule]["Properties"]["EventPattern"].items()}


def rules_that_match(*samples: dict[str, Any], sources: str = "") -> list[set[str]]:
    """By way of an event bus that has the template's rules: which of them passes each event on."""
    with mock_aws():
        bus, sqs = boto3.client("events"), boto3.client("sqs")
        bus.create_event_bus(Name="bus")
        queues = {}
        for rule in RULES:
            queues[rule] = sqs.create_queue(QueueName=rule)["QueueUrl"]
            arn = sqs.get_queue_attributes(QueueUrl=queues[rule], AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
            bus.put_rule(Name=rule, EventBusName="bus", EventPattern=json.dumps(pattern(rule, sources)))
            bus.put_targets(Rule=rule, EventBusName="bus", Targets=[{"Id": "queue", "Arn": arn}])
        matched = []
        for sample in samples:
            bus.put_events(
                Entries=[
                    {
                        "EventBusName": "bus",
                        "Source": sample["source"],
                        "DetailType": sample["detail-type"],
                        "Detail": json.dumps(sample["detail"]),
                    }
                ]
            )
            matched.append({rule for rule, url in queues.items() if sqs.receive_message(QueueUrl=url).get("Messages")})
        return matched


def sample(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text("utf-8"))  # type: ignore[no-any-return]


@cache
def rule_of_each_sample() -> dict[Path, set[str]]:
    return dict(zip(SAMPLES, rules_that_match(*map(sample, SAMPLES)), strict=True))


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_a_sample_reaches_one_function_and_is_understood_there(path: Path) -> None:
    (rule,) = rule_of_each_sample()[path]
    assert READERS[rule](path.read_text("utf-8"))


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_a_sample_is_refused_by_every_other_function(path: Path) -> None:
    for other in RULES - rule_of_each_sample()[path]:
        with pytest.raises(MalformedEvent, match="detail-type"):
            READERS[other](path.read_text("utf-8"))


def test_there_is_a_sample_of_each_detail_type_that_is_taken() -> None:
    assert {sample(path)["detail-type"] for path in SAMPLES} == set().union(*TAKEN.values())


@pytest.mark.parametrize("rule", sorted(RULES))
def test_a_rule_passes_on_what_its_function_takes_and_nothing_else(rule: str) -> None:
    assert set(pattern(rule)["detail-type"]) == TAKEN[rule]


@pytest.mark.parametrize("announcement", SAID, ids=lambda said: type(said).__name__)
def test_no_rule_listens_to_what_this_stack_says(announcement: Announcement) -> None:
    detail = json.loads(announcement.detail())
    said = {"source": SOURCE, "detail-type": announcement.detail_type, "detail": detail}
    assert rules_that_match(said, {**said, "source": "billing"}) == [set(), set()]


def test_no_rule_listens_to_our_own_source_whatever_we_say() -> None:
    own = [
        {"source": SOURCE, "detail-type": detail_type, "detail": {}}
        for taken in TAKEN.values()
        for detail_type in taken
    ]
    assert rules_that_match(*own) == [set()] * len(own)


@pytest.mark.parametrize("rule", sorted(RULES))
def test_with_event_sources_a_rule_accepts_those_and_the_on_calls_tool_alone(rule: str) -> None:
    detail_type = min(TAKEN[rule])
    asked = ["billing", "onboarding", OPERATIONS, "marketing", SOURCE]
    events_from = [{"source": source, "detail-type": detail_type, "detail": {}} for source in asked]
    taken = rules_that_match(*events_from, sources="billing,onboarding")
    assert taken == [{rule}, {rule}, {rule}, set(), set()]
    assert rules_that_match(*events_from) == [{rule}, {rule}, {rule}, {rule}, set()]


@pytest.mark.parametrize(
    ("sources", "accepted"),
    [
        *(("", True), ("billing", True), ("my.app/billing-2,onboarding", True), (f"{SOURCE}-billing", True)),
        *((SOURCE, False), (f"billing,{SOURCE}", False), (f"{SOURCE},billing", False)),
        *((",billing", False), ("billing,", False), ("a,,b", False), ("a, b", False), (",", False)),
    ],
)
def test_event_sources_are_names_without_gaps_and_never_the_stacks_own(sources: str, accepted: bool) -> None:  # noqa: FBT001
    """With its own source the stack would trigger itself."""
    allowed = TEMPLATE["Parameters"]["EventSources"]["AllowedPattern"]
    assert bool(re.search(allowed, sources)) == accepted


@pytest.mark.parametrize("announcement", SAID, ids=lambda said: type(said).__name__)
def test_what_this_stack_says_satisfies_the_schema_for_subscribers(announcement: Announcement) -> None:
    schema = json.loads((FOLDER / f"{type(announcement).__name__}.json").read_text("utf-8"))
    detail = json.loads(announcement.detail())
    Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(detail)
    assert set(schema["required"]) <= set(detail) == set(schema["properties"])


@pytest.mark.parametrize("announcement", SAID, ids=lambda said: type(said).__name__)
def test_subscribers_are_told_of_all_that_this_stack_says(announcement: Announcement) -> None:
    docs = (ROOT / "docs/events.md").read_text("utf-8")
    named = [announcement.detail_type, *json.loads(announcement.detail())]
    assert [name for name in named if f"`{name}`" not in docs] == []


def test_a_sample_without_the_fields_that_only_eventbridge_adds_is_understood() -> None:
    whole = sample(ROOT / "events/company_upgraded_plan.json")
    sent_to_sqs = {name: whole[name] for name in ("id", "detail-type", "time", "detail")}
    assert read_plan_event(json.dumps(sent_to_sqs), now=NOW) == read_plan_event(json.dumps(whole), now=NOW)


def test_the_schemas_are_those_of_the_contracts() -> None:
    """If this fails after a change of a contract: make schemas."""
    assert {path.name: path.read_text("utf-8") for path in FOLDER.glob("*.json")} == schemas()


@pytest.mark.parametrize(
    ("schema", "stem"),
    [
        ("PlanChanged", "company_upgraded_plan"),
        ("PlanChanged", "company_downgraded_plan"),
        ("PlanChanged", "company_changed_plan"),
        ("PlanCancelled", "company_cancelled_plan"),
        ("NewConnection", "new_connection"),
        ("NewConnection", "new_connection.with_plan"),
        ("CompanyReconciliation", "company_reconciliation_requested"),
        ("Reconciliation", "reconciliation_requested"),
        ("Reconciliation", "reconciliation_requested.report_only"),
        ("Redrive", "codat_plan_upgraded"),
        ("Redrive", "redrive_requested"),
        ("Redrive", "redrive_requested.one_reason"),
    ],
)
def test_a_sample_satisfies_the_schema_for_producers(schema: str, stem: str) -> None:
    validator = Draft202012Validator(json.loads((FOLDER / f"{schema}.json").read_text("utf-8")))
    validator.validate(sample(ROOT / f"events/{stem}.json")["detail"])
